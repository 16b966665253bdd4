//! Which frames of a window speak for a local speaker's voice: those where nobody else talks, if they suffice.

use super::Scores;

/// How many clean frames are too few for an embedding model that needs `min_samples`.
///
/// `window` samples make `frames` frames. As pyannote rounds: up.
pub fn too_few_frames(frames: usize, min_samples: usize, window: usize) -> usize {
    (frames * min_samples).div_ceil(window.max(1))
}

/// The frames for the embedding of `speaker`; `None` for one who is silent.
///
/// Clean are the frames in which the speaker is active alone. If they are more than `too_few`
/// ([`too_few_frames`]) they are taken; otherwise all in which the speaker is active (pyannote's
/// `embedding_exclude_overlap`). `scores` are binarized; whatever is above 0.5 is active.
pub fn embedding_mask(scores: &Scores, speaker: usize, too_few: usize) -> Option<Vec<bool>> {
    if speaker >= scores.speakers {
        return None;
    }
    let active: Vec<bool> = scores.frames().map(|f| f[speaker] > 0.5).collect();
    let clean: Vec<bool> = scores.frames().map(|f| f[speaker] > 0.5 && is_alone(f)).collect();
    let count = |mask: &[bool]| mask.iter().filter(|m| **m).count();
    if count(&active) == 0 {
        return None;
    }
    Some(if count(&clean) > too_few { clean } else { active })
}

fn is_alone(frame: &[f32]) -> bool {
    frame.iter().filter(|score| **score > 0.5).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(frames: &[[u8; 3]]) -> Scores {
        Scores {
            speakers: 3,
            values: frames.iter().flatten().map(|v| f32::from(*v)).collect(),
        }
    }

    #[track_caller]
    fn check(speaker: usize, too_few: usize, expected: Option<&[u8]>) {
        let scores = scores(&[[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]);
        let mask = embedding_mask(&scores, speaker, too_few);
        let mask = mask.map(|m| m.into_iter().map(u8::from).collect::<Vec<_>>());
        assert_eq!(mask.as_deref(), expected);
    }

    #[test]
    fn overlap_is_left_out_where_enough_remains() {
        check(0, 1, Some(&[1, 0, 0, 0, 1]));
        check(0, 2, Some(&[1, 1, 1, 0, 1]));
        check(1, 0, Some(&[0, 0, 0, 1, 0]));
        check(1, 1, Some(&[0, 1, 1, 1, 0]));
    }

    #[test]
    fn the_silent_have_no_voice() {
        check(2, 0, None);
        check(3, 0, None);
        assert_eq!(embedding_mask(&Scores::default(), 0, 0), None);
    }

    #[test]
    fn frames_that_do_not_suffice_are_counted_upwards() {
        // WeSpeaker's ResNet34 as pyannote runs it: 400 samples, one frame of features.
        assert_eq!(too_few_frames(589, 400, 160_000), 2);
        assert_eq!(too_few_frames(589, 1_680, 160_000), 7);
        assert_eq!(too_few_frames(589, 0, 160_000), 0);
        assert_eq!(too_few_frames(0, 400, 0), 0);
    }
}
