//! States: what a run begins and ends with, however it ends.

use std::sync::Arc;

use gst::{prelude::*, subclass::prelude::*};

use super::imp::ScribeBin;
use super::proxy::Child;
use super::run::Run;
use super::settings::Residency;
use super::whisper_model::{self, Choice, Surroundings};
use crate::elements::checkpoints::Checkpoints;
use crate::elements::diarizer::{Diarizer, Mode};
use crate::elements::no_audio::NoAudioWatch;
use crate::elements::transcriber::Transcriber;
use crate::elements::{load, room};
use crate::memory::probes::Device;
use crate::memory::{Label, models};

/// The demo model that the library brings.
const BUNDLED: &str = "bundled";

impl ScribeBin {
    /// A state change with what the bin does around it.
    pub(super) fn change(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.prepare()?,
            gst::StateChange::ReadyToPaused => self.begin()?,
            gst::StateChange::PausedToReady => self.write(Label::BeforeFinalCleanup),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        match transition {
            gst::StateChange::PausedToReady => self.end(),
            gst::StateChange::ReadyToPaused if result.is_err() => {
                self.write(Label::BeforeFinalCleanup);
                // Some are in PAUSED already, and hold models.
                self.set_children(gst::State::Ready);
                self.end();
            }
            _ => {}
        }
        result
    }

    /// What can be checked without loading anything.
    fn prepare(&self) -> Result<(), gst::StateChangeError> {
        let Some(chain) = self.chain() else {
            gst::element_imp_error!(
                self,
                gst::CoreError::MissingPlugin,
                ("GStreamer's elements tee and queue are not installed: install its core elements (on Debian the package \
                     libgstreamer1.0-0) and look at the environment variable GST_PLUGIN_SYSTEM_PATH")
            );
            return Err(gst::StateChangeError);
        };
        chain.set_diarize(self.settings().diarize);
        self.choose_whisper()
    }

    /// Finds the file that `whisper-model` means and gives it to the transcriber.
    fn choose_whisper(&self) -> Result<(), gst::StateChangeError> {
        let Some(chain) = self.chain() else { return Ok(()) };
        let transcriber = chain.child(Child::Transcriber);
        let wanted = self.settings().whisper_model.filter(|name| !name.is_empty());
        let device = model_device(transcriber);
        let (place, room) = room::on(device);
        let surroundings = Surroundings {
            folders: whisper_model::folders(|name| std::env::var_os(name)),
            language: transcriber.property("language-code"),
            place,
            room,
            percent: transcriber.property("memory-fraction"),
            decoders: transcriber
                .downcast_ref::<Transcriber>()
                .map_or(models::DECODERS, Transcriber::decoders),
        };
        let choice = whisper_model::choose(wanted.as_deref().unwrap_or(BUNDLED), &surroundings)
            .map_err(|error| load::refuse(&*self.obj(), &error))?;
        gst::debug!(super::imp::CAT, imp = self, "Whisper model: {choice:?}");
        transcriber.set_property(
            "model-path",
            match choice {
                Choice::Bundled => BUNDLED.into(),
                Choice::File(path) => path.display().to_string(),
            },
        );
        Ok(())
    }

    fn begin(&self) -> Result<(), gst::StateChangeError> {
        let Some(chain) = self.chain() else {
            return Err(gst::StateChangeError);
        };
        let settings = self.settings();
        let memory_log = settings.memory_log.as_ref().map(Into::into);
        let device = model_device(chain.child(Child::Transcriber));
        let checkpoints = Arc::new(Checkpoints::on_device(&*self.obj(), memory_log, device));
        checkpoints.begin_cycle();
        *self.run.lock() = Some(Run::new(checkpoints));
        self.stages.reset();
        self.delay.reset();
        self.write(Label::PipelineInitialization);
        // The largest that fits now.
        if let Err(error) = self.choose_whisper() {
            self.write(Label::BeforeFinalCleanup);
            self.end();
            return Err(error);
        }
        let later = settings.diarize && settings.residency != Residency::Concurrent;
        if let Some(diarizer) = chain.child(Child::Diarizer).downcast_ref::<Diarizer>() {
            diarizer.set_sequential(later);
        }
        chain.spool.set_memory(settings.spool_bytes());
        if later {
            chain.spool.hold();
        } else {
            chain.spool.open();
        }
        self.set_mode();
        let lateness = gst::ClockTime::from_mseconds(settings.lateness.into());
        self.src.set_offset(lateness.nseconds() as i64);
        *self.no_audio.lock() = NoAudioWatch::new(self.sink.upcast_ref());
        // First of all: its checkpoint comes before the others'. No audio comes before the bin's own pads are active.
        let _ = chain.child(Child::Resample).set_state(gst::State::Paused); // the parent's change sees a failure
        Ok(())
    }

    /// Beside audio that goes on, the turns must not wait for its end.
    fn set_mode(&self) {
        let Some(chain) = self.chain() else { return };
        let diarizer = chain.child(Child::Diarizer);
        if self.has_audio() && diarizer.property::<Mode>("mode") == Mode::Auto {
            diarizer.set_property("mode", Mode::Online);
            self.mode_is_ours
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Everything has been given back, or never taken.
    fn end(&self) {
        drop(self.no_audio.lock().take());
        if self
            .mode_is_ours
            .swap(false, std::sync::atomic::Ordering::Relaxed)
            && let Some(chain) = self.chain()
        {
            chain.child(Child::Diarizer).set_property("mode", Mode::Auto);
        }
        self.say_withheld();
        let diarize = self.settings().diarize;
        let missing = self.run.lock().as_ref().map(|run| run.missing(diarize));
        for label in missing.unwrap_or_default() {
            self.write(label);
        }
        self.write(Label::AfterFinalCleanup);
        *self.run.lock() = None;
    }

    /// The application let go of a bin that it had not stopped.
    pub(super) fn abandon(&self) {
        if self.run.lock().is_some() {
            self.write(Label::BeforeFinalCleanup);
            self.set_children(gst::State::Null);
            self.end();
        }
    }

    fn set_children(&self, state: gst::State) {
        for child in self.obj().children() {
            if !child.is_locked_state() {
                // Going down does not fail.
                let _ = child.set_state(state);
            }
        }
    }

    /// A checkpoint of the bin itself.
    fn write(&self, label: Label) {
        let checkpoints = {
            let mut run = self.run.lock();
            run.as_mut().map(|run| {
                run.written.insert(label);
                run.checkpoints.clone()
            })
        };
        if let Some(checkpoints) = checkpoints {
            checkpoints.write(label);
        }
    }

    /// Posts the ERROR that waited for the words.
    pub(super) fn say_withheld(&self) {
        let withheld = self.run.lock().as_mut().and_then(|run| run.withheld.take());
        if let Some(message) = withheld {
            self.parent_handle_message(message);
        }
    }
}

/// Where the transcriber's model goes.
fn model_device(transcriber: &gst::Element) -> Device {
    let transcriber = transcriber.downcast_ref::<Transcriber>();
    transcriber.map_or(Device::Cpu, Transcriber::model_device)
}
