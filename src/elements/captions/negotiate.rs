//! Which format downstream gets.

use gst::prelude::*;

use crate::speech::captions::Format;

/// What is taken when downstream takes several. Markup before plain text, because encoders (webvttenc)
/// copy both and only markup is escaped; text before whole files, because a muxer wants bare cues.
const PREFERENCE: [Format; 5] = [
    Format::PangoMarkup,
    Format::Utf8,
    Format::WebVtt,
    Format::SubRip,
    Format::Transcript,
];

pub fn caps(format: Format) -> gst::Caps {
    let (name, field) = match format {
        Format::PangoMarkup => ("text/x-raw", Some("pango-markup")),
        Format::Utf8 => ("text/x-raw", Some("utf8")),
        Format::WebVtt => ("application/x-subtitle-vtt", None),
        Format::SubRip => ("application/x-subtitle", None),
        Format::Transcript => ("application/x-json", Some("transcript")),
    };
    gst::Caps::builder(name).field_if_some("format", field).build()
}

/// Everything that the element can make, best first.
pub fn all_caps() -> gst::Caps {
    PREFERENCE
        .into_iter()
        .flat_map(|format| caps(format).iter().map(ToOwned::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The format for whatever is linked to `src`; `None` when it takes none of ours.
pub fn choose(src: &gst::Pad) -> Option<Format> {
    let wanted = src.peer_query_caps(None);
    if wanted.is_any() {
        return Some(Format::WebVtt);
    }
    PREFERENCE
        .into_iter()
        .find(|&format| caps(format).can_intersect(&wanted))
}

/// Whether `src` leads to a muxer, past elements that pass anything on as it is (caps filters, queues).
/// In a file a cue is a line of its own; a muxed one must not end in an empty line.
pub fn feeds_muxer(src: &gst::Pad) -> bool {
    let mut next = src.peer();
    while let Some(element) = next.take().and_then(real).and_then(|pad| pad.parent_element()) {
        if element
            .metadata("klass")
            .is_some_and(|klass| klass.contains("Muxer"))
        {
            return true;
        }
        if let ([sink], [out]) = (&element.sink_pads()[..], &element.src_pads()[..])
            && passes_anything(sink)
            && passes_anything(out)
        {
            next = out.peer();
        }
    }
    false
}

fn passes_anything(pad: &gst::Pad) -> bool {
    pad.pad_template()
        .is_some_and(|template| template.caps().is_any())
}

/// The pad behind the border of a bin: inside when going in, outside when going out.
fn real(mut pad: gst::Pad) -> Option<gst::Pad> {
    loop {
        pad = if let Some(ghost) = pad.downcast_ref::<gst::GhostPad>() {
            ghost.target()?
        } else if let Some(ghost) = pad.parent().and_downcast::<gst::GhostPad>() {
            ghost.peer()?
        } else {
            return Some(pad);
        };
    }
}
