//! The library's end of the socket: frames out, events in, and how long it has been silent.
#![allow(unsafe_code)] // send with MSG_NOSIGNAL is a C function

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{HEARTBEAT, SILENT_BEATS};
use crate::infer::model::Cancel;
use crate::infer::protocol::frame::{self, Frame};
use crate::infer::protocol::{FromWorker, ProtocolError};

/// A write that gets nothing out looks up so often whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What happens while somebody waits.
pub(super) enum Event {
    /// Anything but a heartbeat.
    Message(FromWorker),
    /// The request's switch was set.
    Cancelled,
    /// The worker closed its end: `None`; or what came is no frame.
    Closed(Option<ProtocolError>),
}

/// Why a worker is given up.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its end is closed: it has ended, or will now.
    Gone,
    /// No sign of life.
    Silent,
    /// It sent what it should not.
    Protocol(ProtocolError),
    /// A request was cancelled when half of it was sent.
    HalfSent,
}

pub(super) struct Link {
    socket: UnixStream,
    events: Receiver<Event>,
    /// For who else has news, see [`Event::Cancelled`].
    sender: Sender<Event>,
    /// Frames that have come, heartbeats too.
    pulse: Arc<AtomicU64>,
    reader: Option<JoinHandle<()>>,
}

impl Link {
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_write_timeout(Some(LOOK_UP))?;
        let (sender, events) = mpsc::channel();
        let pulse = Arc::new(AtomicU64::new(0));
        let (mut input, news, beats) = (socket.try_clone()?, sender.clone(), pulse.clone());
        let reader = std::thread::Builder::new()
            .name("worker-reader".into())
            .spawn(move || read(&mut input, &news, &beats))?;
        Ok(Link {
            socket,
            events,
            sender,
            pulse,
            reader: Some(reader),
        })
    }

    /// What wakes [`Link::next`] when `cancel` is set.
    pub fn wake(&self) -> impl Fn() + Send + 'static {
        let sender = self.sender.clone();
        move || drop(sender.send(Event::Cancelled))
    }

    /// The next event; [`Trouble::Silent`] after `patience` waits without any sign of life.
    pub fn next(&self, patience: u32) -> Result<Event, Trouble> {
        let mut heard = self.pulse.load(Ordering::SeqCst);
        let mut silent = 0;
        loop {
            match self.events.recv_timeout(HEARTBEAT) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Gone), // not while `sender` is here
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.pulse.load(Ordering::SeqCst);
            silent = if now == heard { silent + 1 } else { 0 };
            heard = now;
            if silent >= patience {
                return Err(Trouble::Silent);
            }
        }
    }

    /// Waits at most `limit` for the worker to close its end.
    pub fn await_end(&self, limit: Duration) {
        let until = Instant::now() + limit;
        while let Ok(event) = self
            .events
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if matches!(event, Event::Closed(_)) {
                return;
            }
        }
    }

    /// Sends a frame. `Ok(false)`: `cancel` was set before any of it went out.
    pub fn send(&self, frame: &[u8], cancel: &Cancel) -> Result<bool, Trouble> {
        let most = SILENT_BEATS * (HEARTBEAT.as_millis() / LOOK_UP.as_millis()) as u32;
        let mut rest = frame;
        let mut stuck = 0;
        while !rest.is_empty() {
            match self.send_some(rest) {
                Ok(n) => {
                    rest = &rest[n.min(rest.len())..];
                    stuck = 0;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    stuck += 1;
                    if cancel.is_set() {
                        return if rest.len() == frame.len() {
                            Ok(false)
                        } else {
                            Err(Trouble::HalfSent)
                        };
                    }
                    if stuck >= most {
                        return Err(Trouble::Silent);
                    }
                }
                Err(_) => return Err(Trouble::Gone),
            }
        }
        Ok(true)
    }

    /// Without SIGPIPE where the other end is gone: it would end an application that does not ignore it, as programs in
    /// C do not.
    fn send_some(&self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the descriptor is open, the pointer and length are those of the slice.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both); // wakes the reader, whoever holds the other end
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(input: &mut UnixStream, news: &Sender<Event>, pulse: &AtomicU64) {
    loop {
        let event = match frame::read(input) {
            Ok(Some(Frame { message, .. })) => {
                pulse.fetch_add(1, Ordering::SeqCst);
                // Else they would pile up while nobody asks.
                if message == FromWorker::Heartbeat {
                    continue;
                }
                Event::Message(message)
            }
            Ok(None) | Err(ProtocolError::CutShort | ProtocolError::Connection(_)) => Event::Closed(None),
            Err(error) => Event::Closed(Some(error)),
        };
        let closed = matches!(event, Event::Closed(_));
        // Nobody reads on where the link is gone.
        if news.send(event).is_err() || closed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn pair() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Link::new(ours).unwrap(), theirs)
    }

    #[test]
    fn heartbeats_are_signs_of_life_and_no_events() {
        let (link, mut worker) = pair();
        for message in [FromWorker::Heartbeat, FromWorker::Progress(7)] {
            worker.write_all(&frame::encode(&message, &[]).unwrap()).unwrap();
        }
        let event = link.next(1).unwrap();
        assert!(matches!(event, Event::Message(FromWorker::Progress(7))));
        assert_eq!(link.pulse.load(Ordering::SeqCst), 2);
        assert!(matches!(link.next(1), Err(Trouble::Silent)));
        link.wake()();
        assert!(matches!(link.next(1), Ok(Event::Cancelled)));
        drop(worker);
        assert!(matches!(link.next(1), Ok(Event::Closed(None))));
    }

    #[test]
    fn nonsense_ends_the_link() {
        let (link, mut worker) = pair();
        worker.write_all(b"Segmentation fault (core dumped)").unwrap();
        assert!(matches!(
            link.next(1),
            Ok(Event::Closed(Some(ProtocolError::Foreign(_))))
        ));
    }

    #[test]
    fn a_worker_that_takes_nothing_blocks_nobody() {
        let (link, mut worker) = pair();
        let cancel = Cancel::default();
        cancel.set();
        let long = vec![0; 4 << 20];
        assert!(matches!(link.send(&long, &cancel), Err(Trouble::HalfSent)));
        assert!(
            matches!(link.send(&long, &cancel), Ok(false)),
            "the buffer is full"
        );
        cancel.clear();
        assert!(matches!(link.send(&long, &cancel), Err(Trouble::Silent)));
        worker.shutdown(Shutdown::Read).unwrap();
        drop(worker.read(&mut [0]));
        assert!(matches!(link.send(&[0], &cancel), Err(Trouble::Gone)));
    }
}
