//! What goes wrong is one ERROR that says what to do.

use std::fs::File;
use std::sync::Arc;

use crate::common::forged_model::Forged;
use crate::common::{self};
use gst::prelude::*;
use gstscribe::elements::transcriber::{LoaderFactory, Transcriber};
use gstscribe::infer::model::{Cancel, LoadError, RunError};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::memory::probes::{HostProbe, Probe};
use gstscribe::speech::transcribe::{Hypothesis, Window};

use crate::rig::*;

#[track_caller]
fn first_error(bus: &gst::Bus) -> (gst::glib::Error, String) {
    let message = bus
        .pop_filtered(&[gst::MessageType::Error])
        .expect("an ERROR is on the bus");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        bus.pop_filtered(&[gst::MessageType::Error]).is_none(),
        "one ERROR, not two"
    );
    (error.error(), error.debug().unwrap_or_default().to_string())
}

#[test]
fn a_failed_load_fails_the_state_change_and_may_be_tried_again() {
    common::init();
    let fails: LoaderFactory =
        Arc::new(|| Box::new(|_| Err(LoadError::NoMemory("out of memory: no room".into()))));
    let transcriber = element(fails);
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    assert!(transcriber.set_state(gst::State::Paused).is_err());
    let (error, _) = first_error(&bus);
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
    assert!(error.message().contains("out of memory"));
    transcriber.set_state(gst::State::Null).unwrap();
    transcriber.set_recognizer(saying(&Arc::default()));
    transcriber.set_state(gst::State::Paused).unwrap();
    transcriber.set_state(gst::State::Null).unwrap();
}

/// Whether a model of 120 GB would fit into `percent` of this machine's memory.
fn has_room_for_huge(percent: u64) -> bool {
    let total = HostProbe::new().and_then(|probe| probe.read()).unwrap().total;
    let fits = total / 100 * percent > Forged::HUGE.values() * 4;
    if fits {
        eprintln!("skipped: this machine has room for the largest model that can be forged");
    }
    fits
}

/// 120 GB in a sparse file, of which a tenth of the machine's memory is offered.
#[test]
fn a_model_that_does_not_fit_is_refused_before_it_is_loaded() {
    common::init();
    if has_room_for_huge(10) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml-large-v3.bin");
    Forged::HUGE
        .write(&mut File::create(&path).unwrap(), 0, 128)
        .unwrap();
    let transcriber: Transcriber = gst::glib::Object::new();
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    transcriber.set_property("model-path", path.to_str().unwrap());
    transcriber.set_property("memory-fraction", 10_u32);
    assert!(transcriber.set_state(gst::State::Paused).is_err());
    let (error, _) = first_error(&bus);
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
    let text = error.message();
    assert!(text.starts_with("out of memory: "), "{text}");
    let weights = (Forged::HUGE.values() * 4) >> 20;
    for part in [
        path.to_str().unwrap(),
        &format!("weights {weights}"),
        "MiB are free on host",
        "memory-fraction=10 lets",
        "would fit",
        "or raise memory-fraction",
    ] {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    // The element lives on, and runs with a model that fits.
    transcriber.set_state(gst::State::Null).unwrap();
    transcriber.set_property("model-path", "bundled");
    transcriber.set_property("memory-fraction", 100_u32);
    transcriber.set_state(gst::State::Paused).unwrap();
    transcriber.set_state(gst::State::Null).unwrap();
}

/// The best of the models beside it that fits, which is not the larger one.
#[test]
fn a_smaller_model_is_taken_where_that_is_wished() {
    common::init();
    if has_room_for_huge(100) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("ggml-{name}.bin"));
    for name in ["large-v3", "medium.en"] {
        Forged::HUGE
            .write(&mut File::create(file(name)).unwrap(), 0, 128)
            .unwrap();
    }
    let transcriber: Transcriber = gst::glib::Object::new();
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    transcriber.set_property("model-path", file("large-v3").to_str().unwrap());
    transcriber.set_property("memory-fraction", 100_u32);
    transcriber.set_property_from_str("on-oom", "smaller-model");
    assert!(
        transcriber.set_state(gst::State::Paused).is_err(),
        "none is there"
    );
    let (error, _) = first_error(&bus);
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
    transcriber.set_state(gst::State::Null).unwrap();

    std::fs::copy(common::demo_model(), file("tiny.en")).unwrap();
    transcriber.set_state(gst::State::Paused).unwrap();
    let warning = bus.pop_filtered(&[gst::MessageType::Warning]).expect("a WARNING");
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!()
    };
    let text = warning.error().message().to_owned();
    for name in ["large-v3", "tiny.en"] {
        assert!(text.contains(file(name).to_str().unwrap()), "{text}");
    }
    assert!(text.contains("on-oom=smaller-model"), "{text}");
    transcriber.set_state(gst::State::Null).unwrap();
}

struct Failing(bool);

impl Recognizer for Failing {
    fn recognize(&mut self, _: &Window, _: &Cancel) -> Result<Hypothesis, RunError> {
        assert!(!self.0, "a bug in a recognizer");
        Err(RunError::Failed("the model said no".into()))
    }
}

#[test]
fn a_failure_while_running_is_one_error_and_a_flow_error() {
    for (panics, text) in [(false, "the model said no"), (true, "a bug in a recognizer")] {
        let factory: LoaderFactory =
            Arc::new(move || Box::new(move |_| Ok(Box::new(Failing(panics)) as Box<dyn Recognizer>)));
        let transcriber = element(factory);
        let mut h = harness_of(&transcriber);
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        h.play();
        h.push(audio(0.0, 32.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        let (error, debug) = first_error(&bus);
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text), "{said}");
        assert_eq!(h.push(audio(32.0, 1.0)), Err(gst::FlowError::Eos));
    }
}

#[test]
fn the_latency_is_the_window_and_the_allowance() {
    common::init();
    let transcriber = element(saying(&Arc::default()));
    transcriber.set_property("latency", 500_u32);
    let mut h = harness_of(&transcriber);
    h.set_upstream_latency(gst::ClockTime::from_mseconds(20));
    h.play();
    let latency = h.query_latency().unwrap();
    assert_eq!(latency.mseconds(), 20 + 31_000 + 500);
}

/// What is wrong with a model file is said before anything is loaded.
#[test]
fn wrong_model_files_are_told_apart() {
    common::init();
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(common::demo_model()).unwrap();
    let mut corrupted = whole.clone();
    corrupted[40..44].copy_from_slice(&(-5_i32).to_le_bytes());
    for (name, contents, text) in [
        ("missing.bin", None, "cannot open"),
        ("empty.bin", Some(&[][..]), "is empty"),
        (
            "truncated.bin",
            Some(&whole[..whole.len() - 1000]),
            "is cut short",
        ),
        (
            "foreign.bin",
            Some(&b"GGUF\x03\0\0\0................"[..]),
            "a GGUF file",
        ),
        ("speech.bin", Some(&b"RIFF....WAVE"[..]), "is a recording"),
        (
            "corrupted.bin",
            Some(&corrupted[..]),
            "another architecture, or damaged",
        ),
    ] {
        let path = folder.path().join(name);
        if let Some(contents) = contents {
            std::fs::write(&path, contents).unwrap();
        }
        let transcriber = gst::ElementFactory::make("scribetranscriber")
            .property("model-path", path.to_str().unwrap())
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        assert!(transcriber.set_state(gst::State::Paused).is_err(), "{name}");
        let (error, debug) = first_error(&bus);
        assert!(error.is::<gst::ResourceError>(), "{error}");
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text) && said.contains(name), "{name}: {said}");
        transcriber.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn wrong_settings_are_told() {
    common::init();
    let model = common::demo_model();
    for (property, value, text) in [
        ("model-path", "", "no model is set"),
        ("language-code", "klingon!", "no BCP-47 code"),
        ("language-code", "tlh", "knows no language"),
        ("language-code", "de", "knows English only"),
    ] {
        let transcriber = gst::ElementFactory::make("scribetranscriber")
            .property("model-path", &model)
            .build()
            .unwrap();
        transcriber.set_property(property, value);
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        assert!(
            transcriber.set_state(gst::State::Paused).is_err(),
            "{property}={value}"
        );
        let (error, debug) = first_error(&bus);
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text), "{property}={value}: {said}");
        transcriber.set_state(gst::State::Null).unwrap();
    }
}
