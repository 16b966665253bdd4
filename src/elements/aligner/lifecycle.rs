//! States, and the memory checkpoints along them.

use std::sync::Arc;

use gst::{prelude::*, subclass::prelude::*};

use super::imp::ScribeAligner;
use super::shared::Shared;
use super::stream::Stream;
use crate::elements::checkpoints::Checkpoints;
use crate::infer::heap;
use crate::memory::Label;

impl ScribeAligner {
    /// A state change with what is taken and given back around it.
    pub(super) fn change(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let shared = self.shared();
        match transition {
            gst::StateChange::ReadyToPaused => self.begin(),
            gst::StateChange::PausedToPlaying => shared.iter().for_each(|s| s.set_playing(true)),
            gst::StateChange::PlayingToPaused => shared.iter().for_each(|s| s.set_playing(false)),
            // Before the parent's change, which waits for the task.
            gst::StateChange::PausedToReady => shared.iter().for_each(|s| s.flush()),
            _ => {}
        }
        drop(shared);
        let result = self.parent_change_state(transition);
        let failed_up = transition == gst::StateChange::ReadyToPaused && result.is_err();
        if transition == gst::StateChange::PausedToReady || failed_up {
            self.release();
        }
        result
    }

    fn begin(&self) {
        let settings = self.settings();
        let checkpoints = Checkpoints::new(&*self.obj(), settings.memory_log.as_ref().map(Into::into));
        *self.checkpoints.lock() = Some(Arc::new(checkpoints));
        let mut stream = Stream::new(settings.config(), settings.own_latency());
        stream.set_turns_linked(self.turns.is_linked());
        *self.shared.lock() = Some(Arc::new(Shared::new(stream)));
    }

    /// Gives everything back, and writes what has not been written.
    pub(super) fn release(&self) {
        let shared = self.shared.lock().take();
        self.clean(|| match shared {
            Some(shared) => {
                let used = shared.with(Stream::release);
                drop(shared);
                used
            }
            None => false,
        });
        *self.checkpoints.lock() = None;
    }

    /// Writes a checkpoint, when there is a cycle in which it has not been written.
    pub(super) fn write(&self, label: Label) {
        let checkpoints = self.checkpoints.lock().clone();
        if let Some(checkpoints) = checkpoints {
            checkpoints.write(label);
        }
    }

    /// The signal `cleanup-models`.
    pub(super) fn cleanup_asked(&self) {
        if let Some(shared) = self.shared()
            && shared.ask_cleanup()
        {
            self.cleanup(&shared);
        }
    }

    /// Gives back what no word needs, with the checkpoints of it.
    pub(super) fn cleanup(&self, shared: &Shared) {
        self.clean(|| shared.with(Stream::release));
    }

    /// Writes the checkpoints around `free`, which says whether anything was held.
    fn clean(&self, free: impl FnOnce() -> bool) {
        self.write(Label::BeforeSpeakerAlignment);
        self.write(Label::BeforeAlignmentTensorsCleanup);
        if free() {
            heap::give_back();
        }
        self.write(Label::AfterAlignmentTensorsCleanup);
        self.write(Label::AfterSpeakerAlignment);
    }
}
