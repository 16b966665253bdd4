//! The scores of overlapping windows → one score a slot and frame, final after `latency`.
//!
//! As diart's `DelayedAggregation`: what is `latency` old is averaged over the windows that have seen it by then,
//! weighted by a Hamming window over each. It departs from diart in three things:
//!
//! - Frames lie on one grid for the whole stream, each as long as a frame of the model, and take the nearest frame
//!   of each window. diart cuts every window to the output region, where rounding gives a frame more or less.
//! - A window abstains where it hears somebody whom the clustering could not place, and counts for little where the
//!   place is a guess: the slots that it did not see are neither active nor silent there. diart counts them as
//!   silent, and guesses as much as knowledge, so the beginnings of turns fade or go to somebody else.
//! - The first windows are padded with zeros on the left instead of waiting for a whole one.

use std::collections::VecDeque;
use std::f32::consts::PI;

use super::centres::Place;
use super::roster::Call;
use crate::speech::diarize::pieces::Piece;
use crate::speech::diarize::{Geometry, Scores};

/// What a window counts where it guesses who speaks: enough to decide where no other window knows better.
const GUESS: f32 = 0.05;

/// What a piece counts for a frame of another piece in which its local speaker speaks too.
const SECOND: f32 = 0.5;

/// What the windows so far make of one frame.
#[derive(Clone, Debug, Default)]
struct Frame {
    /// Slot by slot: the weighted sum of scores, and the weights.
    sums: Vec<(f32, f32)>,
    /// The same of the number of speakers that is expected, where slots are found piece by piece.
    expected: (f32, f32),
    /// Slots and what their pieces count.
    calls: Vec<(usize, f32)>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Overlap {
    geometry: Geometry,
    slots: usize,
    /// Sample at which frame 0 begins.
    origin: u64,
    /// Number of the first frame that is not final.
    next: u64,
    /// The frames from `next` on that a window has seen.
    open: VecDeque<Frame>,
    /// Whom the last frame that a piece has is given to.
    last: Option<usize>,
}

impl Overlap {
    /// Frame 0 will begin at sample `origin`.
    pub fn new(geometry: Geometry, slots: usize, origin: u64) -> Self {
        Overlap {
            geometry,
            slots,
            origin,
            next: 0,
            open: VecDeque::new(),
            last: None,
        }
    }

    /// Samples of a frame.
    pub fn frame(&self) -> u64 {
        (self.geometry.frame_step as u64).max(1)
    }

    /// All before this sample is final.
    pub fn settled(&self) -> u64 {
        self.origin + self.next * self.frame()
    }

    /// Frames that are held.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.open.len()
    }

    /// A window that ends at sample `end` counts for the frames centred in its last `reach` samples. `placed` says
    /// where each local speaker belongs; who speaks (a score of `active` and more) without a place is unknown.
    pub fn add(&mut self, end: u64, reach: u64, scores: &Scores, placed: &[Option<Place>], active: f32) {
        self.add_rows(end, reach, scores, |frame, _, scores, weight| {
            frame.add(scores, weight, placed, active);
        });
    }

    /// As [`Overlap::add`] where slots are found piece by piece: `called` are the pieces with their slots.
    pub fn add_pieces(&mut self, end: u64, reach: u64, scores: &Scores, called: &[(&Piece, Call)]) {
        self.add_rows(end, reach, scores, |frame, row, scores, weight| {
            let finite = scores.iter().filter(|score| score.is_finite());
            let expected: f32 = finite.map(|score| score.clamp(0.0, 1.0)).sum();
            frame.expected.0 += weight * expected;
            frame.expected.1 += weight;
            // Frames of windows do not lie on each other exactly: a piece counts for the next ones, too.
            let reaches = |piece: &Piece| piece.frames.start <= row + 1 && row <= piece.frames.end;
            for (piece, call) in called.iter().filter(|(piece, _)| reaches(piece)) {
                frame.call(call.slot, call.weight);
                let others = (0..scores.len()).filter(|s| *s != piece.speaker && scores[*s] > 0.5);
                for second in others.filter_map(|other| nearest_of(called, other, row)) {
                    frame.call(second.slot, SECOND * second.weight);
                }
            }
        });
    }

    /// Gives `add` each frame with the window's nearest: its number, its scores and its weight.
    fn add_rows(
        &mut self,
        end: u64,
        reach: u64,
        scores: &Scores,
        mut add: impl FnMut(&mut Frame, usize, &[f32], f32),
    ) {
        let rows: Vec<&[f32]> = scores.frames().collect();
        if rows.is_empty() {
            return;
        }
        let window = self.geometry.window as u64;
        let first_frame = self.geometry.receptive_field as u64 / 2;
        let from = self
            .frame_at(end.saturating_sub(reach.min(window)))
            .max(self.next);
        for number in from..self.frame_at(end) {
            let centre = self.origin + number * self.frame() + self.frame() / 2;
            // Counted from the window's first sample, which may lie before sample 0.
            let inside = centre + window - end;
            let nearest = (inside.saturating_sub(first_frame) + self.frame() / 2) / self.frame();
            let row = (nearest as usize).min(rows.len() - 1);
            let frame = self.open_frame((number - self.next) as usize);
            add(frame, row, rows[row], hamming(row, rows.len()));
        }
    }

    /// Whether anybody's score is above `threshold` in a frame that is not final, as far as the windows have seen it.
    pub fn exceeds(&self, threshold: f32) -> bool {
        let mut sums = self.open.iter().flat_map(|frame| &frame.sums);
        let above = |(sum, weight): (f32, f32)| weight > 0.0 && sum / weight > threshold;
        sums.any(|sums| above(*sums)) || self.open.iter().any(|frame| above(frame.expected))
    }

    /// Makes the frames centred before `until` final: gives them to `take`, one score a slot. Returns how many
    /// frames without any score come behind those.
    pub fn settle(&mut self, until: u64, mut take: impl FnMut(&[f32])) -> u64 {
        let last = self.frame_at(until);
        let mut row = vec![0.0; self.slots];
        while self.next < last {
            let Some(frame) = self.open.pop_front() else { break };
            self.next += 1;
            row.fill(0.0);
            frame.share_out(&mut self.last, &mut row);
            for (value, (sum, weight)) in row.iter_mut().zip(frame.sums) {
                if weight > 0.0 {
                    *value = sum / weight;
                }
            }
            take(&row);
        }
        let silent = last.saturating_sub(self.next);
        self.next += silent;
        silent
    }

    /// The first frame whose centre lies at or behind a sample.
    fn frame_at(&self, sample: u64) -> u64 {
        let inside = (sample.saturating_sub(self.origin)).saturating_sub(self.frame() / 2);
        inside.div_ceil(self.frame())
    }

    fn open_frame(&mut self, index: usize) -> &mut Frame {
        while self.open.len() <= index {
            self.open.push_back(Frame {
                sums: vec![(0.0, 0.0); self.slots],
                ..Frame::default()
            });
        }
        &mut self.open[index]
    }
}

/// The call of the piece of a local speaker that is nearest to a frame.
fn nearest_of(called: &[(&Piece, Call)], local: usize, frame: usize) -> Option<Call> {
    let of_it = called.iter().filter(|(piece, _)| piece.speaker == local);
    let distance = |piece: &Piece| {
        piece
            .frames
            .start
            .abs_diff(frame)
            .min(piece.frames.end.abs_diff(frame))
    };
    of_it
        .min_by_key(|(piece, _)| distance(piece))
        .map(|(_, call)| *call)
}

impl Frame {
    fn call(&mut self, slot: usize, weight: f32) {
        match self.calls.iter_mut().find(|(s, _)| *s == slot) {
            Some((_, sum)) => *sum += weight,
            None => self.calls.push((slot, weight)),
        }
    }

    /// Gives the expected speakers to the slots that most pieces call: one to the first, or to `last` where no piece
    /// is, and what is more to the second.
    fn share_out(&self, last: &mut Option<usize>, row: &mut [f32]) {
        let (sum, weight) = self.expected;
        if weight <= 0.0 {
            return;
        }
        let mut calls = self.calls.clone();
        calls.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut called = calls.iter().map(|(slot, _)| *slot);
        let expected = sum / weight;
        let first = called.next().or(*last);
        // Behind a pause it may be anybody.
        *last = first.filter(|_| expected > 0.5);
        let shares = [(first, expected), (called.next(), expected - 1.0)];
        for (slot, share) in shares {
            if let Some(value) = slot.and_then(|slot| row.get_mut(slot)) {
                *value = share.clamp(0.0, 1.0);
            }
        }
    }

    fn add(&mut self, row: &[f32], weight: f32, placed: &[Option<Place>], active: f32) {
        let place = |local: usize| placed.get(local).copied().flatten();
        let trust = |local: usize| match place(local) {
            None => 0.0,
            Some(place) if place.sure => 1.0,
            Some(_) => GUESS,
        };
        let speaking = (0..row.len()).filter(|local| row[*local] >= active);
        let unseen = (weight * speaking.map(trust).fold(1.0, f32::min), 0.0);
        let mut votes = vec![unseen; self.sums.len()];
        for (local, score) in row.iter().enumerate() {
            if let Some(vote) = place(local).and_then(|place| votes.get_mut(place.slot)) {
                let score = if score.is_nan() {
                    0.0
                } else {
                    score.clamp(0.0, 1.0)
                };
                *vote = (weight * trust(local), score);
            }
        }
        for ((sum, weights), (weight, score)) in self.sums.iter_mut().zip(votes) {
            *sum += weight * score;
            *weights += weight;
        }
    }
}

/// Value `i` of a Hamming window of `n`, as NumPy has it: symmetric, 0.08 at both ends.
fn hamming(i: usize, n: usize) -> f32 {
    if n < 2 {
        return 1.0;
    }
    0.54 - 0.46 * (2.0 * PI * i as f32 / (n - 1) as f32).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 frames of 10 samples, centred at 5, 15 and so on.
    const SMALL: Geometry = Geometry {
        window: 100,
        frames: 10,
        frame_step: 10,
        receptive_field: 10,
        speakers: 2,
    };

    fn scores(frames: impl IntoIterator<Item = [f32; 2]>) -> Scores {
        Scores {
            speakers: 2,
            values: frames.into_iter().flatten().collect(),
        }
    }

    fn sure(slot: usize) -> Option<Place> {
        Some(Place { slot, sure: true })
    }

    fn settle(overlap: &mut Overlap, until: u64) -> (Vec<Vec<f32>>, u64) {
        let mut rows = Vec::new();
        let silent = overlap.settle(until, |row| rows.push(row.to_vec()));
        (rows, silent)
    }

    #[test]
    fn a_window_counts_for_its_last_samples() {
        let mut overlap = Overlap::new(SMALL, 2, 0);
        let ramp = scores((0..10).map(|i| [i as f32 / 10.0, 0.0]));
        overlap.add(100, 20, &ramp, &[sure(1), None], 0.5);
        assert_eq!(overlap.held(), 10);
        let (rows, silent) = settle(&mut overlap, 100);
        assert_eq!((rows.len(), silent, overlap.settled()), (10, 0, 100));
        assert_eq!(rows[7], [0.0, 0.0]);
        assert_eq!(rows[8], [0.0, 0.8]);
        assert_eq!(rows[9], [0.0, 0.9]);
    }

    #[test]
    fn windows_are_averaged_by_their_hamming_weights() {
        let mut overlap = Overlap::new(SMALL, 1, 0);
        overlap.add(100, 100, &scores([[1.0, 0.0]; 10]), &[sure(0)], 0.5);
        overlap.add(150, 100, &scores([[0.5, 0.0]; 10]), &[sure(0)], 0.5);
        let (rows, _) = settle(&mut overlap, 100);
        // Frame 7 is the 8th of the first window and the 3rd of the second.
        let (a, b) = (hamming(7, 10), hamming(2, 10));
        let expected = (a + 0.5 * b) / (a + b);
        assert!((rows[7][0] - expected).abs() < 1e-6, "{} {expected}", rows[7][0]);
        assert_eq!(rows[4][0], 1.0, "the second has not seen it");
    }

    #[test]
    fn hamming_is_that_of_numpy() {
        for (i, expected) in [(0, 0.08), (1, 0.31), (2, 0.77), (3, 1.0), (6, 0.08)] {
            assert!((hamming(i, 7) - expected).abs() < 1e-6, "{i}");
        }
        assert_eq!(hamming(0, 1), 1.0);
    }

    #[test]
    fn a_window_abstains_where_it_hears_a_stranger() {
        let mut overlap = Overlap::new(SMALL, 2, 0);
        overlap.add(100, 10, &scores([[0.9, 0.0]; 10]), &[sure(0), None], 0.5);
        overlap.add(100, 10, &scores([[0.0, 0.9]; 10]), &[None, None], 0.5);
        overlap.add(100, 10, &scores([[0.0, 0.4]; 10]), &[None, None], 0.5);
        let (rows, _) = settle(&mut overlap, 100);
        // The second window abstains, to the third both slots are silent.
        assert!((rows[9][0] - 0.45).abs() < 1e-6, "{:?}", rows[9]);
        assert_eq!(rows[9][1], 0.0);
    }

    #[test]
    fn a_guess_counts_where_nobody_knows_better() {
        let guess = Some(Place { slot: 1, sure: false });
        let mut overlap = Overlap::new(SMALL, 2, 0);
        overlap.add(100, 20, &scores([[0.9, 0.0]; 10]), &[guess, None], 0.5);
        overlap.add(100, 10, &scores([[0.9, 0.0]; 10]), &[sure(0), None], 0.5);
        let (rows, _) = settle(&mut overlap, 100);
        assert!(
            (rows[8][1] - 0.9).abs() < 1e-6 && rows[8][0] == 0.0,
            "{:?}",
            rows[8]
        );
        let expected = [0.9 / 1.05, 0.05 * 0.9 / 1.05];
        for (value, expected) in rows[9].iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{:?}", rows[9]);
        }
    }

    #[test]
    fn pieces_share_the_expected_speakers() {
        let mut overlap = Overlap::new(SMALL, 3, 0);
        let call = |slot, weight| Call { slot, weight };
        let piece = |speaker, frames| Piece {
            speaker,
            frames,
            clean: 0,
            embedding: Vec::new(),
        };
        let heard = scores((0..10).map(|i| [0.9, if i < 5 { 0.8 } else { 0.0 }]));
        let (long, short) = (piece(0, 0..6), piece(1, 20..21));
        overlap.add_pieces(100, 100, &heard, &[(&long, call(1, 0.5)), (&short, call(0, 0.4))]);
        let (rows, _) = settle(&mut overlap, 100);
        let near =
            |row: &[f32], expected: [f32; 3]| row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(&rows[2], [0.7, 1.0, 0.0]), "{rows:?}");
        assert!(near(&rows[6], [0.0, 0.9, 0.0]), "{rows:?}");
        assert!(
            near(&rows[9], [0.0, 0.9, 0.0]),
            "where no piece is, whoever spoke last: {rows:?}"
        );
    }

    #[test]
    fn windows_may_begin_before_the_line() {
        let mut overlap = Overlap::new(SMALL, 1, 0);
        let late = scores((0..10).map(|i| [f32::from(u8::from(i >= 8)), 0.0]));
        overlap.add(20, 100, &late, &[sure(0)], 0.5);
        let (rows, silent) = settle(&mut overlap, 40);
        assert_eq!((rows, silent), (vec![vec![1.0]; 2], 2));
        assert_eq!(overlap.settled(), 40);
        assert_eq!(settle(&mut overlap, 40), (vec![], 0));
    }

    #[test]
    fn odd_answers_count_for_nothing() {
        let mut overlap = Overlap::new(SMALL, 1, 1_000);
        overlap.add(1_100, 100, &Scores::default(), &[], 0.5);
        assert_eq!(overlap.held(), 0);
        overlap.add(
            1_100,
            100,
            &scores([[f32::NAN, 7.0]; 3]),
            &[sure(0), sure(9)],
            0.5,
        );
        let (rows, _) = settle(&mut overlap, 1_100);
        assert_eq!(rows, vec![vec![0.0]; 10]);
    }
}
