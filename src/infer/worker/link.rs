//! The library's end of a worker's socket: frames out, news in for each model's own line, and signs of life.
#![allow(unsafe_code)] // send with MSG_NOSIGNAL is a C function

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::HEARTBEAT;
use super::trouble::Trouble;
use crate::infer::protocol::frame::{self, Frame};
use crate::infer::protocol::{FromWorker, News, ProtocolError, ToWorker, software};

/// What happens while somebody waits.
pub(super) enum Event {
    /// Of the line's model.
    News(News),
    /// The request's switch was set.
    Cancelled,
    /// Nothing more will come.
    Closed(Trouble),
}

/// How long somebody waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Waits of [`HEARTBEAT`] without any sign of life.
    pub silent: u32,
    /// Waits in all, signs or not. `None`: as long as it takes.
    pub all: Option<u32>,
}

/// Shared by all models of the worker.
pub(super) struct Link {
    socket: UnixStream,
    /// To the writer; `None` when it shall end.
    outbox: Option<Sender<Vec<u8>>>,
    hub: Arc<Hub>,
    threads: Vec<JoinHandle<()>>,
}

/// What the reader and those who wait share.
#[derive(Default)]
struct Hub {
    /// Frames that have come, heartbeats too.
    pulse: AtomicU64,
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    lines: HashMap<u32, Sender<Event>>,
    /// Why nothing more comes.
    closed: Option<Trouble>,
}

/// What comes for one model.
pub(super) struct Line {
    model: u32,
    events: Receiver<Event>,
    /// For who else has news, see [`Event::Cancelled`].
    sender: Sender<Event>,
    hub: Arc<Hub>,
}

impl Link {
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        let hub = Arc::new(Hub::default());
        let (outbox, frames) = mpsc::channel();
        let (mut input, output, shared) = (socket.try_clone()?, socket.try_clone()?, hub.clone());
        let writer = thread("worker-writer", move || write(&output, &frames))?;
        let mut link = Link {
            socket,
            outbox: Some(outbox),
            hub,
            threads: vec![writer],
        };
        let reader = thread("worker-reader", move || read(&mut input, &shared))?;
        link.threads.push(reader);
        Ok(link)
    }

    /// A line for `model`; where nothing more comes, that comes first.
    pub fn line(&self, model: u32) -> Line {
        let (sender, events) = mpsc::channel();
        let mut routes = self.hub.routes.lock();
        if let Some(trouble) = &routes.closed {
            let _ = sender.send(Event::Closed(trouble.clone())); // its receiver is here
        }
        routes.lines.insert(model, sender.clone());
        Line {
            model,
            events,
            sender,
            hub: self.hub.clone(),
        }
    }

    /// Sends a frame, sooner or later: nobody waits for a worker that takes nothing. One that is gone is told of by the lines.
    pub fn send(&self, frame: Vec<u8>) {
        if let Some(outbox) = &self.outbox {
            let _ = outbox.send(frame);
        }
    }

    /// Sends a message without audio.
    pub fn say(&self, message: &ToWorker) -> Result<(), ProtocolError> {
        self.send(frame::encode(message, &[])?);
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.outbox = None;
        let _ = self.socket.shutdown(Shutdown::Both); // wakes both threads, whoever holds the other end
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Line {
    /// What wakes [`Line::next`] when `cancel` is set.
    pub fn wake(&self) -> impl Fn() + Send + 'static {
        let sender = self.sender.clone();
        move || drop(sender.send(Event::Cancelled))
    }

    /// The next event. Every wait that ends without one is taken off `patience`; counted in waits and not by the
    /// clock, so that the time in which this process itself was stopped is not held against the worker.
    ///
    /// # Errors
    /// [`Trouble::Silent`] and [`Trouble::Late`].
    pub fn next(&self, patience: &mut Patience) -> Result<Event, Trouble> {
        let mut heard = self.hub.pulse.load(Ordering::SeqCst);
        let mut silent = 0;
        loop {
            match self.events.recv_timeout(HEARTBEAT) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Gone), // not while `sender` is here
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.hub.pulse.load(Ordering::SeqCst);
            silent = if now == heard { silent + 1 } else { 0 };
            heard = now;
            if silent >= patience.silent {
                return Err(Trouble::Silent);
            }
            if let Some(left) = &mut patience.all {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return Err(Trouble::Late);
                }
            }
        }
    }

    /// Waits at most `limit` for what `is_it` knows, or for the end of the connection.
    pub fn wait_for(&self, limit: Duration, is_it: impl Fn(&Event) -> bool) -> bool {
        let mut waits = limit.as_millis().div_ceil(HEARTBEAT.as_millis()) as u32;
        while waits > 0 {
            match self.events.recv_timeout(HEARTBEAT.min(limit)) {
                Ok(event) if is_it(&event) => return true,
                Ok(Event::Closed(_)) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => waits -= 1,
            }
        }
        false
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hub.routes.lock().lines.remove(&self.model);
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Until the link is dropped, or the worker takes no more: then the reader says so.
fn write(socket: &UnixStream, frames: &Receiver<Vec<u8>>) {
    while let Ok(frame) = frames.recv() {
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match send_some(socket, rest) {
                Ok(n) => rest = &rest[n.min(rest.len())..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Without SIGPIPE where the other end is gone: it would end an application that does not ignore it, as programs in
/// C do not.
fn send_some(socket: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the descriptor is open, the pointer and length are those of the slice.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Until the end, of which every line is told.
fn read(input: &mut UnixStream, hub: &Hub) {
    let trouble = loop {
        match frame::read(input) {
            Ok(Some(frame)) => {
                hub.pulse.fetch_add(1, Ordering::SeqCst);
                if let Err(trouble) = hub.pass_on(frame) {
                    break trouble;
                }
            }
            Ok(None) | Err(ProtocolError::CutShort | ProtocolError::Connection(_)) => break Trouble::Gone,
            Err(error) => break Trouble::Protocol(error),
        }
    };
    let mut routes = hub.routes.lock();
    for line in routes.lines.values() {
        let _ = line.send(Event::Closed(trouble.clone())); // who is gone wants no news
    }
    routes.closed = Some(trouble);
}

impl Hub {
    fn pass_on(&self, frame: Frame<FromWorker>) -> Result<(), Trouble> {
        match frame.message {
            FromWorker::Heartbeat => {}
            FromWorker::Hello { software: theirs } if theirs == software() => {}
            FromWorker::Hello { software: theirs } => return Err(Trouble::Release(theirs)),
            FromWorker::Model { model, news } => {
                // To a model that is gone already: it was cancelled, and the answer crossed its way.
                if let Some(line) = self.routes.lock().lines.get(&model) {
                    let _ = line.send(Event::News(news)); // as above
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    const SOON: Patience = Patience { silent: 1, all: None };

    fn pair() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Link::new(ours).unwrap(), theirs)
    }

    fn say(worker: &mut UnixStream, message: &FromWorker) {
        worker.write_all(&frame::encode(message, &[]).unwrap()).unwrap();
    }

    fn progress(model: u32, percent: i32) -> FromWorker {
        let news = News::Progress(percent);
        FromWorker::Model { model, news }
    }

    #[test]
    fn news_go_to_their_model_and_heartbeats_to_nobody() {
        let (link, mut worker) = pair();
        let (one, two) = (link.line(1), link.line(2));
        for message in [
            FromWorker::Heartbeat,
            progress(2, 20),
            progress(3, 30),
            progress(1, 10),
        ] {
            say(&mut worker, &message);
        }
        assert!(matches!(
            one.next(&mut SOON.clone()),
            Ok(Event::News(News::Progress(10)))
        ));
        assert!(matches!(
            two.next(&mut SOON.clone()),
            Ok(Event::News(News::Progress(20)))
        ));
        assert_eq!(link.hub.pulse.load(Ordering::SeqCst), 4);
        assert!(matches!(one.next(&mut SOON.clone()), Err(Trouble::Silent)));
        one.wake()();
        assert!(matches!(one.next(&mut SOON.clone()), Ok(Event::Cancelled)));
        drop(worker);
        for line in [&one, &two, &link.line(4)] {
            assert!(matches!(
                line.next(&mut SOON.clone()),
                Ok(Event::Closed(Trouble::Gone))
            ));
        }
    }

    #[test]
    fn who_beats_and_does_not_answer_is_late() {
        let (link, worker) = pair();
        let line = link.line(1);
        let mut patience = Patience {
            silent: 2,
            all: Some(3),
        };
        let beats = link.hub.clone();
        let (done, stop) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while stop.recv_timeout(HEARTBEAT / 4) == Err(RecvTimeoutError::Timeout) {
                    beats.pulse.fetch_add(1, Ordering::SeqCst);
                }
            });
            assert!(matches!(line.next(&mut patience), Err(Trouble::Late)));
            drop(done);
        });
        drop(worker);
    }

    #[test]
    fn nonsense_and_other_releases_end_the_link() {
        let (link, mut worker) = pair();
        worker.write_all(b"Segmentation fault (core dumped)").unwrap();
        let closed = link.line(1).next(&mut SOON.clone());
        assert!(matches!(
            closed,
            Ok(Event::Closed(Trouble::Protocol(ProtocolError::Foreign(_))))
        ));
        let (link, mut worker) = pair();
        let software = "gst-plugin-scribe 0.0.1".to_owned();
        say(&mut worker, &FromWorker::Hello { software });
        let closed = link.line(1).next(&mut SOON.clone());
        assert!(
            matches!(closed, Ok(Event::Closed(Trouble::Release(theirs))) if theirs == "gst-plugin-scribe 0.0.1")
        );
    }

    #[test]
    fn a_worker_that_takes_nothing_blocks_nobody() {
        let (link, mut worker) = pair();
        let line = link.line(1);
        for _ in 0..4 {
            link.send(vec![0; 4 << 20]); // far more than a socket holds
        }
        assert!(matches!(line.next(&mut SOON.clone()), Err(Trouble::Silent)));
        worker.read_exact(&mut vec![0; 16 << 20]).unwrap(); // late, but whole
        link.send(vec![0; 4 << 20]);
        drop(link);
        assert!(matches!(
            line.next(&mut SOON.clone()),
            Ok(Event::Closed(Trouble::Gone))
        ));
    }
}
