//! Audio → logarithmic mel energies, as Kaldi's `compute-fbank-feats` makes them: what speaker embedding models see.
//!
//! Our own on `realfft`: why, with figures: `docs/adr/0007-fbank.md`.

mod mel;
mod recipe;
mod sliding;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use self::mel::Band;
pub use self::mel::MelScale;
pub use self::recipe::{Normalisation, Recipe};
pub use self::sliding::SlidingFbank;
use crate::time::SAMPLE_RATE;

/// What a frame is multiplied with before it is transformed. Symmetric, but for [`WindowShape::Hann`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowShape {
    /// Kaldi's own: a Hann window to the power of 0.85.
    Povey,
    /// 0.54 − 0.46 cos.
    Hamming,
    /// 0.5 − 0.5 cos, periodic as PyTorch makes it.
    Hann,
}

impl WindowShape {
    fn at(self, i: usize, length: usize) -> f64 {
        let turn = |period: usize| (std::f64::consts::TAU * i as f64 / period as f64).cos();
        match self {
            WindowShape::Povey => (0.5 - 0.5 * turn(length - 1)).powf(0.85),
            WindowShape::Hamming => 0.54 - 0.46 * turn(length - 1),
            WindowShape::Hann => 0.5 - 0.5 * turn(length),
        }
    }
}

/// How the energies are made; the names are Kaldi's where it has them.
#[derive(Clone, Debug, PartialEq)]
pub struct FbankOptions {
    /// Milliseconds of a frame. The transform is of the next power of two of samples.
    pub frame_length_ms: f32,
    /// Milliseconds from one frame to the next.
    pub frame_shift_ms: f32,
    /// What a frame is multiplied with.
    pub window: WindowShape,
    /// The share of the sample before that is taken off each sample.
    pub preemphasis: f32,
    /// Whether each frame's mean is taken off it first.
    pub remove_dc: bool,
    /// Whether only frames that lie within the audio count. Otherwise there is one for each shift, and the audio is
    /// mirrored at its ends.
    pub snip_edges: bool,
    /// Mel bands.
    pub bands: usize,
    /// Lower edge of the lowest band in Hz.
    pub low_hz: f32,
    /// Upper edge of the highest band in Hz; at 0 and below, counted from half the sample rate.
    pub high_hz: f32,
    /// Where the bands lie, and what they weigh.
    pub mel: MelScale,
    /// The least energy: what is below is raised to it.
    pub energy_floor: f32,
    /// Whether the natural logarithm is taken.
    pub log: bool,
    /// What samples of −1 to 1 are multiplied with: 32768 for models that learned from 16 bit integers.
    pub scale: f32,
}

impl Default for FbankOptions {
    /// Kaldi's, with the 80 bands of speaker models and without dither.
    fn default() -> Self {
        FbankOptions {
            frame_length_ms: 25.0,
            frame_shift_ms: 10.0,
            window: WindowShape::Povey,
            preemphasis: 0.97,
            remove_dc: true,
            snip_edges: true,
            bands: 80,
            low_hz: 20.0,
            high_hz: 0.0,
            mel: MelScale::Kaldi,
            energy_floor: f32::EPSILON,
            log: true,
            scale: 32_768.0,
        }
    }
}

/// Frames of energies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Values of a frame.
    pub bands: usize,
    /// Frame by frame.
    pub values: Vec<f32>,
}

impl Features {
    /// How many frames there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.bands.max(1)
    }

    /// Frame `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.bands..(i + 1) * self.bands]
    }
}

/// Makes the energies of 16 kHz mono audio.
pub struct Fbank {
    options: FbankOptions,
    /// Samples of a frame, and from one to the next.
    length: usize,
    shift: usize,
    window: Vec<f32>,
    bands: Vec<Band>,
    transform: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    power: Vec<f32>,
}

impl Fbank {
    /// Plans for `options`. Lengths below two samples are raised to that.
    pub fn new(options: FbankOptions) -> Self {
        let samples = |ms: f32| (ms * SAMPLE_RATE as f32 / 1000.0) as usize;
        let length = samples(options.frame_length_ms).max(2);
        let shift = samples(options.frame_shift_ms).max(1);
        let size = length.next_power_of_two();
        let transform = RealFftPlanner::new().plan_fft_forward(size);
        Fbank {
            window: (0..length).map(|i| options.window.at(i, length) as f32).collect(),
            bands: mel::bands(&options, size),
            frame: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            power: vec![0.0; size / 2 + 1],
            transform,
            length,
            shift,
            options,
        }
    }

    /// Values of a frame.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// How many frames `samples` samples give.
    pub fn rows(&self, samples: usize) -> usize {
        if !self.options.snip_edges {
            return (samples + self.shift / 2) / self.shift; // none of no samples: half a shift is less than one
        }
        match samples.checked_sub(self.length) {
            Some(rest) => 1 + rest / self.shift,
            None => 0,
        }
    }

    /// The sample at the centre of frame `row`.
    pub fn centre(&self, row: usize) -> usize {
        let first = if self.options.snip_edges {
            self.length
        } else {
            self.shift
        };
        row * self.shift + first / 2
    }

    /// The frames that see nothing but the first `samples` samples: neither what follows, nor a mirrored end.
    fn within(&self, samples: usize) -> Range<usize> {
        let first = (0..).find(|row| self.start(*row) >= 0).unwrap_or(0);
        let lead = self.start(first) as usize;
        match samples.checked_sub(lead + self.length) {
            Some(rest) => first..first + 1 + rest / self.shift,
            None => first..first,
        }
    }

    /// The energies of `samples` (−1 to 1).
    pub fn compute(&mut self, samples: &[f32]) -> Features {
        let rows = self.rows(samples.len());
        let mut values = Vec::with_capacity(rows * self.bands.len());
        self.compute_rows(samples, 0..rows, &mut values);
        Features {
            bands: self.bands.len(),
            values,
        }
    }

    /// Appends those of some frames.
    fn compute_rows(&mut self, samples: &[f32], rows: Range<usize>, values: &mut Vec<f32>) {
        for row in rows {
            self.cut(samples, row);
            self.weigh();
            // The lengths are those that the plan itself made.
            let done =
                self.transform
                    .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
            debug_assert!(done.is_ok());
            for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
                *power = bin.norm_sqr();
            }
            for band in &self.bands {
                let energy = band.energy(&self.power).max(self.options.energy_floor);
                values.push(if self.options.log { energy.ln() } else { energy });
            }
        }
    }

    /// The first sample of frame `row`; before the audio only where the edges are not snipped.
    fn start(&self, row: usize) -> isize {
        let start = (row * self.shift) as isize;
        if self.options.snip_edges {
            start
        } else {
            start + (self.shift / 2) as isize - (self.length / 2) as isize
        }
    }

    /// Brings the samples of frame `row` to the front of the buffer, scaled, and zeros behind them.
    fn cut(&mut self, samples: &[f32], row: usize) {
        let start = self.start(row);
        let (frame, padding) = self.frame.split_at_mut(self.length);
        padding.fill(0.0);
        let scale = self.options.scale;
        let within = usize::try_from(start)
            .ok()
            .and_then(|s| samples.get(s..s + self.length));
        match within {
            Some(within) => {
                for (out, sample) in frame.iter_mut().zip(within) {
                    *out = sample * scale;
                }
            }
            None => {
                for (i, out) in frame.iter_mut().enumerate() {
                    *out = samples[mirrored(start + i as isize, samples.len())] * scale;
                }
            }
        }
    }

    /// Takes off the mean and the sample before, and lays the window over the frame.
    fn weigh(&mut self) {
        let frame = &mut self.frame[..self.length];
        let mean = if self.options.remove_dc {
            frame.iter().sum::<f32>() / self.length as f32
        } else {
            0.0
        };
        let share = self.options.preemphasis;
        let mut before = frame[0] - mean;
        for (sample, weight) in frame.iter_mut().zip(&self.window) {
            let own = *sample - mean;
            *sample = (own - share * before) * weight;
            before = own;
        }
    }
}

/// Where to look for position `at` of `length` samples that are mirrored at both ends, again and again.
fn mirrored(at: isize, length: usize) -> usize {
    let length = length as isize;
    let folded = at.rem_euclid(2 * length);
    folded.min(2 * length - 1 - folded) as usize
}
