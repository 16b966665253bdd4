//! Events, segments, GAPs, flushes, seeks and queries.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use crate::rig::*;

#[test]
fn events_keep_their_place_among_the_words() {
    let mut rig = Rig::new("sentence-smoothing=false");
    rig.event(custom("first"));
    rig.check(&["first"]); // nothing is before it
    rig.say("Good day.", 1_000);
    rig.event(custom("second"));
    rig.event(gst::event::Tag::new(gst::TagList::new()));
    rig.say("Thanks.", 3_000);
    rig.event(gap(3_400, 4_000));
    rig.event(custom("third"));
    rig.turn("A", 0, 9_000);
    rig.turns_eos();
    rig.eos();
    rig.check(&[
        "0-1000 gap",
        "A:",
        "1000-1400 Good/A",
        "1400-1500 gap",
        "1500-1900 day./A",
        "|",
        "second",
        "tag",
        "1900-3000 gap",
        "3000-3400 Thanks./A",
        "|",
        "3400-4000 gap",
        "third",
        "eos",
    ]);
}

#[test]
fn who_speaks_is_said_anew() {
    let mut rig = Rig::new("");
    rig.event(gst::event::CustomDownstream::new(
        gst::Structure::builder("rstranscribe/speaker-change")
            .field("speaker", "upstream's")
            .build(),
    ));
    rig.say("so.", 0);
    rig.event(custom("rstranscribe/final-transcript"));
    rig.turn("A", 0, 400);
    rig.turns_eos();
    rig.eos();
    rig.check(&["A:", "0-400 so./A", "|", "eos"]);
}

#[test]
fn both_inputs_are_compared_in_running_time() {
    let mut rig = Rig::new("");
    rig.event(segment(10_000, 0));
    rig.turns_event(segment(70_000, 0));
    rig.say("Good day. Thanks.", 11_000);
    rig.turn("A", 71_000, 71_900);
    rig.turn("B", 72_000, 72_500);
    rig.turns_eos();
    rig.eos();
    rig.check(&[
        "segment 10000",
        "10000-11000 gap",
        "A:",
        "11000-11400 Good/A",
        "11400-11500 gap",
        "11500-11900 day./A",
        "|",
        "11900-12000 gap",
        "B:",
        "12000-12400 Thanks./B",
        "|",
        "eos",
    ]);
}

#[test]
fn a_segment_waits_for_the_words_before_it() {
    let mut rig = Rig::new("");
    rig.say("Good day.", 1_000);
    // Behind 2 s of running time the words go on at 50 s.
    rig.event(segment(50_000, 2_000));
    rig.say("Thanks.", 51_000);
    rig.turn("A", 900, 2_000);
    rig.turn("B", 2_900, 4_000);
    rig.turns_eos();
    rig.eos();
    rig.check(&[
        "0-1000 gap",
        "A:",
        "1000-1400 Good/A",
        "1400-1500 gap",
        "1500-1900 day./A",
        "|",
        "1900-2000 gap",
        "segment 50000",
        "50000-51000 gap",
        "B:",
        "51000-51400 Thanks./B",
        "|",
        "eos",
    ]);
}

#[test]
fn a_second_stream_goes_on_in_running_time() {
    let mut rig = Rig::new("");
    rig.say("Good day.", 1_000);
    rig.eos();
    rig.event(gst::event::StreamStart::new("second"));
    rig.event(gst::event::Caps::new(&gstscribe::elements::word_caps()));
    rig.event(segment(0, 2_000));
    rig.say("Thanks.", 1_000);
    rig.turn("A", 900, 2_000);
    rig.turn("B", 2_900, 4_000);
    rig.turns_eos();
    rig.forget_until("eos");
    rig.eos();
    rig.forget_until("B:");
    rig.check(&["1000-1400 Thanks./B", "|", "eos"]);
}

#[test]
fn gaps_cover_all_that_no_word_covers() {
    let mut rig = Rig::new("");
    rig.turn("A", 0, 60_000);
    for i in 0..40 {
        rig.word("on", i * 700, i * 700 + 1 + i * 37 % 600);
        if i % 7 == 0 {
            rig.event(gap(i * 700 + 600, i * 700 + 700));
        }
    }
    rig.event(gap(28_000, 33_333));
    rig.turns_event(gap(60_000, 61_000));
    rig.eos();
    let mut covered = 0;
    for line in rig.until("eos") {
        if let Some((from, until)) = line.split(' ').next().unwrap().split_once('-') {
            assert_eq!(from.parse::<u64>().unwrap(), covered, "{line}");
            covered = until.parse().unwrap();
        }
    }
    assert_eq!(covered, 33_333);
}

#[test]
fn times_that_are_no_samples_leave_as_they_came() {
    let mut rig = Rig::new("");
    let pts = gst::ClockTime::from_nseconds(33_333_333);
    let mut odd = word("so.", 0, 0);
    odd.get_mut().unwrap().set_pts(pts);
    odd.get_mut()
        .unwrap()
        .set_duration(gst::ClockTime::from_nseconds(7));
    rig.words.push(odd).unwrap();
    rig.turns_eos();
    rig.eos();
    rig.forget_until("eos");
    let buffer = rig.words.pull().unwrap();
    assert_eq!(buffer.pts(), Some(pts));
    assert_eq!(buffer.duration(), Some(gst::ClockTime::from_nseconds(7)));
    let mut covered = gst::ClockTime::ZERO;
    while let Some(event) = rig.words.try_pull_event() {
        if let gst::EventView::Gap(gap) = event.view() {
            let (start, duration) = gap.get();
            assert_eq!(start, covered);
            covered = start + duration.unwrap();
        }
    }
    assert_eq!(covered, pts, "up to the word and not into it");
}

#[test]
fn a_flushing_seek_leaves_nothing_stale() {
    for turns_first in [true, false] {
        let mut rig = Rig::new("");
        for round in 0..3 {
            let start = 100_000 * round;
            rig.event(segment(start, 0));
            rig.turns_event(segment(start, 0));
            rig.say("stale words.", start + 300_000);
            rig.turn("stale", start, start + 900_000);
            if round == 1 {
                rig.turns_eos();
                rig.eos();
                rig.forget_until("eos");
            }
            if turns_first {
                rig.flush_turns();
                rig.flush_words();
            } else {
                rig.flush_words();
                rig.flush_turns();
            }
            rig.forget_until("flush-stop");
            rig.event(segment(50_000, 0));
            rig.turns_event(segment(50_000, 0));
            rig.say("Good day.", 51_000);
            rig.turn("A", 50_900, 52_000);
            rig.turns_event(gap(52_000, 60_000));
            rig.check(&[
                "segment 50000",
                "50000-51000 gap",
                "A:",
                "51000-51400 Good/A",
                "51400-51500 gap",
                "51500-51900 day./A",
                "|",
            ]);
            rig.flush_words();
            rig.flush_turns();
            rig.forget_until("flush-stop");
        }
    }
}

#[test]
fn a_seek_goes_to_the_turns_only_where_the_words_refuse_it() {
    for words_take_it in [true, false] {
        let rig = Rig::new("");
        let seen = Arc::new(Mutex::new(Vec::new()));
        for (name, pad) in [
            ("words", rig.words.srcpad().unwrap()),
            ("turns", rig.turns.as_ref().unwrap().srcpad().unwrap()),
        ] {
            let seen = seen.clone();
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                let Some(gst::PadProbeData::Event(event)) = &info.data else {
                    return gst::PadProbeReturn::Ok;
                };
                if event.type_() != gst::EventType::Seek {
                    return gst::PadProbeReturn::Ok;
                }
                seen.lock().unwrap().push(name);
                gst::PadProbeReturn::Handled
            });
        }
        // Nobody takes it where nothing is linked.
        if !words_take_it {
            let pad = rig.element.static_pad("words").unwrap();
            pad.peer().unwrap().unlink(&pad).unwrap();
        }
        let seek = gst::event::Seek::new(
            1.0,
            gst::SeekFlags::FLUSH,
            gst::SeekType::Set,
            gst::ClockTime::ZERO,
            gst::SeekType::None,
            gst::ClockTime::NONE,
        );
        assert!(rig.element.static_pad("src").unwrap().send_event(seek));
        let expected = if words_take_it { "words" } else { "turns" };
        assert_eq!(*seen.lock().unwrap(), [expected]);
    }
}

#[test]
fn position_and_duration_are_those_of_the_words() {
    let rig = Rig::new("");
    rig.words
        .srcpad()
        .unwrap()
        .add_probe(gst::PadProbeType::QUERY_UPSTREAM, |_, info| {
            let Some(gst::QueryViewMut::Duration(query)) = info.query_mut().map(|q| q.view_mut()) else {
                return gst::PadProbeReturn::Ok;
            };
            query.set(gst::ClockTime::from_seconds(77));
            gst::PadProbeReturn::Handled
        });
    let duration = rig.element.query_duration::<gst::ClockTime>();
    assert_eq!(duration, Some(gst::ClockTime::from_seconds(77)));
}
