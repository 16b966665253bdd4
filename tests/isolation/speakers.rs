//! The diarizer's models in a worker, alone and beside Whisper.

use gst::prelude::*;

use crate::common::{self, quoted};
use crate::rig::*;

/// What a pipeline gave at its end.
#[derive(Debug, Default)]
struct Outcome {
    /// Lines, as they left.
    lines: Vec<String>,
    warnings: Vec<String>,
    error: Option<String>,
}

/// Plays `elements` over the recording; `beside` runs meanwhile. The text that leaves is what counts.
fn play(elements: &str, beside: impl FnOnce() + Send) -> Outcome {
    common::init();
    let recording = quoted(&common::recording("conversation.flac"));
    let line = format!(
        "filesrc location={recording} ! decodebin ! scriberesample ! {elements} ! appsink name=sink sync=false async=false"
    );
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        pipeline.set_state(gst::State::Playing).unwrap();
        scope.spawn(beside);
        while outcome.error.is_none() && !sink.is_eos() {
            if let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(20)) {
                let buffer = sample.buffer_owned().unwrap();
                let text = String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap();
                outcome.lines.push(text);
            }
            read(&bus, &mut outcome);
        }
    });
    pipeline.set_state(gst::State::Ready).unwrap();
    read(&bus, &mut outcome);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(children(std::process::id()), [0; 0], "{elements}");
    outcome
}

fn read(bus: &gst::Bus, outcome: &mut Outcome) {
    for message in std::iter::from_fn(|| bus.pop()) {
        match message.view() {
            gst::MessageView::Warning(w) => outcome.warnings.push(w.error().message().to_owned()),
            gst::MessageView::Error(e) => outcome.error = Some(e.error().message().to_owned()),
            _ => {}
        }
    }
}

fn diarize(properties: &str, beside: impl FnOnce() + Send) -> Outcome {
    play(
        &format!("scribediarizer threads=1 {properties} ! application/x-rttm"),
        beside,
    )
}

/// The process of the models is at work.
fn busy_worker() -> u32 {
    let pid = eventually("a worker", || workers(std::process::id()).pop());
    let before = user_ticks(pid);
    eventually("it works", || (user_ticks(pid) > before + 30).then_some(pid))
}

#[test]
fn the_turns_are_the_same_in_a_process_and_when_it_is_killed() {
    let inside = diarize("isolation=none", || {
        assert_eq!(workers(std::process::id()), [0; 0])
    });
    assert!(inside.lines.len() > 5, "{inside:?}");
    let outside = diarize("isolation=process", || assert!(busy_worker() > 0));
    assert_eq!(outside.lines, inside.lines);
    assert_eq!(outside.warnings, [""; 0]);
    let killed = diarize("isolation=process", || assert!(signal(busy_worker(), "KILL")));
    assert_eq!(killed.lines, inside.lines);
    assert_eq!(
        (killed.warnings.len(), killed.error),
        (1, None),
        "{:#?}",
        killed.warnings
    );
    assert!(killed.warnings[0].contains("SIGKILL"), "{:?}", killed.warnings);
}

#[test]
fn the_media_process_never_loads_the_runtime() {
    diarize("isolation=process", || {
        busy_worker();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("libonnxruntime"), "it is loaded in this process");
    });
}

/// Both models of `scribebin` in one process, which is killed once.
#[test]
fn the_bin_has_one_worker_and_survives_its_death() {
    let bin = |beside: Box<dyn FnOnce() + Send>| {
        play(
            "scribebin whisper-model=bundled threads=1 residency=concurrent isolation=process ! \
             application/x-json,format=transcript",
            beside,
        )
    };
    let healthy = bin(Box::new(|| {
        busy_worker();
        assert_eq!(workers(std::process::id()).len(), 1);
    }));
    assert_eq!((healthy.error.clone(), healthy.warnings.len()), (None, 0));
    assert!(healthy.lines.len() > 5, "{healthy:?}");
    let killed = bin(Box::new(|| assert!(signal(busy_worker(), "KILL"))));
    assert_eq!(killed.lines, healthy.lines);
    assert_eq!(killed.error, None);
    // One of each element at most; one that had nothing to ask until its end has not noticed.
    assert!((1..=2).contains(&killed.warnings.len()), "{:#?}", killed.warnings);
    assert!(
        killed.warnings.iter().all(|w| w.contains("SIGKILL")),
        "{:#?}",
        killed.warnings
    );
}

#[test]
fn files_are_checked_without_a_worker() {
    common::init();
    let element = gst::ElementFactory::make("scribediarizer")
        .property("embedding-model", "/nowhere/model.onnx")
        .property_from_str("isolation", "process")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Ready).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        error.error().message().contains("/nowhere/model.onnx"),
        "{error:?}"
    );
    element.set_state(gst::State::Null).unwrap();
    element.set_bus(None);
}

/// What a dead process held cannot be given back by anybody, and so is nobody's leak.
#[test]
fn a_worker_that_died_idle_is_no_leak() {
    for (element, cleanup) in [
        (
            "scribetranscriber threads=1 model-path=bundled",
            "After Whisper Cleanup",
        ),
        ("scribediarizer threads=1", "After Diarization Model Cleanup"),
    ] {
        common::init();
        let recording = quoted(&common::recording("conversation.flac"));
        let line = format!(
            "filesrc location={recording} ! decodebin ! scriberesample ! {element} isolation=process ! fakesink sync=false"
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        let bus = pipeline.bus().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let end = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
        assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
        let pid = workers(std::process::id())[0];
        assert!(signal(pid, "KILL"));
        eventually("it is reaped", || (!is_alive(pid)).then_some(()));
        pipeline.set_state(gst::State::Ready).unwrap();
        let mut cleanups = 0;
        for message in std::iter::from_fn(|| bus.pop()) {
            match message.view() {
                gst::MessageView::Warning(w) => panic!("{element}: {}", w.error().message()),
                gst::MessageView::Element(e) => {
                    let checkpoint = e.structure().unwrap();
                    if checkpoint.get::<&str>("label") == Ok(cleanup) {
                        cleanups += 1;
                        assert!(
                            checkpoint.get::<&str>("verdict").is_err(),
                            "{element}: {checkpoint}"
                        );
                    }
                }
                _ => {}
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(cleanups, 1, "{element}");
    }
}
