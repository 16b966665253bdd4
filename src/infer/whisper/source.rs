//! The bytes of a model: a file's, or those that the library brings.

use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperError};

use crate::infer::model::{LoadError, ModelSource};
use crate::infer::model_file::{self, ModelShape};

/// Our own, trained in `models/train`.
static BUNDLED: &[u8] = include_bytes!("../../../models/ggml-scribe-demo.en-q5_0.bin");

/// Checks a model before whisper.cpp sees it.
///
/// # Errors
/// As [`model_file::check`].
pub fn check(source: &ModelSource) -> Result<ModelShape, LoadError> {
    match source {
        ModelSource::Bundled => model_file::check_bytes(BUNDLED, "that is bundled"),
        ModelSource::File(path) => model_file::check(path),
    }
}

/// Lets whisper.cpp read it. What is bundled stays in the library's read-only pages; its weights are copied, as a
/// file's are.
pub(super) fn open(
    source: &ModelSource,
    parameters: WhisperContextParameters<'static>,
) -> Result<WhisperContext, WhisperError> {
    match source {
        ModelSource::Bundled => WhisperContext::new_from_buffer_with_params(BUNDLED, parameters),
        ModelSource::File(path) => WhisperContext::new_with_params(path, parameters),
    }
}
