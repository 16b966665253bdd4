//! Speaker models on ONNX Runtime, which is found and loaded at run time: `docs/adr/0008-onnx-runtime.md`.

mod embedding;
mod provider;
mod runtime;
mod segmentation;
mod session;
mod speakers;

use std::sync::LazyLock;

pub use self::embedding::{EmbeddingModel, FeatureProfile};
pub use self::runtime::{Runtime, runtime};
pub use self::segmentation::SegmentationModel;
pub use self::session::{ModelSource, SessionOptions};
pub use self::speakers::{OnnxSpeakers, SpeakersConfig, need};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-onnx",
        gst::DebugColorFlags::empty(),
        Some("ONNX Runtime and the speaker models"),
    )
});
