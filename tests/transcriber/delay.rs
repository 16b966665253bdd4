//! `lateness` and `max-observed-delay`.

use std::sync::Arc;

use gst::prelude::*;

use crate::rig::*;

#[test]
fn lateness_moves_the_running_time_and_leaves_the_timestamps() {
    for lateness in [0, 700_u32] {
        let transcriber = element(saying(&Arc::default()));
        transcriber.set_property("lateness", lateness);
        let mut h = harness_of(&transcriber);
        h.play();
        let latency = h.query_latency().unwrap();
        h.push(audio(0.0, 32.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        let first = h.pull().unwrap();
        let pad = transcriber.static_pad("src").unwrap().peer().unwrap();
        let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
        let running = segment.segment().to_running_time(first.pts().unwrap());
        let expected = gst::ClockTime::from_mseconds(200 + u64::from(lateness));
        assert_eq!(first.pts().unwrap().mseconds(), 200);
        assert_eq!(running, gst::GenericFormattedValue::Time(Some(expected)));
        assert_eq!(latency.mseconds(), 31_000 + 4_000, "lateness {lateness}");
    }
}

#[test]
fn the_longest_delay_of_a_live_word_is_told() {
    for (live, expected) in [(true, 59_400_u32), (false, 0)] {
        let transcriber = element(saying(&Arc::default()));
        let mut h = harness_of(&transcriber);
        h.set_live(live);
        h.use_testclock();
        h.play();
        h.set_time(gst::ClockTime::from_seconds(60)).unwrap();
        h.push(audio(0.0, 32.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        assert_eq!(words(&mut h).len(), 32);
        let delay = || transcriber.property::<u32>("max-observed-delay");
        // The first word ended at 0.6 s, the later ones later.
        assert_eq!(delay(), expected, "live {live}");
        transcriber.set_state(gst::State::Ready).unwrap();
        assert_eq!(delay(), expected, "it can be read until the next start");
        transcriber.set_state(gst::State::Paused).unwrap();
        assert_eq!(delay(), 0);
        transcriber.set_state(gst::State::Null).unwrap();
    }
}
