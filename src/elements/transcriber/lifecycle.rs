//! Taking the model at READY→PAUSED, and giving it back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gst::subclass::prelude::*;

use super::imp::Transcriber;
use super::placement::{Placement, PlacementError};
use super::settings::{OnOom, Settings};
use super::work::Transcription;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::Running;
use crate::elements::holding::Holding;
use crate::elements::isolation::Home;
use crate::elements::load;
use crate::elements::sharing::{Sharing, Terms};
use crate::infer::engine::Engine;
use crate::infer::recognizer::Recognizer;
use crate::infer::whisper::{self, WhisperConfig};
use crate::memory::probes::Device;
use crate::memory::{Label, Stage, models};

/// A running transcriber.
pub(crate) type Whispering = Running<Transcription, dyn Recognizer>;

impl Transcriber {
    /// What can be checked without loading anything.
    pub(super) fn check(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        if self.holding.factory.lock().is_some() || settings.model_path.is_none() {
            return Ok(());
        }
        let config = settings
            .config()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        self.placement(&settings)?;
        whisper::check(&config.model)
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
        *self.holding.checkpoints.lock() = Some(Arc::new(checkpoints));
        *self.holding.home.lock() = Some(Home::new(placement.is_process, settings.restart_limit));
        let engine = self.open(|| self.take_model())?;
        *self.language.lock() = None;
        self.delay.reset();
        let work = Transcription::new(settings.session());
        *self.holding.running.lock() = Some(Arc::new(Running::new(work, Some(engine))));
        Ok(())
    }

    pub(super) fn take_model(&self) -> Result<Engine<dyn Recognizer>, gst::StateChangeError> {
        let (engine, ()) = self
            .start()?
            .map_err(|error| load::refuse(&*self.obj(), &error))?;
        Ok(engine)
    }

    /// Where the model goes. With a recognizer of the application's own, that is its business.
    fn placement(&self, settings: &Settings) -> Result<Placement, gst::StateChangeError> {
        if self.holding.factory.lock().is_some() {
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
}

impl Sharing for Transcriber {
    const MODEL: &'static str = "the model";
    const STAGE: Stage = Stage::Transcription;
    const OPENS: Label = Label::BeforeTranscription;
    const RELEASE: [Label; 3] = [
        Label::BeforeWhisperCleanup,
        Label::AfterWhisperCleanup,
        Label::AfterTranscription,
    ];

    fn holding(&self) -> &Holding<Transcription, dyn Recognizer> {
        &self.holding
    }

    fn terms(&self) -> Terms<OnOom> {
        let settings = self.settings();
        Terms {
            memory_fraction: settings.memory_fraction,
            on_oom: settings.on_oom,
            keep_alive: Duration::from_millis(settings.keep_alive.into()),
        }
    }

    fn wish(&self) -> Result<WhisperConfig, gst::StateChangeError> {
        let settings = self.settings();
        let config = settings
            .config()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        Ok(WhisperConfig {
            cuda_device: self.placement(&settings)?.cuda_device,
            ..config
        })
    }
}

/// What to do where this model fills the device.
fn smaller(model: &str) -> Option<String> {
    let (name, smaller) = models::smaller_than_file(Path::new(model))?;
    Some(format!(
        "use a smaller model than {name}, such as {smaller}, or split the file"
    ))
}
