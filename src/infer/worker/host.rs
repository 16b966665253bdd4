//! A model in a worker: on its engine's thread, asked in turn by a thread of its own.

use std::sync::{Arc, mpsc};

use super::child::{Voice, spawn};
use super::stops::{Deadline, Stops};
use crate::infer::engine::Engine;
use crate::infer::loadable::{Loadable, loader};
use crate::infer::model::RunError;
use crate::infer::protocol::{Load, News, Question, Reply};
use crate::infer::recognizer::Recognizer;
use crate::infer::speaker_models::SpeakerModels;

/// A handle to it. Dropping it ends what the model is at, and frees it.
pub(super) struct Host {
    jobs: Option<mpsc::Sender<Job>>,
    stops: Stops,
}

pub(super) struct Job {
    pub id: u64,
    pub question: Question,
    pub audio: Vec<f32>,
    pub deadline: Arc<Deadline>,
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
            Load::Whisper(config) => run::<dyn Recognizer>(config, &inbox, &stops, &speaker),
            Load::Speakers(config) => run::<dyn SpeakerModels>(config, &inbox, &stops, &speaker),
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

    pub fn stops(&self) -> &Stops {
        &self.stops
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
fn run<M: Loadable + ?Sized>(
    config: M::Config,
    jobs: &mpsc::Receiver<Job>,
    stops: &Stops,
    speaker: &Speaker,
) {
    let report = |percent| speaker.tell(News::Progress(percent));
    let (engine, facts) = match Engine::<M>::start(M::THREAD, loader(config, None), report) {
        Ok(started) => started,
        Err(error) => return speaker.tell(News::LoadFailed(error)),
    };
    stops.hold(engine.cancel());
    speaker.tell(News::Loaded(M::tell(facts)));
    for job in jobs {
        let id = job.id;
        speaker.tell(match answer(&engine, stops, speaker, job) {
            Ok(reply) => News::Answer { id, reply },
            Err(error) => News::RunFailed { id, error },
        });
    }
    drop(engine);
    speaker.tell(News::Unloaded);
}

fn answer<M: Loadable + ?Sized>(
    engine: &Engine<M>,
    stops: &Stops,
    speaker: &Speaker,
    job: Job,
) -> Result<Reply, RunError> {
    let Job {
        id,
        question,
        audio,
        deadline,
    } = job;
    let request = M::unpack(question, audio).map_err(|e| RunError::Failed(e.to_string()))?;
    stops.begin(&deadline)?;
    speaker.tell(News::Begun { id });
    let answer = engine.ask(request);
    stops.end();
    match answer {
        Err(RunError::Cancelled) if deadline.is_over() => Err(deadline.late()),
        answer => answer.map(M::reply),
    }
}
