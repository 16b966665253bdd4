//! Models for the tests of the session: they hear the truth, on lines where every sample says when it was spoken.

use super::noise::Noise;
use crate::speech::diarize::direction::Direction;
use crate::speech::diarize::pieces::{Cut, Piece, cut, piece_mask};
use crate::speech::diarize::{Analysis, Geometry, Scores, Window};

/// pyannote's segmentation-3.0 on 5 s.
pub const FIVE: Geometry = Geometry {
    window: 80_000,
    frames: 293,
    ..Geometry::PYANNOTE_3
};
/// The same, ten times as fast: for long streams.
pub const QUICK: Geometry = Geometry {
    window: 8_000,
    frames: 293,
    frame_step: 27,
    receptive_field: 99,
    speakers: 3,
};
/// A line repeats itself after so many samples, so that all of them are whole numbers in an f32.
pub const PERIOD: u64 = 16_000_000;

/// Samples `from..to` of a line: each its position, from 1.
pub fn audio(from: u64, to: u64) -> Vec<f32> {
    (from..to).map(|at| (at % PERIOD + 1) as f32).collect()
}

/// Who speaks when, in samples.
pub type Truth = Vec<(usize, u64, u64)>;

/// Models that hear the truth: in every frame who speaks, and voices as noisy as real ones.
pub struct Models {
    pub geometry: Geometry,
    pub truth: Truth,
    pub people: Vec<Direction>,
    /// Less speech than this in a window has no embedding.
    pub shortest: usize,
}

impl Models {
    pub fn new(geometry: Geometry, truth: Truth) -> Self {
        let mut dice = Noise::new(99);
        Models {
            geometry,
            truth,
            people: (0..8).map(|_| dice.voice()).collect(),
            shortest: geometry.window / 16,
        }
    }

    pub fn speaks(&self, who: usize, at: u64) -> bool {
        self.truth
            .iter()
            .any(|(speaker, start, end)| *speaker == who && (*start..*end).contains(&at))
    }

    pub fn hear(&self, window: &Window) -> Analysis {
        let g = self.geometry;
        assert_eq!(window.samples.len(), g.window);
        let at = |frame: usize| window.samples[g.receptive_field / 2 + frame * g.frame_step] as u64;
        let active = |who: usize, frame: usize| at(frame) > 0 && self.speaks(who, at(frame) - 1);
        // Local speakers: those of the window by first appearance.
        let mut locals: Vec<usize> = Vec::new();
        for frame in 0..g.frames {
            for who in 0..self.people.len() {
                if active(who, frame) && !locals.contains(&who) && locals.len() < g.speakers {
                    locals.push(who);
                }
            }
        }
        let score = |local: usize, frame: usize| {
            let speaks = locals.get(local).is_some_and(|who| active(*who, frame));
            if speaks { 0.9 } else { 0.05 }
        };
        let values = (0..g.frames).flat_map(|frame| (0..g.speakers).map(move |local| score(local, frame)));
        let embedding = |local: usize| {
            let who = *locals.get(local)?;
            let spoken = (0..g.frames).filter(|frame| active(who, *frame)).count() * g.frame_step;
            let last = window.samples.iter().fold(0.0_f32, |a, b| a.max(*b));
            let mut dice = Noise::new(last as u64 * 8 + who as u64);
            let voice = dice
                .near(&self.people[who])
                .values()
                .iter()
                .map(|x| 3.0 * x)
                .collect();
            (spoken >= self.shortest).then_some(voice)
        };
        Analysis {
            start: window.start,
            scores: Scores {
                speakers: g.speakers,
                values: values.collect(),
            },
            embeddings: (0..g.speakers).map(embedding).collect(),
            ..Analysis::default()
        }
    }

    /// As [`Models::hear`], with the pieces in the window's focus.
    pub fn hear_pieces(&self, window: &Window) -> Analysis {
        let analysis = self.hear(window);
        let focus = self.geometry.frames_in(window.focus.as_ref().expect("a focus"));
        let cuts = cut(&analysis.scores, &analysis.scores, &focus, &self.geometry);
        let piece = |Cut { speaker, frames }| {
            Some(Piece {
                speaker,
                clean: piece_mask(&analysis.scores, &frames, 0).1,
                embedding: analysis.embeddings[speaker].clone()?,
                frames,
            })
        };
        Analysis {
            pieces: cuts.into_iter().filter_map(piece).collect(),
            embeddings: Vec::new(),
            ..analysis
        }
    }
}
