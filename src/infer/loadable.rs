//! The kinds of models that elements load: each either in this process or, by the same words, in a worker.

use super::model::{LoadError, Loader};
use super::onnx::{OnnxSpeakers, SpeakersConfig};
use super::pool::{Pool, Shared};
use super::protocol::{Load, Travels};
use super::recognizer::{self, Recognizer};
use super::speaker_models::{self, SpeakerModels};
use super::whisper::{Whisper, WhisperConfig};
use super::worker::{Health, RemoteModel};

/// A kind of model.
pub trait Loadable: Shared + Travels {
    /// What is loaded, and how it is asked.
    type Config: Clone + PartialEq + Into<Load> + Send + 'static;
    /// The thread that owns it.
    const THREAD: &'static str;

    /// Loads it into this process, reporting per cent.
    ///
    /// # Errors
    /// As [`Whisper::load`] and [`OnnxSpeakers::load`].
    fn load(config: &Self::Config, report: &mut dyn FnMut(i32)) -> Result<Box<Self>, LoadError>;

    /// One that is in a worker.
    fn remote(model: RemoteModel) -> Box<Self>;

    /// Those of this process that elements share.
    fn pool() -> &'static Pool<Self>;
}

/// Loads the model of `config`: in a worker where there is somebody to be told about its `process`.
pub fn loader<M: Loadable + ?Sized>(config: M::Config, process: Option<Health>) -> Loader<M> {
    Box::new(move |report| match process {
        Some(health) => RemoteModel::load(config.into(), &health, report).map(M::remote),
        None => M::load(&config, report),
    })
}

impl Loadable for dyn Recognizer {
    type Config = WhisperConfig;
    const THREAD: &'static str = "scribe-whisper";

    fn load(config: &WhisperConfig, report: &mut dyn FnMut(i32)) -> Result<Box<Self>, LoadError> {
        Ok(Box::new(Whisper::load(config, report)?))
    }

    fn remote(model: RemoteModel) -> Box<Self> {
        Box::new(model)
    }

    fn pool() -> &'static Pool<Self> {
        &recognizer::POOL
    }
}

impl Loadable for dyn SpeakerModels {
    type Config = SpeakersConfig;
    const THREAD: &'static str = "scribe-speakers";

    fn load(config: &SpeakersConfig, report: &mut dyn FnMut(i32)) -> Result<Box<Self>, LoadError> {
        Ok(Box::new(OnnxSpeakers::load(config, report)?))
    }

    fn remote(model: RemoteModel) -> Box<Self> {
        Box::new(model)
    }

    fn pool() -> &'static Pool<Self> {
        &speaker_models::POOL
    }
}
