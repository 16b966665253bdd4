//! Where there is speech on the sample line: frame probabilities → stretches, with hysteresis.
//!
//! Law: what the map says of a sample before [`SpeechMap::known_until`] is final, and it is the
//! same whatever the pieces in which the probabilities come.

use std::collections::VecDeque;
use std::ops::Range;

use crate::time::seconds;

/// How probabilities become stretches. Lengths are 16 kHz samples.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeechRule {
    /// A frame at or above this begins speech, 0 to 1.
    pub onset: f32,
    /// Speech goes on until frames fall below this; at most `onset`.
    pub offset: f32,
    /// Speech shorter than this, from its first voiced frame to its last, is none.
    pub min_speech: u64,
    /// A pause shorter than this does not end speech.
    pub min_silence: u64,
    /// Silence before speech that counts as speech.
    pub pad_before: u64,
    /// Silence after speech that counts as speech.
    pub pad_after: u64,
}

impl Default for SpeechRule {
    /// Measured in `docs/adr/0004-voice-activity.md`, for a gate: a missed word is lost, a false
    /// alarm costs one inference.
    fn default() -> Self {
        Self {
            // Steady noise stays below 0.38. With 0.5, the detector's own advice, meetings miss
            // 0.7 % instead of 0.5, and synthetic voices 0.12 % instead of 0.05.
            onset: 0.45,
            // Against an offset of 0.4, meetings miss 0.5 % instead of 1.0. At 0.3 noise of 5 dB
            // fills 98 % of the pauses.
            offset: 0.35,
            // 4 frames of 16 ms. With 100 ms one short word of 130 synthetic utterances is cut and
            // meetings miss 0.7 % instead of 0.5; with 32 ms nothing is gained.
            min_speech: seconds(0.064),
            // Silero's `min_silence_duration_ms`. 0.5 s changes little, since padding closes most
            // of what it would.
            min_silence: seconds(0.1),
            // The detector answers 32 ms late, and quiet first sounds (f, h, s) later: turns miss
            // 4.9 % with 0.1 s, 3.6 with 0.2, 2.4 with 0.3; a third of a digit goes with 0.1.
            pad_before: seconds(0.3),
            // Words fade: with 0.4 s a spoken digit lost 15 % of its length, with 0.5 s 5 %.
            pad_after: seconds(0.5),
        }
    }
}

/// What lies at or after a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The next sample of speech is `start`; it lasts to `end`, or past what is known.
    Speech {
        /// First sample of speech at or after the sample asked for.
        start: u64,
        /// First sample after it, once that is final.
        end: Option<u64>,
    },
    /// No speech before this sample, and nothing known from there on. It lies before the sample
    /// asked for where that is itself unknown.
    SilenceUntil(u64),
}

/// The stretches of speech between a sample and the last one heard.
#[derive(Clone, Debug)]
pub struct SpeechMap {
    rule: SpeechRule,
    /// Padded, in order, apart from each other. The last one grows while speech goes on.
    stretches: VecDeque<Range<u64>>,
    /// First to last voiced sample of the speech going on; in the stretches once long enough.
    voice: Option<Range<u64>>,
    /// End of the last voiced frame of finished speech, or the start of the line.
    voiced_until: u64,
    /// All that has a probability ends here.
    heard: u64,
    /// Nothing before this changes, whatever the other fields say.
    settled: u64,
    /// Questions about earlier samples are answered from here.
    remembered_from: u64,
}

impl SpeechMap {
    /// An empty map of a line that begins at `start`.
    pub fn new(rule: SpeechRule, start: u64) -> Self {
        Self {
            rule,
            stretches: VecDeque::new(),
            voice: None,
            voiced_until: start,
            heard: start,
            settled: start,
            remembered_from: start,
        }
    }

    /// Forgets all and begins anew at `start`, as after a seek.
    pub fn reset(&mut self, start: u64) {
        *self = Self::new(self.rule.clone(), start);
    }

    /// The next `len` samples hold speech with this probability. A gap is a long frame of 0.
    pub fn push(&mut self, len: u64, probability: f32) {
        let frame = self.heard..self.heard + len;
        self.heard = frame.end;
        match &mut self.voice {
            None if probability >= self.rule.onset => self.voice = Some(frame),
            Some(voice) if probability >= self.rule.offset => voice.end = frame.end,
            Some(voice) if frame.end - voice.end >= self.rule.min_silence => return self.end_voice(),
            _ => return,
        }
        self.grow_stretch();
    }

    /// No more will come: what is open ends here, and all is known.
    pub fn finish(&mut self) {
        self.end_voice();
        if let Some(last) = self.stretches.back_mut() {
            last.end = last.end.min(self.heard);
        }
        self.settled = self.heard;
    }

    /// Drops what ends before `sample`; later questions start from there.
    pub fn forget_before(&mut self, sample: u64) {
        self.settled = self.settled.max(sample.min(self.known_until()));
        self.remembered_from = self.remembered_from.max(sample);
        let keep = usize::from(self.is_open());
        while self.stretches.len() > keep && self.stretches[0].end <= sample {
            self.stretches.pop_front();
        }
    }

    /// The first speech at or after `sample`.
    pub fn next_speech_at_or_after(&self, sample: u64) -> Answer {
        let sample = sample.max(self.remembered_from);
        let known = self.known_until();
        let Some(index) = self.stretches.iter().position(|s| s.end > sample) else {
            return Answer::SilenceUntil(known);
        };
        let stretch = &self.stretches[index];
        let last = index + 1 == self.stretches.len();
        // Later speech, padded, could still join a last stretch that the known line does not pass.
        let can_grow = last && (self.is_open() || stretch.end >= known && self.settled < stretch.end);
        Answer::Speech {
            start: stretch.start.max(sample),
            end: (!can_grow).then_some(stretch.end),
        }
    }

    /// Whether all of `range` is known and has no speech. Nothing unknown is silent.
    pub fn is_silent(&self, range: Range<u64>) -> bool {
        range.end <= self.known_until() && self.speech_overlap(range) == 0
    }

    /// Samples of `range` that are known to be speech.
    pub fn speech_overlap(&self, range: Range<u64>) -> u64 {
        let (from, to) = (
            range.start.max(self.remembered_from),
            range.end.min(self.known_until()),
        );
        let shared = |s: &Range<u64>| s.end.min(to).saturating_sub(s.start.max(from));
        self.stretches.iter().map(shared).sum()
    }

    /// Nothing said of samples before this one changes any more. Never goes back; behind the last
    /// sample heard by `pad_before` in silence, by an undecided onset on top.
    pub fn known_until(&self) -> u64 {
        let undecided = match &self.voice {
            Some(voice) => voice.start,
            None => self.heard,
        };
        let spoken = self.stretches.back().map_or(0, |s| s.end.min(self.heard));
        let silent = undecided.saturating_sub(self.rule.pad_before);
        spoken.max(silent).max(self.settled)
    }

    /// End of the samples that have a probability.
    pub fn heard_until(&self) -> u64 {
        self.heard
    }

    /// Samples since the last voiced frame, unpadded: for end-pointing, where padding would be a
    /// delay. A sound too short to be speech counts as voice until it is over.
    pub fn silence_since(&self) -> u64 {
        self.heard - self.voice.as_ref().map_or(self.voiced_until, |v| v.end)
    }

    fn is_long_enough(&self, voice: &Range<u64>) -> bool {
        voice.end - voice.start >= self.rule.min_speech
    }

    fn is_open(&self) -> bool {
        self.voice.as_ref().is_some_and(|v| self.is_long_enough(v))
    }

    fn end_voice(&mut self) {
        if let Some(voice) = self.voice.take()
            && self.is_long_enough(&voice)
        {
            self.voiced_until = voice.end;
        }
    }

    fn grow_stretch(&mut self) {
        let Some(voice) = self.voice.as_ref().filter(|v| self.is_long_enough(v)) else {
            return;
        };
        let start = voice.start.saturating_sub(self.rule.pad_before).max(self.settled);
        let end = voice.end + self.rule.pad_after;
        match self.stretches.back_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => self.stretches.push_back(start..end),
        }
    }
}

#[cfg(test)]
#[path = "speech_map_tests.rs"]
mod tests;
