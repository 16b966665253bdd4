//! Flushes, seeks, gaps, streams, states and checkpoints.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gstscribe::elements::speech_audio_caps;

use crate::common::RATE;
use crate::rig::*;

fn flush(h: &mut gst_check::Harness) {
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert!(h.push_event(gst::event::FlushStop::new(true)));
}

fn segment(h: &mut gst_check::Harness, start: u64) {
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(start));
    assert!(h.push_event(gst::event::Segment::new(&segment)));
}

#[test]
fn a_flush_cancels_the_inference_and_the_element_works_on() {
    let (factory, begins) = blocking();
    let diarizer = element(factory);
    diarizer.set_property("batch-size", 1_u32);
    let mut h = harness_of(&diarizer);
    h.play();
    for round in 0..3 {
        push(&mut h, 100 * round * RATE, &recording(11.0, &[]), 16_000);
        assert_eq!(begins.recv().unwrap(), 100 * round * RATE);
        flush(&mut h);
        segment(&mut h, 0);
    }
}

#[test]
fn a_full_element_blocks_its_producer_and_a_flush_lets_it_go() {
    let (factory, begins) = blocking();
    let mut h = harness_of(&element(factory));
    h.play();
    let pad = h.element().unwrap().static_pad("sink").unwrap();
    let producer = std::thread::spawn(move || {
        let piece = recording(1.0, &[]);
        (0..)
            .map(|i| pad.chain(buffer(i * RATE, &piece)))
            .find_map(|r| r.err())
    });
    begins.recv().unwrap();
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert_eq!(producer.join().unwrap(), Some(gst::FlowError::Flushing));
}

#[test]
fn going_to_ready_ends_a_running_inference() {
    let (factory, begins) = blocking();
    let mut h = harness_of(&element(factory));
    h.play();
    push(&mut h, 0, &recording(20.0, &[]), 16_000);
    begins.recv().unwrap();
    assert_eq!(
        h.element().unwrap().set_state(gst::State::Null),
        Ok(gst::StateChangeSuccess::Success)
    );
}

#[test]
fn a_seek_starts_a_clean_state() {
    let mut h = harness(&[]);
    h.play();
    push(&mut h, 0, &recording(15.0, &[(ANN, 1.0, 14.0)]), 4_000);
    flush(&mut h);
    segment(&mut h, 500);
    push(&mut h, 500 * RATE, &recording(8.0, &[(BOB, 2.0, 6.0)]), 4_000);
    h.push_event(gst::event::Eos::new());
    // The segment starts at 500 s, so that is running time 0, and nobody remembers Ann.
    let found: Vec<_> = std::iter::from_fn(|| h.try_pull()).collect();
    check(
        &found.iter().map(told).collect::<Vec<_>>(),
        &[("SPEAKER_00", 2.0, 6.0)],
    );
    let pts = found[0].pts().unwrap().mseconds();
    assert!(
        pts.abs_diff(502_000) < 26,
        "the buffer is where the audio is: {pts} ms"
    );
}

#[test]
fn a_hole_is_silence_and_who_comes_back_is_known() {
    for discont in [false, true] {
        let mut h = harness(&[]);
        h.play();
        push(
            &mut h,
            0,
            &recording(12.0, &[(ANN, 1.0, 5.0), (BOB, 6.0, 11.0)]),
            4_000,
        );
        let mut later = buffer(3_000 * RATE, &recording(12.0, &[(BOB, 1.0, 8.0)]));
        if discont {
            later.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        }
        h.push(later).unwrap();
        h.push_event(gst::event::Eos::new());
        let expected = [
            ("SPEAKER_00", 1.0, 5.0),
            ("SPEAKER_01", 6.0, 11.0),
            ("SPEAKER_01", 3_001.0, 3_008.0),
        ];
        check(&turns(&mut h), &expected);
    }
}

#[test]
fn long_silence_costs_no_inference() {
    let notes = Arc::new(Notes::default());
    let mut h = harness_of(&element(reading(&notes)));
    h.play();
    push(&mut h, 0, &recording(10.0, &[(ANN, 1.0, 9.0)]), 16_000);
    let gap = gst::event::Gap::builder(gst::ClockTime::from_seconds(10));
    h.push_event(gap.duration(gst::ClockTime::from_seconds(3_600)).build());
    push(&mut h, 3_610 * RATE, &recording(10.0, &[(ANN, 1.0, 9.0)]), 16_000);
    h.push_event(gst::event::Eos::new());
    check(
        &turns(&mut h),
        &[("SPEAKER_00", 1.0, 9.0), ("SPEAKER_00", 3_611.0, 3_619.0)],
    );
    let asked = notes.asked.lock().unwrap().len();
    assert!(asked < 60, "{asked} windows for an hour of silence");
}

#[test]
fn a_second_stream_begins_anew() {
    let mut h = harness(&[]);
    h.play();
    push(&mut h, 0, &recording(12.0, &[(ANN, 1.0, 11.0)]), 4_000);
    assert!(h.push_event(gst::event::StreamStart::new("second")));
    check(&turns(&mut h), &[("SPEAKER_00", 1.0, 11.0)]);
    h.push_event(gst::event::Caps::new(&speech_audio_caps()));
    segment(&mut h, 0);
    push(&mut h, 0, &recording(12.0, &[(BOB, 2.0, 11.0)]), 4_000);
    h.push_event(gst::event::Eos::new());
    check(&turns(&mut h), &[("SPEAKER_00", 2.0, 11.0)]);
}

#[test]
fn models_are_loaded_and_freed_once_a_cycle() {
    let notes = Arc::new(Notes::default());
    let element = element(reading(&notes));
    for cycle in 1..=3 {
        element.set_state(gst::State::Paused).unwrap();
        assert_eq!(notes.loaded.load(Ordering::SeqCst), cycle);
        assert_eq!(notes.alive.load(Ordering::SeqCst), 1);
        element.set_state(gst::State::Ready).unwrap();
        assert_eq!(notes.alive.load(Ordering::SeqCst), 0);
    }
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn windows_come_in_batches() {
    let notes = Arc::new(Notes::default());
    let diarizer = element(reading(&notes));
    diarizer.set_property("batch-size", 5_u32);
    let mut h = harness_of(&diarizer);
    h.play();
    push(&mut h, 0, &recording(60.0, &[(ANN, 1.0, 50.0)]), 16_000);
    h.push_event(gst::event::Eos::new());
    assert_eq!(notes.largest_batch.load(Ordering::SeqCst), 5);
    let expected: Vec<u64> = (0..51).map(|i| i * RATE).collect();
    assert_eq!(
        *notes.asked.lock().unwrap(),
        expected,
        "a window each second, in order"
    );
}

#[test]
fn checkpoints_are_written_in_order_each_once() {
    let diarizer = element(reading(&Arc::default()));
    let bus = bus_of(&diarizer);
    let mut h = harness_of(&diarizer);
    h.play();
    push(&mut h, 0, &recording(12.0, &[(ANN, 1.0, 11.0)]), 4_000);
    h.push_event(gst::event::Eos::new());
    h.element().unwrap().set_state(gst::State::Ready).unwrap();
    let labels: Vec<String> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]))
        .filter_map(|m| {
            m.structure()
                .filter(|s| s.name() == "gpu-memory")?
                .get("label")
                .ok()
        })
        .collect();
    assert_eq!(
        labels,
        [
            "Before Diarization",
            "Before Diarization Model Cleanup",
            "After Diarization Model Cleanup",
            "After Diarization (post-cleanup)",
        ]
    );
    diarizer.set_bus(None);
}

#[test]
fn progress_tells_the_loading_and_the_diarization() {
    let diarizer = element(reading(&Arc::default()));
    let bus = bus_of(&diarizer);
    let mut h = harness_of(&diarizer);
    h.play();
    push(&mut h, 0, &recording(30.0, &[(ANN, 1.0, 11.0)]), 4_000);
    h.push_event(gst::event::Eos::new());
    let told: Vec<(gst::ProgressType, String)> =
        std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Progress]))
            .filter_map(|m| match m.view() {
                gst::MessageView::Progress(p) => {
                    let (kind, code, _) = p.get();
                    Some((kind, code.to_string()))
                }
                _ => None,
            })
            .collect();
    let has = |kind, code: &str| told.contains(&(kind, code.to_owned()));
    assert!(
        has(gst::ProgressType::Start, "load") && has(gst::ProgressType::Complete, "load"),
        "{told:?}"
    );
    assert!(has(gst::ProgressType::Start, "diarization"), "{told:?}");
    assert_eq!(
        told.last(),
        Some(&(gst::ProgressType::Complete, "diarization".to_owned()))
    );
    diarizer.set_bus(None);
}
