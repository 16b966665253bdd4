//! Ring 2: the only place that names a model runtime, and the only one with `unsafe` code.

mod alignment;
pub mod audio_convert;
mod backend_hook;
pub mod cuda;
pub mod engine;
pub mod fbank;
mod full_memory;
pub mod heap;
pub mod loadable;
pub mod model;
pub mod model_file;
#[cfg(test)]
mod model_file_tests;
pub mod npy;
pub mod onnx;
mod own_file;
pub mod plda_file;
pub mod polyphase;
pub mod pool;
pub mod protocol;
mod queue;
pub mod recognizer;
pub mod speaker_models;
pub mod vad;
pub mod whisper;
pub mod worker;

#[cfg(test)]
#[path = "../../tests/common/forged_model.rs"]
pub(crate) mod forged_model;

use std::sync::LazyLock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-whisper",
        gst::DebugColorFlags::empty(),
        Some("What whisper.cpp says"),
    )
});

/// `false` in `scribe-worker`, where GStreamer is linked but not initialised: what is to be logged goes to the standard
/// error there, which the library reads.
#[allow(unsafe_code)] // gst_is_initialized has no safe wrapper
fn has_gstreamer() -> bool {
    // SAFETY: reads a flag, in any state.
    unsafe { gst::ffi::gst_is_initialized() != 0 }
}

/// A line of a runtime's own log.
fn note(is_error: bool, text: &str) {
    match (has_gstreamer(), is_error) {
        (true, true) => gst::warning!(CAT, "{text}"),
        (true, false) => gst::debug!(CAT, "{text}"),
        (false, _) => eprintln!("{text}"),
    }
}
