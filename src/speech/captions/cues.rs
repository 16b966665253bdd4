//! The cue and the rules that it obeys.

use std::sync::Arc;

use super::lines;
use crate::{speech::Word, time};

/// What a cue may look like. Lengths are columns: a wide (CJK) character counts two.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Columns in a line.
    pub max_line_length: usize,
    /// Lines in a cue.
    pub max_lines: usize,
    /// Longest time from the start of a cue to its end, in samples.
    pub max_duration: u64,
    /// Shortest time that a cue stays when silence follows, in samples.
    pub min_duration: u64,
    /// Columns that a viewer reads in a second; 0 is without limit.
    pub max_cps: u32,
    /// Put `Name: ` before the text where the speaker changes.
    pub labels: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            // 42 characters, 2 lines, 5/6 s, 7 s: Netflix Timed Text Style Guide, General
            // Requirements 1 and 4, and English (USA) "Character Limitation".
            max_line_length: 42,
            max_lines: 2,
            max_duration: time::seconds(7.0),
            min_duration: time::seconds(5.0 / 6.0),
            // 20 characters a second for adults: Netflix English (USA), "Reading Speed Limits". Wide
            // characters count two, so this is 10 a second for Chinese, where that guide has 9.
            max_cps: 20,
            labels: false,
        }
    }
}

/// Some words with the time during which they are on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// First sample: that of the first word.
    pub start: u64,
    /// First sample after the cue; at least a millisecond after `start`.
    pub end: u64,
    /// Who speaks, the same for all words.
    pub speaker: Option<Arc<str>>,
    /// The language of the words, where known.
    pub language: Option<Arc<str>>,
    /// The words, never none.
    pub words: Vec<Word>,
    /// The words as lines, behind the speaker's label when [`Rules::labels`] asks for one here. Plain
    /// text, no line empty.
    pub lines: Vec<String>,
}

impl Cue {
    /// The words in one line, without a label.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.words.iter().map(|w| w.text.as_str()).collect();
        lines::join(&texts)
    }

    /// The same cue on another time line: `map` takes each of its samples there.
    pub fn retimed(mut self, map: impl Fn(u64) -> u64) -> Self {
        self.start = map(self.start);
        self.end = map(self.end);
        for word in &mut self.words {
            word.start = map(word.start);
            word.end = map(word.end);
        }
        self
    }
}
