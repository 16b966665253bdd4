//! A model in a worker: on its engine's thread, asked in turn by a thread of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use super::child::{Voice, spawn};
use crate::infer::engine::Engine;
use crate::infer::model::{Cancel, Loader, RunError};
use crate::infer::onnx::OnnxSpeakers;
use crate::infer::protocol::{Load, News, Question, Reply, Travels};
use crate::infer::recognizer::Recognizer;
use crate::infer::speaker_models::SpeakerModels;
use crate::infer::whisper::Whisper;

/// A handle to it. Dropping it ends what the model is at, and frees it.
pub(super) struct Host {
    jobs: Option<mpsc::Sender<Job>>,
    stops: Stops,
}

pub(super) struct Job {
    pub id: u64,
    pub question: Question,
    pub audio: Vec<f32>,
}

impl Host {
    pub fn start(model: u32, load: Load, voice: Voice) -> Result<Self, String> {
        let (jobs, inbox) = mpsc::channel();
        let stops = Stops::default();
        let host = Host {
            jobs: Some(jobs),
            stops: stops.clone(),
        };
        let speaker = Speaker { model, voice };
        spawn("host", move || match load {
            Load::Whisper(config) => {
                let loader: Loader<dyn Recognizer> =
                    Box::new(move |report| Ok(Box::new(Whisper::load(&config, report)?)));
                run("scribe-whisper", loader, &inbox, &stops, &speaker);
            }
            Load::Speakers(config) => {
                let loader: Loader<dyn SpeakerModels> =
                    Box::new(move |report| Ok(Box::new(OnnxSpeakers::load(&config, report)?)));
                run("scribe-speakers", loader, &inbox, &stops, &speaker);
            }
        })?;
        Ok(host)
    }

    pub fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job); // a model that could not be loaded has said so
        }
    }

    /// The request `id` and those before it are not wanted any more.
    pub fn stop(&self, id: u64) {
        self.stops.stop(id);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        self.stop(u64::MAX);
    }
}

/// Says something of one model.
struct Speaker {
    model: u32,
    voice: Voice,
}

impl Speaker {
    fn tell(&self, news: News) {
        self.voice.tell(self.model, news);
    }
}

/// Loads the model, asks it, frees it, and tells of all that.
fn run<M: Travels + ?Sized + 'static>(
    thread: &str,
    loader: Loader<M>,
    jobs: &mpsc::Receiver<Job>,
    stops: &Stops,
    speaker: &Speaker,
) {
    let started = Engine::start(thread, loader, |percent| speaker.tell(News::Progress(percent)));
    let (engine, facts) = match started {
        Ok(started) => started,
        Err(error) => return speaker.tell(News::LoadFailed(error)),
    };
    let _ = stops.model.set(engine.cancel()); // set here alone
    speaker.tell(News::Loaded(M::tell(facts)));
    for Job { id, question, audio } in jobs {
        speaker.tell(News::Begun { id });
        speaker.tell(match answer(&engine, stops, id, question, audio) {
            Ok(reply) => News::Answer { id, reply },
            Err(error) => News::RunFailed { id, error },
        });
    }
    drop(engine);
    speaker.tell(News::Unloaded);
}

/// Clears the switch before it looks at the number, as [`Stops::stop`] does the reverse: a cancel of this request
/// is seen in one or the other, and one of a request before it was set before this one came.
fn answer<M: Travels + ?Sized + 'static>(
    engine: &Engine<M>,
    stops: &Stops,
    id: u64,
    question: Question,
    audio: Vec<f32>,
) -> Result<Reply, RunError> {
    let request = M::unpack(question, audio).map_err(|e| RunError::Failed(e.to_string()))?;
    engine.cancel().clear();
    if stops.last.load(Ordering::SeqCst) >= id {
        return Err(RunError::Cancelled);
    }
    engine.ask(request).map(M::reply)
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
    /// On the thread that has passed this request and all before it on.
    fn stop(&self, id: u64) {
        self.last.store(id, Ordering::SeqCst);
        if let Some(cancel) = self.model.get() {
            cancel.set();
        }
    }
}
