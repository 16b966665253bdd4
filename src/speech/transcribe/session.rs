//! The rolling windows of a transcription, by Whisper's seek rule.
//!
//! Push samples (and speech probabilities into [`Session::speech_map`]), take windows, give back what the
//! model made of them: out come words, in order, once. One law: nothing is ever due but through
//! [`Session::next_window`] and [`Session::accept`]. The audio held is bounded by [`Session::CAPACITY`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Hypothesis, Segment, SpeechMap, SpeechRule, words_of_segment};
use crate::speech::Word;
use crate::time::seconds;

/// Whisper reads 30 s at a time (`WHISPER_CHUNK_SIZE`).
const WINDOW: u64 = seconds(30.0);
/// Audio handed over behind the window. whisper.cpp ends a decode early when a timestamp comes within
/// 0.1 s of the end of what it was given; with a second more it behaves as inside a longer recording.
const LOOK_AHEAD: u64 = seconds(1.0);
/// Audio handed over before the window, so that its first spectrogram frames are those of a longer recording:
/// without it, whisper.cpp mirrors the window's own beginning, and now and then hears another word.
const LEAD: u64 = seconds(0.1);
/// What is shorter than this is not decoded: whisper.cpp's own bound (`delta_min`, 10 frames of 10 ms).
const SHORTEST: u64 = seconds(0.1);
/// No word is shorter: a frame of Whisper's encoder, the finest time that it knows.
const SHORTEST_WORD: u64 = seconds(0.02);
/// A pause this long is jumped over instead of being decoded. Shorter ones stay in the window: Whisper
/// was trained on speech with pauses, and cutting at each of them makes words worse (whisper.cpp #2454).
const LONG_SILENCE: u64 = seconds(3.0);
/// Audio kept before speech that follows a long silence, and behind speech that a long silence follows.
const PADDING: u64 = seconds(0.5);
/// whisper.cpp drops the text context for what is left of a recording when it is 5 s or less: it
/// "tends to confuse the decoder" there.
const SHORT_REST: u64 = seconds(5.0);

/// What the model may know of the text so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Context {
    /// The window continues the text of the one before.
    Carry,
    /// The text before has nothing to do with it: a seek, a gap, the short rest of a recording.
    Reset,
    /// The first window of a stream: the initial prompt applies, and the language is open.
    Start,
}

/// Audio to be recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Position of the first sample on the session's line.
    pub start: u64,
    /// 16 kHz mono, at most 31 s.
    pub samples: Vec<f32>,
    /// Up to 100 ms of what came before `start`: not to be recognised again, only to be heard. Empty at the
    /// beginning and behind a jump.
    pub before: Vec<f32>,
    /// What to do with the text before.
    pub context: Context,
    /// The text before, as the model gave it in [`Hypothesis::history`]; empty unless it is to be carried.
    pub history: Vec<i32>,
    /// The language heard so far; `None` in the first window.
    pub language: Option<Arc<str>>,
}

/// How a session behaves; see the constants above for what is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Jump over long silence and drop words that stand in silence.
    pub gate: bool,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    start: u64,
    end: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    /// A lead of up to [`LEAD`], then what is not settled yet.
    audio: Vec<f32>,
    lead: usize,
    /// Position of `audio[lead]`: all before it is settled.
    seek: u64,
    speech: SpeechMap,
    in_flight: Option<InFlight>,
    finished: bool,
    context: Context,
    /// Of the last hypothesis. Kept here and not in the model: it outlives one that dies, and one model can serve
    /// many sessions.
    history: Vec<i32>,
    language: Option<Arc<str>>,
    segment: u32,
    last_end: u64,
}

impl Session {
    /// No more samples than this are held, in samples: a window, its look-ahead, and as much again as
    /// lets the producer run ahead a little.
    pub const CAPACITY: u64 = WINDOW + LOOK_AHEAD + seconds(4.0);
    /// The longest time from a sample's arrival to the window that holds it, in samples.
    pub const LONGEST_WAIT: u64 = WINDOW + LOOK_AHEAD;

    /// A session whose first sample will stand at `start`.
    pub fn new(config: SessionConfig, start: u64) -> Self {
        Session {
            config,
            audio: Vec::new(),
            lead: 0,
            seek: start,
            speech: SpeechMap::new(SpeechRule::default(), start),
            in_flight: None,
            finished: false,
            context: Context::Start,
            history: Vec::new(),
            language: None,
            segment: 0,
            last_end: 0,
        }
    }

    /// Starts again at `start` behind a seek or a jump in time. What is held is dropped, a window that is
    /// out is forgotten. Segment numbers go on.
    pub fn restart(&mut self, start: u64) {
        self.audio.clear();
        self.lead = 0;
        self.seek = start;
        self.speech.reset(start);
        self.in_flight = None;
        self.finished = false;
        self.last_end = 0;
        if self.context == Context::Carry {
            self.context = Context::Reset;
        }
    }

    /// How many samples may be pushed now.
    pub fn room(&self) -> usize {
        (Self::CAPACITY as usize).saturating_sub(self.unsettled() as usize)
    }

    /// Adds samples behind those pushed before.
    pub fn push(&mut self, samples: &[f32]) {
        self.audio.extend_from_slice(samples);
    }

    /// Where the speech probabilities of the pushed samples go.
    pub fn speech_map(&mut self) -> &mut SpeechMap {
        &mut self.speech
    }

    /// No more samples will come: the rest becomes windows.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Everything before this sample is settled: its words are out, or there are none.
    pub fn settled(&self) -> u64 {
        self.seek
    }

    /// The first sample that has not been pushed yet.
    pub fn end(&self) -> u64 {
        self.seek + self.unsettled()
    }

    /// True when all that was pushed is settled and no more can come.
    pub fn is_done(&self) -> bool {
        self.finished && self.unsettled() == 0 && self.in_flight.is_none()
    }

    /// The next window, if one is due. Its hypothesis must be given to [`Session::accept`] before the next.
    pub fn next_window(&mut self) -> Option<Window> {
        if self.in_flight.is_some() {
            return None;
        }
        let cut = self.skip_silence()?;
        let available = self.unsettled();
        let length = match cut {
            Some(cut) => (cut - self.seek).min(WINDOW + LOOK_AHEAD),
            None if self.finished || available >= WINDOW + LOOK_AHEAD => available.min(WINDOW + LOOK_AHEAD),
            None => return None,
        };
        if length < SHORTEST {
            self.advance(self.seek + length);
            return None;
        }
        let rest = self.finished && length == available && length <= SHORT_REST;
        let context = if rest && self.context == Context::Carry {
            Context::Reset
        } else {
            self.context
        };
        self.in_flight = Some(InFlight {
            start: self.seek,
            end: self.seek + length,
        });
        Some(Window {
            start: self.seek,
            samples: self.audio[self.lead..self.lead + length as usize].to_vec(),
            before: self.audio[..self.lead].to_vec(),
            context,
            history: match context {
                Context::Carry => self.history.clone(),
                Context::Reset | Context::Start => Vec::new(),
            },
            language: self.language.clone(),
        })
    }

    /// Takes the model's answer to the window that is out, and returns its words.
    pub fn accept(&mut self, hypothesis: &Hypothesis) -> Vec<Word> {
        let Some(window) = self.in_flight.take() else {
            return Vec::new();
        };
        self.context = Context::Carry;
        self.history.clone_from(&hypothesis.history);
        if hypothesis.language.is_some() {
            self.language.clone_from(&hypothesis.language);
        }
        let words = hypothesis
            .segments
            .iter()
            .flat_map(|s| self.words(s, window, hypothesis.language.as_ref()));
        let words: Vec<Word> = words.collect();
        let length = window.end - window.start;
        let whole = length.min(WINDOW);
        // A model that closes nothing must not hold the stream.
        let next = if hypothesis.next == 0 {
            whole
        } else {
            hypothesis.next.min(whole)
        };
        // As whisper.cpp does at the end of a recording: what is too short to decode is skipped.
        let next = if length < WINDOW && length - next < SHORTEST {
            length
        } else {
            next
        };
        self.advance(window.start + next);
        words
    }

    /// Jumps over a long silence at the seek position. `None`: nothing is due yet. `Some(Some(cut))`: the
    /// window must end at `cut`, since a long silence follows.
    fn skip_silence(&mut self) -> Option<Option<u64>> {
        if !self.config.gate {
            return (self.unsettled() > 0).then_some(None);
        }
        match self.speech.next_speech_at_or_after(self.seek) {
            Answer::Speech { start, .. } if start > self.seek + LONG_SILENCE => self.advance(start - PADDING),
            Answer::Speech { .. } => {}
            Answer::SilenceUntil(_) if self.finished => {
                self.advance(self.end());
                return None;
            }
            Answer::SilenceUntil(known) => {
                // Keep what a word that is just beginning may need.
                if known > self.seek + LONG_SILENCE {
                    self.advance(known - PADDING);
                }
                return None;
            }
        }
        let mut at = self.seek;
        while let Answer::Speech { end: Some(end), .. } = self.speech.next_speech_at_or_after(at) {
            if end >= self.seek + WINDOW {
                break;
            }
            let silent_until = match self.speech.next_speech_at_or_after(end) {
                Answer::Speech { start, .. } => start,
                Answer::SilenceUntil(known) => known,
            };
            if silent_until > end + LONG_SILENCE {
                return Some(Some((end + PADDING).min(self.end())));
            }
            at = end.max(at + 1);
        }
        Some(None)
    }

    fn words(&mut self, segment: &Segment, window: InFlight, language: Option<&Arc<str>>) -> Vec<Word> {
        let mut words = words_of_segment(segment, window.start, self.segment);
        if self.config.gate {
            words.retain(|w| {
                !self
                    .speech
                    .is_silent(w.start.saturating_sub(PADDING)..w.end + PADDING)
            });
        }
        for word in &mut words {
            word.start = word.start.max(self.last_end);
            word.end = word.end.max(word.start + SHORTEST_WORD);
            word.language = language.cloned();
            self.last_end = word.end;
        }
        if !words.is_empty() {
            self.segment += 1;
        }
        words
    }

    fn unsettled(&self) -> u64 {
        (self.audio.len() - self.lead) as u64
    }

    fn advance(&mut self, to: u64) {
        let n = to.saturating_sub(self.seek).min(self.unsettled());
        self.seek += n;
        let settled = self.lead + n as usize;
        self.lead = settled.min(LEAD as usize);
        self.audio.drain(..settled - self.lead);
        // Words of the next window may reach back to the padding.
        self.speech.forget_before(self.seek.saturating_sub(2 * PADDING));
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
