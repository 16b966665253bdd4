//! What the families of speaker embedding models were trained on, or are run on by others.

use super::{FbankOptions, Features, MelScale, WindowShape};

/// What is done to the energies over time, for each band by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// Nothing.
    None,
    /// The mean is taken off ("global-mean"; cepstral mean normalisation).
    Mean,
    /// The mean is taken off, and what is left is divided by its standard deviation ("per_feature").
    MeanAndDeviation,
}

/// NeMo's guard against a band that never changes (`CONSTANT` in its features.py).
const LEAST_DEVIATION: f64 = 1e-5;

impl Normalisation {
    /// Normalises all of `features`.
    pub fn apply(self, features: &mut Features) {
        let rows = features.rows();
        if self == Normalisation::None || rows == 0 {
            return;
        }
        let bands = features.bands;
        let mut sums = vec![0.0_f64; bands];
        for row in features.values.chunks_exact(bands) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / rows as f64).collect();
        let scales = match self {
            Normalisation::MeanAndDeviation => scales(features, &means),
            _ => vec![1.0; bands],
        };
        for row in features.values.chunks_exact_mut(bands) {
            for ((value, mean), scale) in row.iter_mut().zip(&means).zip(&scales) {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
    }
}

/// One over the standard deviation of each band, of a sample as NeMo takes it: over one less than the rows.
fn scales(features: &Features, means: &[f64]) -> Vec<f64> {
    let mut squares = vec![0.0_f64; means.len()];
    for row in features.values.chunks_exact(means.len()) {
        for ((square, value), mean) in squares.iter_mut().zip(row).zip(means) {
            *square += (f64::from(*value) - mean).powi(2);
        }
    }
    let others = (features.rows() - 1).max(1) as f64;
    squares
        .iter()
        .map(|square| 1.0 / ((square / others).sqrt() + LEAST_DEVIATION))
        .collect()
}

/// Features and what is done to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// How the energies are made.
    pub options: FbankOptions,
    /// What is done to those that one embedding is made of.
    pub normalisation: Normalisation,
}

impl Recipe {
    /// What WeSpeaker trains on, and pyannote feeds its models with (wespeaker `compute_fbank`: torchaudio's
    /// `kaldi.fbank` with a Hamming window on 16 bit integers, then the mean over time off).
    pub fn wespeaker() -> Self {
        Recipe {
            options: FbankOptions {
                window: WindowShape::Hamming,
                ..FbankOptions::default()
            },
            normalisation: Normalisation::Mean,
        }
    }

    /// What sherpa-onnx feeds all models with but NeMo's (its `FeatureExtractorConfig`): Povey's window, a frame for
    /// every 10 ms, nothing above 7.6 kHz.
    pub fn sherpa() -> Self {
        Recipe {
            options: FbankOptions {
                snip_edges: false,
                high_hz: -400.0,
                ..FbankOptions::default()
            },
            normalisation: Normalisation::None,
        }
    }

    /// What sherpa-onnx feeds 3D-Speaker's models with.
    pub fn three_d_speaker() -> Self {
        let mut recipe = Self::sherpa();
        recipe.options.scale = 1.0;
        recipe.normalisation = Normalisation::Mean;
        recipe
    }

    /// What NeMo's speaker models take, as sherpa-onnx makes it: Slaney's bands from 0 Hz, a periodic Hann window,
    /// every band of mean 0 and deviation 1.
    pub fn nemo() -> Self {
        Recipe {
            options: FbankOptions {
                window: WindowShape::Hann,
                remove_dc: false,
                snip_edges: false,
                low_hz: 0.0,
                mel: MelScale::Slaney,
                scale: 1.0,
                ..FbankOptions::default()
            },
            normalisation: Normalisation::MeanAndDeviation,
        }
    }
}
