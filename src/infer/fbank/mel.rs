//! Where mel bands lie on a spectrum.

use super::FbankOptions;
use crate::time::SAMPLE_RATE;

/// How pitch is measured, and what a band weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MelScale {
    /// 1127 ln(1 + f / 700), triangles on the mel axis with a peak of 1 (Kaldi, HTK).
    Kaldi,
    /// Linear up to 1 kHz, logarithmic above, triangles on the axis of frequency with an area of 1 (Slaney's
    /// Auditory Toolbox, librosa's default, NeMo).
    Slaney,
}

/// Slaney's scale: Hz of a mel below the break, the break in Hz and mel, and the ratio of a mel above it.
const SLANEY_HZ: f64 = 200.0 / 3.0;
const SLANEY_BREAK_HZ: f64 = 1000.0;
const SLANEY_BREAK: f64 = SLANEY_BREAK_HZ / SLANEY_HZ;
/// ln 6.4 / 27: 27 mels from 1 kHz to 6.4 kHz.
const SLANEY_STEP: f64 = 1.856_297_990_365_626_3 / 27.0;

impl MelScale {
    fn mel(self, hz: f64) -> f64 {
        match self {
            MelScale::Kaldi => 1127.0 * (hz / 700.0).ln_1p(),
            MelScale::Slaney if hz < SLANEY_BREAK_HZ => hz / SLANEY_HZ,
            MelScale::Slaney => SLANEY_BREAK + (hz / SLANEY_BREAK_HZ).ln() / SLANEY_STEP,
        }
    }

    fn hz(self, mel: f64) -> f64 {
        match self {
            MelScale::Kaldi => 700.0 * (mel / 1127.0).exp_m1(),
            MelScale::Slaney if mel < SLANEY_BREAK => mel * SLANEY_HZ,
            MelScale::Slaney => SLANEY_BREAK_HZ * ((mel - SLANEY_BREAK) * SLANEY_STEP).exp(),
        }
    }
}

/// One band: the bins that it covers.
pub(super) struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl Band {
    /// Of a power spectrum.
    pub(super) fn energy(&self, power: &[f32]) -> f32 {
        let bins = &power[self.first..self.first + self.weights.len()];
        self.weights.iter().zip(bins).map(|(w, p)| w * p).sum()
    }
}

/// The bands for a transform of `size` samples.
pub(super) fn bands(options: &FbankOptions, size: usize) -> Vec<Band> {
    let nyquist = f64::from(SAMPLE_RATE) / 2.0;
    let high = f64::from(options.high_hz);
    let high = if high > 0.0 {
        high.min(nyquist)
    } else {
        nyquist + high
    };
    let scale = options.mel;
    let low = scale.mel(f64::from(options.low_hz));
    let step = (scale.mel(high) - low) / (options.bands + 1) as f64;
    let bin_hz = f64::from(SAMPLE_RATE) / size as f64;
    // Kaldi leaves out the bin at half the sample rate.
    let bins = match scale {
        MelScale::Kaldi => size / 2,
        MelScale::Slaney => size / 2 + 1,
    };
    let band = |n: usize| {
        let edges = [n, n + 1, n + 2].map(|edge| low + edge as f64 * step);
        let weight = |bin: usize| {
            let hz = bin as f64 * bin_hz;
            match scale {
                MelScale::Kaldi => triangle(edges, scale.mel(hz)),
                MelScale::Slaney => {
                    let edges = edges.map(|mel| scale.hz(mel));
                    triangle(edges, hz) * 2.0 / (edges[2] - edges[0])
                }
            }
        };
        let weights: Vec<f64> = (0..bins).map(weight).collect();
        let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
        let end = weights
            .iter()
            .rposition(|w| *w > 0.0)
            .map_or(first, |last| last + 1);
        Band {
            first,
            weights: weights[first..end].iter().map(|w| *w as f32).collect(),
        }
    };
    (0..options.bands).map(band).collect()
}

/// 0 outside of the outer edges, 1 at the middle one, straight between.
fn triangle([left, centre, right]: [f64; 3], at: f64) -> f64 {
    let rise = (at - left) / (centre - left);
    let fall = (right - at) / (right - centre);
    rise.min(fall).max(0.0)
}
