//! The bytes of a model: a file's, or those that the library brings.

use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperError};

use crate::infer::model::{LoadError, ModelSource};
use crate::infer::model_file::{self, ModelShape, Survey};
use crate::memory::models;

/// Our own, trained in `models/train`.
static BUNDLED: &[u8] = include_bytes!("../../../models/ggml-scribe-demo.en-q5_0.bin");

/// Checks a model before whisper.cpp sees it.
///
/// # Errors
/// As [`model_file::survey`].
pub fn check(source: &ModelSource) -> Result<ModelShape, LoadError> {
    survey(source).map(|survey| survey.shape)
}

/// The same, and what its weights take.
pub(super) fn survey(source: &ModelSource) -> Result<Survey, LoadError> {
    match source {
        ModelSource::Bundled => model_file::survey_bytes(BUNDLED, "that is bundled"),
        ModelSource::File(path) => model_file::survey(path),
    }
}

/// What to try when there is no memory for this model.
pub(super) fn smaller(source: &ModelSource) -> String {
    let smaller = match source {
        ModelSource::Bundled => None,
        ModelSource::File(path) => models::smaller_than_file(path),
    };
    match smaller {
        Some((_, name)) => format!("a smaller model, such as {name} (scripts/get-model {name})"),
        None => "a smaller model".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_model_is_named_where_there_is_one() {
        for (file, said) in [
            ("/x/ggml-large-v3.bin", Some("large-v3-q5_0")),
            ("ggml-base.en.bin", Some("base.en-q5_1")),
            ("ggml-tiny-q5_1.bin", None),
            ("my-own.bin", None),
        ] {
            let text = smaller(&ModelSource::File(file.into()));
            let expected = said.map_or("a smaller model".to_owned(), |name| {
                format!("a smaller model, such as {name} (scripts/get-model {name})")
            });
            assert_eq!(text, expected, "{file}");
        }
        assert_eq!(smaller(&ModelSource::Bundled), "a smaller model");
    }
}
