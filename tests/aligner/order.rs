//! Words leave once, in order, with their speakers, whatever comes when.

use proptest::prelude::*;

use crate::rig::*;

/// Two sentences of two people, half a second apart.
const EXPECTED: [&str; 14] = [
    "0-1000 gap",
    "A:",
    "1000-1400 Good/A",
    "1400-1500 gap",
    "1500-1900 day./A",
    "|",
    "1900-3000 gap",
    "B:",
    "3000-3400 Thank/B",
    "3400-3500 gap",
    "3500-3900 you./B",
    "|",
    "3900-8000 gap",
    "eos",
];

#[derive(Clone, Copy)]
enum In {
    Word(&'static str, u64),
    WordsGap(u64, u64),
    WordsEnd,
    Turn(&'static str, u64, u64),
    TurnsGap(u64, u64),
    TurnsEnd,
}

const WORDS: [In; 6] = [
    In::Word("Good", 1_000),
    In::Word("day.", 1_500),
    In::Word("Thank", 3_000),
    In::Word("you.", 3_500),
    In::WordsGap(3_900, 8_000),
    In::WordsEnd,
];

const TURNS: [In; 6] = [
    In::TurnsGap(0, 900),
    In::Turn("A", 900, 2_000),
    In::TurnsGap(2_000, 2_800),
    In::Turn("B", 2_800, 4_000),
    In::TurnsGap(4_000, 8_000),
    In::TurnsEnd,
];

fn feed(rig: &mut Rig, input: In) {
    match input {
        In::Word(text, start) => rig.word(text, start, start + 400),
        In::WordsGap(from, until) => rig.event(gap(from, until)),
        In::WordsEnd => rig.eos(),
        In::Turn(speaker, start, end) => rig.turn(speaker, start, end),
        In::TurnsGap(from, until) => rig.turns_event(gap(from, until)),
        In::TurnsEnd => rig.turns_eos(),
    }
}

#[test]
fn all_words_may_come_before_any_turn() {
    let mut rig = Rig::new("");
    WORDS.into_iter().chain(TURNS).for_each(|i| feed(&mut rig, i));
    rig.check(&EXPECTED);
}

#[test]
fn all_turns_may_come_before_any_word() {
    let mut rig = Rig::new("");
    TURNS.into_iter().chain(WORDS).for_each(|i| feed(&mut rig, i));
    rig.check(&EXPECTED);
}

#[test]
fn an_hour_of_words_waits_for_its_turns_without_blocking() {
    let mut rig = Rig::new("");
    let words = 7_200;
    let before = crate::common::resident();
    for i in 0..words {
        rig.word(["on", "and", "so."][i as usize % 3], i * 500, i * 500 + 400);
    }
    let each = crate::common::resident().saturating_sub(before) / words;
    println!("{each} bytes for each word that waits, with the buffer that the test made");
    rig.eos();
    rig.turn("A", 0, words * 250);
    rig.turn("B", words * 250, words * 500);
    rig.turns_eos();
    let lines = rig.until("eos");
    let said = |speaker: &str| lines.iter().filter(|line| line.ends_with(speaker)).count() as u64;
    assert_eq!((said("/A"), said("/B"), said(":")), (words / 2, words / 2, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_leaves_does_not_depend_on_the_interleaving(order in prop::collection::vec(any::<bool>(), 12)) {
        let mut rig = Rig::new("");
        let (mut words, mut turns) = (WORDS.into_iter(), TURNS.into_iter());
        for from_words in order {
            if let Some(input) = if from_words { words.next() } else { turns.next() } {
                feed(&mut rig, input);
            }
        }
        turns.chain(words).for_each(|i| feed(&mut rig, i));
        prop_assert_eq!(rig.until("eos"), EXPECTED);
    }
}

#[test]
fn without_smoothing_words_do_not_wait_for_their_sentence() {
    let mut rig = Rig::new("sentence-smoothing=false");
    rig.turn("A", 900, 5_000);
    rig.turns_event(gap(5_000, 9_000));
    rig.word("so", 1_000, 1_400);
    rig.check(&["0-1000 gap", "A:", "1000-1400 so/A"]);
}

#[test]
fn the_gap_to_a_turn_is_a_property() {
    for (max_gap, expected) in [
        ("max-gap=700", "1000-1400 so./A"),
        ("max-gap=500", "1000-1400 so./-"),
    ] {
        let mut rig = Rig::new(max_gap);
        rig.turn("A", 0, 400);
        rig.turns_eos();
        rig.word("so.", 1_000, 1_400);
        rig.eos();
        let lines = rig.until("eos");
        assert!(lines.iter().any(|line| line == expected), "{max_gap}: {lines:?}");
    }
}
