//! Taking the models at READY→PAUSED, and giving them back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::admission::{self, Admitted};
use super::enrollment;
use super::imp::Diarizer;
use super::settings::{Config, SessionConfig};
use super::work::Diarization;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::Running;
use crate::elements::isolation::{Isolated, Outside};
use crate::elements::load;
use crate::elements::sharing::{Prepared, Sharing, Started};
use crate::infer::engine::Engine;
use crate::infer::heap;
use crate::infer::model::{LoadError, RunError};
use crate::infer::onnx::{OnnxSpeakers, SpeakersConfig};
use crate::infer::plda_file;
use crate::infer::pool::Pool;
use crate::infer::speaker_models::{self, Answer, Loader, Request, SpeakerFacts, SpeakerModels};
use crate::infer::worker::{self, Health, RemoteModel};
use crate::memory::{Label, Stage};
use crate::speech::diarize::{Embedding, Voices};

/// The engine's thread.
const THREAD: &str = "scribe-speakers";
/// What is loaded, in Progress messages.
const MODELS: &str = "the speaker models";

/// A running diarizer.
pub(crate) type Listening = Running<Diarization, dyn SpeakerModels>;

impl Diarizer {
    /// What can be checked without loading anything.
    pub(super) fn check(&self) -> Result<(), gst::StateChangeError> {
        let config = self.config()?;
        if self.factory.lock().is_some() {
            return Ok(());
        }
        let checked = match self.settings().isolation.is_process(config.models.device) {
            // The worker loads ONNX Runtime, and this process never does.
            true => {
                worker::find_for(config.models.device).and_then(|_| OnnxSpeakers::check_files(&config.models))
            }
            false => OnnxSpeakers::check(&config.models),
        };
        checked.map_err(|e| load::refuse(&*self.obj(), &e))
    }

    fn config(&self) -> Result<Config, gst::StateChangeError> {
        let config = self.settings().config();
        config.map_err(|text| load::refuse_settings(&*self.obj(), &text))
    }

    /// Takes the models.
    pub(super) fn take(&self) -> Result<(), gst::StateChangeError> {
        let config = self.config()?;
        let memory_log = self.settings().memory_log.map(Into::into);
        let checkpoints = Arc::new(Checkpoints::on_device(
            &*self.obj(),
            memory_log,
            config.models.device,
        ));
        checkpoints.begin_cycle();
        *self.checkpoints.lock() = Some(checkpoints);
        let settings = self.settings();
        *self.outside.lock() = settings
            .isolation
            .is_process(config.models.device)
            .then(|| Outside::new(settings.restart_limit));
        let live = Arc::new(AtomicBool::new(false));
        *self.live.lock() = live.clone();
        let running = if self.sequential.load(Ordering::Relaxed) {
            Running::new(Diarization::new(config.session, None, live), None)
        } else {
            let (engine, session, facts) = self.take_models(config)?;
            Running::new(Diarization::new(session, Some(facts), live), Some(engine))
        };
        *self.running.lock() = Some(Arc::new(running));
        Ok(())
    }

    /// Takes the models that [`Diarizer::take`] has left for later.
    pub(super) fn take_late(&self, running: &Listening) -> Result<(), gst::StateChangeError> {
        let (engine, session, facts) = self.take_models(self.config()?)?;
        running.equip(engine);
        running.stream.with_work(|work| work.equip(session, facts));
        Ok(())
    }

    /// Takes the models again that were freed while the element ran.
    pub(super) fn take_again(&self) -> Result<Engine<dyn SpeakerModels>, gst::StateChangeError> {
        if let Some(checkpoints) = self.checkpoints.lock().clone() {
            checkpoints.begin_stage(Stage::Diarization);
        }
        Ok(self.take_models(self.config()?)?.0)
    }

    fn take_models(
        &self,
        mut config: Config,
    ) -> Result<(Engine<dyn SpeakerModels>, SessionConfig, SpeakerFacts), gst::StateChangeError> {
        let obj = self.obj();
        let checkpoints = self.checkpoints.lock().clone();
        // What others freed and glibc kept would be taken first, and the models would look smaller than they are.
        heap::give_back();
        checkpoints.iter().for_each(|c| c.write(Label::BeforeDiarization));
        let refuse = |e: LoadError| load::refuse(&*obj, &e);
        if let Some(file) = config.plda.take() {
            config.session.plda = Some(Arc::new(plda_file::read(&file).map_err(refuse)?));
        }
        let (engine, facts) = self.start(&config.models)?.map_err(refuse)?;
        if let Some(plda) = &config.session.plda
            && plda.embedding_dimension() != facts.dimension
        {
            return Err(refuse(LoadError::WrongFile(format!(
                "the PLDA takes embeddings of {} values, and the embedding model gives {}. Set plda to the one that was trained with \
                 embedding-model, or to nothing",
                plda.embedding_dimension(),
                facts.dimension
            ))));
        }
        if let Some(folder) = &config.enrollment {
            let voices = self.enroll(&engine, folder).map_err(refuse)?;
            config.session.voices = Voices::new(voices, config.enrollment_threshold);
        }
        checkpoints.iter().for_each(|c| c.taken(Stage::Diarization));
        Ok((engine, config.session, facts))
    }

    fn start(&self, models: &SpeakersConfig) -> Result<Started<dyn SpeakerModels>, gst::StateChangeError> {
        let factory = self.factory.lock().clone();
        match factory {
            Some(factory) => Ok(load::start(&*self.obj(), THREAD, MODELS, factory())),
            None => self.share(models.clone()),
        }
    }

    /// How the people of `folder` sound.
    fn enroll(
        &self,
        engine: &Engine<dyn SpeakerModels>,
        folder: &Path,
    ) -> Result<Vec<(String, Embedding)>, LoadError> {
        let people = enrollment::people(folder)?;
        let voices = people.iter().map(|person| {
            let failed = |e: RunError| {
                LoadError::Failed(format!("the voice in {} cannot be embedded: {e}", person.file.display()))
            };
            let samples = enrollment::decode(&person.file)?;
            match engine.ask(Request::Voice(samples)).map_err(failed)? {
                Answer::Voice(Some(embedding)) => Ok((person.name.clone(), embedding)),
                Answer::Voice(None) | Answer::Windows(_) => Err(LoadError::WrongFile(format!(
                    "there is too little speech in {} to know the voice again. Record some seconds of {} alone",
                    person.file.display(),
                    person.name
                ))),
            }
        });
        voices.collect()
    }

    /// Gives everything back, however far `take` came.
    pub(super) fn give_back(&self) {
        self.outside.lock().take();
        let checkpoints = self.checkpoints.lock().take();
        let running = self.running.lock().take();
        let engine = running.and_then(|running| running.surrender());
        let keep = Duration::from_millis(u64::from(self.settings().keep_alive));
        self.give(checkpoints.as_deref(), engine, keep);
    }

    /// Frees the models, unless others use them.
    pub(super) fn drop_models(&self, engine: Engine<dyn SpeakerModels>) {
        let checkpoints = self.checkpoints.lock().clone();
        self.give(checkpoints.as_deref(), Some(engine), Duration::ZERO);
    }
}

impl Isolated for Diarizer {
    const STAGE: Stage = Stage::Diarization;

    fn outside(&self) -> &Mutex<Option<Outside>> {
        &self.outside
    }

    fn checkpoints(&self) -> Option<Arc<Checkpoints>> {
        self.checkpoints.lock().clone()
    }

    /// The voices of known people are known already.
    fn start_again(&self) -> Result<Result<Engine<dyn SpeakerModels>, LoadError>, gst::StateChangeError> {
        let started = self.start(&self.config()?.models)?;
        Ok(started.map(|(engine, _)| engine))
    }
}

impl Sharing for Diarizer {
    const THREAD: &'static str = THREAD;
    const MODEL: &'static str = MODELS;
    const RELEASE: [Label; 3] = [
        Label::BeforeDiarizationModelCleanup,
        Label::AfterDiarizationModelCleanup,
        Label::AfterDiarization,
    ];

    type Wish = SpeakersConfig;

    fn pool() -> &'static Pool<dyn SpeakerModels> {
        &speaker_models::POOL
    }

    fn make_ready(
        &self,
        models: SpeakersConfig,
    ) -> Result<Prepared<dyn SpeakerModels, SpeakersConfig>, gst::StateChangeError> {
        let asked = admission::ask(&models, self.settings().memory_fraction);
        let admission = asked.map_err(|error| load::refuse(&*self.obj(), &error))?;
        let health = Health::default();
        let process = self.outside.lock().is_some().then(|| health.clone());
        let loader: Loader = Box::new(move |report| {
            let loaded: Box<dyn SpeakerModels> = match process {
                Some(health) => Box::new(RemoteModel::load(models.into(), &health, report)?),
                None => Box::new(OnnxSpeakers::load(&models, report)?),
            };
            Ok(Box::new(Admitted::new(loaded, admission)))
        });
        Ok(Prepared::Load(loader, health))
    }
}
