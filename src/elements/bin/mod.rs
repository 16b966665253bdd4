//! `scribebin`: speech → captions that say who speaks, with one model in memory at a time or all of them.
/**
 * SECTION:element-scribebin
 *
 * The whole chain in one element: any audio in, captions with speakers out.
 *
 * |[
 *   sink ─┬─ scriberesample ─┬─ scribetranscriber ─────── words ─┐
 *         │                  └─ spool ─ scribediarizer ── turns ─ scribealigner ─ scribecaptions ─ src
 *         └─ audio_src (on request: the input as it is)
 * ]|
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=talk.mp3 ! decodebin ! scribebin ! filesink location=talk.vtt
 * ]| WebVTT with speakers, by the bundled models, which know synthetic voices and few words.
 * |[
 * gst-launch-1.0 filesrc location=talk.mp3 ! decodebin ! scribebin whisper-model=ggml-large-v3.bin segmentation-model=segmentation-3.0.onnx embedding-model=voxceleb_resnet34.onnx ! application/x-json,format=transcript ! filesink location=talk.json
 * ]| The same with real models, as JSON.
 *
 * What leaves `src` is what downstream takes of the formats of `scribecaptions`, WebVTT when it takes anything.
 *
 * ## Properties
 * `whisper-model` is a ggml file, the name of a size (`large-v3`, `base.en-q5_1`) that is looked for in the model
 * folders (`SCRIBE_MODELS`, `$XDG_DATA_HOME/scribe/models`, `/usr/share/scribe/models`), `auto` for the largest one there that fits
 * into 85 % of the memory, or `bundled`. The properties of the children are the bin's too, under the same names
 * (`language-code`, `num-speakers`, `max-line-length`, …); one that several have (`threads`, `memory-log`) goes to all of
 * them. `on-oom=smaller-model` is the transcriber's; the speaker models, which have no smaller ones, take it as `fail`. `latency` is the transcriber's; that of the others is reached through `GstChildProxy`
 * (`diarizer::latency`), whose children are `resample`, `transcriber`, `diarizer`, `aligner` and `captions`.
 * `diarize=false` leaves the speakers out: no speaker model is loaded, and the checkpoints of diarization and
 * alignment (6 to 9 and 16 to 19) are not written.
 *
 * ## Residency
 * | `residency` | models in memory | captions come | audio that waits |
 * |---|---|---|---|
 * | `sequential` | Whisper until the input's end, then the speaker models; each freed before the next | at the end | all of it, at 16 kHz: 64 kB a second, `spool-memory` in memory, more in a temporary file |
 * | `concurrent` | all, as long as the pipeline runs | at the end; with `mode=online` or a live source, while it is spoken | 2 s |
 *
 * `auto` is `sequential` for files, `concurrent` for live sources and when `audio_src` is linked: what goes along with
 * the audio cannot wait for its end, so the diarizer is then online too.
 *
 * ## Memory checkpoints
 * A run writes each of the 19 once, however it ends. The order of a `sequential` one that comes to its end:
 * |[
 *  1 Pipeline Initialization        2 Before Audio Preprocessing     4 Before Transcription
 *  3 After Audio Preprocessing     12 Before Whisper Cleanup        13 After Whisper Cleanup
 *  5 After Transcription (post-cleanup)
 *  6 Before Diarization            16 Before Diarization Model Cleanup
 * 17 After Diarization Model Cleanup                                 7 After Diarization (post-cleanup)
 *  8 Before Speaker Alignment      18 Before Alignment Tensors Cleanup
 * 19 After Alignment Tensors Cleanup                                 9 After Speaker Alignment (post-cleanup)
 * 10 Before Final Cleanup          14 Before Waveform Cleanup       15 After Waveform Cleanup
 * 11 After Final Cleanup
 * ]|
 * With `concurrent`, 6 comes with 2 and 4, and the cleanups of the models between 10 and 11. A run that ends early
 * writes what is missing then, behind 10; so does one in which no word was heard, which does not wait for the turns.
 *
 * The action signal `cleanup-models` has every child give back what it can, in any state: what is being worked on is
 * finished before, and the next buffer loads the model again.
 *
 * ## Progress
 * Where the captions come at the end, Progress messages tell of `load`, `transcription`, `diarization` and `alignment`, in
 * per cent where the length is known (`gst-launch-1.0 -m` shows them).
 *
 * ## Errors
 * A stage that fails ends the run with its ERROR. If the speakers cannot be told and the words are there already
 * (`sequential`), the words leave first, without speakers, and the ERROR follows before EOS: nothing that was heard is lost.
 *
 * ## Latency
 * On a live source the sum of the children's: the transcriber's 31 s and `latency`, the aligner's, and
 * `max-duration` of the captions. A file has none.
 *
 * Since: 0.1
 */
use gst::{glib, prelude::*};

mod chain;
mod imp;
mod lifecycle;
mod progress;
mod proxy;
mod run;
mod settings;
pub(crate) mod spool;
mod watch;
mod whisper_model;

pub use settings::Residency;

glib::wrapper! {
    /// The element.
    pub struct ScribeBin(ObjectSubclass<imp::ScribeBin>) @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Residency::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "scribebin",
        gst::Rank::NONE,
        ScribeBin::static_type(),
    )
}
