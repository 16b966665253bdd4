//! Says so when a file has no audio.
//!
//! `filesrc ! decodebin ! scriberesample` on a file without an audio track leaves the last link unmade, and a
//! pipeline like that waits for ever without a word. When everything beside us that could bring a track has said
//! that no more will come, and none of its pads has audio, there is nothing to wait for: that is an ERROR.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::{glib, prelude::*};

/// Watches the demuxers and decoders beside an element until dropped.
pub struct NoAudioWatch {
    sources: Vec<(glib::WeakRef<gst::Element>, glib::SignalHandlerId)>,
}

impl NoAudioWatch {
    /// For `pad` of an element in a bin. `None` when it is linked, or when no neighbour brings tracks of its own.
    pub fn new(pad: &gst::Pad) -> Option<Self> {
        let element = pad.parent_element()?;
        let bin = element.parent()?.downcast::<gst::Bin>().ok()?;
        if pad.is_linked() {
            return None;
        }
        let sources: Vec<gst::Element> = bin.children().into_iter().filter(brings_tracks).collect();
        let open = Arc::new(AtomicUsize::new(sources.len()));
        let all: Arc<[glib::WeakRef<gst::Element>]> = sources.iter().map(ObjectExt::downgrade).collect();
        let watched = sources.iter().map(|source| {
            let (pad, bin) = (pad.downgrade(), bin.downgrade());
            let (open, all) = (open.clone(), all.clone());
            let handler = source.connect_no_more_pads(move |_| {
                let (Some(pad), Some(bin)) = (pad.upgrade(), bin.upgrade()) else {
                    return;
                };
                let last = open.fetch_sub(1, Ordering::SeqCst) <= 1;
                if last && !pad.is_linked() {
                    judge(&pad, &bin, &all);
                }
            });
            (source.downgrade(), handler)
        });
        let sources: Vec<_> = watched.collect();
        (!sources.is_empty()).then_some(NoAudioWatch { sources })
    }
}

impl Drop for NoAudioWatch {
    fn drop(&mut self) {
        for (source, handler) in self.sources.drain(..) {
            if let Some(source) = source.upgrade() {
                source.disconnect(handler);
            }
        }
    }
}

fn brings_tracks(element: &gst::Element) -> bool {
    element.pad_template_list().iter().any(|template| {
        template.direction() == gst::PadDirection::Src && template.presence() == gst::PadPresence::Sometimes
    })
}

fn judge(pad: &gst::Pad, bin: &gst::Bin, sources: &[glib::WeakRef<gst::Element>]) {
    let caps = |pad: &gst::Pad| pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let found: Vec<gst::Caps> = sources
        .iter()
        .filter_map(glib::WeakRef::upgrade)
        .flat_map(|s| s.src_pads())
        .map(|p| caps(&p))
        .collect();
    let is_audio = |caps: &gst::Caps| caps.is_any() || caps.iter().any(|s| s.name().starts_with("audio/"));
    if found.iter().any(is_audio) {
        return; // somebody will link it, or has a reason not to
    }
    let Some(element) = pad.parent_element() else {
        return;
    };
    let place = location(bin).unwrap_or_else(|| "the input".to_owned());
    let kinds: Vec<String> = found
        .iter()
        .filter_map(|c| c.structure(0).map(|s| s.name().to_string()))
        .collect();
    let kinds = if kinds.is_empty() {
        "no track at all".to_owned()
    } else {
        format!("only {}", kinds.join(", "))
    };
    gst::element_error!(
        element,
        gst::StreamError::WrongType,
        ("no audio in {place}: expected an audio track, found {kinds}. Give a recording with sound")
    );
}

/// What the sources of the bin read.
fn location(bin: &gst::Bin) -> Option<String> {
    bin.children().into_iter().find_map(|child| {
        ["location", "uri"].into_iter().find_map(|name| {
            let is_source = child.sink_pads().is_empty();
            let known = child
                .find_property(name)
                .is_some_and(|p| p.value_type() == glib::Type::STRING);
            (is_source && known)
                .then(|| child.property::<Option<String>>(name))
                .flatten()
        })
    })
}
