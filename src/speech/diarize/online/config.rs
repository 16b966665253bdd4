//! The settings of a live session.

use super::centre::Memory;
use super::centres::ClusterRule;
use super::roster::RosterRule;
use super::stretches::StretchRule;
use crate::speech::diarize::{Geometry, Hysteresis, Voices};
use crate::time::seconds;

/// How a live session behaves. Lengths are samples. The defaults are diart's unless something else is said.
#[derive(Clone, Debug)]
pub struct OnlineConfig {
    /// From one window to the next; at least one, at most a window.
    pub step: u64,
    /// How long what was said is discussed: each frame is averaged over the windows that see it within this time.
    /// At least `step`, at most a window. Speech is given out so much later, and a turn up to `longest_piece` and
    /// `min_duration_off` later.
    pub latency: u64,
    /// τ: a local speaker whose score never reaches it is not there, 0 to 1.
    pub tau: f32,
    /// ρ: a local speaker whose mean score in a window is less does not shape a centre, 0 to 1.
    pub rho: f32,
    /// δ: cosine distance from which on two voices are two speakers, 0 to 2.
    pub delta: f32,
    /// Slots. When all are in use, whoever is new counts as the nearest speaker.
    pub max_speakers: usize,
    /// The score above which a turn begins; τ when `None`, as in diart.
    pub onset: Option<f32>,
    /// The score below which a turn ends; as `onset` when `None`.
    pub offset: Option<f32>,
    /// Shorter turns are dropped.
    pub min_duration_on: u64,
    /// Shorter pauses within a turn are closed.
    pub min_duration_off: u64,
    /// One speaker at a time: the most active.
    pub exclusive: bool,
    /// A turn that goes on is given out in pieces of at most this, so that nobody waits for its end. Pieces of a
    /// turn adjoin exactly.
    pub longest_piece: u64,
    /// The people known by name.
    pub voices: Voices,
    /// Speakers are found piece by piece (see [`pieces`](crate::speech::diarize::pieces)): τ, ρ and δ do not count then.
    pub pieces: Option<PieceDistances>,
}

/// Whose a piece is, by the cosine distance of its voice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PieceDistances {
    /// Nearer than this it is that speaker's.
    pub near: f32,
    /// Further from all than this it is somebody new.
    pub far: f32,
}

impl Default for PieceDistances {
    /// For the bundled models (ADR 17).
    fn default() -> Self {
        PieceDistances { near: 0.5, far: 0.6 }
    }
}

impl Default for OnlineConfig {
    fn default() -> Self {
        OnlineConfig {
            step: seconds(0.5),
            latency: seconds(0.5),
            tau: 0.6,
            rho: 0.3,
            // diart's 1.0 is for pyannote/embedding, whose voices lie further apart. With WeSpeaker's ResNet34 it takes
            // the two people of a clip of pyannote's for one, as 0.7 does; 0.5 and 0.6 find both.
            delta: 0.6,
            max_speakers: 20,
            onset: None,
            offset: None,
            min_duration_on: 0,
            min_duration_off: 0,
            exclusive: false,
            // Ours: longer than most turns of a conversation, and short enough for captions.
            longest_piece: seconds(2.0),
            voices: Voices::default(),
            pieces: None,
        }
    }
}

impl OnlineConfig {
    /// With `step` and `latency` brought into their bounds for windows of this geometry.
    pub(super) fn within(mut self, geometry: &Geometry) -> Self {
        let window = (geometry.window as u64).max(1);
        self.step = self.step.clamp(1, window);
        self.latency = self.latency.clamp(self.step, window);
        self
    }

    pub(super) fn cluster_rule(&self, geometry: &Geometry) -> ClusterRule {
        ClusterRule {
            tau: self.tau,
            rho: self.rho,
            delta: self.delta,
            max_speakers: self.max_speakers,
            memory: Memory::new(self.step),
            window: geometry.window as u64,
        }
    }

    /// `frame` is the length of a frame.
    pub(super) fn roster_rule(&self, frame: u64) -> Option<RosterRule> {
        self.pieces.map(|PieceDistances { near, far }| RosterRule {
            near,
            far,
            max_speakers: self.max_speakers,
            memory: Memory::new(self.step),
            frame,
        })
    }

    /// The score above which a turn begins.
    pub(super) fn onset(&self) -> f32 {
        self.onset.unwrap_or(self.tau)
    }

    pub(super) fn stretch_rule(&self) -> StretchRule {
        let onset = self.onset();
        StretchRule {
            hysteresis: Hysteresis {
                onset,
                offset: self.offset.unwrap_or(onset),
            },
            min_on: self.min_duration_on,
            min_off: self.min_duration_off,
            longest_piece: self.longest_piece,
            exclusive: self.exclusive,
            leave_others: self.pieces.is_some(),
        }
    }
}
