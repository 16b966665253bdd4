//! Turns as buffers, and speakers as messages.

use gst::prelude::*;

use crate::elements::turn_caps;
use crate::speech::diarize::{Speaker, Turn, to_json};
use crate::speech::rttm;
use crate::time::{samples_to_time, time_to_samples};

/// Name of the element message of a speaker.
pub(super) const MESSAGE: &str = "speaker-embedding";

/// How turns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON object a turn.
    Json,
    /// A line of RTTM a turn.
    Rttm,
}

impl Format {
    fn caps(self) -> gst::Caps {
        match self {
            Format::Json => turn_caps(),
            Format::Rttm => gst::Caps::builder("application/x-rttm").build(),
        }
    }

    /// The one that `peer` takes, JSON if it takes both.
    pub fn choose(peer: &gst::CapsRef) -> Option<(Format, gst::Caps)> {
        [Format::Json, Format::Rttm]
            .into_iter()
            .map(|format| (format, format.caps()))
            .find(|(_, caps)| caps.can_intersect(peer))
    }

    /// All of them.
    pub fn all() -> gst::Caps {
        [Format::Json.caps(), Format::Rttm.caps()].into_iter().fold(
            gst::Caps::new_empty(),
            |mut all, caps| {
                all.merge(caps);
                all
            },
        )
    }
}

/// A buffer with `turn`, whose samples stand on the PTS line of `segment`; its text counts in running time.
pub(super) fn buffer(
    turn: &Turn,
    segment: &gst::FormattedSegment<gst::ClockTime>,
    format: Format,
    recording: &str,
) -> gst::Buffer {
    let (start, end) = (samples_to_time(turn.start), samples_to_time(turn.end));
    let running = |time| {
        segment
            .to_running_time(time)
            .map_or_else(|| time_to_samples(time), time_to_samples)
    };
    let timed = Turn {
        start: running(start),
        end: running(end),
        ..turn.clone()
    };
    let mut text = match format {
        Format::Json => to_json(&timed),
        Format::Rttm => rttm::write(recording, &timed),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut buffer = gst::Buffer::from_slice(text.into_bytes());
    // Just made, so there is no second reference to it.
    let writable = buffer.get_mut().expect("a new buffer is writable");
    writable.set_pts(start);
    writable.set_duration(end.saturating_sub(start));
    buffer
}

/// Tells the application how `speaker` sounds.
pub(super) fn introduce(element: &impl IsA<gst::Element>, speaker: &Speaker) {
    let structure = gst::Structure::builder(MESSAGE)
        .field("speaker", speaker.label.as_ref())
        .field("embedding", gst::Array::new(speaker.embedding.iter().copied()))
        .field("speech", samples_to_time(speaker.speech).nseconds())
        .build();
    let element = element.upcast_ref::<gst::Element>();
    let message = gst::message::Element::builder(structure).src(element).build();
    let _ = element.post_message(message);
}
