//! Wrong input, and the checkpoints.

use gst::{ClockTime, prelude::*};
use gst_audio::AudioFormat;

use crate::rig::*;

#[test]
fn a_cut_frame_is_an_error_that_says_what_to_do() {
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    let result = rig.harness.push(buffer(vec![0; 4 * 100 + 1], ms(0)));
    assert_eq!(result, Err(gst::FlowError::Error));
    let errors = rig.errors();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("401 bytes") && errors[0].contains("multiple of 4"),
        "{errors:?}"
    );
}

#[test]
fn audio_without_caps_is_an_error() {
    init();
    let element = gst::ElementFactory::make("scriberesample").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.push_event(gst::event::StreamStart::new("test"));
    harness.push_event(gst::event::Segment::new(
        &gst::FormattedSegment::<ClockTime>::new(),
    ));
    assert_eq!(
        harness.push(buffer(vec![0; 8], ms(0))),
        Err(gst::FlowError::NotNegotiated)
    );
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_some());
}

#[test]
fn caps_without_positions_for_many_channels_are_refused() {
    init();
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    let bare = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 48_000)
        .field("channels", 5)
        .build();
    // A sticky event counts as pushed; the refusal shows with the next buffer.
    rig.harness.push_event(gst::event::Caps::new(&bare));
    assert_eq!(
        rig.harness.push(buffer(vec![0; 10], ms(0))),
        Err(gst::FlowError::NotNegotiated)
    );
    assert!(rig.errors()[0].contains("channel-mask"));
}

#[test]
fn each_checkpoint_is_written_once() {
    init();
    for at_eos in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("memory.jsonl");
        let element = gst::ElementFactory::make("scriberesample")
            .property("memory-log", log.to_str().unwrap())
            .build()
            .unwrap();
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps(caps(AudioFormat::S16le, 48_000, 2));
        harness.push(buffer(stereo(0..4_800), ms(0))).unwrap();
        if at_eos {
            harness.push_event(gst::event::Eos::new());
        }
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
        let log = std::fs::read_to_string(log).unwrap();
        let labels: Vec<String> = log
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["label"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(
            labels,
            [
                "Before Audio Preprocessing",
                "After Audio Preprocessing",
                "Before Waveform Cleanup",
                "After Waveform Cleanup"
            ],
            "EOS: {at_eos}"
        );
    }
}
