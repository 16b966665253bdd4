//! The task of the source pad: it alone pushes, and it waits for input and for the clock.

use std::sync::Arc;

use gst::{prelude::*, subclass::prelude::*};

use super::imp::{CAT, ScribeAligner};
use super::shared::{Shared, Step};
use super::stream::Output;
use crate::memory::Label;

impl ScribeAligner {
    pub(super) fn src_activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        let Some(shared) = self.shared() else {
            return Ok(());
        };
        if active {
            shared.run();
            if !self.start_task(&shared) {
                return Err(gst::loggable_error!(CAT, "cannot start the output task"));
            }
            return Ok(());
        }
        shared.flush();
        pad.stop_task()
            .map_err(|e| gst::loggable_error!(CAT, "cannot stop the output task: {e}"))
    }

    pub(super) fn start_task(&self, shared: &Arc<Shared>) -> bool {
        let weak = self.obj().downgrade();
        let shared = Arc::downgrade(shared);
        let task = move || {
            if let (Some(element), Some(shared)) = (weak.upgrade(), shared.upgrade()) {
                Self::from_obj(&element).turn(&shared);
            }
        };
        self.src.start_task(task).is_ok()
    }

    /// One turn of the task.
    fn turn(&self, shared: &Shared) {
        let obj = self.obj();
        match shared.step(|| Some((obj.clock()?, obj.base_time()?))) {
            Step::Push(due) => self.push(shared, due),
            Step::Cleanup => self.cleanup(shared),
            Step::Wait(timer) => {
                gst::trace!(CAT, imp = self, "Waiting until {}", timer.time());
                let _ = timer.wait(); // reached or unscheduled: the next turn looks
            }
            Step::Stop => {
                let _ = self.src.pause_task(); // fails only where it is stopped already
            }
        }
    }

    /// Once downstream has refused a word, it gets no other, but still the events: the end must arrive.
    fn push(&self, shared: &Shared, due: Vec<Output>) {
        let mut said = shared.downstream();
        for output in due {
            match output {
                Output::Word(buffer) => {
                    self.write(Label::BeforeSpeakerAlignment);
                    if said.is_ok() {
                        gst::trace!(CAT, imp = self, "Pushing {buffer:?}");
                        said = self.src.push(buffer);
                        self.heed(shared, said);
                    }
                }
                Output::Event(event) => {
                    gst::log!(CAT, imp = self, "Pushing {event:?}");
                    self.src.push_event(event);
                }
                Output::Eos(event) => {
                    self.cleanup(shared);
                    gst::debug!(CAT, imp = self, "All words are out");
                    self.src.push_event(event);
                }
            }
        }
    }

    fn heed(&self, shared: &Shared, said: Result<gst::FlowSuccess, gst::FlowError>) {
        if let Err(error) = said {
            gst::debug!(CAT, imp = self, "Downstream takes no more: {error}");
            shared.downstream_said(said);
        }
    }
}
