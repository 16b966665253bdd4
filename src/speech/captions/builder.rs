//! Words → cues, as a machine without clock or thread.
//!
//! Feed it with [`CueBuilder::push`], [`CueBuilder::gap`] and the closing calls, and poll
//! [`CueBuilder::pop`] after each: a cue comes out as soon as nothing that may follow can change it.
//! The cues depend on the words alone, not on how the silence between them was announced.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Cue, Rules,
    boundary::{self, Boundary},
    lines::{self, Piece},
};
use crate::{
    speech::{Word, sentence::ends_sentence},
    time,
};

/// A longer pause ends the cue. BBC Subtitle Guidelines 4.5: a gap between subtitles has at least one
/// second; so a shorter pause is bridged and a longer one is shown.
const PAUSE: u64 = time::seconds(1.0);
/// From this age on a cue ends with its sentence; a younger one takes the next short sentence in too, so
/// that "Yes. I see." does not flash by in two. BBC 4.5 prefers one second and a half over one.
const SETTLED: u64 = time::seconds(1.5);
/// A cue is never shorter than the tick of its formats: WebVTT drops a cue that ends when it starts.
const TICK: u64 = time::seconds(0.001);
/// What it is worth to end a cue at a pause of [`PAUSE`]; shorter pauses in proportion.
const PAUSE_WEIGHT: f64 = 0.5;
/// What it costs to leave a word alone in a cue, or to end a cue before it was on long enough.
const SCRAP: f64 = 0.7;
/// A boundary counts half as much for cues as for lines: a half-empty cue costs the viewer more time
/// than uneven lines do.
const BOUNDARY_WEIGHT: f64 = 0.5;
/// A label is parted from its first word only when nothing else helps.
const LABEL_BREAK: f64 = -2.0;

/// See the module.
pub struct CueBuilder {
    rules: Rules,
    /// Words of the cue being built. Empty while `closed` is set.
    open: Vec<Word>,
    /// A cue whose words are fixed, but not yet how far into the silence it stays.
    closed: Option<Cue>,
    done: VecDeque<Cue>,
    /// No word and no cue begins before this sample any more.
    now: u64,
    /// Who speaks, for words that do not say so themselves.
    turn: Option<Arc<str>>,
    /// The language, likewise.
    language: Option<Arc<str>>,
    /// The speaker of the last closed cue: a label is due when it changes.
    labelled: Option<Arc<str>>,
}

impl CueBuilder {
    /// A builder that has seen nothing.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            open: Vec::new(),
            closed: None,
            done: VecDeque::new(),
            now: 0,
            turn: None,
            language: None,
            labelled: None,
        }
    }

    /// Takes the next word. One that overlaps the words before it starts where they end; text with
    /// white space in it (a phrase of another element) is taken as its words, the time shared out.
    pub fn push(&mut self, word: Word) {
        for part in split(word) {
            self.push_one(part);
        }
    }

    /// No word begins before `until`.
    pub fn gap(&mut self, until: u64) {
        self.now = self.now.max(until);
        self.advance(self.now);
    }

    /// The next word does not belong to the cue before it (a final transcript).
    pub fn close(&mut self) {
        self.close_open();
        self.advance(self.now);
    }

    /// `speaker` speaks from here on, for words that name nobody.
    pub fn speaker_change(&mut self, speaker: Option<Arc<str>>) {
        self.close();
        self.turn = speaker;
    }

    /// The language from here on, for words that name none.
    pub fn set_language(&mut self, language: Option<Arc<str>>) {
        self.language = language;
    }

    /// Whether cues get labels from here on, see [`Rules::labels`].
    pub fn set_labels(&mut self, labels: bool) {
        self.rules.labels = labels;
    }

    /// No word follows on this time line. The next one may begin anywhere.
    pub fn finish(&mut self) {
        self.close_open();
        self.emit(u64::MAX);
        self.now = 0;
    }

    /// The next cue that can no longer change.
    pub fn pop(&mut self) -> Option<Cue> {
        self.done.pop_front()
    }

    /// Whether a cue with all of its words is held only to see how much silence follows.
    pub fn is_holding_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// No cue that is still to come begins before this sample.
    pub fn horizon(&self) -> u64 {
        let held = self.closed.as_ref().map(|c| c.start);
        held.or(self.open.first().map(|w| w.start)).unwrap_or(self.now)
    }

    fn push_one(&mut self, mut word: Word) {
        word.start = word.start.max(self.now);
        word.end = word.end.max(word.start);
        word.speaker = word.speaker.or_else(|| self.turn.clone());
        word.language = word.language.or_else(|| self.language.clone());
        self.advance(word.start);
        if self.open.last().is_some_and(|last| parted(last, &word)) {
            self.close_open();
        }
        self.emit(word.start);
        word.start = word.start.max(self.now); // a cue of one tick may just have taken it
        word.end = word.end.max(word.start);
        self.now = word.end;
        self.open.push(word);
        while !self.fits(&self.open) {
            self.split_open();
        }
        self.advance(self.now);
    }

    /// Time has come to `t`, where at the earliest the next word begins.
    fn advance(&mut self, t: u64) {
        if let (Some(first), Some(last)) = (self.open.first(), self.open.last()) {
            let long_enough = self.needed_end(&self.open).max(first.start + SETTLED);
            let sentence = ends_sentence(&last.text) && t >= long_enough;
            let pause = t > last.end.saturating_add(PAUSE);
            if sentence || pause || t >= first.start.saturating_add(self.rules.max_duration) {
                self.close_open();
            }
        }
        if self.closed.as_ref().is_some_and(|cue| t >= cue.end) {
            self.emit(t);
        }
    }

    fn close_open(&mut self) {
        if !self.open.is_empty() {
            let words = std::mem::take(&mut self.open);
            self.closed = Some(self.cue(words));
        }
    }

    /// Lets the closed cue go, cut where the next word begins.
    fn emit(&mut self, next_start: u64) {
        if let Some(mut cue) = self.closed.take() {
            // A closed cue has words, and so has the fallback no use but to spare a panic.
            let spoken = cue.words.last().map_or(cue.start, |w| w.end);
            cue.end = cue.end.min(next_start).max(spoken).max(cue.start + TICK);
            self.now = self.now.max(cue.end);
            self.done.push_back(cue);
        }
    }

    /// The cue of `words`, with the end that it has when enough silence follows.
    fn cue(&mut self, words: Vec<Word>) -> Cue {
        let speaker = words[0].speaker.clone();
        let cue = Cue {
            start: words[0].start,
            end: self.needed_end(&words),
            language: words.iter().find_map(|w| w.language.clone()),
            lines: self.lines(&words),
            speaker: speaker.clone(),
            words,
        };
        self.labelled = speaker;
        cue
    }

    /// When the cue of `words` may go: spoken, read, and on for the shortest time.
    fn needed_end(&self, words: &[Word]) -> u64 {
        let columns = lines::columns(words.iter().map(|w| w.text.as_str()));
        let read = match self.rules.max_cps {
            0 => 0,
            cps => columns as u64 * u64::from(time::SAMPLE_RATE) / u64::from(cps),
        };
        let on = read.max(self.rules.min_duration).min(self.rules.max_duration);
        let (start, spoken) = (words[0].start, words[words.len() - 1].end);
        start.saturating_add(on).max(spoken)
    }

    /// The text in front of the first word, where the speaker changes.
    fn label(&self, words: &[Word]) -> Option<String> {
        let speaker = words[0]
            .speaker
            .as_ref()
            .filter(|s| self.rules.labels && self.labelled.as_ref() != Some(*s))?;
        let name = speaker.split_whitespace().collect::<Vec<_>>().join(" ");
        (!name.is_empty()).then(|| format!("{name}:"))
    }

    fn fits(&self, words: &[Word]) -> bool {
        let label = self.label(words);
        let texts = label
            .as_deref()
            .into_iter()
            .chain(words.iter().map(|w| w.text.as_str()));
        let spoken = words[words.len() - 1].end - words[0].start;
        words.len() == 1
            || (spoken <= self.rules.max_duration
                && lines::count(texts, self.rules.max_line_length) <= self.rules.max_lines)
    }

    fn lines(&self, words: &[Word]) -> Vec<String> {
        let label = self.label(words);
        let mut pieces: Vec<Piece> = label
            .iter()
            .map(|text| Piece {
                text,
                break_after: LABEL_BREAK,
            })
            .collect();
        for (i, word) in words.iter().enumerate() {
            let next = words.get(i + 1);
            let break_after = next.map_or(0.0, |next| boundary::between(word, next).weight());
            pieces.push(Piece {
                text: &word.text,
                break_after,
            });
        }
        lines::lay_out(&pieces, self.rules.max_line_length, self.rules.max_lines)
    }

    /// The last word made the cue too large: ends it at the best place before that word.
    fn split_open(&mut self) {
        let mut best = (f64::NEG_INFINITY, 1);
        for k in 1..self.open.len() {
            let score = self.split_score(k);
            // The later place of two equal ones: the cue is fuller.
            if score >= best.0 {
                best = (score, k);
            }
        }
        let rest = self.open.split_off(best.1);
        self.close_open();
        self.emit(rest[0].start);
        self.open = rest;
        let mut earliest = self.done.back().map_or(0, |cue| cue.end);
        for word in &mut self.open {
            // Only words without a length can be in the way of the cue's last tick.
            word.start = word.start.max(earliest);
            word.end = word.end.max(word.start);
            earliest = word.end;
        }
        self.now = self.now.max(earliest);
    }

    /// How good it is to end the cue before word `k`: full, at a boundary, at a pause, without scraps.
    fn split_score(&self, k: usize) -> f64 {
        let open = &self.open;
        let columns = |words: &[Word]| lines::columns(words.iter().map(|w| w.text.as_str())) as f64;
        let fill = columns(&open[..k]) / columns(&open[..open.len() - 1]).max(1.0);
        let place = boundary::between(&open[k - 1], &open[k]);
        let pause = open[k].start.saturating_sub(open[k - 1].end) as f64 / PAUSE as f64;
        let orphan = (k == 1 || open.len() - k == 1) && place != Boundary::Sentence;
        let too_short = open[k].start < self.needed_end(&open[..k]).min(open[0].start + SETTLED);
        fill + place.weight() * BOUNDARY_WEIGHT + pause.min(1.0) * PAUSE_WEIGHT
            - if orphan { SCRAP } else { 0.0 }
            - if too_short { SCRAP } else { 0.0 }
    }
}

/// Whether no cue may hold both of two neighbours, whatever the time between them.
fn parted(left: &Word, right: &Word) -> bool {
    let other_language = matches!((&left.language, &right.language), (Some(l), Some(r)) if l != r);
    other_language || left.speaker != right.speaker
}

/// The words in one word's text, which share its time by their length. Control characters, which no
/// caption format can hold, part words as spaces do; no-break spaces do not.
fn split(word: Word) -> Vec<Word> {
    let is_space = |c: char| (c.is_whitespace() || c.is_control()) && c != '\u{a0}' && c != '\u{202f}';
    let texts: Vec<String> = word
        .text
        .split(is_space)
        .filter(|t| !t.is_empty())
        .map(Into::into)
        .collect();
    let total: usize = texts.iter().map(|t| lines::width(t).max(1)).sum();
    let length = u128::from(word.end.saturating_sub(word.start));
    let at = |columns: usize| word.start + (length * columns as u128 / total as u128) as u64;
    let mut before = 0;
    texts
        .into_iter()
        .map(|text| {
            let after = before + lines::width(&text).max(1);
            let part = Word {
                start: at(before),
                end: at(after),
                text,
                ..word.clone()
            };
            before = after;
            part
        })
        .collect()
}

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
