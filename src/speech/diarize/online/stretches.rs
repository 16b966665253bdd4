//! One score a slot and frame → stretches of speech, given out in order while they still go on.
//!
//! Hysteresis begins and ends a stretch, a short pause does not end it, and a stretch that stays short is none; so
//! far as pyannote's `Binarize`. But nobody who reads turns live wants to wait for the end of a speech: what goes on
//! is given out in pieces. Law: what is given out depends on the frames alone and comes in order of its beginning;
//! nothing that comes later begins before [`Stretches::settled`].

use crate::speech::diarize::Hysteresis;

/// How frames become stretches. Lengths in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StretchRule {
    /// Where a speaker begins and ends.
    pub hysteresis: Hysteresis,
    /// Shorter stretches are dropped.
    pub min_on: u64,
    /// Shorter pauses are closed.
    pub min_off: u64,
    /// What is longer than this is given out in pieces.
    pub longest_piece: u64,
    /// Only the most active speaks.
    pub exclusive: bool,
    /// A pause in which another speaks ends a stretch.
    pub leave_others: bool,
}

/// Somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Who, as the clustering numbers voices.
    pub slot: usize,
    /// First sample.
    pub start: u64,
    /// First sample behind it.
    pub end: u64,
    /// Mean score of its frames.
    pub confidence: f32,
}

/// A stretch that may go on.
#[derive(Clone, Copy, Debug)]
struct Open {
    start: u64,
    /// Behind the last active frame.
    end: u64,
    scores: Mean,
    /// A piece of it is out: it is no more too short.
    begun: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f32,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> f32 {
        self.sum / self.count.max(1) as f32
    }
}

#[derive(Clone, Debug, Default)]
struct Track {
    active: bool,
    open: Option<Open>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Stretches {
    rule: StretchRule,
    /// Samples of a frame.
    frame: u64,
    /// Where the next frame begins.
    at: u64,
    tracks: Vec<Track>,
    /// Ended, or a piece; waiting for those that began before.
    ended: Vec<Stretch>,
}

impl Stretches {
    /// Frames of `frame` samples for so many slots; the first begins at `start`.
    pub fn new(rule: StretchRule, slots: usize, frame: u64, start: u64) -> Self {
        Stretches {
            rule,
            frame,
            at: start,
            tracks: vec![Track::default(); slots],
            ended: Vec::new(),
        }
    }

    /// Nothing that begins before this sample is still to come.
    pub fn settled(&self) -> u64 {
        self.open().map_or(self.at, |(start, _)| start.min(self.at))
    }

    /// Whether anybody's stretch may go on.
    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Stretches that are held.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.ended.len() + self.tracks.iter().filter(|t| t.open.is_some()).count()
    }

    /// The next frame: one score a slot.
    pub fn frame(&mut self, scores: &[f32]) {
        for (track, score) in self.tracks.iter_mut().zip(scores) {
            track.active = self.rule.hysteresis.next(track.active, *score);
        }
        let holder = self.rule.exclusive.then(|| self.most_active(scores)).flatten();
        let is_heard = self.rule.leave_others && self.tracks.iter().any(|track| track.active);
        for (slot, score) in scores.iter().enumerate().take(self.tracks.len()) {
            let speaks = self.tracks[slot].active && holder.is_none_or(|holder| holder == slot);
            if speaks {
                self.extend(slot, *score);
            } else {
                self.pause(slot, holder.is_some() || is_heard);
            }
        }
        self.at += self.frame;
    }

    /// So many frames in which nobody has a score; takes no longer when they are many.
    pub fn silence(&mut self, frames: u64) {
        let scores = vec![0.0; self.tracks.len()];
        for done in 0..frames {
            let idle = self.tracks.iter().all(|t| !t.active && t.open.is_none());
            // An offset of 0 keeps a speaker active for good: with no end to wait for, a gap ends the turn.
            if idle || done * self.frame > self.rule.min_off {
                self.tracks.iter_mut().for_each(|track| track.active = false);
                self.end_all();
                self.at += (frames - done) * self.frame;
                return;
            }
            self.frame(&scores);
        }
    }

    /// No frame will come: what is open ends.
    pub fn end_all(&mut self) {
        (0..self.tracks.len()).for_each(|slot| self.end(slot));
    }

    /// The stretches that are due, in order of their beginning, then of their slot.
    pub fn take(&mut self) -> Vec<Stretch> {
        let first_open = self.open().unwrap_or((self.at, 0));
        self.ended.sort_by_key(|s| (s.start, s.slot));
        let due = self.ended.partition_point(|s| (s.start, s.slot) < first_open);
        self.ended.drain(..due).collect()
    }

    /// The first that is open.
    fn open(&self) -> Option<(u64, usize)> {
        let open = |(slot, track): (usize, &Track)| track.open.map(|open| (open.start, slot));
        self.tracks.iter().enumerate().filter_map(open).min()
    }

    /// Who speaks where only one may: the greatest score; among equals who spoke last, then the lower slot.
    fn most_active(&self, scores: &[f32]) -> Option<usize> {
        let active = (0..self.tracks.len().min(scores.len())).filter(|slot| self.tracks[*slot].active);
        let spoke = |slot: usize| self.tracks[slot].open.is_some_and(|open| open.end == self.at);
        active.reduce(|best, slot| {
            let better =
                scores[slot] > scores[best] || scores[slot] == scores[best] && spoke(slot) && !spoke(best);
            if better { slot } else { best }
        })
    }

    fn extend(&mut self, slot: usize, score: f32) {
        let (rule, at, end) = (self.rule, self.at, self.at + self.frame);
        let open = self.tracks[slot].open.get_or_insert(Open {
            start: at,
            end: at,
            scores: Mean::default(),
            begun: false,
        });
        let longest = rule.longest_piece.max(self.frame);
        let mut confidence = open.scores.value();
        while end - open.start > longest && at > open.start && (open.begun || end - open.start >= rule.min_on)
        {
            let piece = Stretch {
                slot,
                start: open.start,
                end: at.min(open.start + longest),
                confidence,
            };
            open.start = piece.end;
            open.begun = true;
            // What is left of a closed pause has no score but this one.
            confidence = score;
            open.scores = Mean::default();
            self.ended.push(piece);
        }
        open.end = end;
        open.scores.add(score);
    }

    fn pause(&mut self, slot: usize, another_speaks: bool) {
        let Some(open) = self.tracks[slot].open else {
            return;
        };
        let pause = self.at + self.frame - open.end;
        // Closing a pause over another's words makes two where perhaps one spoke, or only one may.
        if pause >= self.rule.min_off || another_speaks {
            self.end(slot);
        }
    }

    fn end(&mut self, slot: usize) {
        let Some(open) = self.tracks[slot].open.take() else {
            return;
        };
        if open.begun || open.end - open.start >= self.rule.min_on {
            self.ended.push(Stretch {
                slot,
                start: open.start,
                end: open.end,
                confidence: open.scores.value(),
            });
        }
    }
}

#[cfg(test)]
#[path = "stretches_tests.rs"]
mod tests;
