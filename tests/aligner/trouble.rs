//! Input that is wrong, and downstream that refuses.

use std::sync::mpsc;

use gst::prelude::*;

use crate::rig::*;

#[test]
fn what_is_no_turn_is_told_once_and_skipped() {
    let mut rig = Rig::new("");
    let turns = rig.turns.as_mut().unwrap();
    for text in [
        &b"{\"speaker\":"[..],
        b"nonsense",
        b"\xff\xfe",
        b"",
        b"{\"speaker\":\"A\",\"start\":-1,\"end\":9}",
    ] {
        let mut buffer = gst::Buffer::from_slice(text.to_vec());
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
        turns.push(buffer).unwrap();
    }
    rig.turn("A", 900, 2_000);
    rig.turns_eos();
    rig.say("so.", 1_000);
    rig.eos();
    rig.check(&["0-1000 gap", "A:", "1000-1400 so./A", "|", "eos"]);
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("a turn is {\"speaker\""), "{complaints:?}");
}

#[test]
fn several_turns_may_come_in_one_buffer() {
    let mut rig = Rig::new("");
    let lines =
        "{\"speaker\":\"A\",\"start\":0.9,\"end\":1.45}\n{\"speaker\":\"B\",\"start\":1.45,\"end\":2.0}\n";
    let mut buffer = gst::Buffer::from_slice(lines.as_bytes());
    buffer.get_mut().unwrap().set_pts(ms(900));
    buffer.get_mut().unwrap().set_duration(ms(1_100));
    rig.turns.as_mut().unwrap().push(buffer).unwrap();
    rig.turns_eos();
    rig.say("Yes. No.", 1_000);
    rig.eos();
    let lines = rig.until("eos");
    for expected in ["1000-1400 Yes./A", "1500-1900 No./B"] {
        assert!(lines.iter().any(|line| line == expected), "{lines:?}");
    }
}

#[test]
fn a_word_without_a_time_is_an_error() {
    let mut rig = Rig::new("");
    let result = rig.words.push(gst::Buffer::from_slice(b"so"));
    assert_eq!(result, Err(gst::FlowError::Error));
    let complaints = rig.complaints();
    assert!(complaints[0].contains("no timestamp"), "{complaints:?}");
}

#[test]
fn what_is_no_text_is_a_stretch_of_time() {
    let mut rig = Rig::new("");
    for (i, text) in (0..).zip([&b""[..], b"  ", b"\xff\xfe"]) {
        let mut buffer = gst::Buffer::from_slice(text.to_vec());
        buffer.get_mut().unwrap().set_pts(ms(1_000 * i));
        buffer.get_mut().unwrap().set_duration(ms(1_000));
        rig.words.push(buffer).unwrap();
    }
    rig.eos();
    rig.check(&["0-3000 gap", "eos"]);
}

#[test]
fn times_beyond_all_measure_do_no_harm() {
    let mut rig = Rig::new("");
    for (pts, duration) in [
        (u64::MAX - 1, 1),
        (u64::MAX - 1, u64::MAX - 1),
        (5, u64::MAX - 1),
        (0, 0),
    ] {
        let (pts, duration) = (
            gst::ClockTime::from_nseconds(pts),
            gst::ClockTime::from_nseconds(duration),
        );
        for (mut buffer, words) in [(word("so", 0, 1), true), (turn("A", 0, 1), false)] {
            buffer.get_mut().unwrap().set_pts(pts);
            buffer.get_mut().unwrap().set_duration(duration);
            let input = if words {
                &mut rig.words
            } else {
                rig.turns.as_mut().unwrap()
            };
            input.push(buffer).unwrap();
        }
    }
    rig.turns_eos();
    rig.eos();
    let lines = rig.until("eos");
    assert_eq!(
        lines.iter().filter(|line| line.contains("so/")).count(),
        4,
        "{lines:?}"
    );
}

#[test]
fn a_segment_that_is_not_in_time_is_refused() {
    for words in [true, false] {
        let mut rig = Rig::new("");
        let bytes = gst::event::Segment::new(&gst::FormattedSegment::<gst::format::Bytes>::new());
        let input = if words {
            &mut rig.words
        } else {
            rig.turns.as_mut().unwrap()
        };
        input.push_event(bytes);
        let complaints = rig.complaints();
        assert!(complaints[0].contains("TIME format"), "{complaints:?}");
    }
}

#[test]
fn downstreams_refusal_reaches_upstream_and_the_end_still_arrives() {
    for refusal in [gst::FlowError::Error, gst::FlowError::Eos] {
        let mut rig = Rig::alone("sentence-smoothing=false");
        let (refused, refusals) = mpsc::channel();
        let sink = rig.words.sinkpad().unwrap();
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            refused.send(()).unwrap();
            info.flow_res = Err(refusal);
            gst::PadProbeReturn::Handled
        });
        rig.word("so", 0, 400);
        refusals.recv().unwrap();
        let answer = (1_u64..)
            .map(|i| rig.words.push(word("on", 500 * i, 500 * i + 400)))
            .find_map(Result::err);
        assert_eq!(answer, Some(refusal));
        rig.eos();
        rig.forget_until("eos");
        assert!(refusals.try_recv().is_err(), "no word after a refusal");
        // A flush makes all well again.
        rig.flush_words();
        rig.event(segment(0, 0));
        rig.word("so", 0, 400);
        refusals.recv().unwrap();
    }
}
