//! What the element does with events, states and queries.

use gst::prelude::*;

use crate::common::*;

const VTT: &str = "application/x-subtitle-vtt";
const UTF8: &str = "text/x-raw, format=utf8";

#[test]
fn time_is_covered_in_order() {
    let mut captions = Captions::new(UTF8, "");
    captions.forget();
    captions.gap(0, 500);
    captions.check(&["gap 0-500"]);
    captions.say("The rain has stopped now.", 1_000);
    captions.check(&["gap 500-1000", "1000-2500 The rain has stopped now.\n"]);
    captions.say("Yes.", 3_000);
    captions.check(&["gap 2500-3000"]);
    captions.gap(3_300, 3_600);
    captions.check(&[]);
    captions.gap(3_600, 5_000);
    captions.check(&["3000-3833 Yes.\n", "gap 3833-5000"]);
    captions.eos();
    captions.check(&["Eos"]);
}

#[test]
fn the_header_is_in_front_of_all() {
    let mut captions = Captions::new(VTT, "");
    captions.check(&["caps application/x-subtitle-vtt", "segment 0"]);
    captions.gap(0, 500);
    captions.check(&["header 0-0 WEBVTT\n\n", "gap 0-500"]);
}

#[test]
fn speaker_change_and_final_transcript_end_a_cue_and_stay_behind_it() {
    let mut captions = Captions::new(UTF8, "");
    let speaker = |name: &str| {
        gst::Structure::builder("rstranscribe/speaker-change")
            .field("speaker", name)
            .build()
    };
    captions.forget();
    captions.custom(speaker("Ana"));
    captions.check(&["rstranscribe/speaker-change"]);
    captions.say("I think so", 0);
    captions.custom(speaker("Bob"));
    captions.check(&["0-900 Ana: I think so\n", "rstranscribe/speaker-change"]);
    captions.say("Fine", 900);
    captions.custom(gst::Structure::new_empty("rstranscribe/final-transcript"));
    captions.check(&[]);
    captions.say("then", 1_300);
    captions.check(&["900-1300 Bob: Fine\n", "rstranscribe/final-transcript"]);
    captions.custom(gst::Structure::new_empty("somebody/else"));
    captions.check(&["somebody/else"]);
    captions.eos();
    captions.check(&["1300-2133 then\n", "Eos"]);
}

#[test]
fn a_tag_gives_the_language() {
    let mut captions = Captions::new("application/x-json, format=transcript", "");
    let mut tags = gst::TagList::new();
    tags.make_mut()
        .add::<gst::tags::LanguageCode>(&"fr", gst::TagMergeMode::Replace);
    captions.event(gst::event::Tag::new(tags));
    captions.say("Oui.", 0);
    captions.eos();
    assert!(captions.text().contains(r#""language":"fr""#));
}

#[test]
fn a_flush_begins_a_new_file() {
    let mut captions = Captions::new("application/x-subtitle", "");
    captions.say("This is the first file.", 0);
    captions.say("Never shown", 1_500);
    captions.forget();
    captions.event(gst::event::FlushStart::new());
    captions.event(gst::event::FlushStop::new(true));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(60));
    segment.set_position(gst::ClockTime::from_seconds(60));
    captions.event(gst::event::Segment::new(&segment));
    captions.say("This is the second file.", 61_000);
    captions.check(&[
        "FlushStart",
        "FlushStop",
        "segment 60000",
        "gap 60000-61000",
        "61000-62500 1\n00:00:01,000 --> 00:00:02,500\nThis is the second file.\n\n",
    ]);
}

#[test]
fn a_new_segment_ends_the_cue_and_times_are_running_time() {
    let mut captions = Captions::new(VTT, "");
    captions.say("One", 0);
    captions.forget();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(10));
    segment.set_base(gst::ClockTime::from_seconds(2));
    captions.event(gst::event::Segment::new(&segment));
    captions.say("Two", 10_500);
    captions.eos();
    captions.check(&[
        "header 0-0 WEBVTT\n\n",
        "0-833 00:00:00.000 --> 00:00:00.833\nOne\n\n",
        "segment 10000",
        "gap 10000-10500",
        "10500-11333 00:00:02.500 --> 00:00:03.333\nTwo\n\n",
        "Eos",
    ]);
}

#[test]
fn words_outside_the_segment_are_not_shown_and_cues_end_with_it() {
    let mut captions = Captions::new(UTF8, "");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(1));
    segment.set_stop(gst::ClockTime::from_seconds(3));
    captions.event(gst::event::Segment::new(&segment));
    captions.forget();
    captions.say("early", 200);
    captions.say("here", 2_500);
    captions.say("late", 3_500);
    captions.eos();
    captions.check(&["gap 1000-2500", "2500-3000 here\n", "Eos"]);
}

#[test]
fn it_restarts() {
    let mut captions = Captions::new("application/x-subtitle", "");
    let element = captions.harness.element().expect("the harness has an element");
    for _ in 0..3 {
        captions.say("This is one whole file.", 0);
        assert!(captions.text().starts_with("1\n00:00:00,000"));
        assert_eq!(
            element.set_state(gst::State::Null),
            Ok(gst::StateChangeSuccess::Success)
        );
        captions.harness.play();
        captions.harness.set_src_caps_str(UTF8);
    }
}

#[test]
fn the_latency_is_max_duration_when_live() {
    let mut captions = Captions::new(UTF8, "max-duration=3000");
    captions
        .harness
        .set_upstream_latency(gst::ClockTime::from_mseconds(200));
    assert_eq!(
        captions.harness.query_latency(),
        Some(gst::ClockTime::from_mseconds(3_200))
    );
}

#[test]
fn it_works_on_text_without_meta() {
    let mut captions = Captions::new(UTF8, "");
    let mut buffer = gst::Buffer::from_slice("  It is raining.\nWho\tcares? ".as_bytes());
    let times = buffer.get_mut().unwrap();
    times.set_pts(gst::ClockTime::ZERO);
    times.set_duration(gst::ClockTime::from_seconds(3));
    let mut empty = gst::Buffer::new();
    empty.get_mut().unwrap().set_pts(gst::ClockTime::from_seconds(4));
    captions.push([buffer, empty]);
    captions.eos();
    assert_eq!(captions.text(), "It is raining.\nWho cares?\n");
}

/// The text of the one ERROR on the bus.
fn error(bus: &gst::Bus) -> String {
    let message = bus
        .pop_filtered(&[gst::MessageType::Error])
        .expect("an error was posted");
    assert!(
        bus.pop_filtered(&[gst::MessageType::Error]).is_none(),
        "one error"
    );
    match message.view() {
        gst::MessageView::Error(e) => e.error().message().to_owned(),
        _ => unreachable!("filtered"),
    }
}

#[test]
fn a_wrong_value_fails_the_state_change_with_one_clear_error() {
    init();
    for (name, value, expected) in [
        (
            "max-lines",
            0u32,
            "max-lines is 0 and must be 1 to 20 (lines; 2 is usual): set it within that range",
        ),
        (
            "min-duration",
            9_000,
            "min-duration is 9000 ms and must not exceed max-duration, which is 7000 ms: lower",
        ),
    ] {
        let element = gst::ElementFactory::make("scribecaptions")
            .property(name, value)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err());
        let text = error(&bus);
        assert!(text.contains(expected), "{text}");
        element.set_property(name, if name == "max-lines" { 2u32 } else { 500 });
        assert!(element.set_state(gst::State::Paused).is_ok(), "and it recovers");
        element.set_state(gst::State::Null).unwrap();
        element.set_bus(None);
    }
}

#[test]
fn a_word_without_a_timestamp_is_an_error() {
    let mut captions = Captions::new(UTF8, "");
    let element = captions.harness.element().expect("the harness has an element");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert_eq!(
        captions.harness.push(gst::Buffer::from_slice(b"word")),
        Err(gst::FlowError::Error)
    );
    assert!(error(&bus).contains("no timestamp"));
    element.set_bus(None);
}

#[test]
fn downstream_that_takes_none_of_it_is_an_error() {
    let mut captions = Captions::new("text/x-raw, format=utf16", "");
    assert_eq!(
        captions.harness.push(speech("word", 0).remove(0)),
        Err(gst::FlowError::NotNegotiated)
    );
}

#[test]
fn nothing_stays_behind() {
    let mut captions = Captions::new(VTT, "");
    captions.say("A sentence that is still open", 0);
    let element = captions.harness.element().expect("the harness has an element");
    let (weak, pad) = (
        element.downgrade(),
        element.static_pad("src").expect("it has a src pad").downgrade(),
    );
    drop((element, captions));
    assert!(weak.upgrade().is_none() && pad.upgrade().is_none());
}
