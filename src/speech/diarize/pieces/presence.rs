//! How many people speak in each frame of a recording: the mean over its windows of the number that each expects.
//!
//! Speech begins where that is clearly more than nothing, and reaches both ways as far as it is not clearly nothing:
//! a beginning is heard best by windows that have its sound in the middle, and an utterance fades. A pause of the
//! model's own making, in which it half hears speech, is none.

use crate::speech::diarize::{Grid, Hysteresis, Scores};

/// From here on two speak, as where whole numbers are rounded.
const TWO: f32 = 1.5;

/// The sums of what the windows so far expect, by frame.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    sums: Vec<f32>,
}

impl Presence {
    /// A window whose first frame lies on the common frame `first`.
    pub fn add(&mut self, first: u64, soft: &Scores) {
        let first = first as usize;
        self.sums
            .resize(self.sums.len().max(first + soft.frames().len()), 0.0);
        for (sum, frame) in self.sums[first..].iter_mut().zip(soft.frames()) {
            *sum += frame
                .iter()
                .filter(|s| s.is_finite())
                .map(|s| s.clamp(0.0, 1.0))
                .sum::<f32>();
        }
    }

    /// How many speak in each frame of a recording of `windows` windows: 0, 1 or 2. Where more than the rule's onset are
    /// expected there is speech, and it reaches both ways as far as more than its offset are.
    pub fn counts(&self, grid: &Grid, windows: u64, rule: Hysteresis) -> Vec<u8> {
        let frames = self.sums.len().min(grid.frames_in(windows) as usize);
        let expected = |frame: usize| {
            let windows = grid.windows_over(frame as u64, windows).max(1);
            self.sums[frame] / windows as f32
        };
        let mut counts = vec![0; frames];
        let mut start = 0;
        while start < frames {
            if expected(start) <= rule.offset {
                start += 1;
                continue;
            }
            let end = (start..frames)
                .find(|f| expected(*f) <= rule.offset)
                .unwrap_or(frames);
            if (start..end).any(|frame| expected(frame) > rule.onset) {
                for (count, frame) in counts[start..end].iter_mut().zip(start..) {
                    *count = if expected(frame) > TWO { 2 } else { 1 };
                }
            }
            start = end;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::diarize::Geometry;

    const RULE: Hysteresis = Hysteresis {
        onset: 0.5,
        offset: 0.2,
    };

    /// Windows of 8 frames that follow each other by 4.
    fn grid() -> Grid {
        let geometry = Geometry {
            window: 80,
            frames: 8,
            frame_step: 10,
            receptive_field: 10,
            speakers: 2,
        };
        Grid::new(geometry, 40)
    }

    /// Tenths, a character a frame and speaker.
    fn window(tracks: [&str; 2]) -> Scores {
        let tenths = |c: u8| f32::from(c - b'0') / 10.0;
        let frames = tracks[0].bytes().zip(tracks[1].bytes());
        Scores {
            speakers: 2,
            values: frames.flat_map(|(a, b)| [tenths(a), tenths(b)]).collect(),
        }
    }

    #[track_caller]
    fn check(windows: &[[&str; 2]], expected: &str) {
        let mut presence = Presence::default();
        for (n, tracks) in windows.iter().enumerate() {
            presence.add(4 * n as u64, &window(*tracks));
        }
        let counts = presence.counts(&grid(), windows.len() as u64, RULE);
        let shown: String = counts.iter().map(|n| char::from(b'0' + n)).collect();
        assert_eq!(shown, expected, "{windows:?}");
    }

    #[test]
    fn speech_reaches_as_far_as_it_fades() {
        check(&[["03369321", "00000000"]], "01111100");
        check(&[["03333333", "00000000"]], "00000000");
        check(&[["06111606", "00000000"]], "01000101");
    }

    #[test]
    fn two_speak_where_two_are_expected() {
        check(&[["99999900", "00995566"]], "11221111");
    }

    #[test]
    fn windows_are_averaged() {
        check(
            &[["00008888", "00000000"], ["00000000", "00000000"]],
            "000000000000",
        );
        check(
            &[["00008888", "00000000"], ["33000000", "00000000"]],
            "000011110000",
        );
        check(
            &[["00004444", "00000000"], ["77000000", "00000000"]],
            "000011000000",
        );
        check(&[], "");
    }

    #[test]
    fn what_is_no_number_counts_for_nothing() {
        let mut presence = Presence::default();
        presence.add(
            0,
            &Scores {
                speakers: 1,
                values: vec![f32::NAN, 9.0, f32::INFINITY, -3.0],
            },
        );
        assert_eq!(presence.counts(&grid(), 1, RULE), [0, 1, 0, 0]);
    }
}
