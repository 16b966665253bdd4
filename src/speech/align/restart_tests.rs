//! Streams that are flushed, end and go on, each by itself.

use super::tests::{T, aligner, check, word};
use crate::speech::align::timeline::tests::turn;

#[test]
fn a_restart_of_both_forgets_all() {
    for turns_first in [true, false] {
        let mut a = aligner(true, None);
        a.push_turn(&turn("A", 0, 200 * T));
        a.push_word(word("one.", 0, 4 * T));
        a.push_word(word("half", 5 * T, 9 * T));
        a.turns_ended();
        a.words_ended();
        if turns_first {
            a.restart_turns();
        }
        a.restart_words(50 * T);
        if !turns_first {
            a.restart_turns();
        }
        assert!(!a.is_done());
        check(&mut a, "");
        a.push_word(word("two.", 60 * T, 64 * T));
        check(&mut a, "~60");
        a.push_turn(&turn("A", 50 * T, 80 * T));
        a.turns_settled(90 * T);
        check(&mut a, "A: two./A |");
    }
}

#[test]
fn a_restart_of_one_leaves_the_other() {
    let mut a = aligner(true, None);
    a.push_turn(&turn("A", 0, 20 * T));
    a.push_word(word("one.", 0, 4 * T));
    a.restart_words(0);
    a.push_word(word("two.", 10 * T, 14 * T));
    a.turns_settled(30 * T);
    check(&mut a, "A: two./A | ~10");
    a.push_word(word("three.", 40 * T, 44 * T));
    a.push_turn(&turn("A", 40 * T, 50 * T));
    a.restart_turns();
    a.push_turn(&turn("B", 40 * T, 50 * T));
    a.turns_ended();
    check(&mut a, "B: three./B | ~40");
}

#[test]
fn ended_streams_can_go_on() {
    let mut a = aligner(true, None);
    a.push_turn(&turn("A", 0, 20 * T));
    a.turns_ended();
    a.push_word(word("one.", 0, 4 * T));
    a.words_ended();
    check(&mut a, "A: one./A |");
    assert!(a.is_done());
    a.words_resumed();
    a.turns_resumed();
    a.push_word(word("two.", 30 * T, 34 * T));
    check(&mut a, "~30");
    a.push_turn(&turn("B", 30 * T, 40 * T));
    a.turns_settled(60 * T);
    check(&mut a, "B: two./B |");
}

#[test]
fn what_becomes_live_has_deadlines() {
    let mut a = aligner(true, None);
    a.push_word(word("one.", 0, 4 * T));
    a.now(100 * T);
    check(&mut a, "");
    assert_eq!(a.next_deadline(), None);
    a.set_latency(Some(10 * T));
    assert_eq!(a.next_deadline(), Some(14 * T));
    check(&mut a, "one./- |");
    a.shrink();
    assert_eq!(a.waiting(), 0);
}
