//! A model that is in a worker process.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::link::{Event, Line, Patience};
use super::process::Fate;
use super::shared::{self, Worker};
use super::trouble::Trouble;
use super::{SILENT_BEATS, SILENT_START, UNLOADING, deadline};
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::protocol::frame::{MOST_AUDIO, encode};
use crate::infer::protocol::{
    Facts, Load, News, Packed, ProtocolError, Reply, ToWorker, pack_voice, pack_window, pack_windows,
};
use crate::infer::recognizer::Recognizer;
use crate::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use crate::speech::diarize::{self, Analysis, Embedding, Geometry};
use crate::speech::transcribe::{Hypothesis, Window};

/// Whether the process of a model has died, for those who do not own the model.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Option<Arc<Fate>>>>);

impl Health {
    /// The process of the model that was last loaded with this has ended, and not because the model was dropped.
    pub fn has_died(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|fate| fate.has_died())
    }

    fn watch(&self, worker: &Worker) {
        *self.0.lock() = Some(worker.fate().clone());
    }
}

/// A [`Recognizer`], or [`SpeakerModels`], as it was loaded. What it says of itself as the other is an error.
pub struct RemoteModel {
    /// `None` only while it is dropped.
    worker: Option<Arc<Worker>>,
    line: Line,
    model: u32,
    facts: Facts,
    /// The last request.
    id: u64,
    budget: fn(&Packed<'_>) -> Duration,
    /// How much longer the worker has to say that it had no answer in time.
    grace: Duration,
}

impl RemoteModel {
    /// Lets the worker of the model's device load it, reporting per cent; starts that worker where there is none.
    /// `health` knows of this model from now on.
    ///
    /// # Errors
    /// What the worker says, or that there is none, or how it ended.
    pub fn load(load: Load, health: &Health, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        let worker = shared::join(load.device())?;
        health.watch(&worker);
        Self::load_in(worker, load, report)
    }

    fn load_in(worker: Arc<Worker>, load: Load, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        let (model, line) = worker.admit();
        match begin(&worker, &line, model, load, report) {
            Ok(Ok(facts)) => Ok(RemoteModel {
                worker: Some(worker),
                line,
                model,
                facts,
                id: 0,
                budget: deadline::budget,
                grace: UNLOADING,
            }),
            Ok(Err(error)) => {
                let _ = shared::part(worker); // for others it goes on
                Err(error)
            }
            Err(trouble) => Err(died(&worker, &trouble)),
        }
    }

    /// Returns as soon as `cancel` is set; the model stops by itself and takes the next request then.
    fn ask(&mut self, packed: &Packed<'_>, cancel: &Cancel) -> Result<Reply, RunError> {
        let Some(worker) = &self.worker else {
            return Err(RunError::Cancelled);
        };
        if worker.is_over() {
            return Err(RunError::DeadBefore(worker.give_up(&Trouble::Gone, None)));
        }
        self.id += 1;
        let budget = (self.budget)(packed);
        let run = ToWorker::Run {
            model: self.model,
            id: self.id,
            question: packed.question.clone(),
            budget: deadline::told(budget),
        };
        let frame = encode(&run, &packed.audio)
            .map_err(|e| RunError::Failed(format!("this cannot be sent to the model's process: {e}")))?;
        let _awake = cancel.on_set(self.line.wake());
        if cancel.is_set() {
            return Err(RunError::Cancelled);
        }
        worker.link().send(frame);
        let limit = budget + self.grace;
        let mut begun = false;
        match self.wait(worker, limit, cancel, &mut begun) {
            Ok(answer) => answer,
            Err(trouble) => {
                let how = worker.give_up(&trouble, Some(limit));
                let died = true;
                let full = matches!(trouble, Trouble::Gone) && worker.fate().lacks_memory();
                Err(match (begun, full) {
                    // It is not known whose ask was one too many: who was at work bears it.
                    (true, true) => RunError::NoMemory { how, begun, died },
                    (true, false) => RunError::Dead(how),
                    (false, _) => RunError::DeadBefore(how),
                })
            }
        }
    }

    /// The answer to the last request. `begun`: whether the worker has begun with it.
    fn wait(
        &self,
        worker: &Worker,
        limit: Duration,
        cancel: &Cancel,
        begun: &mut bool,
    ) -> Result<Result<Reply, RunError>, Trouble> {
        let mut patience = Patience {
            silent: SILENT_BEATS,
            all: Some(deadline::waits(limit)),
        };
        loop {
            if cancel.is_set() {
                let (model, id) = (self.model, self.id);
                let stop = ToWorker::Cancel { model, id };
                worker.link().say(&stop).map_err(Trouble::Protocol)?;
                return Ok(Err(RunError::Cancelled));
            }
            match self.line.next(&mut patience)? {
                Event::News(News::Begun { id }) if id == self.id => *begun = true,
                Event::News(News::Answer { id, reply }) if id == self.id => return Ok(Ok(reply)),
                Event::News(News::RunFailed { id, error }) if id == self.id => return Ok(Err(error)),
                // Of a request that was cancelled.
                Event::News(News::Begun { id } | News::Answer { id, .. } | News::RunFailed { id, .. })
                    if id < self.id => {}
                Event::News(other) => return Err(unexpected(&other)),
                Event::Cancelled => {} // of this request, then it is seen above, or left from one before
                Event::Closed(trouble) => return Err(trouble),
            }
        }
    }
}

/// Asks for the model and waits for it.
fn begin(
    worker: &Worker,
    line: &Line,
    model: u32,
    load: Load,
    report: &mut dyn FnMut(i32),
) -> Result<Result<Facts, LoadError>, Trouble> {
    let load = ToWorker::Load { model, load };
    worker.link().say(&load).map_err(Trouble::Protocol)?;
    // A large file on a slow disk takes as long as it takes.
    let mut patience = Patience {
        silent: SILENT_START,
        all: None,
    };
    loop {
        match line.next(&mut patience)? {
            Event::News(News::Progress(percent)) => report(percent),
            Event::News(News::Loaded(facts)) => return Ok(Ok(facts)),
            Event::News(News::LoadFailed(error)) => return Ok(Err(error)),
            Event::News(other) => return Err(unexpected(&other)),
            Event::Cancelled => {}
            Event::Closed(trouble) => return Err(trouble),
        }
        patience.silent = SILENT_BEATS;
    }
}

/// The worker ended while a model was loaded, or had to be ended.
fn died(worker: &Worker, trouble: &Trouble) -> LoadError {
    let how = worker.give_up(trouble, None);
    if worker.fate().lacks_memory() {
        return LoadError::NoMemory(format!(
            "while the model was loaded, {how}. Use a smaller model, or free memory"
        ));
    }
    LoadError::Died(format!(
        "while the model was loaded, {how}. GST_DEBUG=scribe-whisper:5 shows what it wrote; with isolation=none the model \
         is loaded into this process"
    ))
}

fn unexpected(news: &News) -> Trouble {
    Trouble::Protocol(ProtocolError::Malformed(format!("{news:?} was not expected")))
}

/// The request went to a model of the one kind, and the reply is of the other.
fn wrong_kind(reply: &Reply) -> RunError {
    RunError::Failed(format!(
        "the model's process answered another question: {reply:?}"
    ))
}

impl Recognizer for RemoteModel {
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        match self.ask(&pack_window(window), cancel)? {
            Reply::Hypothesis(hypothesis) => Ok(hypothesis),
            other => Err(wrong_kind(&other)),
        }
    }
}

impl SpeakerModels for RemoteModel {
    fn facts(&self) -> SpeakerFacts {
        match self.facts {
            Facts::Speakers(facts) => facts,
            // Not loaded as speaker models; whatever is asked will fail.
            Facts::Recognizer => SpeakerFacts {
                geometry: Geometry::PYANNOTE_3,
                online: Geometry::PYANNOTE_3,
                dimension: 0,
                threshold: None,
                pieces: false,
            },
        }
    }

    /// In one request, unless windows far longer than usual do not fit into one.
    fn analyse(
        &mut self,
        windows: &[diarize::Window],
        decode: Decode,
        cancel: &Cancel,
    ) -> Result<Vec<Analysis>, RunError> {
        let longest = windows.iter().map(|w| size_of_val(w.samples.as_slice())).max();
        let most = MOST_AUDIO / longest.unwrap_or(1).max(1);
        let mut analyses = Vec::with_capacity(windows.len());
        for part in windows.chunks(most.max(1)) {
            match self.ask(&pack_windows(part, decode), cancel)? {
                Reply::Analyses(some) => analyses.extend(some),
                other => return Err(wrong_kind(&other)),
            }
        }
        Ok(analyses)
    }

    fn embed(&mut self, samples: &[f32], cancel: &Cancel) -> Result<Option<Embedding>, RunError> {
        match self.ask(&pack_voice(samples), cancel)? {
            Reply::Voice(embedding) => Ok(embedding),
            other => Err(wrong_kind(&other)),
        }
    }
}

impl Drop for RemoteModel {
    /// The memory is back behind this.
    fn drop(&mut self) {
        let Some(worker) = self.worker.take().filter(|worker| !worker.is_over()) else {
            return;
        };
        let Some(worker) = shared::part(worker) else {
            return;
        };
        let model = self.model;
        let unloaded = worker.link().say(&ToWorker::Unload { model }).is_ok()
            && self
                .line
                .wait_for(UNLOADING, |event| matches!(event, Event::News(News::Unloaded)));
        if !unloaded {
            worker.give_up(&Trouble::Late, Some(UNLOADING));
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
