//! What comes out, offline.

use std::fs;

use gst::prelude::*;
use proptest::prelude::*;

use crate::common::RATE;
use crate::rig::*;

/// Ann, Bob into her last second, a pause, Ann again.
fn talk() -> Vec<f32> {
    recording(30.0, &[(ANN, 1.0, 6.0), (BOB, 5.0, 12.0), (ANN, 15.0, 25.0)])
}

const TALK: [(&str, f64, f64); 3] = [
    ("SPEAKER_00", 1.0, 6.0),
    ("SPEAKER_01", 5.0, 12.0),
    ("SPEAKER_00", 15.0, 25.0),
];

#[test]
fn turns_come_at_the_end_in_order_and_overlap_where_the_speakers_do() {
    check(&diarize(&[], &talk()), &TALK);
}

#[test]
fn exclusive_turns_do_not_overlap() {
    let found = diarize(&[("exclusive", "true")], &talk());
    for pair in found.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{found:?}");
    }
    let speech: f64 = found.iter().map(|t| t.end - t.start).sum();
    assert!((speech - 21.0).abs() < 0.1, "all speech is somebody's: {found:?}");
}

#[test]
fn a_recording_shorter_than_a_window_has_its_turns_too() {
    let samples = recording(3.0, &[(BOB, 0.5, 2.0)]);
    check(&diarize(&[], &samples), &[("SPEAKER_00", 0.5, 2.0)]);
}

#[test]
fn silence_and_nothing_give_no_turns() {
    assert_eq!(diarize(&[], &recording(12.0, &[])), []);
    assert_eq!(diarize(&[], &[]), []);
}

#[test]
fn pauses_and_turns_too_short_to_count_are_dropped() {
    let samples = recording(
        20.0,
        &[
            (ANN, 1.0, 3.0),
            (ANN, 3.4, 6.0),
            (BOB, 8.0, 8.3),
            (BOB, 12.0, 15.0),
        ],
    );
    let found = diarize(
        &[("min-duration-off", "500"), ("min-duration-on", "400")],
        &samples,
    );
    check(&found, &[("SPEAKER_00", 1.0, 6.0), ("SPEAKER_01", 12.0, 15.0)]);
}

#[test]
fn the_number_of_speakers_can_be_told() {
    let samples = recording(
        40.0,
        &[
            (ANN, 1.0, 9.0),
            (BOB, 10.0, 19.0),
            (EVE, 20.0, 29.0),
            (ANN, 30.0, 39.0),
        ],
    );
    for (properties, expected) in [
        (&[][..], 3),
        (&[("num-speakers", "2")], 2),
        (&[("max-speakers", "2")], 2),
        (&[("num-speakers", "1")], 1),
    ] {
        let mut names: Vec<_> = diarize(properties, &samples)
            .into_iter()
            .map(|t| t.speaker)
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), expected, "{properties:?}");
    }
}

#[test]
fn rttm_is_written_when_downstream_asks_for_it() {
    let mut h = harness(&[("recording", "a meeting")]);
    h.set_sink_caps(gst::Caps::new_empty_simple("application/x-rttm"));
    h.play();
    push(&mut h, 0, &talk(), 16_000);
    h.push_event(gst::event::Eos::new());
    let text: String = std::iter::from_fn(|| h.try_pull())
        .map(|b| String::from_utf8(b.map_readable().unwrap().to_vec()).unwrap())
        .collect();
    let records = gstscribe::speech::rttm::read(&text).unwrap();
    assert_eq!(records.len(), 3, "{text}");
    for (record, expected) in records.iter().zip(TALK) {
        assert_eq!(&*record.turn.speaker, expected.0);
        assert!(
            (record.turn.start as f64 / RATE as f64 - expected.1).abs() < 0.026,
            "{text}"
        );
    }
    assert!(text.starts_with("SPEAKER a_meeting 1 "), "{text}");
}

#[test]
fn a_file_gives_the_recording_its_name() {
    crate::common::init();
    let folder = tempfile::tempdir().unwrap();
    let (wav, rttm) = (folder.path().join("board.wav"), folder.path().join("board.rttm"));
    crate::common::write_wav(&wav, &recording(3.0, &[(ANN, 1.0, 2.5)]));
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribediarizer name=d ! application/x-rttm ! filesink location={}",
        crate::common::quoted(&wav),
        crate::common::quoted(&rttm)
    ));
    let pipeline = pipeline.unwrap();
    let bin = pipeline.downcast_ref::<gst::Bin>().unwrap();
    let diarizer = bin
        .by_name("d")
        .unwrap()
        .downcast::<gstscribe::elements::diarizer::Diarizer>();
    diarizer.unwrap().set_models(reading(&Default::default()));
    assert_eq!(crate::common::play(&pipeline).1, None);
    let text = fs::read_to_string(&rttm).unwrap();
    assert!(text.starts_with("SPEAKER board 1 1.0"), "{text:?}");
}

#[test]
fn gaps_cover_what_no_turn_covers() {
    let mut h = harness(&[]);
    h.play();
    push(&mut h, 0, &talk(), 4_000);
    h.push_event(gst::event::Eos::new());
    let mut covered = gst::ClockTime::ZERO;
    let mut spans: Vec<(gst::ClockTime, gst::ClockTime)> = std::iter::from_fn(|| h.try_pull())
        .map(|b| (b.pts().unwrap(), b.pts().unwrap() + b.duration().unwrap()))
        .collect();
    while let Some(event) = h.try_pull_event() {
        if let gst::EventView::Gap(gap) = event.view() {
            let (start, duration) = gap.get();
            spans.push((start, start + duration.unwrap()));
        }
    }
    spans.sort();
    for (start, end) in spans {
        assert!(start <= covered, "nothing between {covered} and {start}");
        covered = covered.max(end);
    }
    assert_eq!(covered, gst::ClockTime::from_seconds(30));
}

#[test]
fn speakers_introduce_themselves_on_the_bus() {
    let mut h = harness(&[]);
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.play();
    push(&mut h, 0, &talk(), 4_000);
    h.push_event(gst::event::Eos::new());
    let mut introduced = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Element]) {
        let Some(s) = message.structure().filter(|s| s.name() == "speaker-embedding") else {
            continue;
        };
        let embedding = s.get::<gst::Array>("embedding").unwrap();
        let length: f32 = embedding.iter().map(|v| v.get::<f32>().unwrap().powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-3, "normalised: {s}");
        let speech = s.get::<u64>("speech").unwrap() as f64 / 1e9;
        introduced.push((s.get::<String>("speaker").unwrap(), speech.round()));
    }
    assert_eq!(
        introduced,
        [("SPEAKER_00".into(), 15.0), ("SPEAKER_01".into(), 7.0)]
    );
}

#[test]
fn known_people_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, who) in [("Bob", BOB), ("Eve", EVE)] {
        crate::common::write_wav(
            &folder.path().join(format!("{name}.wav")),
            &recording(2.0, &[(who, 0.0, 2.0)]),
        );
    }
    let path = folder.path().to_str().unwrap();
    let found = diarize(&[("enrollment", path)], &talk());
    check(
        &found,
        &[
            ("SPEAKER_00", 1.0, 6.0),
            ("Bob", 5.0, 12.0),
            ("SPEAKER_00", 15.0, 25.0),
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn turns_do_not_depend_on_the_size_of_buffers(
        sizes in proptest::collection::vec(1_usize..50_000, 1..20),
        batch in 1_u32..20,
    ) {
        let samples = talk();
        let mut h = harness(&[("batch-size", &batch.to_string())]);
        h.play();
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < samples.len() {
            let end = (at + sizes.next().unwrap()).min(samples.len());
            h.push(buffer(at as u64, &samples[at..end])).unwrap();
            at = end;
        }
        h.push_event(gst::event::Eos::new());
        prop_assert_eq!(turns(&mut h), diarize(&[], &samples));
    }
}
