//! `cleanup-models` gives the model's memory back, and the element takes it again when it needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use gstscribe::elements::transcriber::LoaderFactory;
use gstscribe::infer::model::LoadError;

use crate::common;
use crate::rig::*;

/// The labels of the checkpoints on the bus, in order.
fn checkpoints(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]))
        .filter_map(|m| m.structure()?.get::<String>("label").ok())
        .collect()
}

const STAGE: [&str; 4] = [
    "Before Transcription",
    "Before Whisper Cleanup",
    "After Whisper Cleanup",
    "After Transcription (post-cleanup)",
];

#[test]
fn the_model_goes_and_comes_back_with_the_next_window() {
    let clock = Arc::default();
    let transcriber = element(saying(&clock));
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    let mut h = harness_of(&transcriber);
    h.push(audio(0.0, 31.0)).unwrap();
    assert_eq!(h.pull().unwrap().pts(), Some(gst::ClockTime::from_mseconds(200)));
    transcriber.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(clock.alive.load(Ordering::SeqCst), 0, "freed");
    assert_eq!(checkpoints(&bus), STAGE);
    transcriber.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(checkpoints(&bus), [""; 0], "there is nothing to free");

    h.push(audio(31.0, 31.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(1..62), "nothing is lost between");
    assert_eq!(clock.loaded.load(Ordering::SeqCst), 2);
    assert_eq!(clock.alive.load(Ordering::SeqCst), 1);
    drop(h);
    assert_eq!(checkpoints(&bus), STAGE, "the second time has its own");
    assert_eq!(clock.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn in_any_state_it_does_no_harm() {
    let clock = Arc::default();
    let transcriber = element(saying(&clock));
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    for state in [
        gst::State::Null,
        gst::State::Ready,
        gst::State::Paused,
        gst::State::Playing,
        gst::State::Ready,
        gst::State::Null,
    ] {
        transcriber.set_state(state).unwrap();
        transcriber.emit_by_name::<()>("cleanup-models", &[]);
        assert_eq!(clock.alive.load(Ordering::SeqCst), 0, "{state:?}");
    }
    assert_eq!(checkpoints(&bus), STAGE, "each label once");
}

#[test]
fn a_model_that_does_not_come_back_is_one_error() {
    common::init();
    let clock: Arc<Clock> = Arc::default();
    let there = Arc::new(AtomicBool::new(true));
    let (good, is_there) = (saying(&clock), there.clone());
    let factory: LoaderFactory = Arc::new(move || match is_there.load(Ordering::SeqCst) {
        true => good(),
        false => Box::new(|_| Err(LoadError::NoMemory("out of memory: others took it".into()))),
    });
    let transcriber = element(factory);
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    let mut h = harness_of(&transcriber);
    transcriber.emit_by_name::<()>("cleanup-models", &[]);
    there.store(false, Ordering::SeqCst);
    h.push(audio(0.0, 31.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    let errors: Vec<String> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]))
        .filter_map(|m| match m.view() {
            gst::MessageView::Error(error) => Some(error.error().message().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(errors, ["out of memory: others took it"]);
}
