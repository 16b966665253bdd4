//! The pieces of a window → slots that stay the same for a whole stream, when speakers are found piece by piece
//! (see [`pieces`](crate::speech::diarize::pieces)).
//!
//! As [`centres`](super::centres), with two differences. A window's pieces may share a slot: one person says several, and
//! which local speaker said them does not matter. And a voice between `near` and `far` of all centres is nobody new, for
//! short pieces of one person often lie that far apart.

use std::cmp::Reverse;

use super::centre::{Centre, Memory};
use crate::speech::diarize::direction::Direction;
use crate::speech::diarize::pieces::Piece;
use crate::time::SAMPLE_RATE;

/// When a voice is whose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RosterRule {
    /// A voice nearer to a centre than this cosine distance is the one of it.
    pub near: f32,
    /// Who is further from all centres, and heard for long enough, is somebody new.
    pub far: f32,
    /// Slots.
    pub max_speakers: usize,
    /// What a centre remembers.
    pub memory: Memory,
    /// Samples of a frame.
    pub frame: u64,
}

/// Seconds of speech that somebody new is known by.
const NEW: f32 = 1.5;
/// A shorter piece, in seconds, does not shape a centre.
const SHAPING: f32 = 1.0;
/// A piece of this much speech, in seconds, counts wholly; the weight of a shorter one falls with the root.
const TRUSTED: f32 = 2.0;
/// What a piece counts whose voice is near nobody.
const GUESS: f32 = 0.2;

/// The slot of a piece, and how much that counts, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    pub slot: usize,
    pub weight: f32,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Roster {
    rule: RosterRule,
    slots: Vec<Centre>,
}

impl Roster {
    /// No one is known.
    pub fn new(rule: RosterRule) -> Self {
        Roster {
            rule,
            slots: Vec::new(),
        }
    }

    /// How the speaker in a slot sounds.
    pub fn voice(&self, slot: usize) -> Option<&Direction> {
        self.slots.get(slot).map(Centre::direction)
    }

    /// The slots of a window's pieces; `None` for a voice without a direction. The longest pieces are placed first.
    pub fn call(&mut self, pieces: &[Piece]) -> Vec<Option<Call>> {
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|i| Reverse(pieces[*i].clean));
        let mut called = vec![None; pieces.len()];
        for i in order {
            if let Some(voice) = Direction::of(&pieces[i].embedding) {
                let seconds = (pieces[i].clean as u64 * self.rule.frame) as f32 / SAMPLE_RATE as f32;
                called[i] = self.place(&voice, seconds);
            }
        }
        called
    }

    fn place(&mut self, voice: &Direction, seconds: f32) -> Option<Call> {
        let weight = (seconds / TRUSTED).clamp(0.0, 1.0).sqrt();
        let known = self.slots.iter().map(Centre::direction).enumerate();
        let distances = known.map(|(slot, centre)| (slot, voice.distance(centre)));
        let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
        match nearest {
            Some((slot, distance)) if distance < self.rule.near => {
                if seconds >= SHAPING {
                    self.slots[slot].add(voice);
                }
                Some(Call { slot, weight })
            }
            Some((slot, distance)) if distance < self.rule.far || seconds < NEW => Some(Call {
                slot,
                weight: GUESS * weight,
            }),
            nearest => {
                if self.slots.len() < self.rule.max_speakers {
                    self.slots.push(Centre::new(self.rule.memory, voice, weight));
                    let slot = self.slots.len() - 1;
                    return Some(Call { slot, weight });
                }
                let (slot, _) = nearest?;
                Some(Call {
                    slot,
                    weight: GUESS * weight,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    fn roster(max_speakers: usize) -> Roster {
        Roster::new(RosterRule {
            near: 0.5,
            far: 0.7,
            max_speakers,
            memory: Memory::new(seconds(0.5)),
            frame: 160,
        })
    }

    /// A voice at an angle in degrees, heard for so many seconds.
    fn piece(degrees: f32, seconds: f32) -> Piece {
        let radians = degrees.to_radians();
        Piece {
            speaker: 0,
            frames: 0..500,
            clean: (seconds * 100.0) as usize,
            embedding: vec![2.0 * radians.cos(), 2.0 * radians.sin()],
        }
    }

    #[track_caller]
    fn check(roster: &mut Roster, pieces: &[(f32, f32)], expected: &[(usize, f32)]) {
        let pieces: Vec<Piece> = pieces
            .iter()
            .map(|(degrees, seconds)| piece(*degrees, *seconds))
            .collect();
        let called = roster.call(&pieces);
        assert_eq!(called.len(), expected.len());
        for (call, (slot, weight)) in called.into_iter().zip(expected) {
            let call = call.unwrap();
            assert_eq!(call.slot, *slot);
            assert!((call.weight - weight).abs() < 1e-6, "{call:?}");
        }
    }

    #[test]
    fn voices_keep_their_slots() {
        let mut roster = roster(20);
        check(&mut roster, &[(0.0, 2.0), (10.0, 3.0)], &[(0, 1.0), (0, 1.0)]);
        check(&mut roster, &[(90.0, 2.0), (0.0, 0.5)], &[(1, 1.0), (0, 0.5)]);
        check(&mut roster, &[(85.0, 2.0), (180.0, 2.0)], &[(1, 1.0), (2, 1.0)]);
    }

    #[test]
    fn who_is_heard_little_or_is_half_known_is_nobody_new() {
        let mut roster = roster(20);
        check(&mut roster, &[(0.0, 2.0)], &[(0, 1.0)]);
        // 0.6 and 1 away; the second says too little.
        check(&mut roster, &[(66.42, 2.0), (90.0, 0.5)], &[(0, 0.2), (0, 0.1)]);
        check(&mut roster, &[(90.0, 1.5)], &[(1, (0.75_f32).sqrt())]);
    }

    #[test]
    fn the_first_is_somebody_however_short() {
        check(&mut roster(20), &[(0.0, 0.5)], &[(0, 0.5)]);
    }

    #[test]
    fn slots_may_run_out() {
        let mut roster = roster(1);
        check(&mut roster, &[(0.0, 2.0), (180.0, 2.0)], &[(0, 1.0), (0, 0.2)]);
        check(&mut roster, &[(180.0, 2.0)], &[(0, 0.2)]);
    }

    #[test]
    fn odd_voices_are_nobody() {
        let odd = Piece {
            embedding: vec![f32::NAN],
            ..piece(0.0, 2.0)
        };
        assert_eq!(roster(20).call(&[odd]), [None]);
    }
}
