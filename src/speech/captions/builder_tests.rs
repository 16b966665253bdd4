//! Tables of words and the cues that come of them, and the laws that hold for any words.

use proptest::prelude::*;

use super::*;
use crate::time::seconds;

fn word(text: &str, start: f64, end: f64) -> Word {
    Word {
        text: text.into(),
        start: seconds(start),
        end: seconds(end),
        confidence: 1.0,
        segment: 0,
        speaker: None,
        language: None,
    }
}

/// Words that follow each other without pause, 0.3 s each.
fn speech(text: &str, start: f64) -> Vec<Word> {
    let at = |i: usize| start + i as f64 * 0.3;
    text.split(' ')
        .enumerate()
        .map(|(i, t)| word(t, at(i), at(i + 1)))
        .collect()
}

fn build(rules: &Rules, words: impl IntoIterator<Item = Word>) -> Vec<Cue> {
    let mut builder = CueBuilder::new(rules.clone());
    words.into_iter().for_each(|w| builder.push(w));
    builder.finish();
    std::iter::from_fn(|| builder.pop()).collect()
}

/// Checks lines (`/` between lines) and times in seconds.
#[track_caller]
fn check(rules: &Rules, words: Vec<Word>, expected: &[(&str, f64, f64)]) {
    let cues = build(rules, words);
    let found: Vec<(String, f64, f64)> = cues
        .iter()
        .map(|c| {
            let rounded = |n| (time::samples_to_seconds(n) * 100.0).round() / 100.0;
            (c.lines.join("/"), rounded(c.start), rounded(c.end))
        })
        .collect();
    let expected: Vec<(String, f64, f64)> = expected.iter().map(|&(t, s, e)| (t.into(), s, e)).collect();
    assert_eq!(found, expected);
}

#[test]
fn one_line_when_it_fits_and_the_clause_end_when_not() {
    let rules = Rules::default();
    check(
        &rules,
        speech("The rain stopped.", 1.0),
        &[("The rain stopped.", 1.0, 1.9)],
    );
    check(
        &rules,
        speech("When the rain stopped, we all went back into the garden.", 0.0),
        &[(
            "When the rain stopped,/we all went back into the garden.",
            0.0,
            3.3,
        )],
    );
}

#[test]
fn a_cue_ends_with_its_sentence() {
    check(
        &Rules::default(),
        speech(
            "It rained for the whole night. In the morning the garden was wet.",
            0.0,
        ),
        &[
            ("It rained for the whole night.", 0.0, 1.8),
            ("In the morning the garden was wet.", 1.8, 3.9),
        ],
    );
}

#[test]
fn short_sentences_share_a_cue() {
    check(
        &Rules::default(),
        speech("Yes. I see. So do I.", 0.0),
        &[("Yes. I see. So do I.", 0.0, 1.8)],
    );
}

#[test]
fn a_long_sentence_is_cut_at_a_clause_and_leaves_no_orphan() {
    check(
        &Rules::default(),
        speech(
            "The committee met on Tuesday to talk about the budget, and after a long debate it decided to wait.",
            0.0,
        ),
        &[
            ("The committee met on Tuesday/to talk about the budget,", 0.0, 3.0),
            ("and after a long debate/it decided to wait.", 3.0, 5.7),
        ],
    );
    let cues = build(
        &Rules {
            max_lines: 1,
            ..Rules::default()
        },
        speech("aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd eeeeeeeee", 0.0),
    );
    let lines: Vec<_> = cues.iter().map(|c| c.lines.join("/")).collect();
    assert_eq!(lines, ["aaaaaaaaa bbbbbbbbb ccccccccc", "ddddddddd eeeeeeeee"]);
}

#[test]
fn pauses_speakers_and_languages_part_cues() {
    let rules = Rules::default();
    let pause = |p: f64| vec![word("one", 0.0, 0.5), word("two", 0.5 + p, 1.0 + p)];
    check(&rules, pause(1.0), &[("one two", 0.0, 2.0)]);
    check(&rules, pause(1.01), &[("one", 0.0, 0.83), ("two", 1.51, 2.34)]);
    let mut speakers = pause(0.0);
    speakers[0].speaker = Some("Ana".into());
    check(&rules, speakers, &[("one", 0.0, 0.5), ("two", 0.5, 1.33)]);
    let mut languages = pause(0.0);
    languages[0].language = Some("en".into());
    check(&rules, languages.clone(), &[("one two", 0.0, 1.0)]);
    languages[1].language = Some("de".into());
    check(&rules, languages, &[("one", 0.0, 0.5), ("two", 0.5, 1.33)]);
}

#[test]
fn short_or_fast_cues_stay_into_silence_only() {
    let rules = Rules::default();
    check(&rules, vec![word("Hi.", 1.0, 1.2)], &[("Hi.", 1.0, 1.83)]);
    // 40 columns at 20 a second.
    let fast = "abcdefghijklmnopqrstuvwxyz-abcdefghijklm";
    check(&rules, vec![word(fast, 1.0, 1.5)], &[(fast, 1.0, 3.0)]);
    check(
        &Rules {
            max_cps: 0,
            ..rules.clone()
        },
        vec![word(fast, 1.0, 1.5)],
        &[(fast, 1.0, 1.83)],
    );
    check(
        &Rules {
            max_cps: 1,
            ..rules.clone()
        },
        vec![word(fast, 1.0, 1.5)],
        &[(fast, 1.0, 8.0)], // never beyond max-duration
    );
    check(
        &rules,
        vec![word(fast, 1.0, 1.5), word("Next", 2.75, 3.75)],
        &[(fast, 1.0, 2.75), ("Next", 2.75, 3.75)],
    );
}

#[test]
fn a_cue_is_never_longer_than_max_duration() {
    let words: Vec<Word> = (0..4)
        .map(|i| word("so", f64::from(i) * 2.5, f64::from(i) * 2.5 + 2.4))
        .collect();
    check(
        &Rules::default(),
        words,
        &[("so so", 0.0, 4.9), ("so so", 5.0, 9.9)],
    );
}

#[test]
fn labels_stand_where_the_speaker_changes() {
    let rules = Rules {
        labels: true,
        ..Rules::default()
    };
    let mut builder = CueBuilder::new(rules);
    let mut at = 0.0;
    let mut say = |builder: &mut CueBuilder, text: &str| {
        speech(text, at).into_iter().for_each(|w| builder.push(w));
        at += 3.0;
    };
    builder.speaker_change(Some("Ana Lima".into()));
    say(&mut builder, "Good morning everyone, dear listeners.");
    say(&mut builder, "Welcome.");
    builder.speaker_change(Some("Bob".into()));
    say(&mut builder, "Thanks.");
    builder.speaker_change(None);
    say(&mut builder, "(Music)");
    builder.speaker_change(Some("Bob".into()));
    say(&mut builder, "Well.");
    builder.finish();
    let lines: Vec<_> = std::iter::from_fn(|| builder.pop())
        .map(|c| c.lines.join("/"))
        .collect();
    assert_eq!(
        lines,
        [
            "Ana Lima: Good morning everyone,/dear listeners.",
            "Welcome.",
            "Bob: Thanks.",
            "(Music)",
            "Bob: Well."
        ]
    );
}

#[test]
fn scripts_without_spaces() {
    let text = "我们昨天去了公园，但是下雨了，所以我们很快就回家了，并且在家里看了电影。";
    let words: Vec<Word> = text
        .chars()
        .enumerate()
        .map(|(i, c)| word(&c.to_string(), i as f64 * 0.1, i as f64 * 0.1 + 0.1))
        .collect();
    check(
        &Rules::default(),
        words,
        &[(
            "我们昨天去了公园，但是下雨了，/所以我们很快就回家了，并且在家里看了电影。",
            0.0,
            3.6,
        )],
    );
}

#[test]
fn a_phrase_is_taken_as_its_words() {
    let cues = build(
        &Rules::default(),
        [word("one\n\n--> \u{1}three 10\u{a0}km", 1.0, 2.5)],
    );
    let words: Vec<_> = cues[0].words.iter().map(|w| (w.text.as_str(), w.start)).collect();
    let third = seconds(1.5) / 16;
    assert_eq!(cues[0].lines, ["one --> three 10\u{a0}km"]);
    assert_eq!(
        words,
        [
            ("one", seconds(1.0)),
            ("-->", seconds(1.0) + 3 * third),
            ("three", seconds(1.0) + 6 * third),
            ("10\u{a0}km", seconds(1.0) + 11 * third)
        ]
    );
}

#[test]
fn a_cue_comes_out_as_soon_as_it_cannot_change() {
    let mut builder = CueBuilder::new(Rules::default());
    builder.gap(seconds(0.5));
    assert_eq!(builder.horizon(), seconds(0.5));
    builder.push(word("Hi.", 1.0, 1.2));
    assert_eq!((builder.pop(), builder.horizon()), (None, seconds(1.0)));
    builder.gap(seconds(2.2));
    assert_eq!(builder.pop(), None, "another short sentence could follow");
    builder.gap(seconds(2.25));
    assert_eq!(
        builder.pop().map(|c| c.end),
        Some(seconds(1.0) + seconds(5.0 / 6.0))
    );
    assert_eq!(builder.horizon(), seconds(2.25));

    builder.push(word("Now", 3.0, 3.2));
    builder.close();
    assert!(
        builder.is_holding_closed() && builder.pop().is_none(),
        "it may stay until 3.83"
    );
    builder.push(word("then", 3.5, 5.5));
    assert_eq!(
        builder.pop().map(|c| c.end),
        Some(seconds(3.5)),
        "the next word ends it"
    );

    speech("and a sentence that is long enough.", 5.5)
        .into_iter()
        .for_each(|w| builder.push(w));
    assert!(
        builder.pop().is_some(),
        "it ends with its sentence, with nothing to wait for"
    );
}

/// Words of several scripts and lengths, in time, some overlapping, some without a length.
fn any_words() -> impl Strategy<Value = Vec<Word>> {
    let text = prop_oneof![
        6 => "[a-z]{1,12}[.,]?",
        1 => "[a-z]{30,60}",
        2 => "[\u{4e00}-\u{4e10}]{1,3}。?",
        1 => "[a-z]{1,5}[ \n][a-z<>&-]{1,5}",
    ];
    let pause = prop_oneof![4 => Just(0u64), 3 => 0..seconds(0.4), 1 => 0..seconds(3.0)];
    let length = prop_oneof![8 => seconds(0.05)..seconds(0.8), 1 => Just(0), 1 => 0..seconds(9.0)];
    let speaker =
        prop_oneof![8 => Just(None), 1 => Just(Some("Ana")), 1 => Just(Some("A very long name indeed"))];
    prop::collection::vec((text, pause, length, 0..20u64, speaker), 0..60).prop_map(|items| {
        let mut at = 0;
        let mut words = Vec::new();
        for (text, pause, length, overlap, speaker) in items {
            let start = (at + pause).saturating_sub(overlap);
            at = start + length;
            let speaker = speaker.map(Into::into);
            words.push(Word {
                text,
                start,
                end: at,
                speaker,
                ..word("", 0.0, 0.0)
            });
        }
        words
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (10..50usize, 1..4usize, 1..9u64, 0..3u64, 0..30u32, any::<bool>()).prop_map(
        |(max_line_length, max_lines, max, min, max_cps, labels)| Rules {
            max_line_length,
            max_lines,
            max_duration: max * seconds(1.0),
            min_duration: min.min(max) * seconds(1.0),
            max_cps,
            labels,
        },
    )
}

proptest! {
    #[test]
    fn every_word_comes_out_once_in_order(rules in any_rules(), words in any_words()) {
        let expected: Vec<String> =
            words.iter().flat_map(|w| w.text.split_whitespace().map(String::from)).collect();
        let cues = build(&rules, words);
        let found: Vec<String> = cues.iter().flat_map(|c| c.words.iter().map(|w| w.text.clone())).collect();
        prop_assert_eq!(found, expected);
        for cue in &cues {
            let squeezed = |s: &str| s.replace([' ', '\n'], "");
            let shown = squeezed(&cue.lines.join(""));
            prop_assert!(shown.ends_with(&squeezed(&cue.text())), "{shown}");
            prop_assert!(cue.lines.iter().all(|l| !l.is_empty()));
        }
    }

    #[test]
    fn times_are_in_order_and_cues_do_not_overlap(rules in any_rules(), words in any_words()) {
        let cues = build(&rules, words);
        let mut before = 0;
        for cue in &cues {
            prop_assert!(cue.start >= before && cue.end >= cue.start + TICK, "{cue:?}");
            prop_assert_eq!(cue.start, cue.words[0].start);
            let mut at = cue.start;
            for word in &cue.words {
                prop_assert!(word.start >= at && word.end >= word.start, "{cue:?}");
                at = word.end;
            }
            prop_assert!(at <= cue.end, "{cue:?}");
            before = cue.end;
        }
    }

    #[test]
    fn cues_keep_the_rules(rules in any_rules(), words in any_words()) {
        for cue in build(&rules, words) {
            let alone = cue.words.len() == 1;
            prop_assert!(cue.lines.len() <= rules.max_lines);
            prop_assert!(alone || cue.end - cue.start <= rules.max_duration.max(TICK), "{cue:?}");
            for line in &cue.lines {
                let label = cue.speaker.as_ref().is_some_and(|name| *line == format!("{name}:"));
                let one_word = label || !line.contains(' ') || (rules.labels && alone);
                prop_assert!(one_word || lines::width(line) <= rules.max_line_length, "{cue:?}");
            }
            for pair in cue.words.windows(2) {
                prop_assert!(pair[1].start - pair[0].end <= PAUSE + TICK);
                prop_assert_eq!(&pair[0].speaker, &pair[1].speaker);
            }
        }
    }

    #[test]
    fn how_silence_is_announced_changes_nothing(rules in any_rules(), words in any_words(), step in 1..9u64) {
        let expected = build(&rules, words.clone());
        let mut builder = CueBuilder::new(rules);
        let (mut found, mut at) = (Vec::new(), 0);
        for word in words {
            while at + step * 1_000 <= word.start {
                at += step * 1_000;
                builder.gap(at);
                found.extend(std::iter::from_fn(|| builder.pop()));
                prop_assert!(builder.horizon() >= found.last().map_or(0, |c: &Cue| c.end));
            }
            at = at.max(word.end);
            builder.push(word);
        }
        builder.finish();
        found.extend(std::iter::from_fn(|| builder.pop()));
        prop_assert_eq!(found, expected);
    }
}
