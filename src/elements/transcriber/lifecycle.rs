//! Taking the model at READY→PAUSED, and giving it back.

use std::path::Path;
use std::sync::Arc;

use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::admission::{self, Admission};
use super::imp::Transcriber;
use super::placement::{Placement, PlacementError};
use super::settings::Settings;
use super::work::Transcription;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::Running;
use crate::elements::isolation::{Isolated, Outside};
use crate::elements::load;
use crate::infer::engine::Engine;
use crate::infer::model::LoadError;
use crate::infer::recognizer::{Loader, Recognizer};
use crate::infer::{
    heap,
    protocol::Load,
    whisper::{self, Whisper},
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
        *self.outside.lock() = placement
            .is_process
            .then(|| Outside::new(settings.restart_limit));
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
        let engine = self.start(settings)?;
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

    fn start(&self, settings: &Settings) -> Result<Engine<dyn Recognizer>, gst::StateChangeError> {
        let (loader, admission) = self.loader(settings)?;
        let (engine, ()) = load::start(&*self.obj(), THREAD, MODEL, loader)?;
        self.begin_admission(admission);
        Ok(engine)
    }

    /// What loads the model, and the promise of memory for it.
    fn loader(&self, settings: &Settings) -> Result<(Loader, Option<Admission>), gst::StateChangeError> {
        let factory = self.factory.lock().clone();
        if let Some(factory) = factory {
            return Ok((factory(), None));
        }
        let config = settings
            .config()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        let placement = self.placement(settings)?;
        let mut whisper = config.whisper;
        whisper.cuda_device = placement.cuda_device;
        let asked = admission::ask(&mut whisper, settings.memory_fraction, settings.on_oom);
        let (admission, warning) = asked.map_err(|error| load::refuse(&*self.obj(), &error))?;
        if let Some(warning) = warning {
            gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{warning}"));
        }
        let loader: Loader = match self.health() {
            Some(health) => {
                let load = Load::Whisper(whisper);
                Box::new(move |report| Ok(Box::new(RemoteModel::load(load, &health, report)?)))
            }
            None => Box::new(move |report| Ok(Box::new(Whisper::load(&whisper, report)?))),
        };
        Ok((loader, Some(admission)))
    }

    /// Where the model is to be outside of this process.
    fn health(&self) -> Option<Health> {
        self.outside.lock().as_ref().map(|outside| outside.health.clone())
    }

    /// The model is loaded.
    fn begin_admission(&self, admission: Option<Admission>) {
        if let Some(admission) = &admission {
            admission.loaded();
        }
        *self.admission.lock() = admission;
    }

    /// Nothing is promised to this element any more.
    pub(super) fn end_admission(&self) {
        let ended = self.admission.lock().take();
        drop(ended); // reads and writes a file: not under the lock
    }

    /// Frees the model.
    pub(super) fn drop_model(&self, engine: Engine<dyn Recognizer>) {
        self.mourn();
        let checkpoints = self.checkpoints.lock().clone();
        freeing(checkpoints.as_deref(), || drop(engine));
        self.end_admission();
    }

    /// Gives everything back, however far `take` came.
    pub(super) fn give_back(&self) {
        self.mourn();
        self.outside.lock().take();
        let checkpoints = self.checkpoints.lock().take();
        let running = self.running.lock().take();
        freeing(checkpoints.as_deref(), || drop(running));
        self.end_admission();
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
        let (loader, admission) = self.loader(&self.settings())?;
        let started = load::try_start(&*self.obj(), THREAD, MODEL, loader);
        if started.is_ok() {
            self.begin_admission(admission);
        }
        Ok(started.map(|(engine, ())| engine))
    }
}

/// What to do where this model fills the device.
fn smaller(model: &str) -> Option<String> {
    let (name, smaller) = models::smaller_than_file(Path::new(model))?;
    Some(format!(
        "use a smaller model than {name}, such as {smaller}, or split the file"
    ))
}

/// `free` with the checkpoints around it.
fn freeing(checkpoints: Option<&Checkpoints>, free: impl FnOnce()) {
    let write = |label| checkpoints.iter().for_each(|c| c.write(label));
    write(Label::BeforeWhisperCleanup);
    free();
    heap::give_back();
    write(Label::AfterWhisperCleanup);
    write(Label::AfterTranscription);
}
