//! `scribealigner`: words + speaker turns → words with speakers.
/**
 * SECTION:element-scribealigner
 *
 * Takes the words of `scribetranscriber` on the pad `words` and the turns of `scribediarizer` on the pad `turns`, and
 * gives each word out as it came, with its speaker in `GstScribeWordMeta`.
 *
 * A word belongs to the speaker with the largest overlap; without any, to that of the nearest turn within `max-gap`;
 * else it keeps the speaker that it came with, or none. In overlapped speech whoever spoke before keeps the word, unless
 * the other covers all of it. With `sentence-smoothing` the majority of a sentence takes single words of its middle that
 * went to somebody else. Everything is compared in running time.
 *
 * The event `rstranscribe/speaker-change` (field `speaker`) comes before the first word of each speaker, and
 * `rstranscribe/final-transcript` behind each sentence; those of upstream are dropped. GAP events cover all the time
 * without a word. Other events of the words keep their place among them; events of the turns go nowhere.
 *
 * Both inputs are taken as fast as they come, however far apart: an offline diarization gives all its turns at
 * the end, and the words wait for them here. A word takes about a kilobyte. Where nothing is linked to `turns`, or its
 * stream is over, no word waits.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! scriberesample ! tee name=t scribealigner name=a ! scribecaptions ! application/x-subtitle-vtt ! filesink location=talk.vtt t. ! queue ! scribetranscriber model-path=ggml-base.en.bin ! a.words t. ! queue ! scribediarizer ! a.turns
 * ]| Who said what.
 *
 * ## Seeking
 * A seek goes up the `words`, and up the `turns` only where that one refused it: both usually come from one source,
 * which would seek twice. A flush of the words forgets the words, and one of the turns the turns.
 *
 * ## Latency
 * `latency`, on a live source, on top of the slower input's: a word leaves at the latest that long after the moment at
 * which both inputs have promised to be there, with what is known of its speaker then. The default leaves most
 * sentences time to end, so that they can be smoothed. Offline, words wait for the turns, however late they are.
 *
 * ## Memory
 * The checkpoints Before and After Speaker Alignment and Before and After Alignment Tensors Cleanup are logged
 * (`GST_DEBUG=scribe-memory:4`), posted as element messages `gpu-memory` and appended to `memory-log`. Alignment begins
 * with the first that comes on `turns` (a turn, a GAP, the end), or with the first word that leaves; the cleanup comes before
 * EOS leaves, or at PAUSED→READY. The
 * action signal `cleanup-models` writes the cleanup early: at once where no word waits, else when none does any more.
 * The element works on behind it. There is no model here, so nothing has to be loaded again.
 *
 * ## Speed
 * An hour of words (7,200) takes 0.1 s of one core.
 *
 * Since: 0.1
 */
use gst::{glib, prelude::*};

mod events;
mod imp;
mod latency;
mod lifecycle;
mod queries;
mod settings;
mod shared;
mod stream;
mod task;
mod timing;
mod turns;

glib::wrapper! {
    /// The element.
    pub struct ScribeAligner(ObjectSubclass<imp::ScribeAligner>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "scribealigner",
        gst::Rank::NONE,
        ScribeAligner::static_type(),
    )
}
