//! Turns as the speech goes on.

use gst::prelude::*;

use crate::common::RATE;
use crate::rig::*;

const TALK: [(u8, f64, f64); 3] = [(ANN, 1.0, 6.0), (BOB, 7.0, 12.0), (ANN, 13.0, 18.0)];

/// Pieces that adjoin become the turns they are of.
fn joined(pieces: Vec<Told>) -> Vec<Told> {
    let mut turns: Vec<Told> = Vec::new();
    for piece in pieces {
        match turns
            .iter_mut()
            .rev()
            .find(|t| t.speaker == piece.speaker && (t.end - piece.start).abs() < 0.001)
        {
            Some(turn) => turn.end = piece.end,
            None => turns.push(piece),
        }
    }
    turns
}

/// What is out, and until where all is told: pieces and gaps follow each other without a hole.
#[derive(Default)]
struct Out {
    pieces: Vec<Told>,
    covered: f64,
}

impl Out {
    fn take(&mut self, h: &mut gst_check::Harness) {
        while let Some(event) = h.try_pull_event() {
            if let gst::EventView::Gap(gap) = event.view() {
                let (start, duration) = gap.get();
                self.covered = self.covered.max((start + duration.unwrap()).seconds_f64());
            }
        }
        while let Some(buffer) = h.try_pull() {
            let piece = told(&buffer);
            assert!(piece.end - piece.start < 2.03, "{piece:?} is longer than a piece");
            self.covered = self.covered.max(piece.end);
            self.pieces.push(piece);
        }
    }
}

#[test]
fn turns_come_latency_after_the_speech() {
    for latency in [500_u32, 2_000, 5_000] {
        let mut h = harness(&[("mode", "online"), ("latency", &latency.to_string())]);
        h.play();
        let mut out = Out::default();
        for (i, chunk) in recording(25.0, &TALK).chunks(8_000).enumerate() {
            h.push(buffer(i as u64 * 8_000, chunk)).unwrap();
            let now = (i + 1) as f64 * 0.5;
            // A step and the longest piece of a turn on top. The task works beside this thread: what is due comes,
            // or the runner ends a test that waits for ever.
            let due = now - f64::from(latency) / 1_000.0 - 0.5 - 2.0;
            while out.covered < due {
                out.take(&mut h);
                std::thread::yield_now();
            }
            assert!(out.covered <= now + 0.03, "{} s are told at {now} s", out.covered);
        }
        h.push_event(gst::event::Eos::new());
        out.take(&mut h);
        let found = joined(out.pieces);
        // A new voice counts once it fills ρ of the window, 1.5 s; with more latency the windows after that tell.
        let late = if latency == 500 { 1.5 } else { 0.0 };
        check(
            &found,
            &[
                ("SPEAKER_00", 1.0, 6.0),
                ("SPEAKER_01", 7.0 + late, 12.0),
                ("SPEAKER_00", 13.0, 18.0),
            ],
        );
    }
}

#[test]
fn turns_do_not_depend_on_the_size_of_buffers() {
    let samples = recording(25.0, &TALK);
    let online = |size: usize| {
        let mut h = harness(&[("mode", "online")]);
        h.play();
        push(&mut h, 0, &samples, size);
        h.push_event(gst::event::Eos::new());
        turns(&mut h)
    };
    let reference = online(16_000);
    for size in [37, 1_000, 100_000] {
        assert_eq!(online(size), reference, "buffers of {size} samples");
    }
}

#[test]
fn auto_is_online_on_a_live_source_only() {
    for (live, expected) in [(true, 80_000), (false, 160_000)] {
        let notes = std::sync::Arc::new(Notes::default());
        let mut h = harness_that_is(&element(reading(&notes)), live);
        h.play();
        push(&mut h, 0, &recording(20.0, &TALK), 8_000);
        h.push_event(gst::event::Eos::new());
        let asked = notes.asked.lock().unwrap();
        // Online windows come twice as often, and begin before the stream does.
        let step = asked[asked.len() - 1] - asked[asked.len() - 2];
        assert_eq!(step, expected / 10, "live: {live}");
    }
}

#[test]
fn the_latency_is_told_before_anything_is_loaded() {
    crate::common::init();
    let element = gst::ElementFactory::make("scribediarizer")
        .property("latency", 1_000_u32)
        .build()
        .unwrap();
    for (mode, live, expected) in [
        ("auto", true, 5_000),
        ("auto", false, 0),
        ("offline", true, 0),
        ("online", true, 3_500),
    ] {
        element.set_property_from_str("mode", mode);
        // The bundled model's pauses are filled, which takes as long as they do.
        let model = if mode == "auto" { "" } else { "/nowhere/model.onnx" };
        element.set_property_from_str("segmentation-model", model);
        let source = gst::ElementFactory::make("fakesrc")
            .property("is-live", live)
            .build()
            .unwrap();
        let pad = source.static_pad("src").unwrap();
        pad.link_full(&element.static_pad("sink").unwrap(), gst::PadLinkCheck::empty())
            .unwrap();
        let mut query = gst::query::Latency::new();
        assert!(element.static_pad("src").unwrap().query(&mut query));
        assert_eq!(query.result().1.mseconds(), expected, "{mode}, live: {live}");
        pad.unlink(&element.static_pad("sink").unwrap()).unwrap();
    }
}

#[test]
fn a_long_stream_keeps_its_labels() {
    let talk: Vec<(u8, f64, f64)> = (0..60)
        .map(|i| {
            (
                if i % 2 == 0 { ANN } else { BOB },
                f64::from(i) * 5.0 + 0.5,
                f64::from(i) * 5.0 + 4.5,
            )
        })
        .collect();
    let mut h = harness(&[("mode", "online")]);
    h.play();
    push(&mut h, 0, &recording(300.0, &talk), RATE as usize);
    h.push_event(gst::event::Eos::new());
    let found = joined(turns(&mut h));
    let expected: Vec<_> = talk
        .iter()
        .map(|(who, from, until)| {
            (
                if *who == ANN { "SPEAKER_00" } else { "SPEAKER_01" },
                *from,
                *until,
            )
        })
        .collect();
    check(&found, &expected);
}
