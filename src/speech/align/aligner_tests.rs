use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::speech::align::timeline::tests::turn;
use crate::speech::rttm;
use crate::time::SAMPLE_RATE;

const S: u64 = SAMPLE_RATE as u64;
/// A tenth of a second, the unit of the tables below.
pub(super) const T: u64 = S / 10;

pub(super) fn word(text: &str, start: u64, end: u64) -> Word {
    Word {
        text: text.into(),
        start,
        end,
        confidence: 0.5,
        segment: 7,
        speaker: None,
        language: None,
    }
}

pub(super) fn aligner(sentence_smoothing: bool, latency: Option<u64>) -> Aligner {
    Aligner::new(AlignConfig {
        sentence_smoothing,
        latency,
        ..AlignConfig::default()
    })
}

/// `A:` a change to A, `text/A` a word, `|` the end of a sentence, `~` words may still come from this tenth on.
fn show(out: &Out) -> String {
    match out {
        Out::SpeakerChange { speaker, .. } => format!("{speaker}:"),
        Out::Word { word, .. } => format!("{}/{}", word.text, word.speaker.as_deref().unwrap_or("-")),
        Out::SentenceEnd { .. } => "|".into(),
        Out::Settled(until) => format!("~{}", until / T),
    }
}

fn drain(aligner: &mut Aligner) -> Vec<Out> {
    std::iter::from_fn(|| aligner.poll()).collect()
}

/// What comes out now.
#[track_caller]
pub(super) fn check(aligner: &mut Aligner, expected: &str) {
    let found: Vec<String> = drain(aligner).iter().map(show).collect();
    assert_eq!(found.join(" "), expected);
}

#[test]
fn words_wait_for_the_turns_and_for_the_end_of_their_sentence() {
    let mut a = aligner(true, None);
    a.push_word(word("Good", 10 * T, 13 * T));
    a.push_turn(&turn("A", 9 * T, 21 * T));
    a.turns_settled(100 * T);
    check(&mut a, "~10");
    a.push_word(word("day.", 14 * T, 20 * T));
    check(&mut a, "A: Good/A day./A | ~14");
    a.push_word(word("Thanks.", 105 * T, 109 * T));
    check(&mut a, "~105");
    a.push_turn(&turn("B", 104 * T, 110 * T));
    check(&mut a, "");
    a.turns_settled(114 * T);
    check(&mut a, "");
    a.turns_settled(115 * T);
    check(&mut a, "B: Thanks./B |");
    a.words_ended();
    check(&mut a, "");
    assert!(a.is_done());
}

#[test]
fn without_smoothing_words_wait_for_the_turns_alone() {
    let mut a = aligner(false, None);
    a.push_turn(&turn("A", 9 * T, 21 * T));
    a.push_word(word("Good", 10 * T, 13 * T));
    a.turns_settled(13 * T);
    check(&mut a, "A: Good/A ~10");
    a.push_word(word("day", 14 * T, 20 * T));
    check(&mut a, "~14");
    a.turns_ended();
    check(&mut a, "day/A");
    a.words_settled(39 * T);
    check(&mut a, "~39");
    a.words_settled(40 * T);
    check(&mut a, "| ~40");
}

#[test]
fn sentences_end_by_punctuation_by_a_pause_and_at_the_end() {
    for smoothing in [true, false] {
        let mut a = aligner(smoothing, None);
        a.turns_ended();
        for (text, start) in [("Dr.", 0), ("who?", 5), ("he", 10), ("said", 33), ("so", 40)] {
            a.push_word(word(text, start * T, (start + 4) * T));
        }
        a.words_ended();
        let found: Vec<String> = drain(&mut a)
            .iter()
            .map(show)
            .filter(|s| !s.starts_with('~'))
            .collect();
        let expected = "Dr./- who?/- | he/- said/- so/- |";
        assert_eq!(found.join(" "), expected, "19 tenths are no pause");
        assert!(a.is_done());
    }
    let mut a = aligner(true, None);
    a.turns_ended();
    a.push_word(word("he", 0, 100 * T));
    a.push_word(word("said", 100 * T, 104 * T));
    check(&mut a, "he/- | ~100");
}

#[test]
fn long_sentences_are_judged_in_pieces_that_do_not_end_them() {
    let mut a = aligner(true, None);
    a.turns_ended();
    for i in 0..MOST_WORDS as u64 {
        a.push_word(word("and", 5 * i * T, (5 * i + 4) * T));
    }
    assert_eq!(drain(&mut a), [], "the next word could be another sentence's");
    a.push_word(word("on", 250 * T, 254 * T));
    let out = drain(&mut a);
    assert_eq!(out.len(), MOST_WORDS + 1);
    assert_eq!(out.last().map(show).as_deref(), Some("~250"));
    a.words_ended();
    check(&mut a, "on/- |");
}

#[test]
fn a_flip_in_a_sentence_is_healed_and_one_that_is_meant_is_not() {
    for (smoothing, expected) in [
        (true, "A: we/A are/A so/A glad./A | B: Yes/B we/B are./B |"),
        (false, "A: we/A B: are/B A: so/A glad./A | Yes/A B: we/B are./B |"),
    ] {
        let mut a = aligner(smoothing, None);
        for (speaker, start, end) in [("A", 0, 12), ("B", 12, 14), ("A", 14, 46), ("B", 46, 60)] {
            a.push_turn(&turn(speaker, start * T, end * T));
        }
        a.turns_ended();
        for (text, start, end) in [
            ("we", 4, 8),
            ("are", 11, 14),
            ("so", 15, 19),
            ("glad.", 20, 40),
            ("Yes", 42, 46),
            ("we", 47, 50),
            ("are.", 51, 55),
        ] {
            a.push_word(word(text, start * T, end * T));
        }
        a.words_ended();
        let found: Vec<String> = drain(&mut a)
            .iter()
            .map(show)
            .filter(|s| !s.starts_with('~'))
            .collect();
        assert_eq!(found.join(" "), expected, "smoothing {smoothing}");
    }
}

#[test]
fn live_words_leave_at_their_deadline() {
    let mut a = aligner(true, Some(10 * T));
    assert_eq!(a.next_deadline(), None);
    a.push_turn(&turn("A", 0, 14 * T));
    a.push_word(word("so", 10 * T, 13 * T));
    a.push_word(word("we", 15 * T, 20 * T));
    a.now(22 * T);
    check(&mut a, "~10");
    assert_eq!(a.next_deadline(), Some(23 * T));
    a.now(23 * T);
    check(&mut a, "A: so/A ~15");
    // The turn that is known so far decides; the sentence behind stays together.
    a.push_turn(&turn("B", 16 * T, 20 * T));
    a.now(30 * T);
    check(&mut a, "B: we/B");
    assert_eq!((a.next_deadline(), a.waiting()), (None, 0));
    a.push_word(word("go.", 21 * T, 25 * T));
    a.turns_ended();
    check(&mut a, "go./B | ~21");
}

#[test]
fn words_that_come_late_leave_at_once() {
    let mut a = aligner(true, Some(0));
    a.now(100 * T);
    a.push_word(word("late", 10 * T, 13 * T));
    check(&mut a, "late/- ~10");
}

#[test]
fn a_speaker_that_a_word_came_with_is_kept_where_no_turn_is_near() {
    let mut a = aligner(false, None);
    let channel = |start: u64| Word {
        speaker: Some("LEFT".into()),
        ..word("one.", start * T, (start + 2) * T)
    };
    a.push_turn(&turn("A", 0, 5 * T));
    a.turns_ended();
    a.push_word(channel(1));
    a.push_word(channel(30));
    check(&mut a, "A: one./A | LEFT: one./LEFT | ~30");
}

#[test]
fn words_keep_what_they_came_with() {
    let mut a = aligner(true, None);
    let long = Word {
        language: Some("fr".into()),
        ..word("pense.", 10 * T, 48 * T)
    };
    a.push_word(long.clone());
    a.push_turn(&turn("A", 0, 17 * T));
    a.turns_ended();
    let found = drain(&mut a);
    let expected = Word {
        speaker: Some("A".into()),
        ..long
    };
    assert!(
        found.contains(&Out::Word {
            word: expected,
            share: 0.5
        }),
        "{found:?}"
    );
}

#[test]
fn a_long_meeting_is_held_in_little() {
    let mut a = aligner(true, Some(2 * S));
    let mut words = 0;
    for i in 0..20_000 {
        let at = i * 4 * T;
        a.push_word(word(if i % 9 == 8 { "end." } else { "on" }, at, at + 3 * T));
        a.push_turn(&turn(["A", "B", "C"][(i % 3) as usize], at, at + 5 * T));
        a.now(at);
        words += drain(&mut a)
            .iter()
            .filter(|o| matches!(o, Out::Word { .. }))
            .count();
        assert!(
            a.entries.len() <= MOST_WORDS && a.timeline.held() <= MOST_WORDS,
            "at {i}"
        );
    }
    a.words_ended();
    a.turns_ended();
    words += drain(&mut a)
        .iter()
        .filter(|o| matches!(o, Out::Word { .. }))
        .count();
    assert_eq!((words, a.timeline.held()), (20_000, 0));
}

#[derive(Deserialize)]
struct TrueWord {
    word: String,
    start: f64,
    end: f64,
    speaker: String,
}

/// Word-speaker errors on the bundled conversation, its true turns being `late` samples late.
fn errors(late: i64, smoothing: bool) -> (usize, usize) {
    let truth: Vec<TrueWord> =
        serde_json::from_str(include_str!("../../../models/recordings/conversation.words.json")).unwrap();
    let turns = rttm::read(include_str!("../../../models/recordings/conversation.rttm")).unwrap();
    let mut a = aligner(smoothing, None);
    for mut turn in turns.into_iter().map(|r| r.turn) {
        turn.start = turn.start.saturating_add_signed(late);
        turn.end = turn.end.saturating_add_signed(late);
        a.push_turn(&turn);
    }
    a.turns_ended();
    let samples = |seconds: f64| (seconds * S as f64).round() as u64;
    for w in &truth {
        a.push_word(word(&w.word, samples(w.start), samples(w.end)));
    }
    a.words_ended();
    let speakers: Vec<_> = drain(&mut a)
        .into_iter()
        .filter_map(|out| match out {
            Out::Word { word, .. } => Some(word.speaker),
            _ => None,
        })
        .collect();
    assert_eq!(speakers.len(), truth.len());
    let wrong = speakers
        .iter()
        .zip(&truth)
        .filter(|(found, t)| found.as_deref() != Some(&*t.speaker));
    (wrong.count(), truth.len())
}

#[test]
fn the_words_of_the_bundled_conversation_find_their_speakers() {
    for smoothing in [true, false] {
        assert_eq!(errors(0, smoothing).0, 0, "smoothing {smoothing}");
    }
    // Turns that are off as a whole: what the gap and the sentence make good.
    for late in -8_i64..=8 {
        let ((plain, words), (smooth, _)) = (errors(late * T as i64, false), errors(late * T as i64, true));
        println!("turns {late:2} tenths late: {plain} of {words} words wrong, {smooth} with smoothing");
        assert!(smooth <= plain, "{late} tenths: {smooth} > {plain}");
        assert!(late.abs() > 3 || plain == 0, "{late} tenths: {plain} wrong");
        assert!(
            late.abs() > 5 || smooth == 0,
            "{late} tenths, with smoothing: {smooth} wrong"
        );
    }
}

/// What an input may say.
#[derive(Clone, Debug)]
enum In {
    Word(Word),
    WordsSettled(u64),
    WordsEnded,
    Turn(Turn),
    TurnsSettled(u64),
    TurnsEnded,
}

fn feed(aligner: &mut Aligner, input: In) {
    match input {
        In::Word(word) => aligner.push_word(word),
        In::WordsSettled(until) => aligner.words_settled(until),
        In::WordsEnded => aligner.words_ended(),
        In::Turn(turn) => aligner.push_turn(&turn),
        In::TurnsSettled(until) => aligner.turns_settled(until),
        In::TurnsEnded => aligner.turns_ended(),
    }
}

prop_compose! {
    /// Words of up to 2.5 s, some of no length, with pauses of up to 2.9 s, rarely; watermarks between them.
    fn words()(items in prop::collection::vec((0..12_u64, 0..20_u64, 0..12_usize, any::<bool>()), 0..90)) -> Vec<In> {
        let mut at = 0;
        let mut found = Vec::new();
        for (i, (pause, length, text, settled)) in items.into_iter().enumerate() {
            at += if pause == 11 { 29 * T } else { pause * T / 4 };
            if settled {
                found.push(In::WordsSettled(at));
            }
            let end = at + if length == 19 { 25 * T } else { length * T / 4 };
            let text = format!("{i}{}", [".", "?!", ","].get(text).unwrap_or(&""));
            found.push(In::Word(word(&text, at, end)));
            at = end;
        }
        found.push(In::WordsEnded);
        found
    }
}

prop_compose! {
    /// Turns of three people in order of their starts, some adjoining, some overlapping.
    fn turns()(items in prop::collection::vec((0..9_u64, 0..30_u64, 0..3_usize, any::<bool>()), 0..50)) -> Vec<In> {
        let mut at = 0;
        let mut end = 0;
        let mut found = Vec::new();
        for (pause, length, speaker, adjoins) in items {
            at = if adjoins { end.max(at) } else { at + pause * T };
            end = at + length * T / 2;
            found.push(In::TurnsSettled(at));
            found.push(In::Turn(turn(["A", "B", "C"][speaker], at, end)));
        }
        found.push(In::TurnsEnded);
        found
    }
}

/// Feeds both, the next of the words wherever `order` says so, and polls where `order` says so.
fn run(a: &mut Aligner, words: &[In], turns: &[In], order: &[(bool, bool)]) -> Vec<Out> {
    let (mut words, mut turns) = (words.iter().cloned(), turns.iter().cloned());
    let mut out = Vec::new();
    for &(from_words, poll) in order {
        if let Some(input) = if from_words { words.next() } else { turns.next() } {
            feed(a, input);
        }
        if poll {
            out.extend(drain(a));
        }
    }
    turns.chain(words).for_each(|input| feed(a, input));
    out.extend(drain(a));
    assert!(a.is_done());
    out
}

fn said(out: &[Out]) -> Vec<Word> {
    let words = out.iter().filter_map(|o| match o {
        Out::Word { word, .. } => Some(word.clone()),
        _ => None,
    });
    words.collect()
}

fn nameless(words: Vec<Word>) -> Vec<Word> {
    words.into_iter().map(|w| Word { speaker: None, ..w }).collect()
}

fn texts_in(words: &[In]) -> Vec<Word> {
    let words = words.iter().filter_map(|i| match i {
        In::Word(word) => Some(word.clone()),
        _ => None,
    });
    words.collect()
}

/// Changes stand before each other speaker's first word, and words start at or after what was settled.
fn check_events(out: &[Out]) {
    let (mut speaker, mut settled) = (None, 0);
    for (i, o) in out.iter().enumerate() {
        match o {
            Out::SpeakerChange { speaker: next, at } => {
                assert_ne!(speaker.as_ref(), Some(next), "twice");
                speaker = Some(next.clone());
                assert!(matches!(&out[i + 1], Out::Word { word, .. } if word.start == *at));
            }
            Out::Word { word, share } => {
                assert!(word.speaker.is_none() || word.speaker == speaker, "{word:?}");
                assert!(
                    word.start >= settled && (0.0..=1.0).contains(share),
                    "{word:?} {share}"
                );
            }
            Out::SentenceEnd { at } => assert!(matches!(
                out[..i].iter().rfind(|o| !matches!(o, Out::Settled(_))),
                Some(Out::Word { word, .. }) if word.end == *at
            )),
            Out::Settled(until) => {
                assert!(*until > settled);
                settled = *until;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each word once, in order, and the same whatever the interleaving.
    #[test]
    fn what_comes_out_does_not_depend_on_the_interleaving(
        words in words(), turns in turns(), smoothing: bool,
        order in prop::collection::vec((any::<bool>(), any::<bool>()), 0..300),
    ) {
        let lasting = |out: Vec<Out>| -> Vec<Out> {
            out.into_iter().filter(|o| !matches!(o, Out::Settled(_))).collect()
        };
        let found = run(&mut aligner(smoothing, None), &words, &turns, &order);
        check_events(&found);
        prop_assert_eq!(nameless(said(&found)), texts_in(&words));
        let at_the_end = run(&mut aligner(smoothing, None), &words, &turns, &[]);
        prop_assert_eq!(lasting(found), lasting(at_the_end));
    }

    /// Live: each word once, in order, none past its deadline, whatever comes when.
    #[test]
    fn no_live_word_waits_past_its_deadline(
        words in words(), turns in turns(), smoothing: bool, latency in 0..4 * S,
        order in prop::collection::vec((any::<bool>(), 0..20_u64), 0..300),
    ) {
        let mut a = aligner(smoothing, Some(latency));
        let (mut w, mut t) = (words.iter().cloned(), turns.iter().cloned());
        let (mut now, mut out) = (0, Vec::new());
        for (from_words, step) in order {
            if let Some(input) = if from_words { w.next() } else { t.next() } {
                feed(&mut a, input);
            }
            now += step * T;
            a.now(now);
            out.extend(drain(&mut a));
            prop_assert!(a.next_deadline().is_none_or(|deadline| deadline > now));
        }
        t.chain(w).for_each(|input| feed(&mut a, input));
        out.extend(drain(&mut a));
        check_events(&out);
        prop_assert!(a.is_done());
        prop_assert_eq!(nameless(said(&out)), texts_in(&words));
    }
}
