//! Ring 2: the only place that names a model runtime, and the only one with `unsafe` code.

mod alignment;
pub mod audio_convert;
mod backend_hook;
pub mod cuda;
pub mod engine;
pub mod fbank;
pub mod heap;
pub mod model;
pub mod model_file;
#[cfg(test)]
mod model_file_tests;
pub mod npy;
pub mod onnx;
pub mod plda_file;
pub mod recognizer;
pub mod speaker_models;
pub mod vad;
pub mod whisper;

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

/// A line of a runtime's own log.
fn note(is_error: bool, text: &str) {
    if is_error {
        gst::warning!(CAT, "{text}");
    } else {
        gst::debug!(CAT, "{text}");
    }
}
