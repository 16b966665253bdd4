//! The worker's side: one model, asked in turn.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use parking_lot::Mutex;

use super::HEARTBEAT;
use super::confine::{confine, leave};
use crate::infer::engine::Engine;
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::protocol::frame::{self, Frame};
use crate::infer::protocol::{FromWorker, Load, ProtocolError, ToWorker, software, window_of};
use crate::infer::recognizer::{Loader, Recognizer};
use crate::infer::whisper::Whisper;
use crate::speech::transcribe::Window;

/// Hosts a model for the process `parent`, which holds the other end of the standard input, until it says `Bye` or is
/// gone: then this process ends within the call.
///
/// # Errors
/// A sentence about what kept it from working.
pub fn serve(parent: u32) -> Result<(), String> {
    confine(parent)?;
    let socket = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| format!("the standard input is no socket: {e}"))?;
    let socket = UnixStream::from(socket);
    let voice = Voice::new(&socket)?;
    voice.say(&FromWorker::Hello { software: software() });
    let beating = voice.clone();
    spawn("heartbeat", move || beat(&beating))?;
    let (jobs, inbox) = mpsc::channel();
    let stops = Stops::default();
    let reader = Reader {
        socket,
        jobs,
        stops: stops.clone(),
    };
    spawn("reader", move || reader.run())?;
    let Ok(Job::Load(load)) = inbox.recv() else {
        return Err("the first request was not to load a model".into());
    };
    let engine = match start(load, &voice) {
        Ok(engine) => engine,
        Err(error) => {
            voice.say(&FromWorker::LoadFailed(error));
            return Ok(());
        }
    };
    let _ = stops.model.set(engine.cancel()); // set here alone
    voice.say(&FromWorker::Loaded);
    for job in inbox {
        let Job::Run(id, window) = job else {
            return Err("a second model was asked for".into());
        };
        voice.say(&match stops.ask(&engine, id, window) {
            Ok(hypothesis) => FromWorker::Answer { id, hypothesis },
            Err(error) => FromWorker::RunFailed { id, error },
        });
    }
    Ok(())
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread
        .map(drop)
        .map_err(|e| format!("cannot start the thread {name}: {e}"))
}

fn start(load: Load, voice: &Voice) -> Result<Engine<dyn Recognizer>, LoadError> {
    let loader: Loader = match load {
        Load::Whisper(config) => Box::new(move |report| Ok(Box::new(Whisper::load(&config, report)?))),
    };
    let started = Engine::start("scribe-whisper", loader, |percent| {
        voice.say(&FromWorker::Progress(percent));
    });
    started.map(|(engine, ())| engine)
}

fn beat(voice: &Voice) {
    loop {
        std::thread::park_timeout(HEARTBEAT); // nobody unparks it
        voice.say(&FromWorker::Heartbeat);
    }
}

/// Sends messages, from any thread.
#[derive(Clone)]
struct Voice(Arc<Mutex<UnixStream>>);

impl Voice {
    fn new(socket: &UnixStream) -> Result<Self, String> {
        let socket = socket
            .try_clone()
            .map_err(|e| format!("cannot clone the socket: {e}"))?;
        Ok(Voice(Arc::new(Mutex::new(socket))))
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

enum Job {
    Load(Load),
    Run(u64, Window),
}

/// Which requests are not wanted any more.
#[derive(Clone, Default)]
struct Stops {
    /// The model's switch, once it is loaded.
    model: Arc<OnceLock<Cancel>>,
    /// The highest request that was cancelled.
    last: Arc<AtomicU64>,
}

impl Stops {
    /// On the reader's thread, which has passed this request and all before it on.
    fn stop(&self, id: u64) {
        self.last.store(id, Ordering::SeqCst);
        if let Some(cancel) = self.model.get() {
            cancel.set();
        }
    }

    /// Clears the switch before it looks at the number, as [`Stops::stop`] does the reverse: a cancel of this request
    /// is seen in one or the other, and one of a request before it was set before this one came.
    fn ask(
        &self,
        engine: &Engine<dyn Recognizer>,
        id: u64,
        window: Window,
    ) -> Result<crate::speech::transcribe::Hypothesis, RunError> {
        engine.cancel().clear();
        if self.last.load(Ordering::SeqCst) >= id {
            return Err(RunError::Cancelled);
        }
        engine.ask(window)
    }
}

struct Reader {
    socket: UnixStream,
    jobs: mpsc::Sender<Job>,
    stops: Stops,
}

impl Reader {
    /// Until the other side is gone or says so.
    fn run(mut self) {
        loop {
            let passed = match frame::read(&mut self.socket) {
                Ok(Some(frame)) => self.take(frame),
                Ok(None) => leave(0),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = passed {
                eprintln!("scribe-worker: {error}");
                leave(1);
            }
        }
    }

    fn take(&self, frame: Frame<ToWorker>) -> Result<(), String> {
        let job = match frame.message {
            ToWorker::Hello { software: theirs } if theirs == software() => return Ok(()),
            ToWorker::Hello { software: theirs } => {
                return Err(format!(
                    "this is the worker of {}, but {theirs} asks for it",
                    software()
                ));
            }
            ToWorker::Load(load) => Job::Load(load),
            ToWorker::Run { id, window } => {
                let window = window_of(window, frame.audio);
                Job::Run(id, window.map_err(|e: ProtocolError| e.to_string())?)
            }
            ToWorker::Cancel { id } => {
                self.stops.stop(id);
                return Ok(());
            }
            ToWorker::Bye => leave(0),
        };
        self.jobs
            .send(job)
            .map_err(|_| "the model's thread is gone".to_owned())
    }
}
