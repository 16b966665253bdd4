//! A recognizer whose model is in a worker process.

use super::link::{Event, Link, Trouble};
use super::process::Process;
use super::{GRACE, HEARTBEAT, SILENT_BEATS, SILENT_START, program};
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::protocol::frame::encode;
use crate::infer::protocol::{FromWorker, Load, ProtocolError, ToWorker, software, window_frame};
use crate::infer::recognizer::Recognizer;
use crate::speech::transcribe::{Hypothesis, Window};

/// Owns a worker. Lives on one thread, as every recognizer does: the worker ends when that thread does.
pub struct RemoteRecognizer {
    // Declared first, so dropped first: the process ends while its reader still listens.
    process: Process,
    link: Link,
    /// The last request.
    id: u64,
    /// How the worker ended.
    ended: Option<String>,
}

impl RemoteRecognizer {
    /// Starts a worker and lets it load a model, reporting per cent.
    ///
    /// # Errors
    /// What the worker says, or that there is none, or how it ended.
    pub fn load(load: Load, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        let (process, socket) = Process::start(&program::find()?)?;
        let link = Link::new(socket).map_err(|e| {
            LoadError::Failed(format!(
                "cannot talk to the worker process {}: {e}",
                process.pid()
            ))
        })?;
        let mut remote = RemoteRecognizer {
            process,
            link,
            id: 0,
            ended: None,
        };
        match remote.begin(load, report) {
            Ok(result) => result.map(|()| remote),
            Err(trouble) => {
                let ending = remote.give_up(trouble);
                Err(LoadError::Died(format!(
                    "while the model was loaded, {ending}. GST_DEBUG=scribe-whisper:5 shows what it wrote; with \
                     isolation=none the model is loaded into this process"
                )))
            }
        }
    }

    fn begin(&self, load: Load, report: &mut dyn FnMut(i32)) -> Result<Result<(), LoadError>, Trouble> {
        let cancel = Cancel::default(); // nobody sets it: loading is waited for
        let hello = ToWorker::Hello { software: software() };
        for message in [hello, ToWorker::Load(load)] {
            let frame = encode(&message, &[]).map_err(Trouble::Protocol)?;
            self.link.send(&frame, &cancel)?;
        }
        let mut patience = SILENT_START;
        loop {
            match self.link.next(patience)? {
                Event::Message(FromWorker::Hello { software: theirs }) if theirs == software() => {}
                Event::Message(FromWorker::Hello { software: theirs }) => {
                    return Ok(Err(LoadError::Failed(format!(
                        "the worker is of {theirs}, this plugin of {}. Install both from the same release, or set \
                         isolation=none",
                        software()
                    ))));
                }
                Event::Message(FromWorker::Progress(percent)) => report(percent),
                Event::Message(FromWorker::Loaded) => return Ok(Ok(())),
                Event::Message(FromWorker::LoadFailed(error)) => return Ok(Err(error)),
                Event::Message(other) => return Err(unexpected(&other)),
                Event::Cancelled => {}
                Event::Closed(error) => return Err(closed(error)),
            }
            patience = SILENT_BEATS;
        }
    }

    fn ask(&mut self, window: &Window, cancel: &Cancel) -> Result<Result<Hypothesis, RunError>, Trouble> {
        self.id += 1;
        let frame = window_frame(self.id, window).map_err(Trouble::Protocol)?;
        let _awake = cancel.on_set(self.link.wake());
        if cancel.is_set() || !self.link.send(&frame, cancel)? {
            return Ok(Err(RunError::Cancelled));
        }
        loop {
            if cancel.is_set() {
                let stop = encode(&ToWorker::Cancel { id: self.id }, &[]).map_err(Trouble::Protocol)?;
                // Where it cannot be sent, the worker finishes for nobody.
                self.link.send(&stop, cancel)?;
                return Ok(Err(RunError::Cancelled));
            }
            match self.link.next(SILENT_BEATS)? {
                Event::Message(FromWorker::Answer { id, hypothesis }) if id == self.id => {
                    return Ok(Ok(hypothesis));
                }
                Event::Message(FromWorker::RunFailed { id, error }) if id == self.id => {
                    return Ok(Err(error));
                }
                // To a request that was cancelled.
                Event::Message(FromWorker::Answer { id, .. } | FromWorker::RunFailed { id, .. })
                    if id < self.id => {}
                Event::Message(other) => return Err(unexpected(&other)),
                Event::Cancelled => {} // of this request, then it is seen above, or left from one before
                Event::Closed(error) => return Err(closed(error)),
            }
        }
    }

    /// Ends the worker and says what was wrong with it.
    fn give_up(&mut self, trouble: Trouble) -> String {
        let name = format!("the worker process {}", self.process.pid());
        let ending = self.process.end();
        let text = match trouble {
            Trouble::Gone => format!("{name} died: {ending}"),
            Trouble::Silent => format!(
                "{name} gave no sign of life for {} s and was ended",
                SILENT_BEATS as u64 * HEARTBEAT.as_secs()
            ),
            Trouble::Protocol(error) => format!("{name} was ended, as {error}"),
            Trouble::HalfSent => format!("{name} was ended, as a request was cancelled that it did not take"),
        };
        self.ended = Some(text.clone());
        text
    }
}

fn closed(error: Option<ProtocolError>) -> Trouble {
    error.map_or(Trouble::Gone, Trouble::Protocol)
}

fn unexpected(message: &FromWorker) -> Trouble {
    Trouble::Protocol(ProtocolError::Malformed(format!("{message:?} was not expected")))
}

impl Recognizer for RemoteRecognizer {
    /// Returns as soon as `cancel` is set; the worker stops by itself and takes the next request then.
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        if let Some(how) = &self.ended {
            return Err(RunError::Dead(how.clone()));
        }
        match self.ask(window, cancel) {
            Ok(result) => result,
            Err(Trouble::HalfSent) => {
                self.give_up(Trouble::HalfSent);
                Err(RunError::Cancelled)
            }
            Err(trouble) => Err(RunError::Dead(self.give_up(trouble))),
        }
    }
}

impl Drop for RemoteRecognizer {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Set, so that a worker that takes nothing is not waited for here, but below.
            let cancel = Cancel::default();
            cancel.set();
            if let Ok(bye) = encode(&ToWorker::Bye, &[])
                && self.link.send(&bye, &cancel).is_ok_and(|sent| sent)
            {
                self.link.await_end(GRACE);
            }
        }
        // Dropping the process kills what is left of it.
    }
}
