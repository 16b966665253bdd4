//! The sample line of a live session: what of it still matters, gaps included.

use std::collections::VecDeque;
use std::ops::Range;

/// No stream gets here: what GStreamer can count in nanoseconds ends three orders of magnitude before. Keeps sums of
/// positions and lengths from running over.
const LAST: u64 = 1 << 60;

/// Audio with gaps. A gap costs nothing, however long: only what was heard is held.
#[derive(Debug)]
pub struct Line {
    /// Stretches of audio with their positions, in order, apart from each other, none empty.
    heard: VecDeque<(u64, Vec<f32>)>,
    end: u64,
}

impl Line {
    /// An empty line whose first sample will stand at `start`.
    pub fn new(start: u64) -> Self {
        Line {
            heard: VecDeque::new(),
            end: start.min(LAST),
        }
    }

    /// Adds samples behind all before.
    pub fn push(&mut self, samples: &[f32]) {
        if samples.is_empty() {
            return;
        }
        let at = self.end;
        self.end += samples.len() as u64;
        match self.heard.back_mut() {
            Some((start, audio)) if *start + audio.len() as u64 == at => audio.extend_from_slice(samples),
            _ => self.heard.push_back((at, samples.to_vec())),
        }
    }

    /// Nothing was heard for so many samples.
    pub fn skip(&mut self, samples: u64) {
        self.end = self.end.saturating_add(samples).min(LAST);
    }

    /// The first sample that is neither pushed nor skipped.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Samples held.
    pub fn held(&self) -> usize {
        self.heard.iter().map(|(_, audio)| audio.len()).sum()
    }

    /// The first sample at or after `at` that was heard and is still held.
    pub fn heard_from(&self, at: u64) -> Option<u64> {
        let stretch = self
            .heard
            .iter()
            .find(|(start, audio)| start + audio.len() as u64 > at);
        stretch.map(|(start, _)| at.max(*start))
    }

    /// The `length` samples before `end`; zeros where nothing was heard, as before the first sample at 0.
    pub fn window(&self, end: u64, length: usize) -> Vec<f32> {
        let mut samples = vec![0.0; length];
        // Where the window begins before sample 0, positions in it are counted from there.
        let position = |at: u64| (at + length as u64).saturating_sub(end) as usize;
        for (start, audio) in &self.heard {
            let shared = Range {
                start: (*start).max(end.saturating_sub(length as u64)),
                end: (start + audio.len() as u64).min(end),
            };
            if !shared.is_empty() {
                let from = (shared.start - start) as usize;
                let piece = &audio[from..(shared.end - start) as usize];
                samples[position(shared.start)..position(shared.end)].copy_from_slice(piece);
            }
        }
        samples
    }

    /// Drops what was heard before `at`.
    pub fn forget_before(&mut self, at: u64) {
        while let Some((start, audio)) = self.heard.front_mut() {
            let old = at.saturating_sub(*start) as usize;
            if old < audio.len() {
                audio.drain(..old);
                *start += old as u64;
                return;
            }
            self.heard.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_have_zeros_where_nothing_was_heard() {
        let mut line = Line::new(0);
        line.push(&[1.0, 2.0]);
        line.push(&[3.0]);
        line.skip(2);
        line.push(&[]);
        line.push(&[6.0]);
        assert_eq!((line.end(), line.held()), (6, 4));
        for (end, expected) in [
            (2, [0.0, 0.0, 1.0, 2.0]),
            (4, [1.0, 2.0, 3.0, 0.0]),
            (6, [3.0, 0.0, 0.0, 6.0]),
            (8, [0.0, 6.0, 0.0, 0.0]),
            (99, [0.0; 4]),
        ] {
            assert_eq!(line.window(end, 4), expected, "before {end}");
        }
        for (at, expected) in [(0, Some(0)), (2, Some(2)), (3, Some(5)), (5, Some(5)), (6, None)] {
            assert_eq!(line.heard_from(at), expected, "from {at}");
        }
        line.forget_before(1);
        assert_eq!((line.heard_from(0), line.held()), (Some(1), 3));
        line.forget_before(4);
        assert_eq!((line.heard_from(0), line.held()), (Some(5), 1));
    }

    proptest! {
        #[test]
        fn a_gap_is_as_zeros(
            pieces in prop::collection::vec((any::<bool>(), 0_usize..20), 0..20),
            start in 0_u64..50, end in 0_u64..200, length in 0_usize..40, forgotten in 0_u64..30,
        ) {
            let (mut gaps, mut zeros) = (Line::new(start), Line::new(start));
            for (heard, n) in pieces {
                if heard {
                    let piece: Vec<f32> = (0..n).map(|i| 1.0 + i as f32).collect();
                    gaps.push(&piece);
                    zeros.push(&piece);
                } else {
                    gaps.skip(n as u64);
                    zeros.push(&vec![0.0; n]);
                }
            }
            prop_assert_eq!(gaps.end(), zeros.end());
            prop_assert_eq!(gaps.window(end, length), zeros.window(end, length));
            gaps.forget_before(forgotten);
            zeros.forget_before(forgotten);
            prop_assert_eq!(gaps.window(end, length), zeros.window(end, length));
            prop_assert!(gaps.held() <= zeros.held());
        }
    }
}
