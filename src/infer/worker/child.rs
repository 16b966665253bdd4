//! The worker's side: takes what the library says, and passes it to the models that it hosts.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::Mutex;

use super::HEARTBEAT;
use super::confine::{confine, leave};
use super::host::{Host, Job};
use super::stops::Deadlines;
use crate::infer::own_file;
use crate::infer::protocol::frame::{self, Frame};
use crate::infer::protocol::{FromWorker, News, ToWorker, software};
use crate::memory::probes::Device;

/// Hosts models on `device` for the process `parent`, which holds the other end of the standard input, until it says `Bye` or is
/// gone: then this process ends within the call.
///
/// # Errors
/// A sentence about what kept it from working.
pub fn serve(parent: u32, device: Device) -> Result<(), String> {
    confine(parent, device)?;
    let socket = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| format!("the standard input is no socket: {e}"))?;
    let mut socket = UnixStream::from(socket);
    let voice = Voice::new(&socket)?;
    voice.say(&FromWorker::Hello { software: software() });
    let deadlines = Deadlines::default();
    let (beating, running_out) = (voice.clone(), deadlines.clone());
    spawn("heartbeat", move || beat(&beating, &running_out))?;
    let mut models = Models {
        voice,
        deadlines,
        hosts: HashMap::new(),
    };
    loop {
        match frame::read(&mut socket) {
            Ok(Some(frame)) => models.take(frame)?,
            Ok(None) => leave(0),
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread
        .map(drop)
        .map_err(|e| format!("cannot start the thread {name}: {e}"))
}

fn beat(voice: &Voice, deadlines: &Deadlines) {
    loop {
        std::thread::park_timeout(HEARTBEAT); // nobody unparks it
        voice.say(&FromWorker::Heartbeat);
        deadlines.beat();
    }
}

/// Sends messages, from any thread.
#[derive(Clone)]
pub(super) struct Voice(Arc<Mutex<UnixStream>>);

impl Voice {
    fn new(socket: &UnixStream) -> Result<Self, String> {
        let socket = socket
            .try_clone()
            .map_err(|e| format!("cannot clone the socket: {e}"))?;
        Ok(Voice(Arc::new(Mutex::new(socket))))
    }

    /// About a model.
    pub fn tell(&self, model: u32, news: News) {
        self.say(&FromWorker::Model { model, news });
    }

    /// Where nobody listens any more, the process ends.
    fn say(&self, message: &FromWorker) {
        // The lock keeps frames whole; nothing else is done under it.
        let sent = frame::encode(message, &[])
            .map_err(|e| e.to_string())
            .and_then(|frame| self.0.lock().write_all(&frame).map_err(|e| e.to_string()));
        if let Err(error) = sent {
            eprintln!("scribe-worker: cannot answer: {error}");
            leave(1);
        }
    }
}

struct Models {
    voice: Voice,
    deadlines: Deadlines,
    hosts: HashMap<u32, Host>,
}

impl Models {
    /// What the library says, in its order. Never waits for a model.
    fn take(&mut self, frame: Frame<ToWorker>) -> Result<(), String> {
        match frame.message {
            ToWorker::Hello {
                software: theirs,
                folders,
            } => {
                if theirs != software() {
                    let ours = software();
                    return Err(format!("this is the worker of {ours}, but {theirs} asks for it"));
                }
                own_file::also(folders);
            }
            ToWorker::Load { model, load } => {
                let host = Host::start(model, load, self.voice.clone())?;
                self.hosts.insert(model, host);
            }
            ToWorker::Run {
                model,
                id,
                question,
                budget,
            } => {
                let host = self.host(model)?;
                host.ask(Job {
                    id,
                    question,
                    audio: frame.audio,
                    deadline: self.deadlines.add(host.stops(), id, budget),
                });
            }
            ToWorker::Cancel { model, id } => self.host(model)?.stop(id),
            // The host says so when it is done.
            ToWorker::Unload { model } => drop(self.hosts.remove(&model)),
            ToWorker::Bye => leave(0),
        }
        Ok(())
    }

    fn host(&self, model: u32) -> Result<&Host, String> {
        let known = self.hosts.get(&model);
        known.ok_or_else(|| format!("there is no model of the number {model}"))
    }
}
