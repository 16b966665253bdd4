//! A clock that a test moves: how long words wait in a live stream, and what is said of it.

use gst::prelude::*;

use crate::rig::*;

fn now(rig: &Rig) -> u64 {
    let clock = rig.words.testclock().expect("a test clock");
    clock.time().mseconds()
}

#[test]
fn a_word_leaves_at_its_deadline_though_no_turn_comes() {
    let mut rig = Rig::live("latency=1500", 100, 700);
    rig.word("Good", 1_000, 1_400);
    // Its end, the slower input's latency, and the element's own.
    rig.words.crank_single_clock_wait().unwrap();
    rig.check(&["0-1000 gap", "1000-1400 Good/-"]);
    assert_eq!(now(&rig), 1_400 + 700 + 1_500);
}

#[test]
fn what_is_known_at_the_deadline_counts() {
    let mut rig = Rig::live("latency=1500", 100, 700);
    rig.turn("A", 900, 1_200);
    rig.word("Good", 1_000, 1_400);
    rig.word("day", 1_500, 1_900);
    rig.words.crank_single_clock_wait().unwrap();
    rig.check(&["0-1000 gap", "A:", "1000-1400 Good/A"]);
    assert_eq!(now(&rig), 3_600);
    rig.words.crank_single_clock_wait().unwrap();
    rig.check(&["1400-1500 gap", "1500-1900 day/A"]);
    assert_eq!(now(&rig), 4_100);
}

#[test]
fn a_sentence_whose_turns_are_here_waits_for_no_clock() {
    let mut rig = Rig::live("", 100, 700);
    rig.turn("A", 900, 2_000);
    rig.say("Good day.", 1_000);
    rig.turns_event(gap(2_000, 3_000));
    rig.check(&[
        "0-1000 gap",
        "A:",
        "1000-1400 Good/A",
        "1400-1500 gap",
        "1500-1900 day./A",
        "|",
    ]);
    assert_eq!(now(&rig), 0);
}

#[test]
fn nobody_waits_for_the_clock_in_paused() {
    let mut rig = Rig::live("latency=0", 0, 0);
    rig.element.set_state(gst::State::Paused).unwrap();
    rig.word("Good", 1_000, 1_400);
    rig.forget_until("0-1000 gap");
    let clock = rig.words.testclock().unwrap();
    assert_eq!(clock.peek_id_count(), 0);
    rig.element.set_state(gst::State::Playing).unwrap();
    rig.words.crank_single_clock_wait().unwrap();
    rig.check(&["1000-1400 Good/-"]);
}

#[test]
fn a_flush_and_the_way_down_end_the_wait() {
    let mut rig = Rig::live("", 0, 0);
    for _ in 0..3 {
        rig.word("Good", 1_000, 1_400);
        rig.words.wait_for_clock_id_waits(1, 10).unwrap();
        rig.flush_words();
        rig.forget_until("flush-stop");
        rig.event(segment(0, 0));
    }
    rig.word("Good", 1_000, 1_400);
    rig.words.wait_for_clock_id_waits(1, 10).unwrap();
    rig.element.set_state(gst::State::Ready).unwrap();
}

#[test]
fn the_latency_is_the_slower_inputs_and_the_own() {
    let mut rig = Rig::live("latency=1500", 100, 700);
    assert_eq!(rig.latency(), (true, 2_200, None));
    rig.words.set_upstream_latency(ms(900));
    assert_eq!(rig.latency(), (true, 2_400, None));
    let pad = rig.element.static_pad("words").unwrap();
    pad.peer().unwrap().unlink(&pad).unwrap();
    assert_eq!(rig.latency(), (true, 2_200, None));
}

#[test]
fn what_is_not_live_adds_nothing() {
    let rig = Rig::new("latency=1500");
    assert_eq!(rig.latency(), (false, 0, None));
}
