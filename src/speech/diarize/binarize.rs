//! Scores → active or not, with hysteresis: what has begun goes on until it is clearly over.

use super::Scores;

/// Two thresholds, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hysteresis {
    /// Above this a speaker begins.
    pub onset: f32,
    /// Below this a speaker ends; at most `onset`, which stands in for it otherwise.
    pub offset: f32,
}

impl Default for Hysteresis {
    /// Equal thresholds in the middle, as pyannote binarizes.
    fn default() -> Self {
        Self {
            onset: 0.5,
            offset: 0.5,
        }
    }
}

impl Hysteresis {
    /// The track of one speaker as 0 and 1, beginning inactive. What is no number counts as 0.
    pub fn track(&self, scores: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut active = false;
        let states = scores.into_iter().map(|score| {
            active = self.next(active, score);
            f32::from(u8::from(active))
        });
        states.collect()
    }

    /// The tracks of all speakers of a window.
    pub fn scores(&self, scores: &Scores) -> Scores {
        let mut active = vec![false; scores.speakers];
        let mut values = Vec::with_capacity(scores.values.len());
        for frame in scores.frames() {
            for (active, score) in active.iter_mut().zip(frame) {
                *active = self.next(*active, *score);
                values.push(f32::from(u8::from(*active)));
            }
        }
        Scores {
            speakers: scores.speakers,
            values,
        }
    }

    /// Whether a speaker is active in a frame, from whether in the one before.
    pub(super) fn next(self, active: bool, score: f32) -> bool {
        let score = if score.is_nan() { 0.0 } else { score };
        if active {
            score >= self.offset.min(self.onset)
        } else {
            score > self.onset
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(onset: f32, offset: f32, scores: &[f32], expected: &[u8]) {
        let track = Hysteresis { onset, offset }.track(scores.iter().copied());
        assert_eq!(
            track,
            expected.iter().map(|e| f32::from(*e)).collect::<Vec<_>>(),
            "{scores:?}"
        );
    }

    #[test]
    fn one_threshold_is_passed_above_and_kept_at_it() {
        check(0.5, 0.5, &[0.4, 0.5, 0.6, 0.5, 0.4, 0.6], &[0, 0, 1, 1, 0, 1]);
    }

    #[test]
    fn between_the_thresholds_all_stays_as_it_is() {
        check(
            0.6,
            0.4,
            &[0.5, 0.7, 0.5, 0.4, 0.3, 0.5, 0.7],
            &[0, 1, 1, 1, 0, 0, 1],
        );
    }

    #[test]
    fn odd_input_is_silence() {
        check(0.5, 0.5, &[f32::NAN, 0.9, f32::NAN, 0.9], &[0, 1, 0, 1]);
        check(0.5, 0.9, &[0.6, 0.5, 0.4], &[1, 1, 0]);
        check(0.5, 0.5, &[], &[]);
    }

    proptest! {
        #[test]
        fn speakers_do_not_disturb_each_other(values in prop::collection::vec(0.0f32..1.0, 0..90)) {
            let rule = Hysteresis { onset: 0.6, offset: 0.4 };
            let scores = Scores { speakers: 3, values: values[..values.len() / 3 * 3].to_vec() };
            let together = rule.scores(&scores);
            for speaker in 0..3 {
                let alone = rule.track(scores.frames().map(|f| f[speaker]));
                let of_it: Vec<f32> = together.frames().map(|f| f[speaker]).collect();
                prop_assert_eq!(alone, of_it);
            }
        }
    }
}
