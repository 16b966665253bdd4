//! A sentence has one speaker, mostly: single words that went to somebody else come back.
//!
//! The idea is whisper-diarization's (a sentence is what ends in punctuation, 50 words at most; its majority takes it
//! all). Ours heals less: only single words, and none that somebody else has really said.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::rule::Placed;
use super::timeline::Timeline;

/// Words of a sentence at most; a longer one is judged in pieces. `max_words_in_sentence` of whisper-diarization.
pub const MOST_WORDS: usize = 50;
/// A turn that covers so much of a word covers it well. Word times and turn edges are off by 50 to 100 ms each, a
/// quarter of a word of 300 ms.
const WELL: f32 = 0.75;

/// Which ends of the words at hand are ends of the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// It begins with the first word.
    pub first: bool,
    /// It ends with the last word.
    pub last: bool,
}

/// Gives single words to the speaker who has more than half of the sentence's attributed words.
///
/// Only a word alone between words of others: two in a row are a "thank you" or "of course" more often than two errors
/// in a row. And only a word that its own turn does not back: it covers it badly or not at all; or it is the tail of
/// a turn outside of the sentence, which reaches over the sentence's edge by no more than `slack`, as turns do whose
/// edges are inexact. Words without a speaker stay so: no turn is near them, so no turn has been mistaken.
pub fn smooth(words: &mut [Placed], ends: Ends, timeline: &Timeline, slack: u64) {
    let Some(majority) = majority(words) else { return };
    let flips: Vec<usize> = (0..words.len())
        .filter(|&i| is_single(words, i) && words[i].speaker.as_ref() != Some(&majority))
        .filter(|&i| !is_backed(words, i, ends, timeline, slack))
        .collect();
    for i in flips {
        words[i].give(majority.clone(), timeline);
    }
}

fn majority(words: &[Placed]) -> Option<Arc<str>> {
    let mut counts = BTreeMap::new();
    for speaker in words.iter().filter_map(|w| w.speaker.as_ref()) {
        *counts.entry(speaker).or_insert(0) += 1;
    }
    let all: usize = counts.values().sum();
    let most = counts.into_iter().find(|(_, n)| 2 * n > all);
    most.map(|(speaker, _)| speaker.clone())
}

/// Has a speaker whom neither neighbour has.
fn is_single(words: &[Placed], i: usize) -> bool {
    let speaker = |i: usize| words.get(i).and_then(|w| w.speaker.as_ref());
    let before = i.checked_sub(1).and_then(speaker);
    speaker(i).is_some() && speaker(i) != before && speaker(i) != speaker(i + 1)
}

fn is_backed(words: &[Placed], i: usize, ends: Ends, timeline: &Timeline, slack: u64) -> bool {
    let word = &words[i];
    let stretch = word
        .speaker
        .as_ref()
        .and_then(|s| timeline.stretch(s, &word.span));
    let Some(stretch) = stretch.filter(|_| word.share >= WELL) else {
        return false;
    };
    let sentence = words[0].span.start..words[words.len() - 1].span.end;
    let tail_of_before = i == 0 && ends.first && comes_from_before(&stretch, &sentence, slack);
    let head_of_after = i + 1 == words.len() && ends.last && goes_on_behind(&stretch, &sentence, slack);
    !(tail_of_before || head_of_after)
}

/// Mostly outside of the sentence, and a little inside. What begins only just before is a turn of this word's own.
fn comes_from_before(stretch: &Range<u64>, sentence: &Range<u64>, slack: u64) -> bool {
    stretch.start.saturating_add(slack) < sentence.start
        && stretch.end <= sentence.start.saturating_add(slack)
}

fn goes_on_behind(stretch: &Range<u64>, sentence: &Range<u64>, slack: u64) -> bool {
    stretch.end > sentence.end.saturating_add(slack) && stretch.start.saturating_add(slack) >= sentence.end
}

#[cfg(test)]
mod tests {
    use super::super::rule::place;
    use super::super::timeline::tests::timeline;
    use super::*;

    const SLACK: u64 = 50;
    const WHOLE: Ends = Ends {
        first: true,
        last: true,
    };

    /// Words of 30 samples, one every 40 from sample 1000, placed by the rule, before → after.
    #[track_caller]
    fn check(what: &str, turns: &[(&str, u64, u64)], ends: Ends, before: &str, after: &str) {
        let timeline = timeline(turns);
        let mut words: Vec<Placed> = (0..before.len() as u64)
            .map(|i| place(1000 + 40 * i..1030 + 40 * i, &timeline, 5))
            .collect();
        let show = |words: &[Placed]| -> String {
            words
                .iter()
                .map(|w| w.speaker.as_deref().unwrap_or("-"))
                .collect()
        };
        assert_eq!(show(&words), before, "{what}, before");
        smooth(&mut words, ends, &timeline, SLACK);
        assert_eq!(show(&words), after, "{what}");
    }

    #[test]
    fn single_words_badly_covered_go_to_the_majority() {
        let flip = |start, end| [("A", 900, start), ("B", start, end), ("A", end, 1200)];
        check("a piece of a word", &flip(1090, 1108), WHOLE, "AABAA", "AAAAA");
        check("all of it", &flip(1080, 1110), WHOLE, "AABAA", "AABAA");
        check("three quarters", &flip(1087, 1110), WHOLE, "AABAA", "AABAA");
        check("less", &flip(1088, 1110), WHOLE, "AABAA", "AAAAA");
        check("two words", &flip(1090, 1145), WHOLE, "AABBA", "AABBA");
        let near = [("A", 900, 1070), ("B", 1113, 1117), ("A", 1120, 1200)];
        check("the nearest turn's word", &near, WHOLE, "AABAA", "AAAAA");
    }

    #[test]
    fn turns_that_reach_over_the_edge_lose_their_word() {
        let late = [("A", 500, 1030), ("B", 1040, 1300)];
        let early = [("A", 500, 1150), ("B", 1160, 1500)];
        let open = Ends {
            first: false,
            last: false,
        };
        check("a turn that ends late", &late, WHOLE, "ABBBB", "BBBBB");
        check("in the middle of a sentence", &late, open, "ABBBB", "ABBBB");
        check("a turn that begins early", &early, WHOLE, "AAAAB", "AAAAA");
        check(
            "behind which the sentence goes on",
            &early,
            open,
            "AAAAB",
            "AAAAB",
        );
        let own = [("A", 990, 1035), ("B", 1040, 1300)];
        check("a turn of the word's own", &own, WHOLE, "ABBBB", "ABBBB");
        let far = [("A", 500, 1051), ("B", 1052, 1300)];
        check("too far for an inexact edge", &far, WHOLE, "ABBBB", "ABBBB");
        check(
            "two words",
            &[("A", 500, 1070), ("B", 1080, 1300)],
            WHOLE,
            "AABBB",
            "AABBB",
        );
    }

    #[test]
    fn there_must_be_a_majority() {
        let halves = [("A", 900, 1035), ("B", 1046, 1100)];
        check("one and one", &halves, WHOLE, "AB", "AB");
        let three = [("A", 900, 1012), ("B", 1012, 1050), ("C", 1050, 1100)];
        check("one each", &three, WHOLE, "BC", "BC");
        check("none", &[], WHOLE, "---", "---");
        check("empty", &[], WHOLE, "", "");
        check(
            "unknown words stay",
            &[("A", 900, 1030), ("A", 1080, 1110)],
            WHOLE,
            "A-A",
            "A-A",
        );
    }

    #[test]
    fn a_healed_word_says_how_much_its_new_speaker_covers() {
        let timeline = timeline(&[("A", 0, 112), ("B", 112, 130), ("A", 130, 300)]);
        let mut words: Vec<_> = [60..90, 100..130, 140..170]
            .into_iter()
            .map(|span| place(span, &timeline, 5))
            .collect();
        smooth(&mut words, WHOLE, &timeline, SLACK);
        assert_eq!((words[1].speaker.as_deref(), words[1].share), (Some("A"), 0.4));
    }
}
