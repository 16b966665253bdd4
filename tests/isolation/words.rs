//! The same text, whichever process the model is in.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::rig::*;

#[test]
fn the_words_are_the_same_to_the_bit() {
    let inside = transcribe(conversation(2), "isolation=none", |_| {
        assert_eq!(workers(std::process::id()), [0; 0]);
    });
    let outside = transcribe(conversation(2), "isolation=process", |_| {
        assert_eq!(workers(std::process::id()).len(), 1);
    });
    assert!(inside.words.len() > 100, "only {} words", inside.words.len());
    assert_eq!(inside.words, outside.words);
    assert_eq!(inside.gaps, outside.gaps);
    assert_eq!(outside.warnings, [""; 0]);
    assert_eq!(children(std::process::id()), [0; 0], "no zombie either");
}

/// The worker may be at work on audio that nobody wants any more when the element is stopped: that waits for nothing.
#[test]
fn stopping_does_not_wait_for_the_window() {
    let (done, waits) = std::sync::mpsc::channel();
    let run = transcribe(conversation(2), "isolation=process", |transcriber| {
        let pid = workers(std::process::id()).pop().expect("a worker");
        let begin = Instant::now();
        transcriber.set_state(gst::State::Ready).unwrap();
        done.send((begin.elapsed(), is_alive(pid))).unwrap();
        let sink = transcriber.static_pad("src").unwrap().peer().unwrap();
        sink.send_event(gst::event::Eos::new()); // ends the run
    });
    let (took, alive) = waits.recv().unwrap();
    // By itself, without the grace of a second that a hung one gets.
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert!(!alive);
    assert_eq!(run.warnings, [""; 0]);
}
