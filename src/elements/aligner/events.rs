//! What comes in on the two sink pads, and events that go up.

use gst::{prelude::*, subclass::prelude::*};

use super::imp::{CAT, ScribeAligner};
use super::latency::Upstream;
use super::shared::Shared;
use super::stream::{FINAL_TRANSCRIPT, SPEAKER_CHANGE, Stream};
use super::timing::Segment;
use super::turns;
use crate::memory::Label;

impl ScribeAligner {
    pub(super) fn words_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let shared = self.shared().ok_or(gst::FlowError::Flushing)?;
        let Some(pts) = buffer.pts() else {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("A word has no timestamp, so it cannot have a speaker. Put an element in front that sets PTS.")
            );
            return Err(gst::FlowError::Error);
        };
        if !shared.push_word(|stream| stream.push_word(buffer, pts))? {
            gst::warning!(CAT, imp = self, "No UTF-8 text in the buffer at {pts}");
        }
        Ok(gst::FlowSuccess::Ok)
    }

    pub(super) fn words_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let forward = |event| gst::Pad::event_default(pad, Some(&*self.obj()), event);
        let Some(shared) = self.shared() else {
            return forward(event);
        };
        match event.view() {
            EventView::FlushStart(_) => {
                shared.flush();
                let passed = self.src.push_event(event);
                // Waits for the task, which the flush here and downstream has let go.
                let _ = self.src.pause_task();
                passed
            }
            EventView::FlushStop(_) => {
                let passed = self.src.push_event(event);
                shared.with(Stream::restart_words);
                shared.run();
                self.start_task(&shared) && passed
            }
            EventView::StreamStart(_) => {
                self.ask_upstream(&shared);
                shared.with(|stream| stream.words_begin(event));
                true
            }
            EventView::Segment(e) => match self.time_segment(e.segment()) {
                Some(segment) => {
                    self.ask_upstream(&shared);
                    shared.with(|stream| stream.set_words_segment(segment, event));
                    true
                }
                None => false,
            },
            EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                shared
                    .push_word(|stream| stream.words_gap(start, duration))
                    .is_ok()
            }
            EventView::Eos(_) | EventView::SegmentDone(_) => {
                shared.with(|stream| stream.words_end(event));
                true
            }
            // Who speaks and where a sentence ends is said anew.
            EventView::CustomDownstream(_) if event.has_name(SPEAKER_CHANGE) => true,
            EventView::CustomDownstream(_) if event.has_name(FINAL_TRANSCRIPT) => true,
            _ if event.is_serialized() => {
                shared.with(|stream| stream.push_event(event));
                true
            }
            _ => forward(event),
        }
    }

    pub(super) fn turns_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let shared = self.shared().ok_or(gst::FlowError::Flushing)?;
        self.write(Label::BeforeSpeakerAlignment);
        let wrong = shared.push_turns(|stream| {
            let (turns, wrong) = turns::read(&buffer, &stream.turns_segment());
            stream.push_turns(&turns);
            wrong
        })?;
        if let Some(wrong) = wrong {
            gst::warning!(CAT, imp = self, "Skipped: {wrong}");
            if shared.first_wrong() {
                gst::element_imp_warning!(
                    self,
                    gst::StreamError::Decode,
                    ("What is no turn is skipped: {wrong}. Link the pad turns to scribediarizer or to what writes the same"),
                    ["only the first is told"]
                );
            }
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// None of them goes downstream: what is between the turns is nothing to the words.
    pub(super) fn turns_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let Some(shared) = self.shared() else {
            return true;
        };
        match event.view() {
            EventView::FlushStart(_) | EventView::FlushStop(_) => shared.with(Stream::restart_turns),
            EventView::StreamStart(_) => shared.with(Stream::turns_begin),
            EventView::Segment(e) => match self.time_segment(e.segment()) {
                Some(segment) => shared.with(|stream| stream.set_turns_segment(segment)),
                None => return false,
            },
            EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                self.write(Label::BeforeSpeakerAlignment);
                shared.with(|stream| stream.turns_gap(start, duration));
            }
            EventView::Eos(_) | EventView::SegmentDone(_) => {
                self.write(Label::BeforeSpeakerAlignment);
                shared.with(Stream::turns_end);
            }
            _ => {}
        }
        true
    }

    /// A seek goes where the words come from, and to the turns only where those refuse it.
    pub(super) fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Seek => self.words.push_event(event.clone()) || self.turns.push_event(event),
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    /// Whether the words may wait without end depends on upstream.
    fn ask_upstream(&self, shared: &Shared) {
        if let Some(upstream) = Upstream::ask([&self.words, &self.turns]) {
            shared.with(|stream| stream.set_upstream(upstream));
        }
    }

    fn time_segment(&self, segment: &gst::Segment) -> Option<Segment> {
        let timed = segment.clone().downcast::<gst::ClockTime>();
        if timed.is_err() {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "Expected a segment in TIME format, got {:?}. Set format=time on the source or put a parser in front.",
                    segment.format()
                )
            );
        }
        timed.ok()
    }
}
