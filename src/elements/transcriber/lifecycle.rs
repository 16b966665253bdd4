//! Taking the model at READY→PAUSED, and giving it back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::admission::{self, Admitted};
use super::imp::Transcriber;
use super::placement::{Placement, PlacementError};
use super::settings::Settings;
use super::work::Transcription;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::Running;
use crate::elements::isolation::{Isolated, Outside};
use crate::elements::load;
use crate::elements::sharing::{Prepared, Sharing, Started};
use crate::infer::engine::Engine;
use crate::infer::model::LoadError;
use crate::infer::pool::Pool;
use crate::infer::recognizer::{self, Loader, Recognizer};
use crate::infer::{
    heap,
    whisper::{self, Whisper, WhisperConfig},
    worker::{Health, RemoteModel},
};
use crate::memory::probes::Device;
use crate::memory::{Label, Stage, models};

/// The engine's thread.
const THREAD: &str = "scribe-whisper";
/// What is loaded, in Progress messages.
const MODEL: &str = "the model";

/// A running transcriber.
pub(crate) type Whispering = Running<Transcription, dyn Recognizer>;

impl Transcriber {
    /// What can be checked without loading anything.
    pub(super) fn check(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        if self.factory.lock().is_some() || settings.model_path.is_none() {
            return Ok(());
        }
        let config = settings
            .config()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        self.placement(&settings)?;
        whisper::check(&config.whisper.model)
            .map(drop)
            .map_err(|e| load::refuse(&*self.obj(), &e))
    }

    /// Takes the model.
    pub(super) fn take(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        let model = settings.model_path.clone().unwrap_or_default();
        let placement = self.placement(&settings)?;
        let log = settings.memory_log.as_ref().map(Into::into);
        let checkpoints = Checkpoints::on_device(&*self.obj(), log, placement.device());
        let checkpoints = checkpoints.hint(move || smaller(&model));
        checkpoints.begin_cycle();
        *self.checkpoints.lock() = Some(Arc::new(checkpoints));
        *self.outside.lock() = placement.is_process.then(|| Outside::new(settings.restart_limit));
        let engine = self.take_model(&settings)?;
        *self.language.lock() = None;
        self.delay.reset();
        let work = Transcription::new(settings.session());
        *self.running.lock() = Some(Arc::new(Running::new(work, Some(engine))));
        Ok(())
    }

    /// Takes the model again that was freed while the element ran.
    pub(super) fn take_again(&self) -> Result<Engine<dyn Recognizer>, gst::StateChangeError> {
        if let Some(checkpoints) = self.checkpoints.lock().clone() {
            checkpoints.begin_stage(Stage::Transcription);
        }
        self.take_model(&self.settings())
    }

    fn take_model(&self, settings: &Settings) -> Result<Engine<dyn Recognizer>, gst::StateChangeError> {
        let checkpoints = self.checkpoints.lock().clone();
        // What others freed and glibc kept would be taken first, and the model would look smaller than it is.
        heap::give_back();
        checkpoints
            .iter()
            .for_each(|c| c.write(Label::BeforeTranscription));
        let started = self.start(settings)?;
        let (engine, ()) = started.map_err(|error| load::refuse(&*self.obj(), &error))?;
        checkpoints.iter().for_each(|c| c.taken(Stage::Transcription));
        Ok(engine)
    }

    /// Where the model goes. With a recognizer of the application's own, that is its business.
    fn placement(&self, settings: &Settings) -> Result<Placement, gst::StateChangeError> {
        if self.factory.lock().is_some() {
            return Ok(Placement {
                cuda_device: None,
                is_process: settings.isolation.is_process(Device::Cpu),
            });
        }
        Placement::of(settings).map_err(|error| match error {
            PlacementError::Settings(text) => load::refuse_settings(&*self.obj(), &text),
            PlacementError::Load(error) => load::refuse(&*self.obj(), &error),
        })
    }

    fn start(&self, settings: &Settings) -> Result<Started<dyn Recognizer>, gst::StateChangeError> {
        let factory = self.factory.lock().clone();
        if let Some(factory) = factory {
            return Ok(load::start(&*self.obj(), THREAD, MODEL, factory()));
        }
        let config = settings
            .config()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        let whisper = WhisperConfig {
            cuda_device: self.placement(settings)?.cuda_device,
            ..config.whisper
        };
        self.share(whisper)
    }

    /// Frees the model, unless others use it.
    pub(super) fn drop_model(&self, engine: Engine<dyn Recognizer>) {
        let checkpoints = self.checkpoints.lock().clone();
        self.give(checkpoints.as_deref(), Some(engine), Duration::ZERO);
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
}

impl Isolated for Transcriber {
    const STAGE: Stage = Stage::Transcription;

    fn outside(&self) -> &Mutex<Option<Outside>> {
        &self.outside
    }

    fn checkpoints(&self) -> Option<Arc<Checkpoints>> {
        self.checkpoints.lock().clone()
    }

    fn start_again(&self) -> Result<Result<Engine<dyn Recognizer>, LoadError>, gst::StateChangeError> {
        let started = self.start(&self.settings())?;
        Ok(started.map(|(engine, ())| engine))
    }
}

impl Sharing for Transcriber {
    const THREAD: &'static str = THREAD;
    const MODEL: &'static str = MODEL;
    const RELEASE: [Label; 3] = [
        Label::BeforeWhisperCleanup,
        Label::AfterWhisperCleanup,
        Label::AfterTranscription,
    ];

    type Wish = WhisperConfig;

    fn pool() -> &'static Pool<dyn Recognizer> {
        &recognizer::POOL
    }

    fn instead(&self, wish: &WhisperConfig, text: &str) -> Option<WhisperConfig> {
        let (other, warning) = admission::after_failure(wish, self.settings().on_oom, text)?;
        gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{warning}"));
        Some(other)
    }

    /// With a promise of memory for it.
    fn make_ready(
        &self,
        wanted: WhisperConfig,
    ) -> Result<Prepared<dyn Recognizer, WhisperConfig>, gst::StateChangeError> {
        let settings = self.settings();
        let mut config = wanted.clone();
        let asked = admission::ask(&mut config, settings.memory_fraction, settings.on_oom);
        let (admission, warning) = asked.map_err(|error| load::refuse(&*self.obj(), &error))?;
        if let Some(warning) = warning {
            gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{warning}"));
        }
        if config != wanted {
            return Ok(Prepared::Instead(config));
        }
        let health = Health::default();
        let process = self.outside.lock().is_some().then(|| health.clone());
        let loader: Loader = Box::new(move |report| {
            let model: Box<dyn Recognizer> = match process {
                Some(health) => Box::new(RemoteModel::load(config.into(), &health, report)?),
                None => Box::new(Whisper::load(&config, report)?),
            };
            Ok(Box::new(Admitted::new(model, admission)))
        });
        Ok(Prepared::Load(loader, health))
    }
}

/// What to do where this model fills the device.
fn smaller(model: &str) -> Option<String> {
    let (name, smaller) = models::smaller_than_file(Path::new(model))?;
    Some(format!(
        "use a smaller model than {name}, such as {smaller}, or split the file"
    ))
}
