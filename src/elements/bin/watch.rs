//! What passes between the children, and what follows from it: who may load its models now, how far the run is.

use gst::{prelude::*, subclass::prelude::*};

use super::imp::ScribeBin;
use super::proxy::Child;
use super::run::Order;
use super::settings::Residency;
use crate::elements::{cleanup, pads};

impl ScribeBin {
    /// Looks at the pads from now on.
    pub(super) fn watch(&self) {
        let Some(chain) = self.chain() else { return };
        let pad = |child, name: &str| chain.child(child).static_pad(name);
        self.probe(pad(Child::Resample, "sink"), ScribeBin::input_passes);
        self.probe(pad(Child::Transcriber, "src"), ScribeBin::words_pass);
        self.probe(pad(Child::Diarizer, "src"), ScribeBin::turns_pass);
        self.probe(pad(Child::Captions, "src"), ScribeBin::captions_pass);
    }

    fn probe(&self, pad: Option<gst::Pad>, look: fn(&ScribeBin, &gst::PadProbeInfo)) {
        let weak = self.obj().downgrade();
        let what =
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        let handler = move |_: &gst::Pad, info: &mut gst::PadProbeInfo| {
            if let Some(bin) = weak.upgrade() {
                look(bin.imp(), info);
            }
            gst::PadProbeReturn::Ok
        };
        if let Some(pad) = pad {
            pad.add_probe(what, handler);
        }
    }

    fn input_passes(&self, info: &gst::PadProbeInfo) {
        match event_type(info) {
            // Not at STREAM_START: sources such as audiotestsrc know their latency only with their caps.
            Some(gst::EventType::Segment) => self.decide(),
            Some(gst::EventType::FlushStart) => self.hold_again(),
            // A seek while they were at work, and Whisper comes first again.
            Some(gst::EventType::FlushStop) if self.order() == Some(Order::Sequential) => {
                self.clean(Child::Diarizer);
            }
            _ => {}
        }
    }

    /// Whether the models take turns: known when the first stream begins, as only then upstream says what it is.
    fn decide(&self) {
        let settings = self.settings();
        let order = match settings.residency {
            Residency::Sequential => Order::Sequential,
            Residency::Concurrent => Order::Concurrent,
            // What goes along with the audio must not wait for its end.
            Residency::Auto if self.has_audio() || pads::is_live(&self.sink) => Order::Concurrent,
            Residency::Auto => Order::Sequential,
        };
        let decided = {
            let mut run = self.run.lock();
            let undecided = run.as_mut().filter(|run| run.order == Order::Undecided);
            undecided.map(|run| run.order = order).is_some()
        };
        if decided {
            gst::debug!(super::imp::CAT, imp = self, "{order:?}");
            if order == Order::Concurrent
                && let Some(chain) = self.chain()
            {
                chain.spool.open();
            }
        }
    }

    /// What comes behind the flush waits for Whisper like the first time.
    fn hold_again(&self) {
        let held = {
            let mut run = self.run.lock();
            let sequential = run.as_mut().filter(|run| run.order == Order::Sequential);
            sequential.map(|run| run.diarizing = false).is_some()
        };
        if let (true, Some(chain)) = (held && self.settings().diarize, self.chain()) {
            chain.spool.hold();
        }
    }

    fn words_pass(&self, info: &gst::PadProbeInfo) {
        if self.order() != Some(Order::Sequential) || !self.settings().diarize {
            return;
        }
        if event_type(info) == Some(gst::EventType::Eos) {
            self.stages.transcription.end(&*self.obj(), "Transcribed");
            self.clean(Child::Transcriber);
            if let Some(run) = self.run.lock().as_mut() {
                run.diarizing = true;
            }
            if let Some(chain) = self.chain() {
                chain.spool.open();
            }
        } else if let Some(position) = position(info) {
            let all = self.sink.peer_query_duration::<gst::ClockTime>();
            self.stages.transcription.tell(&*self.obj(), position, all);
        }
    }

    /// The alignment is told by what goes into it: what comes out may wait for the pipeline to play, and that for the
    /// end of all progress.
    fn turns_pass(&self, info: &gst::PadProbeInfo) {
        if self.order() != Some(Order::Sequential) {
            return;
        }
        let obj = self.obj();
        if event_type(info) == Some(gst::EventType::Eos) {
            self.stages.alignment.end(&*obj, "Aligned words and speakers");
        } else if info.buffer().is_some() {
            self.stages.alignment.tell(&*obj, gst::ClockTime::ZERO, None);
        }
    }

    fn captions_pass(&self, info: &gst::PadProbeInfo) {
        if event_type(info) == Some(gst::EventType::Eos) {
            self.say_withheld();
        } else if info.buffer().is_some() {
            let segment = self.src.sticky_event::<gst::event::Segment>(0);
            let segment = segment.and_then(|s| s.segment().downcast_ref::<gst::ClockTime>().cloned());
            let said = segment
                .zip(position(info))
                .and_then(|(segment, end)| segment.to_running_time(end));
            if self.delay.observe(&*self.obj(), self.sink.upcast_ref(), said) {
                self.obj().notify("max-observed-delay");
            }
        }
    }

    /// Has a child give its models back.
    pub(super) fn clean(&self, child: Child) {
        if let Some(chain) = self.chain() {
            chain.child(child).emit_by_name::<()>(cleanup::SIGNAL, &[]);
        }
    }
}

fn event_type(info: &gst::PadProbeInfo) -> Option<gst::EventType> {
    info.event().map(|event| event.type_())
}

/// Where a word, caption or GAP ends.
fn position(info: &gst::PadProbeInfo) -> Option<gst::ClockTime> {
    if let Some(buffer) = info.buffer() {
        return Some(buffer.pts()? + buffer.duration().unwrap_or_default());
    }
    match info.event()?.view() {
        gst::EventView::Gap(gap) => {
            let (start, duration) = gap.get();
            Some(start + duration.unwrap_or_default())
        }
        _ => None,
    }
}
