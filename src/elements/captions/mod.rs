//! `scribecaptions`: words → cues → captions.
/**
 * SECTION:element-scribecaptions
 *
 * Groups words (one bare word a buffer, as `scribetranscriber` makes them) into cues that can be read,
 * and writes them in the format that downstream takes:
 *
 * | caps | what a buffer holds |
 * |---|---|
 * | `text/x-raw, format=pango-markup` | a cue, `&`, `<` and `>` escaped, coloured by `speaker-colors` |
 * | `text/x-raw, format=utf8` | a cue; ends in a newline unless it goes to a muxer |
 * | `application/x-subtitle-vtt` | a WebVTT cue with its voice; the header is a buffer of its own in front |
 * | `application/x-subtitle` | a numbered SubRip cue |
 * | `application/x-json, format=transcript` | a JSON object and a newline: text, start, end, speaker, language, words |
 *
 * The first of these that downstream takes is used, and WebVTT when it takes anything (a `filesink`
 * without a caps filter), because only that is a whole file. Buffers have the times of their segment; the
 * times inside WebVTT, SubRip and JSON are running time. GAP events cover all the time without a cue.
 * For SubRip ask for `application/x-subtitle`: `srtenc` copies markup, so `&` would be shown as `&amp;`.
 *
 * A cue ends with a sentence where it can; it never crosses a change of speaker or language or a pause of
 * more than a second. The events `rstranscribe/speaker-change` (field `speaker`) and
 * `rstranscribe/final-transcript` end a cue, too. Text of other elements is taken word by word.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=in.srt ! subparse ! text/x-raw,format=utf8 ! scribecaptions max-line-length=32 ! application/x-subtitle-vtt ! filesink location=out.vtt
 * ]| Breaks the lines of a subtitle file anew, as WebVTT.
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! scriberesample ! scribetranscriber model-path=ggml-base.en.bin ! scribecaptions ! application/x-subtitle-vtt ! filesink location=talk.vtt
 * ]| Transcribes a file.
 *
 * ## Latency
 * `max-duration`: a cue is pushed when its last word is known, and begins with its first. Nothing else is
 * added. For live captions set it to 2000 or 3000.
 *
 * ## Speed
 * 50,000 words (five hours of speech) to WebVTT take 0.1 s of one core.
 *
 * Since: 0.1
 */
use gst::{glib, prelude::*};

mod imp;
mod negotiate;
mod settings;
mod stream;

glib::wrapper! {
    /// The element.
    pub struct ScribeCaptions(ObjectSubclass<imp::ScribeCaptions>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "scribecaptions",
        gst::Rank::NONE,
        ScribeCaptions::static_type(),
    )
}
