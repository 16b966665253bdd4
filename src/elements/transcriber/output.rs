//! Words and GAPs on their way downstream.

use gst::prelude::*;

use super::stream::Output;
use crate::elements::word;
use crate::time::samples_to_time;

/// Pushes the words of `output` with GAP events between them, so that no muxer waits.
pub(super) fn push(pad: &gst::Pad, output: &Output) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut covered = output.from;
    for w in &output.words {
        gap(pad, covered, w.start);
        pad.push(word::to_buffer(w))?;
        covered = w.end.max(covered);
    }
    gap(pad, covered, output.until);
    Ok(gst::FlowSuccess::Ok)
}

/// Nothing is said from sample `from` to `until`. Nothing is pushed when that is no time at all.
pub(super) fn gap(pad: &gst::Pad, from: u64, until: u64) {
    if until > from {
        let start = samples_to_time(from);
        pad.push_event(
            gst::event::Gap::builder(start)
                .duration(samples_to_time(until) - start)
                .build(),
        );
    }
}

/// Tells the language of the text that follows.
pub(super) fn language(pad: &gst::Pad, code: &str) {
    let mut tags = gst::TagList::new();
    // Just made, so there is no second reference to it.
    let writable = tags.get_mut().expect("a new tag list is writable");
    writable.add::<gst::tags::LanguageCode>(&code, gst::TagMergeMode::Replace);
    pad.push_event(gst::event::Tag::new(tags));
}
