//! What the element does when a model is gone, with a recognizer that dies as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_check::Harness;
use gstscribe::elements::transcriber::{LoaderFactory, Transcriber};
use gstscribe::elements::{speech_audio_caps, word};
use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::speech::transcribe::{Hypothesis, Segment, Token, Window};

use crate::common::{self, RATE};

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Lives,
    /// Over the request.
    Dies,
    /// Before it has begun with the request.
    DiesIdle,
    /// Over the request, as memory ran out.
    Starves,
    /// And says so itself.
    RunsOut,
    /// Takes too long, and gives up.
    IsLate,
}
use Next::*;

/// Answers each request by what comes next. Says one word a window: the second at which it begins.
#[derive(Clone, Default)]
struct Fate(Arc<Mutex<(VecDeque<Next>, Vec<u64>)>>);

struct Mortal {
    fate: Fate,
    dead: bool,
}

impl Recognizer for Mortal {
    fn recognize(&mut self, window: &Window, _: &Cancel) -> Result<Hypothesis, RunError> {
        assert!(!self.dead, "the element asks a dead model again");
        let mut fate = self.fate.0.lock().unwrap();
        fate.1.push(window.start / RATE);
        let next = fate.0.pop_front().unwrap_or(Lives);
        self.dead = ![Lives, IsLate].contains(&next);
        match next {
            Lives => {}
            Dies => return Err(RunError::Dead("it fell over".into())),
            DiesIdle => return Err(RunError::DeadBefore("it fell asleep".into())),
            Starves | RunsOut => {
                return Err(RunError::NoMemory {
                    how: "out of memory: it is full".into(),
                    begun: true,
                    died: next == Starves,
                });
            }
            IsLate => return Err(RunError::Late("it took an hour".into())),
        }
        let token = Token {
            bytes: format!(" w{}", window.start / RATE).into_bytes(),
            probability: 0.5,
            start: 0,
            end: RATE,
        };
        Ok(Hypothesis {
            segments: vec![Segment {
                start: 0,
                end: RATE,
                tokens: vec![token],
            }],
            language: None,
            next: (window.samples.len() as u64).min(30 * RATE),
            history: Vec::new(),
        })
    }
}

/// What a run of 90 s, which are three windows, gave.
struct Outcome {
    words: Vec<String>,
    asked: Vec<u64>,
    /// In seconds.
    gaps: Vec<(u64, u64)>,
    warnings: Vec<String>,
    errors: Vec<String>,
    /// The last of these.
    is_no_space: bool,
}

fn run(deaths: &[Next], restart_limit: u32, isolation: &str) -> Outcome {
    common::init();
    let fate = Fate::default();
    fate.0.lock().unwrap().0.extend(deaths);
    let mortal = fate.clone();
    let factory: LoaderFactory = Arc::new(move || {
        let fate = mortal.clone();
        Box::new(move |_| Ok(Box::new(Mortal { fate, dead: false }) as Box<dyn Recognizer>))
    });
    let element = gst::ElementFactory::make("scribetranscriber")
        .property("silence-gate", false)
        .property("restart-limit", restart_limit)
        .property_from_str("isolation", isolation)
        .build()
        .unwrap();
    element
        .downcast_ref::<Transcriber>()
        .unwrap()
        .set_recognizer(factory);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut h = Harness::with_element(&element, Some("sink"), Some("src"));
    h.set_src_caps(speech_audio_caps());
    for part in 0..9 {
        let silence = vec![0_u8; 10 * RATE as usize * 4];
        let mut buffer = gst::Buffer::from_slice(silence);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_seconds(10 * part));
        if h.push(buffer).is_err() {
            break;
        }
    }
    h.push_event(gst::event::Eos::new());
    let words = std::iter::from_fn(|| h.try_pull())
        .map(|b| word::from_buffer(&b).unwrap().text)
        .collect();
    let gaps = std::iter::from_fn(|| h.try_pull_event())
        .filter_map(|event| match event.view() {
            gst::EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                Some((start.seconds(), (start + duration.unwrap()).seconds()))
            }
            _ => None,
        })
        .collect();
    let (mut warnings, mut errors, mut is_no_space) = (Vec::new(), Vec::new(), false);
    for message in std::iter::from_fn(|| bus.pop()) {
        match message.view() {
            gst::MessageView::Warning(w) => warnings.push(w.error().message().to_owned()),
            gst::MessageView::Error(e) => {
                errors.push(e.error().message().to_owned());
                is_no_space = e.error().matches(gst::ResourceError::NoSpaceLeft);
            }
            _ => {}
        }
    }
    let asked = fate.0.lock().unwrap().1.clone();
    Outcome {
        words,
        asked,
        gaps,
        warnings,
        errors,
        is_no_space,
    }
}

#[test]
fn the_window_is_asked_again_and_nothing_is_lost() {
    let outcome = run(&[Lives, Dies, Lives, Dies], 3, "process");
    assert_eq!(outcome.words, ["w0", "w30", "w60"]);
    assert_eq!(outcome.asked, [0, 30, 30, 60, 60]);
    assert_eq!(outcome.gaps, [(1, 30), (31, 60), (61, 90)]);
    assert_eq!(outcome.errors, [""; 0]);
    assert_eq!(outcome.warnings.len(), 2, "{:?}", outcome.warnings);
    for (warning, texts) in outcome.warnings.iter().zip([
        ["it fell over", "0:00:30.0", "asked again", "1 of 3"],
        ["it fell over", "0:01:00.0", "asked again", "2 of 3"],
    ]) {
        assert!(texts.iter().all(|text| warning.contains(text)), "{warning}");
    }
}

#[test]
fn a_window_that_ends_two_workers_becomes_a_gap_of_its_span() {
    let outcome = run(&[Lives, Dies, Dies], 3, "process");
    assert_eq!(outcome.words, ["w0", "w60"]);
    assert_eq!(outcome.asked, [0, 30, 30, 60]);
    assert_eq!(outcome.gaps, [(1, 30), (30, 60), (61, 90)]);
    assert_eq!(outcome.errors, [""; 0]);
    assert!(
        outcome.warnings[1].contains("left without text"),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn who_dies_between_windows_takes_no_try_from_the_next() {
    let outcome = run(
        &[Lives, DiesIdle, Dies, DiesIdle, Lives, DiesIdle, DiesIdle],
        5,
        "process",
    );
    assert_eq!(outcome.words, ["w0", "w30", "w60"]);
    assert_eq!(outcome.asked, [0, 30, 30, 30, 30, 60, 60, 60]);
    assert_eq!(outcome.errors, [""; 0]);
    let told = |text: &str| outcome.warnings.iter().filter(|w| w.contains(text)).count();
    assert_eq!((told("it fell asleep"), told("is asked again")), (4, 1));
}

#[test]
fn who_dies_between_windows_counts_against_the_limit() {
    let outcome = run(&[Lives, DiesIdle, DiesIdle], 1, "process");
    assert_eq!((outcome.words.len(), outcome.warnings.len()), (1, 1));
    assert!(
        outcome.errors[0].contains("restart-limit"),
        "{:?}",
        outcome.errors
    );
}

#[test]
fn the_limit_is_an_error_and_keeps_what_was_said() {
    for (limit, asked) in [(0, vec![0, 30]), (1, vec![0, 30, 30])] {
        let outcome = run(&[Lives, Dies, Dies], limit, "process");
        assert_eq!(outcome.words, ["w0"]);
        assert_eq!(outcome.asked, asked);
        assert_eq!(outcome.warnings.len(), limit as usize);
        let [error] = outcome.errors.as_slice() else {
            panic!("one ERROR: {:?}", outcome.errors);
        };
        assert!(
            error.contains("it fell over") && error.contains("restart-limit"),
            "{error}"
        );
    }
}

/// A model of the application's own: there is no other.
#[test]
fn without_another_model_a_death_of_memory_is_a_death_and_a_word_of_it_is_an_error() {
    let outcome = run(&[Lives, Starves], 3, "process");
    assert_eq!(outcome.asked, [0, 30, 30, 60]);
    assert_eq!((outcome.words.len(), outcome.errors.len()), (3, 0));
    let [warning] = outcome.warnings.as_slice() else {
        panic!("one WARNING: {:?}", outcome.warnings);
    };
    assert!(
        warning.starts_with("out of memory") && warning.contains("1 of 3"),
        "{warning}"
    );
    for (next, limit, isolation, text) in [
        (Starves, 0, "process", "restart-limit"),
        (RunsOut, 3, "process", "it is full"),
        (RunsOut, 3, "none", "it is full"),
    ] {
        let outcome = run(&[next], limit, isolation);
        assert_eq!((outcome.words.len(), outcome.warnings.len()), (0, 0));
        let [error] = outcome.errors.as_slice() else {
            panic!("one ERROR: {:?}", outcome.errors);
        };
        assert!(error.contains("out of memory") && error.contains(text), "{error}");
        assert!(outcome.is_no_space, "{error}");
    }
}

/// The model works on: it is not replaced, and what it cannot do in time it cannot the second time.
#[test]
fn a_window_that_is_late_is_a_gap() {
    for isolation in ["process", "none"] {
        let outcome = run(&[Lives, IsLate], 0, isolation);
        assert_eq!(outcome.words, ["w0", "w60"]);
        assert_eq!(outcome.asked, [0, 30, 60]);
        assert!(outcome.gaps.contains(&(30, 60)), "{:?}", outcome.gaps);
        assert_eq!(outcome.errors, [""; 0]);
        let [warning] = outcome.warnings.as_slice() else {
            panic!("one WARNING: {:?}", outcome.warnings);
        };
        for text in ["it took an hour", "The window at 0:00:30", "left without text"] {
            assert!(warning.contains(text), "{warning}");
        }
    }
}

#[test]
fn in_this_process_a_death_is_an_error() {
    for isolation in ["none", "auto"] {
        let outcome = run(&[Dies], 3, isolation);
        assert_eq!(outcome.asked, [0]);
        assert_eq!((outcome.warnings.len(), outcome.errors.len()), (0, 1));
    }
}
