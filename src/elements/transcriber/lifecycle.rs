//! Taking the model at READY→PAUSED, and giving it back.

use std::sync::Arc;

use gst::{prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::imp::Transcriber;
use super::stream::Stream;
use crate::elements::checkpoints::Checkpoints;
use crate::infer::engine::Engine;
use crate::infer::recognizer::{LoadError, Loader};
use crate::infer::{heap, model_file, whisper::Whisper};
use crate::memory::{Label, Stage};

/// What exists from READY→PAUSED to PAUSED→READY.
pub(super) struct Running {
    pub stream: Stream,
    pub engine: Engine,
    pub language: Mutex<Option<Arc<str>>>,
}

impl Running {
    pub fn go(&self) {
        self.engine.cancel().clear();
        self.stream.run();
    }

    /// Ends every wait and the inference that runs.
    pub fn stop(&self) {
        self.stream.flush();
        self.engine.cancel().set();
    }
}

impl Transcriber {
    /// What can be checked without loading anything.
    pub(super) fn prepare(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        if self.factory.lock().is_some() || settings.model_path.is_none() {
            return Ok(());
        }
        let config = settings.config().map_err(|text| self.refuse_settings(&text))?;
        model_file::check(&config.whisper.model)
            .map(drop)
            .map_err(|e| self.refuse(&e))
    }

    /// Takes the model.
    pub(super) fn load(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        let checkpoints = Arc::new(Checkpoints::new(
            &*self.obj(),
            settings.memory_log.as_ref().map(Into::into),
        ));
        checkpoints.begin_cycle();
        *self.checkpoints.lock() = Some(checkpoints.clone());
        // What others freed and glibc kept would be taken first, and the model would look smaller than it is.
        heap::give_back();
        checkpoints.write(Label::BeforeTranscription);
        let factory = self.factory.lock().clone();
        let (session, loader) = match factory {
            Some(factory) => (settings.session(), factory()),
            None => {
                let config = settings.config().map_err(|text| self.refuse_settings(&text))?;
                let whisper = config.whisper;
                let loader: Loader = Box::new(move |report| Ok(Box::new(Whisper::load(&whisper, report)?)));
                (config.session, loader)
            }
        };
        self.progress(gst::ProgressType::Start, "Loading the model");
        let engine = Engine::start("scribe-whisper", loader, |percent| {
            self.progress(
                gst::ProgressType::Continue,
                &format!("Loading the model: {percent} %"),
            );
        });
        let engine = engine.map_err(|e| self.refuse(&e))?;
        checkpoints.taken(Stage::Transcription);
        self.progress(gst::ProgressType::Complete, "The model is loaded");
        let running = Running {
            stream: Stream::new(session),
            engine,
            language: Mutex::default(),
        };
        *self.running.lock() = Some(Arc::new(running));
        Ok(())
    }

    /// Gives everything back, however far `load` came.
    pub(super) fn release(&self) {
        let checkpoints = self.checkpoints.lock().take();
        let running = self.running.lock().take();
        let write = |label| checkpoints.iter().for_each(|c| c.write(label));
        write(Label::BeforeWhisperCleanup);
        drop(running);
        heap::give_back();
        write(Label::AfterWhisperCleanup);
        write(Label::AfterTranscription);
    }

    fn progress(&self, kind: gst::ProgressType, text: &str) {
        let obj = self.obj();
        let _ = obj.post_message(
            gst::message::Progress::builder(kind, "load", text)
                .src(&*obj)
                .build(),
        );
    }

    fn refuse(&self, error: &LoadError) -> gst::StateChangeError {
        self.progress(gst::ProgressType::Error, &error.to_string());
        match error {
            LoadError::NotFound(text) => {
                gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{text}"))
            }
            LoadError::WrongFile(text) => {
                gst::element_imp_error!(self, gst::ResourceError::OpenRead, ("{text}"))
            }
            LoadError::NoMemory(text) => {
                gst::element_imp_error!(self, gst::ResourceError::NoSpaceLeft, ("{text}"))
            }
            LoadError::Failed(text) => gst::element_imp_error!(self, gst::ResourceError::Failed, ("{text}")),
        }
        gst::StateChangeError
    }

    fn refuse_settings(&self, text: &str) -> gst::StateChangeError {
        gst::element_imp_error!(self, gst::ResourceError::Settings, ("{text}"));
        gst::StateChangeError
    }
}
