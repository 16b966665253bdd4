//! Who is active in each frame of a window, a byte a frame.

use super::{MAX_LOCAL_SPEAKERS, Scores};

/// The binarized scores of a window: bit `s` of a frame's byte is set while local speaker `s` is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity(Box<[u8]>);

impl Activity {
    /// From scores of 0 and 1 (above 0.5 is active), cut or filled with silence to `frames` frames. Speakers from
    /// [`MAX_LOCAL_SPEAKERS`] on are left out.
    pub fn new(scores: &Scores, frames: usize) -> Self {
        let bits = |frame: &[f32]| {
            let active = frame.iter().take(MAX_LOCAL_SPEAKERS).enumerate();
            active.fold(0, |bits, (s, score)| bits | u8::from(*score > 0.5) << s)
        };
        let mut bytes: Vec<u8> = scores.frames().map(bits).take(frames).collect();
        bytes.resize(frames, 0);
        Self(bytes.into())
    }

    /// A byte a frame.
    pub fn frames(&self) -> &[u8] {
        &self.0
    }

    /// Whether `speaker` is active in any frame.
    pub fn is_active(&self, speaker: usize) -> bool {
        let any = self.0.iter().fold(0, |bits, frame| bits | frame);
        speaker < MAX_LOCAL_SPEAKERS && any >> speaker & 1 == 1
    }

    /// Frames in which `speaker` is active alone.
    pub fn clean_frames(&self, speaker: usize) -> usize {
        let alone = |frame: &&u8| speaker < MAX_LOCAL_SPEAKERS && **frame == 1 << speaker;
        self.0.iter().filter(alone).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_byte() {
        let values = [
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 1.0],
            [0.0, 0.0, f32::NAN],
            [1.0, 0.4, 0.0],
        ];
        let scores = Scores {
            speakers: 3,
            values: values.concat(),
        };
        let activity = Activity::new(&scores, 5);
        assert_eq!(activity.frames(), [0b001, 0b110, 0, 0b001, 0]);
        assert_eq!(
            [0, 1, 2, 3, 9].map(|s| activity.is_active(s)),
            [true, true, true, false, false]
        );
        assert_eq!([0, 1, 2, 9].map(|s| activity.clean_frames(s)), [2, 0, 0, 0]);
        assert_eq!(
            Activity::new(&scores, 1).frames(),
            [1],
            "frames too many are cut off"
        );
        assert_eq!(Activity::new(&Scores::default(), 2).frames(), [0, 0]);
    }
}
