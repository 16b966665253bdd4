//! The features of windows that overlap: what the window before had already is not made again.

use std::sync::Arc;

use super::{Fbank, Features};

/// Remembers one window and its features: 1 MB for 10 s.
pub struct SlidingFbank {
    fbank: Fbank,
    /// The window before: position of its first sample, its samples, its features.
    start: u64,
    samples: Vec<f32>,
    features: Arc<Features>,
}

impl SlidingFbank {
    /// Has seen nothing.
    pub fn new(fbank: Fbank) -> Self {
        SlidingFbank {
            fbank,
            start: 0,
            samples: Vec::new(),
            features: Arc::default(),
        }
    }

    /// What makes them.
    pub fn fbank(&self) -> &Fbank {
        &self.fbank
    }

    /// The features of `samples`, which begin at sample `start` of a recording: to the bit what [`Fbank::compute`]
    /// makes of them, whatever was asked before.
    pub fn compute(&mut self, start: u64, samples: &[f32]) -> Arc<Features> {
        let rows = self.fbank.rows(samples.len());
        let bands = self.fbank.bands();
        let mut values = Vec::with_capacity(rows * bands);
        let (shifted, common) = self.overlap(start, samples);
        let known = self.fbank.within(common);
        self.fbank
            .compute_rows(samples, 0..known.start.min(rows), &mut values);
        if !known.is_empty() {
            let known = known.start + shifted..known.end + shifted;
            values.extend_from_slice(&self.features.values[known.start * bands..known.end * bands]);
        }
        self.fbank
            .compute_rows(samples, values.len() / bands.max(1)..rows, &mut values);
        self.start = start;
        self.samples.clear();
        self.samples.extend_from_slice(samples);
        self.features = Arc::new(Features { bands, values });
        self.features.clone()
    }

    /// By how many frames the window is behind the one before, and how many of its first samples that one had, too.
    /// Samples are compared: another recording may have the same positions.
    fn overlap(&self, start: u64, samples: &[f32]) -> (usize, usize) {
        let behind = start
            .checked_sub(self.start)
            .and_then(|n| usize::try_from(n).ok());
        let Some(before) = behind.and_then(|n| self.samples.get(n..)) else {
            return (0, 0);
        };
        let behind = self.samples.len() - before.len();
        let common = before.len().min(samples.len());
        if !behind.is_multiple_of(self.fbank.shift) || before[..common] != samples[..common] {
            return (0, 0);
        }
        (behind / self.fbank.shift, common)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::fbank::Recipe;
    use proptest::prelude::*;

    fn noise(seed: u32, length: usize) -> Vec<f32> {
        let mut state = seed;
        let sample = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..length).map(sample).collect()
    }

    proptest! {
        #[test]
        fn what_was_asked_before_makes_no_difference(
            windows in prop::collection::vec((0..40usize, 0..1200usize, 0..4u8), 1..8),
        ) {
            let recordings = [noise(1, 10_000), noise(2, 10_000)];
            for recipe in [Recipe::wespeaker(), Recipe::nemo()] {
                let mut sliding = SlidingFbank::new(Fbank::new(recipe.options.clone()));
                let mut fresh = Fbank::new(recipe.options);
                for (steps, length, odd) in &windows {
                    let start = steps * 160 + usize::from(*odd == 1);
                    let recording = &recordings[usize::from(*odd == 2)];
                    let mut samples = recording[start..start + length].to_vec();
                    if *odd == 3 && samples.len() > 2 {
                        samples.truncate(*length / 2);
                        samples.resize(*length, 0.0);
                    }
                    let found = sliding.compute(start as u64, &samples);
                    prop_assert_eq!(&*found, &fresh.compute(&samples));
                }
            }
        }
    }

    #[test]
    fn most_of_a_window_is_known_from_the_one_before() {
        let audio = noise(1, 48_000);
        for recipe in [Recipe::wespeaker(), Recipe::sherpa()] {
            let mut sliding = SlidingFbank::new(Fbank::new(recipe.options));
            sliding.compute(1_000, &audio[..32_000]);
            assert_eq!(sliding.overlap(17_000, &audio[16_000..]), (100, 16_000));
            let known = sliding.fbank.within(16_000).len();
            assert!((97..=98).contains(&known), "{known} frames of 1 s");
            assert_eq!(sliding.overlap(999, &audio), (0, 0), "earlier");
            assert_eq!(sliding.overlap(33_001, &audio), (0, 0), "later");
            assert_eq!(
                sliding.overlap(17_001, &audio[16_001..]),
                (0, 0),
                "between two frames"
            );
            assert_eq!(
                sliding.overlap(17_000, &audio[15_000..]),
                (0, 0),
                "another recording"
            );
        }
    }
}
