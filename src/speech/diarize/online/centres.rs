//! Constrained incremental clustering: the local speakers of a window → slots that stay the same for a whole stream.
//!
//! As diart's `OnlineSpeakerClustering` (Coria et al., "Overlap-aware low-latency online speaker diarization based
//! on end-to-end local segmentation", 2021, section 3.3): no two local speakers of a window share a slot, whoever is
//! far from all centres and speaks long enough is somebody new, and a slot is never given to somebody else. It
//! departs from it in three things: what is further away than δ takes no part in the matching, see [`pairs`], while
//! diart matches all and then drops the far pairs; in the centres' memory, see [`super::centre`]; and in the first
//! embeddings, since diart waits for 5 s of audio and here they may have heard half a second: such a centre is
//! provisional, and the first to speak long enough while that half second is still in the window takes it over.

use super::centre::{Centre, Memory};
use crate::speech::diarize::direction::Direction;
use crate::speech::diarize::{Embedding, Scores, pairs};

/// When a local speaker counts, and as whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusterRule {
    /// τ: who never scores this much in a window is not in it.
    pub tau: f32,
    /// ρ: whose mean score in a window is less is not heard long enough to shape a centre.
    pub rho: f32,
    /// δ: from this cosine distance on two voices are two people.
    pub delta: f32,
    /// Slots.
    pub max_speakers: usize,
    /// What a centre remembers.
    pub memory: Memory,
    /// Samples of a window.
    pub window: u64,
}

/// Where a local speaker belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub slot: usize,
    /// Whether the voice is as near as it must be; if not, the slot was merely the nearest that was left.
    pub sure: bool,
}

/// A local speaker who is active and has a voice.
struct Local {
    index: usize,
    voice: Direction,
    /// Mean score.
    share: f32,
}

/// A slot in use.
#[derive(Debug)]
struct Slot {
    centre: Centre,
    /// The centre was made of too little speech, and windows that end before this sample still hold that speech.
    provisional_until: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Centres {
    rule: ClusterRule,
    slots: Vec<Slot>,
}

impl Centres {
    /// No one is known.
    pub fn new(rule: ClusterRule) -> Self {
        Centres {
            rule,
            slots: Vec::new(),
        }
    }

    /// How the speaker in a slot sounds.
    pub fn voice(&self, slot: usize) -> Option<&Direction> {
        self.slots.get(slot).map(|slot| slot.centre.direction())
    }

    /// The place of each local speaker of the window that ends at sample `end`; `None` for those who are silent, have no embedding, or find all
    /// slots taken by the others of the window.
    pub fn place(
        &mut self,
        end: u64,
        scores: &Scores,
        embeddings: &[Option<Embedding>],
    ) -> Vec<Option<Place>> {
        let mut placed: Vec<Option<Place>> = vec![None; scores.speakers];
        let locals = self.locals(scores, embeddings);
        if self.slots.is_empty() {
            for local in &locals {
                placed[local.index] = self.add(end, local);
            }
            return placed;
        }
        let distances: Vec<Vec<f32>> = locals.iter().map(|local| self.distances(local)).collect();
        let mut missed = Vec::new();
        let mut known = Vec::new();
        for (row, column) in pairs::below(&distances, self.rule.delta).into_iter().enumerate() {
            placed[locals[row].index] = column.map(|slot| Place { slot, sure: true });
            if column.is_some() { &mut known } else { &mut missed }.push(row);
        }
        let mut free = self.rule.max_speakers.saturating_sub(self.slots.len());
        let mut strangers = Vec::new();
        for row in missed {
            let is_long = self.is_long(&locals[row]);
            let provisional = |slot: usize| is_long && self.slots[slot].provisional_until > end;
            if let Some(slot) = nearest(&distances[row], &placed, provisional) {
                self.slots[slot] = self.slot(end, &locals[row]);
                placed[locals[row].index] = Some(Place { slot, sure: true });
            } else if is_long && free > 0 {
                free -= 1;
                strangers.push(row);
            } else {
                let slot = nearest(&distances[row], &placed, |_| true);
                placed[locals[row].index] = slot.map(|slot| Place { slot, sure: false });
            }
        }
        for row in known {
            if let Some(place) = placed[locals[row].index].filter(|_| self.is_long(&locals[row])) {
                let slot = &mut self.slots[place.slot];
                slot.centre.add(&locals[row].voice);
                slot.provisional_until = 0;
            }
        }
        for row in strangers {
            placed[locals[row].index] = self.add(end, &locals[row]);
        }
        placed
    }

    fn locals(&self, scores: &Scores, embeddings: &[Option<Embedding>]) -> Vec<Local> {
        let frames = scores.frames().len().max(1) as f32;
        let local = |index: usize| {
            let column = || scores.frames().map(move |frame| frame[index]);
            if !column().any(|score| score >= self.rule.tau) {
                return None;
            }
            let sum: f32 = column().filter(|score| score.is_finite()).sum();
            Some(Local {
                index,
                voice: Direction::of(embeddings.get(index)?.as_ref()?)?,
                share: sum / frames,
            })
        };
        (0..scores.speakers).filter_map(local).collect()
    }

    fn distances(&self, local: &Local) -> Vec<f32> {
        let distance = |slot: &Slot| local.voice.distance(slot.centre.direction());
        self.slots.iter().map(distance).collect()
    }

    fn is_long(&self, local: &Local) -> bool {
        local.share >= self.rule.rho
    }

    fn slot(&self, end: u64, local: &Local) -> Slot {
        let (weight, provisional_until) = if self.is_long(local) {
            (1.0, 0)
        } else {
            (local.share / self.rule.rho, end + self.rule.window)
        };
        Slot {
            centre: Centre::new(self.rule.memory, &local.voice, weight),
            provisional_until,
        }
    }

    fn add(&mut self, end: u64, local: &Local) -> Option<Place> {
        if self.slots.len() >= self.rule.max_speakers {
            return None;
        }
        self.slots.push(self.slot(end, local));
        Some(Place {
            slot: self.slots.len() - 1,
            sure: true,
        })
    }
}

/// The nearest of those slots that no local speaker has yet.
fn nearest(distances: &[f32], placed: &[Option<Place>], among: impl Fn(usize) -> bool) -> Option<usize> {
    let is_free = |slot: &usize| placed.iter().flatten().all(|place| place.slot != *slot);
    (0..distances.len())
        .filter(|slot| among(*slot))
        .filter(is_free)
        .min_by(|a, b| distances[*a].total_cmp(&distances[*b]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::diarize::online::noise::Noise;
    use crate::time::seconds;

    fn rule(max_speakers: usize) -> ClusterRule {
        ClusterRule {
            tau: 0.5,
            rho: 0.3,
            delta: 0.5,
            max_speakers,
            memory: Memory::new(seconds(0.5)),
            window: 3,
        }
    }

    /// A unit vector in the plane, at an angle in degrees.
    fn at(degrees: f32) -> Option<Embedding> {
        let radians = degrees.to_radians();
        Some(vec![3.0 * radians.cos(), 3.0 * radians.sin()])
    }

    /// Ten frames; each local speaker is active in so many of them.
    fn active(frames: &[usize]) -> Scores {
        let frame = |i: usize| frames.iter().map(move |n| f32::from(u8::from(i < *n)));
        Scores {
            speakers: frames.len(),
            values: (0..10).flat_map(frame).collect(),
        }
    }

    /// Sure of a slot.
    fn sure(slot: usize) -> Option<Place> {
        Some(Place { slot, sure: true })
    }

    /// Merely the nearest slot.
    fn guess(slot: usize) -> Option<Place> {
        Some(Place { slot, sure: false })
    }

    /// Windows one after the other: how long each local speaker is active, the voices, the places expected.
    type Step<'a> = (&'a [usize], &'a [Option<Embedding>], &'a [Option<Place>]);

    #[track_caller]
    fn check(max_speakers: usize, steps: &[Step]) -> Centres {
        let mut centres = Centres::new(rule(max_speakers));
        for (n, (frames, voices, expected)) in steps.iter().enumerate() {
            assert_eq!(
                centres.place(n as u64, &active(frames), voices),
                *expected,
                "window {n}"
            );
        }
        centres
    }

    #[test]
    fn the_same_voice_keeps_its_slot_wherever_it_stands_in_the_window() {
        check(
            20,
            &[
                (&[5, 0, 0], &[at(0.0), None, None], &[sure(0), None, None]),
                (&[5, 5, 0], &[at(90.0), at(5.0), None], &[sure(1), sure(0), None]),
                (&[0, 0, 9], &[at(0.0), None, at(85.0)], &[None, None, sure(1)]),
                (
                    &[9, 9, 9],
                    &[at(180.0), at(0.0), at(90.0)],
                    &[sure(2), sure(0), sure(1)],
                ),
            ],
        );
    }

    #[test]
    fn two_of_a_window_are_never_one() {
        // Both are nearest to slot 0; the nearer one has it.
        check(
            20,
            &[
                (&[9], &[at(0.0)], &[sure(0)]),
                (&[5, 5], &[at(20.0), at(5.0)], &[sure(1), sure(0)]),
            ],
        );
    }

    #[test]
    fn who_is_far_from_all_is_new_once_heard_for_long() {
        check(
            20,
            &[
                (&[9, 0], &[at(0.0), None], &[sure(0), None]),
                // 2 of 10 frames are less than ρ: the nearest centre has to do.
                (&[2, 0], &[at(90.0), None], &[guess(0), None]),
                // Unless it is taken.
                (&[9, 2], &[at(0.0), at(90.0)], &[sure(0), None]),
                (&[9, 3], &[at(0.0), at(90.0)], &[sure(0), sure(1)]),
            ],
        );
    }

    #[test]
    fn when_all_slots_are_in_use_the_nearest_has_to_do() {
        check(
            2,
            &[
                (&[9, 9], &[at(0.0), at(90.0)], &[sure(0), sure(1)]),
                (&[9, 0], &[at(170.0), None], &[guess(1), None]),
                (&[9, 9], &[at(170.0), at(90.0)], &[guess(0), sure(1)]),
                (
                    &[9, 9, 9],
                    &[at(170.0), at(90.0), at(0.0)],
                    &[None, sure(1), sure(0)],
                ),
            ],
        );
        check(0, &[(&[9], &[at(0.0)], &[None]), (&[9], &[at(0.0)], &[None])]);
    }

    #[test]
    fn a_centre_made_of_too_little_is_taken_over_by_who_goes_on_speaking() {
        check(
            20,
            &[
                (&[1], &[at(0.0)], &[sure(0)]),
                (&[2], &[at(90.0)], &[guess(0)]),
                (&[3], &[at(100.0)], &[sure(0)]),
                (&[5], &[at(180.0)], &[sure(1)]),
            ],
        );
        // Unless the one it was made of is there as well.
        check(
            20,
            &[
                (&[1, 0], &[at(0.0), None], &[sure(0), None]),
                (&[1, 3], &[at(0.0), at(90.0)], &[sure(0), sure(1)]),
            ],
        );
        // Or out of the window.
        check(
            20,
            &[
                (&[1], &[at(0.0)], &[sure(0)]),
                (&[0], &[None], &[None]),
                (&[0], &[None], &[None]),
                (&[9], &[at(90.0)], &[sure(1)]),
            ],
        );
    }

    #[test]
    fn strangers_and_the_short_do_not_move_a_centre() {
        let centres = check(
            1,
            &[
                (&[9], &[at(0.0)], &[sure(0)]),
                (&[9], &[at(90.0)], &[guess(0)]),
                (&[2], &[at(30.0)], &[sure(0)]),
            ],
        );
        assert_eq!(centres.voice(0).unwrap().values(), [1.0, 0.0]);
        let centres = check(
            1,
            &[(&[9], &[at(0.0)], &[sure(0)]), (&[9], &[at(30.0)], &[sure(0)])],
        );
        let angle = centres.voice(0).unwrap().values();
        let angle = angle[1].atan2(angle[0]).to_degrees();
        assert!((angle - 15.0).abs() < 0.01, "{angle}");
        assert_eq!(centres.voice(1), None);
    }

    #[test]
    fn odd_input_places_nobody() {
        let nan = Some(vec![f32::NAN; 2]);
        let zero = Some(vec![0.0; 2]);
        let mut centres = check(
            20,
            &[
                (&[9, 9, 9], &[nan, zero, None], &[None; 3]),
                (&[9], &[], &[None]),
                (&[], &[], &[]),
                (&[9], &[at(0.0)], &[sure(0)]),
            ],
        );
        assert_eq!(centres.place(9, &Scores::default(), &[at(0.0)]), []);
        let nan = Scores {
            speakers: 1,
            values: vec![f32::NAN; 4],
        };
        assert_eq!(centres.place(9, &nan, &[at(0.0)]), [None]);
        // Another model's embedding is far from all.
        assert_eq!(centres.place(9, &active(&[9]), &[Some(vec![1.0; 3])]), [sure(1)]);
    }

    #[test]
    fn noisy_voices_stay_apart_for_an_hour() {
        let mut noise = Noise::new(7);
        let people: Vec<Direction> = (0..4).map(|_| noise.voice()).collect();
        let mut centres = Centres::new(ClusterRule {
            delta: 0.7,
            ..rule(20)
        });
        let mut slots: Vec<Option<usize>> = vec![None; people.len()];
        for end in 0..7_200 {
            let first = (noise.uniform() * 4.0) as usize % 4;
            let second = (first + 1 + (noise.uniform() * 3.0) as usize % 3) % 4;
            let frames = [first, second].map(|_| 1 + (noise.uniform() * 9.0) as usize);
            let voices = [first, second].map(|who| Some(noise.near(&people[who]).values().to_vec()));
            let placed = centres.place(end, &active(&frames), &voices);
            for (who, place) in [first, second].into_iter().zip(placed) {
                let slot = place.map(|place| place.slot);
                if slots[who].is_none() && slot.is_some_and(|s| !slots.contains(&Some(s))) {
                    slots[who] = slot;
                } else if slots.iter().all(Option::is_some) {
                    assert_eq!(slot, slots[who]);
                }
            }
        }
        assert_eq!(centres.slots.len(), 4);
    }
}
