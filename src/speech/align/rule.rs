//! One word → its speaker.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use super::timeline::{Timeline, shared};
use crate::speech::Word;
use crate::time::seconds;

/// No word counts as longer. A word's end runs on into the silence behind it: a word of half a second was reported as
/// one of 4 s and took the next speaker's time (suitenumerique/meet#1323). Its start is right, so the end is what is
/// cut. The length is openai/whisper's in its own repair of such words (`timing.py`: twice the median length of a word,
/// which is taken as 0.7 s at most). The word itself keeps its times.
const LONGEST_WORD: u64 = seconds(1.4);

/// Where a word lies and who said it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The samples that speak for its speaker; see [`span_of`].
    pub span: Range<u64>,
    /// Nobody, as long as there is no turn that it could belong to.
    pub speaker: Option<Arc<str>>,
    /// Share of the span that the speaker's turns cover, 0 to 1. Of a word that went to the nearest turn it is 0.
    pub share: f32,
}

impl Placed {
    /// A word of whom nothing is known yet.
    pub fn nowhere(span: Range<u64>) -> Self {
        Self {
            span,
            speaker: None,
            share: 0.0,
        }
    }

    /// Gives it to `speaker`, whatever the turns say.
    pub fn give(&mut self, speaker: Arc<str>, timeline: &Timeline) {
        let overlap = timeline.overlap(&speaker, &self.span);
        self.share = overlap as f32 / (self.span.end - self.span.start).max(1) as f32;
        self.speaker = Some(speaker);
    }
}

/// The samples of a word that count: at least one, at most [`LONGEST_WORD`].
pub fn span_of(word: &Word) -> Range<u64> {
    let start = word.start.min(u64::MAX - 1);
    let end = word.end.min(start.saturating_add(LONGEST_WORD));
    start..end.max(start + 1)
}

/// Whether no turn that will come can change what [`place`] says.
pub fn is_final(span: &Range<u64>, timeline: &Timeline, max_gap: u64) -> bool {
    timeline.is_complete_at(span.end.saturating_add(max_gap))
        || timeline.is_complete_at(span.end - 1) && !voices(span, timeline).is_empty()
}

/// The speaker of a word: the one with the largest overlap; without any, that of the nearest turn whose edge is at most `max_gap` away;
/// else none. Of equals the one who began to speak first, then the one with the earlier name.
///
/// One exception, for people who talk at the same time: where two share at least half of the word, and the one with the
/// larger overlap came in during the word, it belongs to the other, who was already speaking. (A voice that covers all
/// of a word was there when it began, so it keeps the word against one that does not.) Half, because turns that share
/// less of a word than that share a turn's inexact edge, not speech.
///
/// Turns' confidences have no part in it: they are scores of a model that nobody has calibrated against lengths.
pub fn place(span: Range<u64>, timeline: &Timeline, max_gap: u64) -> Placed {
    let voices = voices(&span, timeline);
    let largest = |v: &&Voice| (v.overlap, Reverse(v.start), Reverse(v.speaker.clone()));
    let speaker = match voices.iter().max_by_key(largest) {
        None => nearest(&span, timeline, max_gap),
        Some(most) => {
            let length = span.end - span.start;
            let spoke_before = |v: &&Voice| v.start < span.start && 2 * v.shared_with(most) >= length;
            let came_in = most.start >= span.start && most.overlap < length;
            let before = voices.iter().filter(spoke_before).max_by_key(largest);
            let winner = before.filter(|_| came_in).unwrap_or(most);
            Some(winner.speaker.clone())
        }
    };
    let mut placed = Placed::nowhere(span);
    if let Some(speaker) = speaker {
        placed.give(speaker, timeline);
    }
    placed
}

/// What one speaker has of a word.
struct Voice {
    speaker: Arc<str>,
    /// Where the first of the stretches below began.
    start: u64,
    overlap: u64,
    /// Stretches within the word.
    stretches: Vec<Range<u64>>,
}

impl Voice {
    fn shared_with(&self, other: &Voice) -> u64 {
        let pairs = |a| other.stretches.iter().map(move |b| shared(a, b)).sum::<u64>();
        self.stretches.iter().map(pairs).sum()
    }
}

fn voices(span: &Range<u64>, timeline: &Timeline) -> Vec<Voice> {
    let voice = |(speaker, own): (&Arc<str>, Vec<Range<u64>>)| {
        let inside: Vec<_> = own.iter().filter(|s| shared(s, span) > 0).collect();
        Some(Voice {
            speaker: speaker.clone(),
            start: inside.first()?.start,
            overlap: inside.iter().map(|s| shared(s, span)).sum(),
            stretches: inside
                .iter()
                .map(|s| s.start.max(span.start)..s.end.min(span.end))
                .collect(),
        })
    };
    timeline.around(span).filter_map(voice).collect()
}

/// Of two turns equally near, the one before the word.
fn nearest(span: &Range<u64>, timeline: &Timeline, max_gap: u64) -> Option<Arc<str>> {
    let reach = span.start.saturating_sub(max_gap)..span.end.saturating_add(max_gap);
    let gap = |s: &Range<u64>| {
        span.start
            .saturating_sub(s.end)
            .max(s.start.saturating_sub(span.end))
    };
    timeline
        .around(&reach)
        .flat_map(|(speaker, own)| own.into_iter().map(move |s| (gap(&s), s.start, speaker)))
        .min()
        .map(|(_, _, speaker)| speaker.clone())
}

#[cfg(test)]
mod tests {
    use super::super::timeline::tests::timeline;
    use super::*;

    const GAP: u64 = 50;

    #[track_caller]
    fn check(what: &str, span: Range<u64>, turns: &[(&str, u64, u64)], expected: Option<&str>, share: f32) {
        let found = place(span, &timeline(turns), GAP);
        assert_eq!(
            (found.speaker.as_deref(), found.share),
            (expected, share),
            "{what}"
        );
    }

    #[test]
    fn the_largest_overlap_wins() {
        let (a, b) = (Some("A"), Some("B"));
        check("alone", 100..200, &[("A", 0, 300)], a, 1.0);
        check("more of B", 100..200, &[("A", 0, 140), ("B", 140, 300)], b, 0.6);
        check("more of A", 100..200, &[("A", 0, 160), ("B", 160, 300)], a, 0.6);
        check("halves", 100..200, &[("A", 0, 150), ("B", 150, 300)], a, 0.5);
        check(
            "the one who began first, whatever the name",
            100..200,
            &[("B", 0, 150), ("A", 150, 300)],
            b,
            0.5,
        );
        check(
            "in two pieces",
            100..200,
            &[("A", 0, 130), ("B", 130, 170), ("A", 170, 200)],
            a,
            0.6,
        );
        check(
            "touching is no overlap",
            100..200,
            &[("A", 0, 100), ("B", 190, 300)],
            b,
            0.1,
        );
        check(
            "pieces of a turn",
            100..200,
            &[("B", 0, 100), ("B", 100, 200), ("A", 99, 200)],
            b,
            1.0,
        );
    }

    #[test]
    fn without_overlap_the_nearest_edge_within_the_gap_wins() {
        let word = 100..200;
        check(
            "before",
            word.clone(),
            &[("A", 0, 80), ("B", 230, 300)],
            Some("A"),
            0.0,
        );
        check(
            "after",
            word.clone(),
            &[("A", 0, 60), ("B", 230, 300)],
            Some("B"),
            0.0,
        );
        check(
            "as near: the one before",
            word.clone(),
            &[("B", 0, 70), ("A", 230, 300)],
            Some("B"),
            0.0,
        );
        check("just near enough", word.clone(), &[("A", 0, 50)], Some("A"), 0.0);
        check("just too far before", word.clone(), &[("A", 0, 49)], None, 0.0);
        check(
            "just near enough behind",
            word.clone(),
            &[("A", 250, 300)],
            Some("A"),
            0.0,
        );
        check("just too far behind", word.clone(), &[("A", 251, 300)], None, 0.0);
        check("nobody speaks", word, &[], None, 0.0);
    }

    #[test]
    fn in_overlapped_speech_the_one_who_spoke_before_wins() {
        let (a, b) = (Some("A"), Some("B"));
        check(
            "B came in and has more",
            100..200,
            &[("A", 0, 180), ("B", 110, 300)],
            a,
            0.8,
        );
        check(
            "so whatever the name",
            100..200,
            &[("B", 0, 180), ("A", 110, 300)],
            b,
            0.8,
        );
        check(
            "they share a half",
            100..200,
            &[("A", 0, 160), ("B", 110, 300)],
            a,
            0.6,
        );
        check(
            "they share less",
            100..200,
            &[("A", 0, 159), ("B", 110, 300)],
            b,
            0.9,
        );
        check(
            "both cover all: A began first",
            100..200,
            &[("A", 0, 300), ("B", 50, 300)],
            a,
            1.0,
        );
        check(
            "B covers all, A does not",
            100..200,
            &[("A", 0, 190), ("B", 50, 300)],
            b,
            1.0,
        );
        check(
            "B covers all from its start",
            100..200,
            &[("A", 0, 190), ("B", 100, 300)],
            b,
            1.0,
        );
        check(
            "A covers all, B came in",
            100..200,
            &[("A", 0, 300), ("B", 110, 300)],
            a,
            1.0,
        );
        check(
            "both spoke before",
            100..200,
            &[("A", 0, 160), ("B", 50, 170)],
            b,
            0.7,
        );
        check(
            "nobody spoke before",
            100..200,
            &[("A", 110, 180), ("B", 115, 300)],
            b,
            0.85,
        );
        check(
            "three",
            100..200,
            &[("A", 0, 155), ("C", 10, 165), ("B", 105, 300)],
            Some("C"),
            0.65,
        );
    }

    #[test]
    fn long_words_are_cut_at_their_end() {
        let word = |start, end| Word {
            text: "pense".into(),
            start,
            end,
            confidence: 1.0,
            segment: 0,
            speaker: None,
            language: None,
        };
        for (start, end, expected) in [
            (1_000, 9_000, 1_000..9_000),
            (1_000, 1_000 + LONGEST_WORD, 1_000..1_000 + LONGEST_WORD),
            (1_000, 100_000, 1_000..1_000 + LONGEST_WORD),
            (1_000, 1_000, 1_000..1_001),
            (1_000, 500, 1_000..1_001),
        ] {
            assert_eq!(span_of(&word(start, end)), expected, "{start} {end}");
        }
        // meet#1323: half a second of speech that lasts 3.8 s, of which the next speaker has most.
        let (start, end) = (seconds(3.989), seconds(7.769));
        let turns = timeline(&[
            ("A", seconds(3.0), seconds(4.6)),
            ("B", seconds(5.2), seconds(9.0)),
        ]);
        assert_eq!(
            place(span_of(&word(start, end)), &turns, 0).speaker.as_deref(),
            Some("A")
        );
        assert_eq!(
            place(start..end, &turns, 0).speaker.as_deref(),
            Some("B"),
            "uncut"
        );
    }

    #[test]
    fn a_word_is_final_once_no_turn_can_reach_it() {
        for (turns, complete, expected) in [
            (vec![("A", 0, 300)], 199, false),
            (vec![("A", 0, 300)], 200, true),
            (vec![("A", 0, 100)], 200, false),
            (vec![("A", 0, 100)], 250, false),
            (vec![("A", 0, 100)], 251, true),
            (vec![], 251, true),
        ] {
            let mut line = timeline(&turns);
            line.settle(complete);
            assert_eq!(
                is_final(&(100..200), &line, GAP),
                expected,
                "{turns:?} until {complete}"
            );
        }
    }
}
