//! What a powerset model says → who is active.
//!
//! Such a model does not score speakers but sets of speakers: nobody, each alone, each pair, and so on, as one
//! softmax (Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", 2023).

use super::Scores;

/// More local speakers than this are not told apart: what they do in a frame is kept in the bits of one byte.
pub const MAX_LOCAL_SPEAKERS: usize = 8;

/// The sets of speakers that a model scores, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Powerset {
    speakers: usize,
    /// Class by class, `speakers` values each: 1 for those in the set.
    mapping: Vec<f32>,
}

impl Powerset {
    /// The sets of up to `max_classes` of `speakers` speakers: smaller sets first, in lexical order among their
    /// equals. For 3 and 2: {}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}. At most [`MAX_LOCAL_SPEAKERS`].
    pub fn new(speakers: usize, max_classes: usize) -> Self {
        let speakers = speakers.min(MAX_LOCAL_SPEAKERS);
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut smaller = 0;
        for _ in 0..max_classes.min(speakers) {
            let known = sets.len();
            for set in smaller..known {
                let next = sets[set].last().map_or(0, |last| last + 1);
                for speaker in next..speakers {
                    let mut larger = sets[set].clone();
                    larger.push(speaker);
                    sets.push(larger);
                }
            }
            smaller = known;
        }
        let mut mapping = vec![0.0; sets.len() * speakers];
        for (class, set) in sets.iter().enumerate() {
            for speaker in set {
                mapping[class * speakers + speaker] = 1.0;
            }
        }
        Self { speakers, mapping }
    }

    /// Speakers that the sets are made of.
    pub fn speakers(&self) -> usize {
        self.speakers
    }

    /// Sets: values that the model gives for a frame.
    pub fn classes(&self) -> usize {
        self.mapping.len().checked_div(self.speakers).unwrap_or(1)
    }

    /// The speakers of the likeliest set in each frame, as 0 and 1.
    ///
    /// `logits` is frames × [`Powerset::classes`], of any monotone scale. Among equals the first set wins, and a
    /// frame without a number is silent. A last frame that is cut off is left out.
    pub fn hard(&self, logits: &[f32]) -> Scores {
        let frames = logits.chunks_exact(self.classes());
        let values = frames.flat_map(|frame| {
            let best = likeliest(frame) * self.speakers;
            &self.mapping[best..best + self.speakers]
        });
        Scores {
            speakers: self.speakers,
            values: values.copied().collect(),
        }
    }

    /// How likely each speaker is to be active in each frame: the sum over the sets that hold the speaker.
    ///
    /// `logits` is frames × [`Powerset::classes`], natural logarithms of probabilities (log-softmax).
    pub fn soft(&self, logits: &[f32]) -> Scores {
        let mut values = Vec::with_capacity(logits.len() / self.classes() * self.speakers);
        for frame in logits.chunks_exact(self.classes()) {
            for speaker in 0..self.speakers {
                let sets = frame
                    .iter()
                    .zip(self.mapping.iter().skip(speaker).step_by(self.speakers));
                values.push(
                    sets.filter(|(_, holds)| **holds > 0.0)
                        .map(|(p, _)| p.exp())
                        .sum(),
                );
            }
        }
        Scores {
            speakers: self.speakers,
            values,
        }
    }
}

/// The first of the greatest values; 0 when none is a number.
fn likeliest(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() && !value.is_nan() {
            best = i;
        }
    }
    if values[best].is_nan() { 0 } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(speakers: usize, max_classes: usize, sets: &[&[usize]]) {
        let powerset = Powerset::new(speakers, max_classes);
        assert_eq!((powerset.speakers(), powerset.classes()), (speakers, sets.len()));
        for (class, set) in sets.iter().enumerate() {
            let mut logits = vec![-9.0; sets.len()];
            logits[class] = -0.1;
            let row: Vec<f32> = (0..speakers)
                .map(|s| f32::from(u8::from(set.contains(&s))))
                .collect();
            assert_eq!(powerset.hard(&logits).values, row, "class {class}");
        }
    }

    #[test]
    fn sets_come_by_size_and_then_in_lexical_order() {
        check(2, 1, &[&[], &[0], &[1]]);
        check(2, 2, &[&[], &[0], &[1], &[0, 1]]);
        check(3, 2, &[&[], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2]]);
        check(
            3,
            3,
            &[&[], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]],
        );
        check(
            4,
            2,
            &[
                &[],
                &[0],
                &[1],
                &[2],
                &[3],
                &[0, 1],
                &[0, 2],
                &[0, 3],
                &[1, 2],
                &[1, 3],
                &[2, 3],
            ],
        );
    }

    #[test]
    fn odd_input_is_silence() {
        let powerset = Powerset::new(3, 2);
        assert_eq!(powerset.hard(&[f32::NAN; 7]).values, [0.0; 3]);
        let mut logits = [f32::NAN; 7];
        logits[2] = -4.0;
        assert_eq!(
            powerset.hard(&logits).values,
            [0.0, 1.0, 0.0],
            "the one number wins"
        );
        assert_eq!(
            powerset.hard(&[0.0; 8]).values,
            [0.0; 3],
            "all alike, and a part of a frame"
        );
        assert_eq!(powerset.hard(&[]).frames().len(), 0);
        let nobody = Powerset::new(0, 0);
        assert_eq!((nobody.classes(), nobody.hard(&[1.0; 5]).values.len()), (1, 0));
        assert_eq!(Powerset::new(100, 1).speakers(), MAX_LOCAL_SPEAKERS);
    }

    #[test]
    fn soft_scores_add_up_the_sets_of_a_speaker() {
        let probabilities: [f32; 7] = [0.1, 0.2, 0.05, 0.05, 0.3, 0.2, 0.1];
        let scores = Powerset::new(3, 2).soft(&probabilities.map(f32::ln));
        for (score, expected) in scores.values.iter().zip([0.7, 0.45, 0.35]) {
            assert!((score - expected).abs() < 1e-6, "{score} {expected}");
        }
    }

    proptest! {
        #[test]
        fn a_sure_model_is_heard_the_same_way_hard_and_soft(classes in prop::collection::vec(0usize..7, 0..50)) {
            let powerset = Powerset::new(3, 2);
            let mut logits = vec![f32::NEG_INFINITY; classes.len() * 7];
            for (frame, class) in classes.iter().enumerate() {
                logits[frame * 7 + class] = 0.0;
            }
            prop_assert_eq!(powerset.hard(&logits), powerset.soft(&logits));
        }
    }
}
