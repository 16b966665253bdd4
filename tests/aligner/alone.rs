//! Words whose turns are missing, over, or taken back.

use gst::prelude::*;

use crate::rig::*;

#[test]
fn words_flow_where_no_turns_are_linked() {
    let mut rig = Rig::alone("");
    rig.say("Good day. Thank", 1_000);
    rig.check(&[
        "0-1000 gap",
        "1000-1400 Good/-",
        "1400-1500 gap",
        "1500-1900 day./-",
        "|",
    ]);
    rig.eos();
    rig.check(&["1900-2000 gap", "2000-2400 Thank/-", "|", "eos"]);
}

#[test]
fn turns_that_are_linked_later_count() {
    let mut rig = Rig::alone("");
    rig.say("Good day.", 1_000);
    rig.forget_until("|");
    rig.link_turns(false);
    rig.say("Thank you.", 3_000);
    rig.turn("B", 2_900, 5_000);
    rig.turns_eos();
    rig.check(&[
        "1900-3000 gap",
        "B:",
        "3000-3400 Thank/B",
        "3400-3500 gap",
        "3500-3900 you./B",
        "|",
    ]);
}

#[test]
fn words_that_wait_leave_when_the_turns_are_unlinked() {
    let mut rig = Rig::new("");
    rig.say("Good day.", 1_000);
    rig.eos();
    let pad = rig.element.static_pad("turns").unwrap();
    pad.peer().unwrap().unlink(&pad).unwrap();
    rig.check(&[
        "0-1000 gap",
        "1000-1400 Good/-",
        "1400-1500 gap",
        "1500-1900 day./-",
        "|",
        "eos",
    ]);
}

#[test]
fn words_flow_once_the_turns_are_over() {
    let mut rig = Rig::new("");
    rig.turn("A", 0, 2_000);
    rig.turns_eos();
    rig.say("Good day.", 1_000);
    rig.say("Thank you.", 4_000);
    rig.eos();
    rig.check(&[
        "0-1000 gap",
        "A:",
        "1000-1400 Good/A",
        "1400-1500 gap",
        "1500-1900 day./A",
        "|",
        "1900-4000 gap",
        "4000-4400 Thank/-",
        "4400-4500 gap",
        "4500-4900 you./-",
        "|",
        "eos",
    ]);
}

#[test]
fn a_flush_takes_the_turns_back() {
    let mut rig = Rig::new("");
    rig.turn("A", 0, 9_000);
    rig.say("Good day.", 1_000);
    rig.flush_turns();
    rig.turns_event(segment(0, 0));
    rig.turn("B", 0, 9_000);
    rig.turns_eos();
    rig.eos();
    rig.check(&[
        "0-1000 gap",
        "B:",
        "1000-1400 Good/B",
        "1400-1500 gap",
        "1500-1900 day./B",
        "|",
        "eos",
    ]);
}

#[test]
fn turns_that_begin_again_behind_their_end_count() {
    let mut rig = Rig::new("");
    rig.turn("A", 0, 2_000);
    rig.turns_eos();
    rig.say("Good day.", 1_000);
    rig.forget_until("|");
    rig.turns_event(gst::event::StreamStart::new("second"));
    rig.turns_event(segment(0, 0));
    rig.say("Thank you.", 4_000);
    rig.turn("B", 3_900, 5_000);
    rig.turns_eos();
    rig.forget_until("B:");
    rig.check(&["4000-4400 Thank/B", "4400-4500 gap", "4500-4900 you./B", "|"]);
}

#[test]
fn events_of_the_turns_go_nowhere() {
    let mut rig = Rig::new("");
    rig.turns_event(custom("of-the-turns"));
    rig.turns_event(gst::event::Tag::new(gst::TagList::new()));
    rig.turns_eos();
    rig.say("so.", 0);
    rig.eos();
    rig.check(&["0-400 so./-", "|", "eos"]);
}
