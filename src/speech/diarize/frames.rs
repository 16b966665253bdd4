//! Where windows and their frames lie on the line of the recording.
//!
//! The line counts samples from 0, the first of the recording (or after a seek). Windows follow each other by a
//! step; the frames of all windows are laid onto one common row of frames.

use std::ops::Range;

use super::Geometry;

/// The windows and frames of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    geometry: Geometry,
    step: u64,
}

impl Grid {
    /// Windows of `geometry`, one every `step` samples, a window's length at most, so that no audio lies between
    /// two. A zero in any of them is taken as 1.
    pub fn new(geometry: Geometry, step: u64) -> Self {
        let geometry = Geometry {
            window: geometry.window.max(1),
            frames: geometry.frames.max(1),
            frame_step: geometry.frame_step.max(1),
            ..geometry
        };
        Self {
            geometry,
            step: step.clamp(1, geometry.window as u64),
        }
    }

    /// How a window is cut into frames.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Samples from one window to the next.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// First sample of a window.
    pub fn start(&self, window: u64) -> u64 {
        window * self.step
    }

    /// Windows of a recording of `samples`: as many as are full, and one more for a rest, or for a recording
    /// that is shorter than a window.
    pub fn windows_in(&self, samples: u64) -> u64 {
        let behind_the_first = samples.saturating_sub(self.geometry.window as u64);
        if samples == 0 {
            0
        } else {
            1 + behind_the_first.div_ceil(self.step)
        }
    }

    /// What a window answers for where each moment is asked about once, in samples of the window: a step in its
    /// middle; the first window from its beginning, the last to its end.
    pub fn focus(&self, window: u64, is_last: bool) -> Range<usize> {
        let length = self.geometry.window;
        let step = (self.step as usize).min(length);
        let middle = (length - step) / 2;
        let start = if window == 0 { 0 } else { middle };
        start..if is_last { length } else { middle + step }
    }

    /// The common frame that a window's first frame falls on: the closest one, halves to the even, as pyannote's
    /// `SlidingWindow.closest_frame`.
    pub fn first_frame(&self, window: u64) -> u64 {
        round_half_even(self.start(window), self.geometry.frame_step as u64)
    }

    /// Common frames of a recording of `windows`: up to the one that is closest to the end of the last window.
    pub fn frames_in(&self, windows: u64) -> u64 {
        if windows == 0 {
            return 0;
        }
        let end = self.start(windows - 1) + self.geometry.window as u64;
        round_half_even(end, self.geometry.frame_step as u64) + 1
    }

    /// How many of the first `windows` windows have a frame on the common `frame`.
    pub fn windows_over(&self, frame: u64, windows: u64) -> u64 {
        let begun = self.windows_begun_by(frame);
        let over = match frame.checked_sub(self.geometry.frames as u64) {
            Some(last_before) => self.windows_begun_by(last_before),
            None => 0,
        };
        begun.min(windows) - over.min(windows)
    }

    /// The sample in the middle of a common frame.
    pub fn centre(&self, frame: u64) -> u64 {
        self.geometry.receptive_field as u64 / 2 + frame * self.geometry.frame_step as u64
    }

    /// Windows whose first frame is `frame` or an earlier one.
    fn windows_begun_by(&self, frame: u64) -> u64 {
        // Near this one, since rounding moves a window by half a frame at most.
        let mut begun = frame * self.geometry.frame_step as u64 / self.step;
        while self.first_frame(begun) <= frame {
            begun += 1;
        }
        begun
    }
}

/// `n / d` to the nearest whole number; halfway to the even one, as numpy's `rint`.
pub(super) fn round_half_even(n: u64, d: u64) -> u64 {
    let (whole, rest) = (n / d, n % d);
    match (2 * rest).cmp(&d) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PYANNOTE: Grid = Grid {
        geometry: Geometry::PYANNOTE_3,
        step: 16_000,
    };

    #[test]
    fn windows_are_cut_as_pyannote_cuts_them() {
        for (samples, windows) in [
            (0, 0),
            (1, 1),
            (160_000, 1),
            (160_001, 2),
            (176_000, 2),
            (176_001, 3),
            (480_000, 21),
        ] {
            assert_eq!(PYANNOTE.windows_in(samples), windows, "{samples} samples");
        }
    }

    #[test]
    fn frames_are_laid_as_pyannote_lays_them() {
        // 16000 / 270 = 59.26, 32000 / 270 = 118.52
        for (window, frame) in [(0, 0), (1, 59), (2, 119), (3, 178)] {
            assert_eq!(PYANNOTE.first_frame(window), frame, "window {window}");
        }
        for (windows, frames) in [(0, 0), (1, 594), (7, 949), (18, 1601), (21, 1779), (51, 3557)] {
            assert_eq!(PYANNOTE.frames_in(windows), frames, "{windows} windows");
        }
        assert_eq!(PYANNOTE.centre(0), 495);
        assert_eq!(PYANNOTE.centre(2), 1_035);
    }

    #[test]
    fn each_moment_is_in_the_focus_of_one_window() {
        for (step, windows) in [(16_000, 5), (8_000, 3), (160_000, 2), (70_001, 4), (16_000, 1)] {
            let grid = Grid::new(Geometry::PYANNOTE_3, step);
            let mut at = 0;
            for window in 0..windows {
                let focus = grid.focus(window, window + 1 == windows);
                assert_eq!(
                    grid.start(window) + focus.start as u64,
                    at,
                    "window {window} at {step}"
                );
                at = grid.start(window) + focus.end as u64;
            }
            assert_eq!(at, grid.start(windows - 1) + 160_000);
        }
    }

    #[test]
    fn halves_go_to_the_even_number() {
        for (n, rounded) in [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 1),
            (5, 1),
            (6, 2),
            (7, 2),
            (10, 2),
            (11, 3),
        ] {
            assert_eq!(round_half_even(n, 4), rounded, "{n} / 4");
        }
    }

    proptest! {
        #[test]
        fn windows_over_a_frame_are_those_that_have_it(
            frames in 1usize..50, frame_step in 1usize..400, step in 1u64..3_000, windows in 1u64..40, frame in 0u64..600,
        ) {
            let geometry = Geometry { frames, frame_step, window: frames * frame_step, ..Geometry::PYANNOTE_3 };
            let grid = Grid::new(geometry, step);
            let over = (0..windows).filter(|w| (grid.first_frame(*w)..grid.first_frame(*w) + frames as u64).contains(&frame));
            prop_assert_eq!(grid.windows_over(frame, windows), over.count() as u64);
        }
    }
}
