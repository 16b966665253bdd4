//! Two streams that come as they please → one: words with their speakers.
//!
//! Push words and turns, say how far each stream has come, then [`Aligner::poll`] until there is nothing. Laws: every
//! word comes out once, in order; without a `latency`, what comes out does not depend on how the two streams were
//! interleaved ([`Out::Settled`] apart, which only reports progress); with one, no word waits past it; what is held is
//! bounded by how far the streams are apart, and by a sentence.

use std::collections::VecDeque;
use std::sync::Arc;

use super::rule::{self, Placed};
use super::smoothing::{self, Ends, MOST_WORDS};
use super::timeline::Timeline;
use crate::speech::Word;
use crate::speech::diarize::Turn;
use crate::speech::sentence::ends_sentence;
use crate::time::seconds;

/// A pause after which a new sentence begins, whatever the punctuation: a speech model may write none, and a sentence
/// that is open would keep its words waiting. Ours: twice the pause at which captions part.
const PAUSE: u64 = seconds(2.0);

/// How words find their speakers. Lengths are 16 kHz samples.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignConfig {
    /// How far from a turn's edge a word may lie and still belong to it, when it lies in no turn.
    pub max_gap: u64,
    /// Whether a sentence's majority takes single words that went to somebody else. Words then wait for the end of
    /// their sentence.
    pub sentence_smoothing: bool,
    /// In a live stream, how far [`Aligner::now`] may pass a word's end before it must leave with what is known.
    pub latency: Option<u64>,
}

impl Default for AlignConfig {
    /// 500 ms, with smoothing, not live.
    fn default() -> Self {
        Self {
            max_gap: seconds(0.5),
            sentence_smoothing: true,
            latency: None,
        }
    }
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// The next word is another speaker's than the last that had one; also before the first.
    SpeakerChange {
        /// Who speaks now.
        speaker: Arc<str>,
        /// Start of the word.
        at: u64,
    },
    /// A word, with its speaker where one is known. A speaker that it came with is kept where the turns know none.
    Word {
        /// The word; its times are those with which it came.
        word: Word,
        /// How much of the word the speaker's turns cover, 0 to 1. 0 for the nearest turn's word.
        share: f32,
    },
    /// A sentence is complete.
    SentenceEnd {
        /// End of its last word.
        at: u64,
    },
    /// No word that starts before this sample will come.
    Settled(u64),
}

/// What a word is to its sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closes {
    /// More words may follow.
    Nothing,
    /// The sentence goes on, but it is too long to be judged in one.
    Piece,
    Sentence,
}

#[derive(Debug)]
struct Entry {
    /// Taken when it leaves; its place stays until the sentence is over.
    word: Option<Word>,
    end: u64,
    placed: Placed,
    decided: bool,
    closes: Closes,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Aligner {
    config: AlignConfig,
    timeline: Timeline,
    /// Sentences that are not out, the last one perhaps open.
    entries: VecDeque<Entry>,
    /// Words of the last sentence while it is open.
    open: usize,
    /// The first entry begins a sentence.
    begins: bool,
    /// No word that will come starts before.
    words_until: u64,
    words_ended: bool,
    now: u64,
    speaker: Option<Arc<str>>,
    ready: VecDeque<Out>,
    settled: u64,
}

impl Aligner {
    /// An aligner of streams that begin at sample 0.
    pub fn new(config: AlignConfig) -> Self {
        Self {
            config,
            timeline: Timeline::default(),
            entries: VecDeque::new(),
            open: 0,
            begins: true,
            words_until: 0,
            words_ended: false,
            now: 0,
            speaker: None,
            ready: VecDeque::new(),
            settled: 0,
        }
    }

    /// Forgets the words, their end and their position, and begins at sample `start`, as after a seek. Turns stay.
    pub fn restart_words(&mut self, start: u64) {
        let timeline = std::mem::take(&mut self.timeline);
        *self = Self {
            timeline,
            words_until: start,
            settled: start,
            ..Self::new(self.config.clone())
        };
    }

    /// Forgets the turns, their end and how far they have come, as after a seek. Words stay, and wait for new ones.
    pub fn restart_turns(&mut self) {
        self.timeline = Timeline::default();
    }

    /// Whether the stream is live: see [`AlignConfig::latency`].
    pub fn set_latency(&mut self, latency: Option<u64>) {
        self.config.latency = latency;
    }

    /// Gives back the room that was needed once. What is held stays.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.ready.shrink_to_fit();
        self.timeline.shrink();
    }

    /// The next word. Words come in order.
    pub fn push_word(&mut self, word: Word) {
        self.words_settled(word.start);
        if self.open == MOST_WORDS {
            // Only now: before, this could have been the sentence's end.
            self.close(Closes::Piece);
        }
        let closes = match ends_sentence(&word.text) {
            true => Closes::Sentence,
            false => Closes::Nothing,
        };
        self.open = if closes == Closes::Nothing {
            self.open + 1
        } else {
            0
        };
        self.entries.push_back(Entry {
            end: word.end.max(word.start),
            placed: Placed::nowhere(rule::span_of(&word)),
            word: Some(word),
            decided: false,
            closes,
        });
    }

    /// No word that starts before `until` will come.
    pub fn words_settled(&mut self, until: u64) {
        self.words_until = self.words_until.max(until);
        let last = self.entries.back().map_or(u64::MAX, |e| e.placed.span.end);
        if until.saturating_sub(last) >= PAUSE {
            self.close(Closes::Sentence);
        }
    }

    /// No word will come, until [`Aligner::restart_words`] or [`Aligner::words_resumed`].
    pub fn words_ended(&mut self) {
        self.words_ended = true;
        self.close(Closes::Sentence);
    }

    /// Words will come after all, behind those before.
    pub fn words_resumed(&mut self) {
        self.words_ended = false;
    }

    /// The next turn. Turns come in the order of their starts, and may overlap.
    pub fn push_turn(&mut self, turn: &Turn) {
        self.timeline.push(turn);
    }

    /// No turn that starts before `until` will come.
    pub fn turns_settled(&mut self, until: u64) {
        self.timeline.settle(until);
    }

    /// No turn will come, until [`Aligner::restart_turns`] or [`Aligner::turns_resumed`]: the stream of turns is over,
    /// or has failed, or there is none. No word waits for it.
    pub fn turns_ended(&mut self) {
        self.timeline.end();
    }

    /// Turns will come after all, behind those before.
    pub fn turns_resumed(&mut self) {
        self.timeline.resume();
    }

    /// The position that both streams should have reached by now: the clock's running time, less the latency that
    /// upstream has promised. Without a `latency` it does nothing.
    pub fn now(&mut self, position: u64) {
        self.now = self.now.max(position);
    }

    /// The position at which [`Aligner::now`] makes the next word leave, in a live stream.
    pub fn next_deadline(&self) -> Option<u64> {
        let next = self.entries.iter().find(|e| e.word.is_some())?;
        Some(next.end.saturating_add(self.config.latency?))
    }

    /// Words that have not left.
    pub fn waiting(&self) -> usize {
        self.entries.iter().filter(|e| e.word.is_some()).count()
    }

    /// The words have ended and all of them have left.
    pub fn is_done(&self) -> bool {
        self.words_ended && self.entries.is_empty() && self.ready.is_empty()
    }

    /// What is due, until there is nothing.
    pub fn poll(&mut self) -> Option<Out> {
        if self.ready.is_empty() {
            self.advance();
            self.forget();
        }
        self.ready.pop_front().or_else(|| self.progress())
    }

    fn close(&mut self, how: Closes) {
        if let Some(last) = self.entries.back_mut().filter(|e| e.closes == Closes::Nothing) {
            last.closes = how;
            self.open = 0;
        }
    }

    /// Releases what can be released of the first sentence, and of those behind once it is over.
    fn advance(&mut self) {
        loop {
            let end = self.entries.iter().position(|e| e.closes != Closes::Nothing);
            let len = end.map_or(self.entries.len(), |last| last + 1);
            let free = self.decide(len, end.is_some());
            if self.config.sentence_smoothing && self.entries.range(..free).any(|e| e.word.is_some()) {
                self.smooth(len, free);
            }
            for i in 0..free {
                self.release(i);
            }
            if end.is_none() || free < len {
                return;
            }
            if let Some(last) = self.entries.drain(..len).next_back() {
                self.begins = last.closes == Closes::Sentence;
                if self.begins {
                    self.ready.push_back(Out::SentenceEnd { at: last.end });
                }
            }
        }
    }

    /// Places the words of the first sentence as far as that is final or due; how many of them may leave.
    fn decide(&mut self, len: usize, closed: bool) -> usize {
        let (gap, latency, now) = (self.config.max_gap, self.config.latency, self.now);
        // Who has left does not keep others back, should it end behind them.
        let is_due = |e: &Entry| {
            e.word.is_none() || latency.is_some_and(|latency| now >= e.end.saturating_add(latency))
        };
        let due = self.entries.range(..len).take_while(|e| is_due(e)).count();
        for (i, entry) in self
            .entries
            .range_mut(..len)
            .enumerate()
            .filter(|(_, e)| !e.decided)
        {
            if i < due || rule::is_final(&entry.placed.span, &self.timeline, gap) {
                entry.placed = rule::place(entry.placed.span.clone(), &self.timeline, gap);
                entry.decided = true;
            }
        }
        let decided = self.entries.range(..len).take_while(|e| e.decided).count();
        if !self.config.sentence_smoothing {
            return decided;
        }
        // The end of the turn that covers the last word counts, too, as far as the gap.
        let last = self
            .entries
            .get(len.wrapping_sub(1))
            .map_or(0, |e| e.placed.span.end);
        let judged = closed && decided == len && self.timeline.is_complete_at(last.saturating_add(gap));
        if judged { len } else { due }
    }

    fn smooth(&mut self, len: usize, free: usize) {
        let mut words: Vec<Placed> = self.entries.range(..len).map(|e| e.placed.clone()).collect();
        let ends = Ends {
            first: self.begins,
            last: self.entries[len - 1].closes == Closes::Sentence,
        };
        smoothing::smooth(&mut words, ends, &self.timeline, self.config.max_gap);
        for (entry, placed) in self.entries.range_mut(..free).zip(words) {
            if entry.word.is_some() {
                entry.placed = placed;
            }
        }
    }

    fn release(&mut self, i: usize) {
        let entry = &mut self.entries[i];
        let Some(mut word) = entry.word.take() else { return };
        if let Some(speaker) = &entry.placed.speaker {
            word.speaker = Some(speaker.clone());
        }
        let share = entry.placed.share;
        if let Some(speaker) = word
            .speaker
            .as_ref()
            .filter(|s| self.speaker.as_ref() != Some(*s))
        {
            self.speaker = Some(speaker.clone());
            self.ready.push_back(Out::SpeakerChange {
                speaker: speaker.clone(),
                at: word.start,
            });
        }
        self.ready.push_back(Out::Word { word, share });
    }

    /// Drops the turns that no word can need any more.
    fn forget(&mut self) {
        let next = match self.entries.front() {
            Some(entry) => entry.placed.span.start,
            None if self.words_ended => u64::MAX,
            None => self.words_until,
        };
        self.timeline
            .forget_before(next.saturating_sub(self.config.max_gap));
    }

    fn progress(&mut self) -> Option<Out> {
        let next = self.entries.iter().find_map(|e| e.word.as_ref());
        let until = next.map_or(self.words_until, |w| w.start.min(self.words_until));
        (until > self.settled).then(|| {
            self.settled = until;
            Out::Settled(until)
        })
    }
}

#[cfg(test)]
#[path = "aligner_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "restart_tests.rs"]
mod restart_tests;
