//! Diarization of a whole recording: push samples, take windows, give back what the models made of them, and at the
//! end conclude who spoke when.
//!
//! One law: nothing is ever due but through [`OfflineSession::next_window`] and [`OfflineSession::accept`], and the
//! conclusion depends on the samples and the answers only, not on the pieces in which they come. Audio is held up to
//! [`OfflineSession::room`]; of a window that was accepted, a byte a frame and the embeddings are kept.

use std::collections::VecDeque;
use std::ops::Range;

use super::conclude::{Conclusion, Extent, Record, conclude, conclude_pieces};
use super::pieces::{PieceRule, Presence};
use super::{Activity, Analysis, Bounds, Clustering, Geometry, Grid, TurnRule, Window};
use crate::time::seconds;

/// Audio held beyond a window and a step, so that the producer can run ahead a little.
const AHEAD: u64 = seconds(4.0);

/// How a recording is diarized. Lengths in samples.
#[derive(Clone, Debug)]
pub struct OfflineConfig {
    /// From one window to the next; a window at most.
    pub step: u64,
    /// How speakers are found.
    pub clustering: Clustering,
    /// No two speakers whom a window tells apart are taken for one, unless their number had to be forced. pyannote's
    /// community-1 does so, its 3.1 did not.
    pub constrained: bool,
    /// Exactly so many speakers; the next two do not count then.
    pub num_speakers: Option<u32>,
    /// At least so many.
    pub min_speakers: Option<u32>,
    /// At most so many.
    pub max_speakers: Option<u32>,
    /// Shorter turns are dropped.
    pub min_duration_on: u64,
    /// Shorter pauses of a speaker are bridged.
    pub min_duration_off: u64,
    /// One speaker at a time: whom most windows hear.
    pub exclusive: bool,
    /// Speakers are found from pieces of speech, see [`super::pieces`], and not from a window's local speakers:
    /// `clustering` and `constrained` do not count then. Scores must be soft.
    pub pieces: Option<PieceRule>,
}

impl Default for OfflineConfig {
    fn default() -> Self {
        Self {
            // A tenth of pyannote's window. 2 s cost 0.1 to 0.4 points of DER (speakrs, benchmarks/README.md).
            step: seconds(1.0),
            clustering: Clustering::default(),
            constrained: true,
            num_speakers: None,
            min_speakers: None,
            max_speakers: None,
            min_duration_on: 0,
            min_duration_off: 0,
            exclusive: false,
            pieces: None,
        }
    }
}

impl OfflineConfig {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            exactly: self.num_speakers,
            at_least: self.min_speakers,
            at_most: self.max_speakers,
        }
    }

    pub(super) fn turn_rule(&self) -> TurnRule {
        TurnRule {
            min_duration_off: self.min_duration_off,
            min_duration_on: self.min_duration_on,
            leave_others: self.pieces.is_some(),
        }
    }
}

/// See the module's documentation. Positions inside count from the start of the session.
#[derive(Clone, Debug)]
pub struct OfflineSession {
    config: OfflineConfig,
    grid: Grid,
    /// Where the first sample stands on the caller's line.
    origin: u64,
    /// Audio that a window to come needs; between the pieces there is silence.
    pieces: VecDeque<Piece>,
    end: u64,
    /// The next window to be given out.
    next: u64,
    /// Windows that are out, oldest first.
    pending: VecDeque<u64>,
    is_finished: bool,
    records: Vec<Record>,
    presence: Presence,
}

#[derive(Clone, Debug)]
struct Piece {
    start: u64,
    samples: Vec<f32>,
}

impl Piece {
    fn range(&self) -> Range<u64> {
        self.start..self.start + self.samples.len() as u64
    }
}

impl OfflineSession {
    /// A session for windows of `geometry` whose first sample stands at 0.
    pub fn new(config: OfflineConfig, geometry: Geometry) -> Self {
        Self {
            grid: Grid::new(geometry, config.step),
            config,
            origin: 0,
            pieces: VecDeque::new(),
            end: 0,
            next: 0,
            pending: VecDeque::new(),
            is_finished: false,
            records: Vec::new(),
            presence: Presence::default(),
        }
    }

    /// A clean state whose first sample stands at `at`. All that is known so far is forgotten.
    pub fn restart(&mut self, at: u64) {
        *self = Self {
            origin: at,
            ..Self::new(self.config.clone(), *self.grid.geometry())
        };
    }

    /// How many samples may be pushed now. When it is 0, a window is due.
    pub fn room(&self) -> usize {
        let held: usize = self.pieces.iter().map(|piece| piece.samples.len()).sum();
        let most = self.grid.geometry().window as u64 + self.grid.step() + AHEAD;
        (most as usize).saturating_sub(held)
    }

    /// Adds samples behind those before. Ignored when finished.
    pub fn push(&mut self, samples: &[f32]) {
        if self.is_finished || samples.is_empty() {
            return;
        }
        match self.pieces.back_mut().filter(|last| last.range().end == self.end) {
            Some(last) => last.samples.extend_from_slice(samples),
            None => self.pieces.push_back(Piece {
                start: self.end,
                samples: samples.to_vec(),
            }),
        }
        self.end += samples.len() as u64;
    }

    /// Adds silence that takes no room. A window that would hold nothing else is not given out.
    pub fn skip(&mut self, samples: u64) {
        if !self.is_finished {
            self.end += samples;
        }
    }

    /// No more will come: the rest is due, filled up with silence.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The next window, if one is due. Several may be out at a time.
    pub fn next_window(&mut self) -> Option<Window> {
        let Some(window) = self.audible() else {
            self.advance(self.due());
            return None;
        };
        let start = self.grid.start(window);
        let mut samples = vec![0.0; self.grid.geometry().window];
        for piece in &self.pieces {
            let range = piece.range();
            let (from, to) = (
                range.start.max(start),
                range.end.min(start + samples.len() as u64),
            );
            if from < to {
                samples[(from - start) as usize..(to - start) as usize].copy_from_slice(
                    &piece.samples[(from - range.start) as usize..(to - range.start) as usize],
                );
            }
        }
        let focus = self.config.pieces.map(|_| {
            let is_last = self.is_finished && window + 1 == self.due();
            self.grid.focus(window, is_last)
        });
        self.pending.push_back(window);
        self.advance(window + 1);
        Some(Window {
            start: self.origin + start,
            samples,
            focus,
        })
    }

    /// Takes what the models made of the oldest window that is out, its scores binarized. Anything else is ignored.
    pub fn accept(&mut self, analysis: Analysis) {
        let is_oldest = |window: &u64| self.origin + self.grid.start(*window) == analysis.start;
        let Some(window) = self.pending.front().copied().filter(is_oldest) else {
            return;
        };
        self.pending.pop_front();
        let activity = Activity::new(&analysis.scores, self.grid.geometry().frames);
        if self.config.pieces.is_some() {
            self.presence.add(self.grid.first_frame(window), &analysis.scores);
        }
        if activity.frames().iter().any(|frame| *frame != 0) || !analysis.pieces.is_empty() {
            self.records.push(Record {
                window,
                activity,
                embeddings: analysis.embeddings,
                pieces: analysis.pieces,
            });
        }
    }

    /// Whether no window is due or out, and none will be.
    pub fn is_done(&self) -> bool {
        self.is_finished && self.pending.is_empty() && self.audible().is_none()
    }

    /// The end of what was pushed and skipped.
    pub fn covered(&self) -> u64 {
        self.origin + self.end
    }

    /// All before this sample has been through the models as often as it will be: how far the work has come.
    pub fn settled(&self) -> u64 {
        if self.is_done() {
            return self.covered();
        }
        let window = self.pending.front().copied().unwrap_or(self.next);
        self.origin + self.grid.start(window).min(self.end)
    }

    /// Who spoke when in what was accepted, for [`OfflineSession::is_done`]. What was kept for it is given up.
    pub fn conclude(&mut self) -> Conclusion {
        let windows = if self.is_done() {
            self.grid.windows_in(self.end)
        } else {
            self.pending.front().copied().unwrap_or(self.next)
        };
        let records = std::mem::take(&mut self.records);
        let extent = Extent {
            grid: self.grid,
            windows,
            samples: self.end,
        };
        let mut conclusion = match &self.config.pieces {
            Some(rule) => {
                let presence = std::mem::take(&mut self.presence);
                conclude_pieces(&records, &presence, &extent, rule, &self.config)
            }
            None => conclude(&records, &extent, &self.config),
        };
        for turn in &mut conclusion.turns {
            turn.start += self.origin;
            turn.end += self.origin;
        }
        conclusion
    }

    /// Windows that can be made of what has come.
    fn due(&self) -> u64 {
        let window = self.grid.geometry().window as u64;
        if self.is_finished {
            self.grid.windows_in(self.end)
        } else {
            // The last window answers for all behind its middle: whether it is the last must be known.
            let ahead = u64::from(self.config.pieces.is_some());
            match self.end.checked_sub(window + ahead) {
                Some(behind_the_first) => behind_the_first / self.grid.step() + 1,
                None => 0,
            }
        }
    }

    /// The first of the due windows that has audio in it.
    fn audible(&self) -> Option<u64> {
        let length = self.grid.geometry().window as u64;
        let windows = self.pieces.iter().filter_map(|piece| {
            let reaching = (piece.start + 1)
                .saturating_sub(length)
                .div_ceil(self.grid.step());
            let window = reaching.max(self.next);
            (self.grid.start(window) < piece.range().end).then_some(window)
        });
        windows.min().filter(|window| *window < self.due())
    }

    /// Goes on to the window `next` and drops the audio before it.
    fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
        let start = self.grid.start(self.next);
        while let Some(first) = self.pieces.front_mut() {
            let range = first.range();
            if range.end > start {
                let gone = start.saturating_sub(range.start);
                first.samples.drain(..gone as usize);
                first.start += gone;
                break;
            }
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
