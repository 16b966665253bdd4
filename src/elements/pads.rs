//! What the elements here have: a sink pad and a source pad, from the beginning to the end, and what one asks them.

use gst::prelude::*;

/// The templates of the two.
pub(super) fn templates(sink: &gst::Caps, source: &gst::Caps) -> Vec<gst::PadTemplate> {
    let always = |name, direction, caps| {
        // Fails only for a name with a request pattern.
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).expect("a plain name")
    };
    vec![
        always("sink", gst::PadDirection::Sink, sink),
        always("src", gst::PadDirection::Src, source),
    ]
}

/// Whether what comes to this sink pad is live.
pub(super) fn is_live(sink: &impl IsA<gst::Pad>) -> bool {
    let mut latency = gst::query::Latency::new();
    sink.as_ref().peer_query(&mut latency) && latency.result().0
}

/// Gives them to an element under construction.
pub(super) fn add(element: &impl IsA<gst::Element>, sink: &gst::Pad, source: &gst::Pad) {
    for pad in [sink, source] {
        // Two pads of different names on a new element: neither can be refused.
        element.add_pad(pad).expect("a new element has no pads");
    }
}
