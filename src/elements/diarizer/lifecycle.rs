//! Taking the models at READY→PAUSED, and giving them back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gst::subclass::prelude::*;

use super::enrollment;
use super::imp::Diarizer;
use super::settings::{Config, OnOom, SessionConfig};
use super::work::Diarization;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::Running;
use crate::elements::holding::Holding;
use crate::elements::isolation::Home;
use crate::elements::load;
use crate::elements::sharing::{Sharing, Terms};
use crate::infer::engine::Engine;
use crate::infer::model::{LoadError, RunError};
use crate::infer::onnx::{OnnxSpeakers, SpeakersConfig};
use crate::infer::plda_file;
use crate::infer::speaker_models::{Answer, Request, SpeakerFacts, SpeakerModels};
use crate::infer::worker;
use crate::memory::{Label, Stage};
use crate::speech::diarize::{Embedding, Voices};

/// A running diarizer.
pub(crate) type Listening = Running<Diarization, dyn SpeakerModels>;

impl Diarizer {
    /// What can be checked without loading anything.
    pub(super) fn check(&self) -> Result<(), gst::StateChangeError> {
        let config = self.config()?;
        if self.holding.factory.lock().is_some() {
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
        *self.holding.checkpoints.lock() = Some(checkpoints);
        let settings = self.settings();
        let is_process = settings.isolation.is_process(config.models.device);
        *self.holding.home.lock() = Some(Home::new(is_process, settings.restart_limit));
        let live = Arc::new(AtomicBool::new(false));
        *self.live.lock() = live.clone();
        let running = if self.sequential.load(Ordering::Relaxed) {
            Running::new(Diarization::new(config.session, None, live), None)
        } else {
            let (engine, session, facts) = self.open(|| self.take_models(config))?;
            Running::new(Diarization::new(session, Some(facts), live), Some(engine))
        };
        *self.holding.running.lock() = Some(Arc::new(running));
        Ok(())
    }

    /// Takes the models that [`Diarizer::take`] has left for later.
    pub(super) fn take_late(&self, running: &Listening) -> Result<(), gst::StateChangeError> {
        let config = self.config()?;
        let (engine, session, facts) = self.open(|| self.take_models(config))?;
        running.equip(engine);
        running.stream.with_work(|work| work.equip(session, facts));
        Ok(())
    }

    /// Takes the models again that were freed while the element ran.
    pub(super) fn take_again(&self) -> Result<Engine<dyn SpeakerModels>, gst::StateChangeError> {
        let config = self.config()?;
        Ok(self.open_again(|| self.take_models(config))?.0)
    }

    fn take_models(
        &self,
        mut config: Config,
    ) -> Result<(Engine<dyn SpeakerModels>, SessionConfig, SpeakerFacts), gst::StateChangeError> {
        let obj = self.obj();
        let refuse = |e: LoadError| load::refuse(&*obj, &e);
        if let Some(file) = config.plda.take() {
            config.session.plda = Some(Arc::new(plda_file::read(&file).map_err(refuse)?));
        }
        let (engine, facts) = self.start()?.map_err(refuse)?;
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
        Ok((engine, config.session, facts))
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
                let text = format!("the voice in {} cannot be embedded: {e}", person.file.display());
                match e {
                    RunError::NoMemory { .. } => LoadError::NoMemory(text),
                    _ => LoadError::Failed(text),
                }
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
}

impl Sharing for Diarizer {
    const MODEL: &'static str = "the speaker models";
    const STAGE: Stage = Stage::Diarization;
    const OPENS: Label = Label::BeforeDiarization;
    const RELEASE: [Label; 3] = [
        Label::BeforeDiarizationModelCleanup,
        Label::AfterDiarizationModelCleanup,
        Label::AfterDiarization,
    ];

    fn holding(&self) -> &Holding<Diarization, dyn SpeakerModels> {
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

    fn wish(&self) -> Result<SpeakersConfig, gst::StateChangeError> {
        Ok(self.config()?.models)
    }
}
