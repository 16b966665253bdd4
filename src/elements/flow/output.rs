//! Pieces and GAPs on their way downstream.

use gst::prelude::*;

use super::stream::{Output, Piece};
use crate::time::samples_to_time;

/// Pushes the pieces of `output`, each as `to_buffer` makes it, with GAP events between them, so that no muxer waits.
pub(crate) fn push<P: Piece>(
    pad: &gst::Pad,
    output: &Output<P>,
    to_buffer: impl Fn(&P) -> gst::Buffer,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut covered = output.from;
    for piece in &output.pieces {
        gap(pad, covered, piece.start());
        pad.push(to_buffer(piece))?;
        covered = piece.end().max(covered);
    }
    gap(pad, covered, output.until);
    Ok(gst::FlowSuccess::Ok)
}

/// Nothing is there from sample `from` to `until`. Nothing is pushed when that is no time at all.
pub(crate) fn gap(pad: &gst::Pad, from: u64, until: u64) {
    if until > from {
        let start = samples_to_time(from);
        pad.push_event(
            gst::event::Gap::builder(start)
                .duration(samples_to_time(until) - start)
                .build(),
        );
    }
}
