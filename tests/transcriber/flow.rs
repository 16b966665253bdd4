//! Flushes, seeks, gaps, streams and states.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::common::RATE;
use gst::prelude::*;
use gstscribe::elements::speech_audio_caps;
use gstscribe::speech::transcribe::Context;

use crate::rig::*;

#[test]
fn a_flush_cancels_the_inference_and_the_element_works_on() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    for round in 0..3 {
        h.push(audio(100.0 * f64::from(round), 31.5)).unwrap();
        assert_eq!(begins.recv().unwrap(), 100 * round as u64 * RATE);
        assert!(h.push_event(gst::event::FlushStart::new()));
        assert!(h.push_event(gst::event::FlushStop::new(true)));
        assert!(h.push_event(gst::event::Segment::new(
            &gst::FormattedSegment::<gst::ClockTime>::new()
        )));
    }
}

#[test]
fn a_full_element_blocks_its_producer_and_a_flush_lets_it_go() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    let pad = h.element().unwrap().static_pad("sink").unwrap();
    let producer = std::thread::spawn(move || {
        (0..)
            .map(|i| pad.chain(audio(f64::from(i) * 10.0, 10.0)))
            .find_map(|r| r.err())
    });
    begins.recv().unwrap();
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert_eq!(producer.join().unwrap(), Some(gst::FlowError::Flushing));
}

#[test]
fn going_to_ready_ends_a_running_inference() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    h.push(audio(0.0, 31.5)).unwrap();
    begins.recv().unwrap();
    assert_eq!(
        h.element().unwrap().set_state(gst::State::Null),
        Ok(gst::StateChangeSuccess::Success)
    );
}

#[test]
fn after_a_seek_the_times_follow_and_the_text_before_is_forgotten() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 32.0)).unwrap();
    h.push_event(gst::event::FlushStart::new());
    h.push_event(gst::event::FlushStop::new(true));
    words(&mut h);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(500));
    h.push_event(gst::event::Segment::new(&segment));
    h.push(audio(500.0, 3.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(500..503));
    let asked = clock.asked.lock().unwrap();
    let last = asked.last().unwrap();
    assert_eq!((last.0, last.1), (500 * RATE, 3 * RATE as usize));
    assert_ne!(last.2, Context::Carry);
}

#[test]
fn a_jump_in_time_drains_what_came_before() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 4.0)).unwrap();
    h.push(audio(100.0, 2.0)).unwrap();
    assert_eq!(words(&mut h), numbered(0..4), "out before the jump");
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(100..102));
    assert_eq!(
        clock.asked.lock().unwrap()[1],
        (100 * RATE, 2 * RATE as usize, Context::Reset)
    );
}

#[test]
fn small_holes_are_silence_and_jitter_is_nothing() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 2.0)).unwrap();
    h.push(audio(2.01, 2.0)).unwrap(); // 10 ms late: rounding
    h.push(audio(4.5, 1.5)).unwrap(); // half a second missing
    h.push_event(gst::event::Eos::new());
    assert_eq!(
        clock.asked.lock().unwrap().as_slice(),
        [(0, 6 * RATE as usize, Context::Start)]
    );
}

#[test]
fn gap_events_and_gap_buffers_are_silence() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 2.0)).unwrap();
    h.push_event(
        gst::event::Gap::builder(gst::ClockTime::from_seconds(2))
            .duration(gst::ClockTime::from_seconds(5))
            .build(),
    );
    let mut buffer = audio(7.0, 1.0);
    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    h.push(buffer).unwrap();
    h.push_event(
        gst::event::Gap::builder(gst::ClockTime::from_seconds(8))
            .duration(gst::ClockTime::from_seconds(3600))
            .build(),
    );
    h.push(audio(3608.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    let asked = clock.asked.lock().unwrap();
    let positions: Vec<_> = asked
        .iter()
        .map(|(start, n, _)| (start / RATE, *n as u64 / RATE))
        .collect();
    assert_eq!(positions, [(0, 8), (3608, 1)], "an hour of nothing is not held");
}

#[test]
fn with_the_gate_silence_asks_nothing_and_says_nothing() {
    let clock = Arc::new(Clock::default());
    let transcriber = element(saying(&clock));
    transcriber.set_property("silence-gate", true);
    let mut h = harness_of(&transcriber);
    h.play();
    for second in 0..50 {
        let mut buffer = gst::Buffer::from_slice(vec![0_u8; RATE as usize * 4]);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_seconds(second));
        h.push(buffer).unwrap();
    }
    h.push_event(gst::event::Eos::new());
    assert_eq!(clock.asked.lock().unwrap().len(), 0);
    assert_eq!(words(&mut h), numbered(0..0));
}

#[test]
fn each_stream_starts_anew_and_its_language_is_announced() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::StreamStart::new("second"));
    h.push_event(gst::event::Caps::new(&speech_audio_caps()));
    h.push_event(gst::event::Segment::new(
        &gst::FormattedSegment::<gst::ClockTime>::new(),
    ));
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    let contexts: Vec<_> = clock.asked.lock().unwrap().iter().map(|a| a.2).collect();
    assert_eq!(contexts, [Context::Start, Context::Start]);
    let languages: Vec<String> = std::iter::from_fn(|| h.try_pull_event())
        .filter_map(|e| match e.view() {
            gst::EventView::Tag(tag) => tag
                .tag()
                .get::<gst::tags::LanguageCode>()
                .map(|l| l.get().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(languages, ["en", "en"]);
}

#[test]
fn backwards_is_silent() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(gst::ClockTime::from_seconds(60));
    h.push_event(gst::event::Segment::new(&segment));
    for second in (0..40).rev() {
        h.push(audio(f64::from(second), 1.0)).unwrap();
    }
    h.push_event(gst::event::Eos::new());
    assert_eq!(clock.asked.lock().unwrap().len(), 0);
}

#[test]
fn caps_may_come_again() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::Caps::new(&speech_audio_caps()));
    h.push(audio(1.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(0..2));
    let pad = h.element().unwrap().static_pad("src").unwrap();
    assert_eq!(
        pad.current_caps().unwrap().to_string(),
        "text/x-raw, format=(string)utf8"
    );
}

#[test]
fn an_empty_stream_ends() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    h.push_event(gst::event::Eos::new());
    assert!(std::iter::from_fn(|| h.try_pull_event()).any(|e| e.type_() == gst::EventType::Eos));
}

#[test]
fn the_model_lives_from_paused_to_ready_cycle_by_cycle() {
    let clock = Arc::new(Clock::default());
    let transcriber = element(saying(&clock));
    for cycle in 1..=3 {
        assert_eq!(clock.alive.load(Ordering::SeqCst), 0);
        let mut h = harness_of(&transcriber);
        h.play();
        assert_eq!(clock.loaded.load(Ordering::SeqCst), cycle);
        assert_eq!(clock.alive.load(Ordering::SeqCst), 1);
        h.push(audio(0.0, 2.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        assert_eq!(words(&mut h), numbered(0..2));
        transcriber.set_state(gst::State::Ready).unwrap();
        assert_eq!(clock.alive.load(Ordering::SeqCst), 0, "freed at READY");
    }
}
