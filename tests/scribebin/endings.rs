//! However a run ends: each of the 19 checkpoints once, and nothing held.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gstscribe::elements::diarizer;
use gstscribe::elements::transcriber;
use gstscribe::infer::model::{Cancel, LoadError, RunError};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use gstscribe::speech::diarize::{Analysis, Embedding, Window as SpeakerWindow};
use gstscribe::speech::transcribe::{Hypothesis, Window};

use crate::common;
use crate::rig::*;
use crate::turns_rig;
use crate::words_rig;

#[track_caller]
fn nothing_is_held(rig: &Rig) {
    assert_eq!(rig.words.alive.load(Ordering::SeqCst), 0, "Whisper");
    assert_eq!(rig.turns.alive.load(Ordering::SeqCst), 0, "the speaker models");
}

struct Refusing;

impl Recognizer for Refusing {
    fn recognize(&mut self, _: &Window, _: &Cancel) -> Result<Hypothesis, RunError> {
        Err(RunError::Failed("the model said no".into()))
    }
}

impl SpeakerModels for Refusing {
    fn facts(&self) -> SpeakerFacts {
        turns_rig::facts()
    }

    fn analyse(&mut self, _: &[SpeakerWindow], _: Decode, _: &Cancel) -> Result<Vec<Analysis>, RunError> {
        Err(RunError::Failed("the model said no".into()))
    }

    fn embed(&mut self, _: &[f32], _: &Cancel) -> Result<Option<Embedding>, RunError> {
        Ok(None)
    }
}

fn no_memory() -> LoadError {
    LoadError::NoMemory("out of memory: the model needs 3 GB and 1 GB is free; try base".into())
}

#[test]
fn whisper_does_not_fit() {
    let rig = Rig::new("");
    rig.transcriber()
        .set_recognizer(Arc::new(|| Box::new(|_| Err(no_memory()))));
    assert!(rig.pipeline.set_state(gst::State::Paused).is_err());
    let mut outcome = Outcome::default();
    outcome.hear(&rig.bus(), Some(gst::ClockTime::ZERO));
    outcome.hear(&rig.bus(), Some(gst::ClockTime::ZERO));
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    assert!(outcome.errors[0].contains("out of memory") && outcome.errors[0].contains("try base"));
    rig.stop(&mut outcome);
    assert_eq!(outcome.sorted(), all());
    // It lives on, with a model that fits.
    rig.transcriber().set_recognizer(words_rig::saying(&rig.words));
    assert_eq!(rig.run(&talk(40)).words, heard(40));
    nothing_is_held(&rig);
}

#[test]
fn whisper_fails_while_it_works() {
    let rig = Rig::new("");
    let factory: transcriber::LoaderFactory =
        Arc::new(|| Box::new(|_| Ok(Box::new(Refusing) as Box<dyn Recognizer>)));
    rig.transcriber().set_recognizer(factory);
    let outcome = rig.run(&talk(65));
    // The source says behind it that nobody takes its data.
    assert!(
        outcome.errors[0].contains("the model said no"),
        "{:?}",
        outcome.errors
    );
    assert_eq!(outcome.sorted(), all());
    nothing_is_held(&rig);
}

/// The words are there: they leave, nameless, and then the ERROR comes.
#[test]
fn the_speaker_models_do_not_fit() {
    for residency in ["auto", "sequential"] {
        let rig = Rig::new(&format!("residency={residency}"));
        rig.diarizer()
            .set_models(Arc::new(|| Box::new(|_| Err(no_memory()))));
        let outcome = rig.run(&talk(65));
        assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
        assert!(outcome.errors[0].contains("out of memory"));
        let words: Vec<_> = heard(65).into_iter().map(|(word, _)| (word, None)).collect();
        assert_eq!(outcome.words, words);
        assert_eq!(outcome.sorted(), all());
        nothing_is_held(&rig);
    }
}

#[test]
fn all_at_once_does_not_begin_without_the_speaker_models() {
    let rig = Rig::new("residency=concurrent");
    rig.diarizer()
        .set_models(Arc::new(|| Box::new(|_| Err(no_memory()))));
    assert!(rig.pipeline.set_state(gst::State::Paused).is_err());
    let mut outcome = Outcome::default();
    rig.stop(&mut outcome);
    assert_eq!(outcome.sorted(), all());
    nothing_is_held(&rig);
}

#[test]
fn the_speaker_models_fail_while_they_work() {
    let rig = Rig::new("");
    let factory: diarizer::LoaderFactory =
        Arc::new(|| Box::new(|_| Ok(Box::new(Refusing) as Box<dyn SpeakerModels>)));
    rig.diarizer().set_models(factory);
    let outcome = rig.run(&talk(65));
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    assert!(outcome.errors[0].contains("the model said no"));
    assert_eq!(outcome.words.len(), 65, "no word is lost");
    assert_eq!(outcome.sorted(), all());
}

#[test]
fn it_is_stopped_while_whisper_works() {
    let rig = Rig::new("");
    let (factory, begins) = words_rig::blocking();
    rig.transcriber().set_recognizer(factory);
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    rig.push(0, &talk(40));
    begins.recv().unwrap();
    let mut outcome = Outcome::default();
    rig.stop(&mut outcome);
    assert_eq!(outcome.sorted(), all());
}

#[test]
fn it_is_stopped_while_the_speaker_models_work() {
    let rig = Rig::new("");
    let (factory, begins) = turns_rig::blocking();
    rig.diarizer().set_models(factory);
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    rig.push(0, &talk(40));
    rig.source().end_of_stream().unwrap();
    begins.recv().unwrap();
    let mut outcome = Outcome::default();
    rig.stop(&mut outcome);
    assert_eq!(outcome.sorted(), all());
    nothing_is_held(&rig);
}

#[test]
fn nothing_comes_at_all() {
    let rig = Rig::new("");
    let outcome = rig.run(&[]);
    assert_eq!(outcome.words, []);
    assert_eq!(outcome.sorted(), all());
}

#[test]
fn it_is_never_played() {
    let rig = Rig::new("");
    rig.pipeline.set_state(gst::State::Paused).unwrap();
    let mut outcome = Outcome::default();
    rig.stop(&mut outcome);
    assert_eq!(outcome.sorted(), all());
    nothing_is_held(&rig);
}

/// Against GStreamer's rules, so it complains; what the models hold is given back all the same. (An element that has a
/// source's thread in it lives until that thread has left, and sources of GStreamer do not survive this.)
#[test]
fn the_application_drops_it_while_it_plays() {
    common::init();
    let log = tempfile::NamedTempFile::new().unwrap();
    let rig = Rig::new("residency=concurrent");
    let (words, turns) = (rig.words.clone(), rig.turns.clone());
    rig.bin.set_property("memory-log", log.path().to_str().unwrap());
    // Alone, and fed by this thread.
    let bin = rig.bin.clone();
    rig.pipeline.remove(&bin).unwrap();
    drop(rig);
    bin.set_state(gst::State::Playing).unwrap();
    let sink = bin.static_pad("sink").unwrap();
    let caps = gstscribe::elements::speech_audio_caps();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    for event in [
        gst::event::StreamStart::new("dropped"),
        gst::event::Caps::new(&caps),
        gst::event::Segment::new(&segment),
    ] {
        assert!(sink.send_event(event));
    }
    sink.chain(words_rig::audio(0.0, 20.0)).unwrap();
    assert_eq!(
        (
            words.alive.load(Ordering::SeqCst),
            turns.alive.load(Ordering::SeqCst)
        ),
        (1, 1)
    );
    drop((sink, bin));
    assert_eq!(words.alive.load(Ordering::SeqCst), 0);
    assert_eq!(turns.alive.load(Ordering::SeqCst), 0);
    assert_eq!(numbers_in(&std::fs::read_to_string(log.path()).unwrap()), all());
}

fn numbers_in(log: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["number"].as_u64().unwrap() as u32)
        .collect();
    numbers.sort_unstable();
    numbers
}

/// `gst-launch-1.0` and Ctrl-C, on a live source, which has all models at once: with -e the stream is ended before,
/// without it is not.
#[test]
fn somebody_presses_ctrl_c() {
    for option in ["-e", ""] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let folder = std::env::current_exe().unwrap();
        let folder = folder.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
        let registry = tempfile::tempdir().unwrap();
        let line = format!(
            "gst-launch-1.0 {option} audiotestsrc is-live=true volume=0 ! scribebin threads=1 whisper-model={} \
             memory-log={} ! fakesink sync=false & \
             until grep -q 'Before Diarization' {}; do :; done; kill -INT $!; wait $!",
            common::demo_model(),
            log.path().display(),
            log.path().display()
        );
        let output = Command::new("timeout")
            .args(["100", "bash", "-c", &line])
            .env("GST_PLUGIN_PATH", folder)
            .env("GST_REGISTRY", registry.path().join("registry.bin"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(numbers_in(&log), all(), "{option}: {said}");
    }
}
