//! Asks for the models' memory before they are loaded, by the size of their files.

use crate::elements::admission::{self, Admission};
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::onnx::{self, SpeakersConfig};
use crate::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use crate::speech::diarize::{Analysis, Embedding, Window};

/// Asks for the memory of both models, so that no more than `percent` of the device are in use with them.
///
/// # Errors
/// A file cannot be read, or there is no room: the text says what is needed, what is there and what to do.
pub(super) fn ask(models: &SpeakersConfig, percent: u32) -> Result<Admission, LoadError> {
    let (need, device) = onnx::need(models)?;
    let what = format!(
        "the pair of the segmentation model {} and the embedding model {}",
        models.segmentation, models.embedding
    );
    admission::ask(&what, &need, device, percent).map_err(|refused| {
        let raise = if percent < 100 {
            ", raise memory-fraction"
        } else {
            ""
        };
        let smaller = bundled_need()
            .filter(|need| *need <= refused.usable)
            .map_or_else(String::new, |need| {
                format!(", or use the bundled models, which need {} MiB", need >> 20)
            });
        LoadError::NoMemory(format!("{}. Free memory{raise}{smaller}", refused.text))
    })
}

fn bundled_need() -> Option<u64> {
    let need = onnx::need(&SpeakersConfig::default());
    need.ok().map(|(need, _)| need.total())
}

/// Models with the promise that they were loaded under.
pub(super) struct Admitted {
    models: Box<dyn SpeakerModels>,
    /// `None` once they have taken all that they will: with their first answer.
    admission: Option<Admission>,
}

impl Admitted {
    /// Models that have just been loaded.
    pub fn new(models: Box<dyn SpeakerModels>, admission: Admission) -> Self {
        admission.loaded();
        Admitted {
            models,
            admission: Some(admission),
        }
    }
}

impl SpeakerModels for Admitted {
    fn facts(&self) -> SpeakerFacts {
        self.models.facts()
    }

    fn analyse(
        &mut self,
        windows: &[Window],
        decode: Decode,
        cancel: &Cancel,
    ) -> Result<Vec<Analysis>, RunError> {
        let answer = self.models.analyse(windows, decode, cancel);
        if answer.is_ok() {
            self.admission = None;
        }
        answer
    }

    fn embed(&mut self, samples: &[f32], cancel: &Cancel) -> Result<Option<Embedding>, RunError> {
        self.models.embed(samples, cancel)
    }
}
