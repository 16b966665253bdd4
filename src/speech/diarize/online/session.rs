//! A live diarization: samples in, turns out, `latency` later, for as long as the stream lasts.
//!
//! Push samples or skip gaps, take windows, give back what the models made of them, take turns. One law: turns come of
//! [`OnlineSession::accept`] and of nothing else, so that they do not depend on how the samples came. What is held is
//! bounded, whatever the length of the stream.

use std::collections::VecDeque;
use std::sync::Arc;

use super::OnlineConfig;
use super::centres::Centres;
use super::line::Line;
use super::overlap::Overlap;
use super::roster::Roster;
use super::stretches::{Stretch, Stretches};
use crate::speech::diarize::direction::Direction;
use crate::speech::diarize::enroll::Labels;
use crate::speech::diarize::{Analysis, Geometry, Speaker, Turn, Window};
use crate::time::seconds;

/// Audio that may be pushed beyond what a window takes: lets the producer run ahead while a model is busy.
const RUN_AHEAD: u64 = seconds(2.0);

/// Of what is still discussed, as much of a window's end is asked for voices: what is older was, with all that was known
/// then, and pieces that the window's beginning cuts off say less.
const ASKED: u64 = seconds(3.0);

/// See the module's documentation.
#[derive(Debug)]
pub struct OnlineSession {
    config: OnlineConfig,
    geometry: Geometry,
    line: Line,
    /// Where the next window ends.
    next_end: u64,
    /// Where the windows end that are out, oldest first.
    out: VecDeque<u64>,
    finished: bool,
    centres: Centres,
    /// Where speakers are found piece by piece; the centres stay empty then.
    roster: Option<Roster>,
    overlap: Overlap,
    stretches: Stretches,
    labels: Labels,
    /// Slot by slot: the label, and samples of speech given out.
    known: Vec<Option<(Arc<str>, u64)>>,
    turns: Vec<Turn>,
}

impl OnlineSession {
    /// A session whose first sample will stand at 0. `geometry` is that of the windows, usually of 5 s; what of
    /// `config` is out of bounds for it is brought into them.
    pub fn new(config: OnlineConfig, geometry: Geometry) -> Self {
        let config = config.within(&geometry);
        Self::at(config, geometry, 0)
    }

    fn at(config: OnlineConfig, geometry: Geometry, start: u64) -> Self {
        let line = Line::new(start);
        let start = line.end();
        let overlap = Overlap::new(geometry, config.max_speakers, start);
        let frame = overlap.frame();
        OnlineSession {
            line,
            next_end: start + config.step,
            out: VecDeque::new(),
            finished: false,
            centres: Centres::new(config.cluster_rule(&geometry)),
            roster: config.roster_rule(frame).map(Roster::new),
            stretches: Stretches::new(config.stretch_rule(), config.max_speakers, frame, start),
            labels: Labels::new(config.voices.clone()),
            known: vec![None; config.max_speakers],
            turns: Vec::new(),
            overlap,
            config,
            geometry,
        }
    }

    /// Starts again at sample `start`, as behind a seek: what is held is dropped, a window that is out is forgotten,
    /// and so are the speakers.
    pub fn restart(&mut self, start: u64) {
        *self = Self::at(self.config.clone(), self.geometry, start);
    }

    /// How many samples may be pushed now.
    pub fn room(&self) -> usize {
        let capacity = self.geometry.window as u64 + self.config.step + RUN_AHEAD;
        (capacity as usize).saturating_sub(self.line.held())
    }

    /// Adds samples behind those pushed and skipped before.
    pub fn push(&mut self, samples: &[f32]) {
        self.line.push(samples);
    }

    /// So many samples without audio: silence that costs no inference, however long. Speakers keep their labels.
    pub fn skip(&mut self, samples: u64) {
        self.line.skip(samples);
    }

    /// No more samples will come: the windows go on over zeros until all is decided.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The first sample that has not been pushed or skipped yet.
    pub fn end(&self) -> u64 {
        self.line.end()
    }

    /// Everything before this sample is decided and has been taken: no turn that begins before it will come. Never goes
    /// back.
    pub fn settled(&self) -> u64 {
        let first = self.turns.first().map_or(u64::MAX, |turn| turn.start);
        self.decided().min(first)
    }

    /// True when all that was pushed is decided and no more can come. [`OnlineSession::take_turns`] may still have
    /// something.
    pub fn is_done(&self) -> bool {
        self.finished && self.out.is_empty() && self.decided() == self.line.end()
    }

    /// The next window, if one is due. Several may be out at a time, when the models have to catch up.
    ///
    /// A window has zeros where nothing was pushed: in front of the first sample, so that the first is due after
    /// `step` already, in gaps, and behind the end. One that reaches back before sample 0 says that it starts there.
    pub fn next_window(&mut self) -> Option<Window> {
        let reach = self.config.latency;
        let last_end = self.line.end() + if self.finished { reach } else { 0 };
        while self.next_end <= last_end && !self.is_done() {
            let end = self.next_end;
            let heard = self
                .line
                .heard_from(end.saturating_sub(reach))
                .unwrap_or(u64::MAX);
            if heard >= end {
                // Nothing that it could speak for was heard. It is needed only where a turn goes on or could begin,
                // and that depends on the windows before.
                if !self.out.is_empty() {
                    return None;
                }
                if !self.stretches.is_open() && !self.overlap.exceeds(self.config.onset()) {
                    // Nor for those that follow, up to the one that reaches the next sound.
                    let silent = (heard.min(last_end) - end) / self.config.step;
                    self.advance(end + silent * self.config.step);
                    self.decide(self.next_end);
                    continue;
                }
            }
            let window = Window {
                start: self.start(end),
                samples: self.line.window(end, self.geometry.window),
                focus: self.roster.is_some().then(|| {
                    let length = self.geometry.window;
                    length - (reach.min(ASKED) as usize).min(length)..length
                }),
            };
            self.out.push_back(end);
            self.advance(end);
            return Some(window);
        }
        if self.finished && self.out.is_empty() {
            self.decide(self.next_end);
        }
        None
    }

    /// Takes what the models made of the oldest window that is out. Anything else, as the answer to a window from
    /// before a restart, is left out.
    pub fn accept(&mut self, analysis: &Analysis) {
        let Some(end) = self.out.front().copied() else {
            return;
        };
        if self.start(end) != analysis.start {
            return;
        }
        self.out.pop_front();
        let (scores, latency) = (&analysis.scores, self.config.latency);
        if let Some(roster) = &mut self.roster {
            let calls = roster.call(&analysis.pieces).into_iter();
            let called = calls
                .zip(&analysis.pieces)
                .filter_map(|(call, piece)| Some((piece, call?)));
            self.overlap
                .add_pieces(end, latency, scores, &called.collect::<Vec<_>>());
        } else {
            let places = self.centres.place(end, scores, &analysis.embeddings);
            self.overlap.add(end, latency, scores, &places, self.config.tau);
        }
        self.decide(end + self.config.step);
    }

    /// The turns decided since the last call, in order of their start.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }

    /// Those who have had a turn, in the order in which the clustering found them.
    pub fn speakers(&self) -> Vec<Speaker> {
        let speaker = |(slot, known): (usize, &Option<(Arc<str>, u64)>)| {
            let (label, speech) = known.clone()?;
            let embedding = self.voice(slot)?.values().to_vec();
            Some(Speaker {
                label,
                embedding,
                speech,
            })
        };
        self.known.iter().enumerate().filter_map(speaker).collect()
    }

    fn voice(&self, slot: usize) -> Option<&Direction> {
        match &self.roster {
            Some(roster) => roster.voice(slot),
            None => self.centres.voice(slot),
        }
    }

    /// All that is decided ends here.
    fn decided(&self) -> u64 {
        self.stretches.settled().min(self.line.end())
    }

    /// Where a window that ends at `end` starts.
    fn start(&self, end: u64) -> u64 {
        end.saturating_sub(self.geometry.window as u64)
    }

    /// The windows up to the one that ends at `end` are out, or not needed.
    fn advance(&mut self, end: u64) {
        self.next_end = end + self.config.step;
        self.line.forget_before(self.start(self.next_end));
    }

    /// All windows that end before `next_end` have had their say: no other reaches the frames `latency` before it.
    fn decide(&mut self, next_end: u64) {
        let line_end = self.line.end();
        let mut until = next_end.saturating_sub(self.config.latency);
        if self.finished && until > line_end {
            // The last frame may be centred behind the end.
            until = line_end + self.overlap.frame();
        }
        let silent = self.overlap.settle(until, |frame| self.stretches.frame(frame));
        self.stretches.silence(silent);
        if self.finished && self.overlap.settled() >= line_end {
            self.stretches.end_all();
        }
        for stretch in self.stretches.take() {
            self.give_out(stretch);
        }
    }

    fn give_out(&mut self, stretch: Stretch) {
        let end = stretch.end.min(self.line.end());
        if stretch.start >= end {
            return;
        }
        let Some(known) = self.known.get_mut(stretch.slot) else {
            return;
        };
        let voice = match &self.roster {
            Some(roster) => roster.voice(stretch.slot),
            None => self.centres.voice(stretch.slot),
        };
        let (label, speech) = known.get_or_insert_with(|| (self.labels.next(voice), 0));
        *speech += end - stretch.start;
        self.turns.push(Turn {
            speaker: label.clone(),
            start: stretch.start,
            end,
            confidence: stretch.confidence,
        });
    }

    /// Samples, frames and stretches that are held.
    #[cfg(test)]
    fn held(&self) -> (usize, usize, usize) {
        (self.line.held(), self.overlap.held(), self.stretches.held())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
