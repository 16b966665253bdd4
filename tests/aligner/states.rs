//! States, checkpoints, cleanups.

use gst::prelude::*;

use crate::rig::*;

const CLEANUP: [&str; 3] = [
    "Before Alignment Tensors Cleanup",
    "After Alignment Tensors Cleanup",
    "After Speaker Alignment (post-cleanup)",
];

fn labels(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]))
        .filter_map(|m| {
            m.structure()
                .filter(|s| s.name() == "gpu-memory")?
                .get("label")
                .ok()
        })
        .collect()
}

#[track_caller]
fn check_all(found: &[String]) {
    let expected: Vec<&str> = std::iter::once("Before Speaker Alignment")
        .chain(CLEANUP)
        .collect();
    assert_eq!(found, expected);
}

fn conversation(rig: &mut Rig) {
    rig.say("Good day.", 1_000);
    rig.turn("A", 900, 2_000);
    rig.turns_eos();
    rig.eos();
    rig.check(&[
        "0-1000 gap",
        "A:",
        "1000-1400 Good/A",
        "1400-1500 gap",
        "1500-1900 day./A",
        "|",
        "eos",
    ]);
}

#[test]
fn checkpoints_are_there_when_the_end_leaves_and_only_once() {
    let mut rig = Rig::new("");
    conversation(&mut rig);
    check_all(&labels(&rig.bus));
    rig.flush_words();
    rig.flush_turns();
    rig.forget_until("flush-stop");
    rig.event(segment(0, 0));
    rig.turns_event(segment(0, 0));
    rig.forget_until("segment 0");
    conversation(&mut rig);
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(labels(&rig.bus), [""; 0]);
}

#[test]
fn alignment_begins_with_the_turns() {
    for begin in [
        (|rig| rig.turn("A", 0, 900)) as fn(&mut Rig),
        |rig| rig.turns_event(gap(0, 900)),
        |rig| rig.turns_eos(),
    ] {
        let mut rig = Rig::new("");
        rig.say("Good day.", 1_000);
        assert_eq!(labels(&rig.bus), [""; 0]);
        begin(&mut rig);
        assert_eq!(labels(&rig.bus), ["Before Speaker Alignment"]);
        rig.element.set_state(gst::State::Ready).unwrap();
        assert_eq!(labels(&rig.bus), CLEANUP);
    }
}

#[test]
fn alignment_begins_with_a_word_that_leaves() {
    let mut rig = Rig::alone("");
    rig.say("Good day.", 1_000);
    rig.forget_until("1000-1400 Good/-");
    assert_eq!(labels(&rig.bus), ["Before Speaker Alignment"]);
}

#[test]
fn a_run_that_is_stopped_early_writes_all() {
    let rig = Rig::new("");
    rig.element.set_state(gst::State::Ready).unwrap();
    check_all(&labels(&rig.bus));
}

#[test]
fn the_memory_log_has_the_lines() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut rig = Rig::new(&format!("memory-log={}", file.path().display()));
    conversation(&mut rig);
    let log = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(log.lines().count(), 4, "{log}");
}

#[test]
fn a_cleanup_waits_for_the_words_that_wait() {
    let mut rig = Rig::new("");
    rig.turn("A", 900, 1_450);
    rig.say("Good day.", 1_000);
    rig.element.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(labels(&rig.bus), ["Before Speaker Alignment"]);
    rig.turn("A", 1_450, 2_000);
    rig.turns_event(gap(2_000, 9_000));
    rig.forget_until("|");
    for label in CLEANUP {
        let message = rig
            .bus
            .timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Element]);
        let message = message.unwrap();
        assert_eq!(message.structure().unwrap().get::<&str>("label").unwrap(), label);
    }
    rig.say("Thanks.", 3_000);
    rig.forget_until("3000-3400 Thanks./-");
}

#[test]
fn a_cleanup_is_done_at_once_where_nothing_waits() {
    let mut rig = Rig::new("");
    rig.turn("A", 900, 2_000);
    rig.element.emit_by_name::<()>("cleanup-models", &[]);
    check_all(&labels(&rig.bus));
    // The turns are for words to come.
    rig.say("Good day.", 1_000);
    rig.turns_eos();
    rig.forget_until("1000-1400 Good/A");
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.element.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(labels(&rig.bus), [""; 0]);
}

#[test]
fn it_starts_again_and_again() {
    let mut rig = Rig::new("");
    for round in 0..20 {
        if round % 2 == 0 {
            conversation(&mut rig);
        } else {
            rig.say("stopped early", 1_000);
        }
        rig.element.set_state(gst::State::Ready).unwrap();
        check_all(&labels(&rig.bus));
        rig.element.set_state(gst::State::Playing).unwrap();
        rig.event(gst::event::StreamStart::new("again"));
        rig.event(gst::event::Caps::new(&gstscribe::elements::word_caps()));
        rig.event(segment(0, 0));
        rig.turns_event(gst::event::StreamStart::new("again"));
        rig.turns_event(gst::event::Caps::new(&gstscribe::elements::turn_caps()));
        rig.turns_event(segment(0, 0));
        rig.forget_until("segment 0");
    }
}

#[test]
fn it_is_dropped_in_any_state() {
    crate::common::init();
    for state in [
        gst::State::Null,
        gst::State::Ready,
        gst::State::Paused,
        gst::State::Playing,
    ] {
        let pipeline = gst::Pipeline::new();
        let element = gst::ElementFactory::make("scribealigner").build().unwrap();
        pipeline.add(&element).unwrap();
        element.set_state(state).unwrap();
        let weak = element.downgrade();
        pipeline.set_state(gst::State::Null).unwrap();
        drop((element, pipeline));
        assert!(weak.upgrade().is_none(), "{state:?}");
    }
}
