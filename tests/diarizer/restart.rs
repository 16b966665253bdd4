//! What the element does when its models are gone, with models that die of one window.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstscribe::elements::diarizer::LoaderFactory;
use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use gstscribe::speech::diarize::{Analysis, Embedding, Window};

use crate::common::RATE;
use crate::rig::*;

/// Seconds at which the windows that were asked about start, request by request.
type Asked = Arc<Mutex<Vec<Vec<u64>>>>;

/// Dies over every window that starts at one of these seconds, or takes too long over it; before a request as often as told.
struct Mortal {
    is_late: bool,
    deadly: &'static [u64],
    idle_deaths: Arc<Mutex<u32>>,
    asked: Asked,
    dead: bool,
}

impl SpeakerModels for Mortal {
    fn facts(&self) -> SpeakerFacts {
        facts()
    }

    fn analyse(&mut self, windows: &[Window], _: Decode, _: &Cancel) -> Result<Vec<Analysis>, RunError> {
        assert!(!self.dead, "the element asks dead models again");
        let mut idle = self.idle_deaths.lock().unwrap();
        if *idle > 0 {
            *idle -= 1;
            self.dead = true;
            return Err(RunError::DeadBefore("they fell asleep".into()));
        }
        let seconds: Vec<u64> = windows.iter().map(|w| w.start / RATE).collect();
        let is_hit = seconds.iter().any(|s| self.deadly.contains(s));
        self.asked.lock().unwrap().push(seconds);
        if is_hit && self.is_late {
            return Err(RunError::Late("they took an hour".into()));
        }
        self.dead = is_hit;
        match self.dead {
            true => Err(RunError::Dead("they fell over".into())),
            false => Ok(windows.iter().map(read).collect()),
        }
    }

    fn embed(&mut self, _: &[f32], _: &Cancel) -> Result<Option<Embedding>, RunError> {
        Ok(None)
    }
}

struct Outcome {
    turns: Vec<Told>,
    asked: Vec<Vec<u64>>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

/// 14 s, of which Ann speaks those from 2 to 12: five windows of 10 s begin at 0 to 4 s.
fn run(deadly: &'static [u64], idle_deaths: u32, properties: &[(&str, &str)]) -> Outcome {
    run_of(deadly, idle_deaths, false, properties)
}

fn run_of(deadly: &'static [u64], idle_deaths: u32, is_late: bool, properties: &[(&str, &str)]) -> Outcome {
    let (asked, idle) = (Asked::default(), Arc::new(Mutex::new(idle_deaths)));
    let (notes, left) = (asked.clone(), idle.clone());
    let factory: LoaderFactory = Arc::new(move || {
        let (asked, idle_deaths) = (notes.clone(), left.clone());
        Box::new(move |_| {
            let mortal = Mortal {
                is_late,
                deadly,
                idle_deaths,
                asked,
                dead: false,
            };
            Ok(Box::new(mortal) as Box<dyn SpeakerModels>)
        })
    });
    let diarizer = element(factory);
    for (name, value) in [("isolation", "process"), ("mode", "offline")]
        .iter()
        .chain(properties)
    {
        diarizer.set_property_from_str(name, value);
    }
    let bus = bus_of(&diarizer);
    let mut h = harness_of(&diarizer);
    h.play();
    for (second, piece) in (0..).zip(recording(14.0, &[(ANN, 2.0, 12.0)]).chunks(RATE as usize)) {
        if h.push(buffer(second * RATE, piece)).is_err() {
            break;
        }
    }
    h.push_event(gst::event::Eos::new());
    let turns = turns(&mut h);
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for message in std::iter::from_fn(|| bus.pop()) {
        match message.view() {
            gst::MessageView::Warning(w) => warnings.push(w.error().message().to_owned()),
            gst::MessageView::Error(e) => errors.push(e.error().message().to_owned()),
            _ => {}
        }
    }
    diarizer.set_bus(None);
    let asked = asked.lock().unwrap().clone();
    Outcome {
        turns,
        asked,
        warnings,
        errors,
    }
}

#[test]
fn one_window_of_a_batch_is_silence_and_the_others_are_heard() {
    let outcome = run(&[2], 0, &[]);
    let all = vec![0, 1, 2, 3, 4];
    assert_eq!(outcome.asked, [all, vec![0], vec![1], vec![2], vec![3], vec![4]]);
    // Three of four windows hear her at every moment.
    check(&outcome.turns, &[("SPEAKER_00", 2.0, 12.0)]);
    assert_eq!(outcome.errors, [""; 0]);
    let [batch, window] = outcome.warnings.as_slice() else {
        panic!("{:#?}", outcome.warnings);
    };
    for text in [
        "they fell over",
        "0:00:00.0",
        "0:00:04.0",
        "asked again by itself",
        "1 of 3",
    ] {
        assert!(batch.contains(text), "{batch}");
    }
    for text in ["they fell over", "0:00:02.0", "counts as silence", "2 of 3"] {
        assert!(window.contains(text), "{window}");
    }
}

#[test]
fn windows_that_are_late_are_silence_and_nothing_is_started_again() {
    let outcome = run_of(&[2], 0, true, &[("restart-limit", "0")]);
    let all = vec![0, 1, 2, 3, 4];
    assert_eq!(outcome.asked, [all, vec![0], vec![1], vec![2], vec![3], vec![4]]);
    check(&outcome.turns, &[("SPEAKER_00", 2.0, 12.0)]);
    assert_eq!((outcome.warnings.len(), outcome.errors.len()), (2, 0));
    for text in ["they took an hour", "0:00:02.0", "counts as silence"] {
        assert!(outcome.warnings[1].contains(text), "{}", outcome.warnings[1]);
    }
}

#[test]
fn a_window_alone_has_two_tries() {
    let outcome = run(&[2], 0, &[("batch-size", "1")]);
    assert_eq!(outcome.asked.concat(), [0, 1, 2, 2, 3, 4]);
    assert_eq!((outcome.warnings.len(), outcome.errors.len()), (2, 0));
}

#[test]
fn windows_that_all_end_workers_leave_a_stream_without_turns() {
    let outcome = run(&[0, 1, 2, 3, 4], 0, &[("restart-limit", "6")]);
    assert_eq!(outcome.turns, []);
    assert_eq!((outcome.warnings.len(), outcome.errors.len()), (6, 0));
}

#[test]
fn models_that_die_between_windows_cost_nothing() {
    let outcome = run(&[], 3, &[]);
    assert_eq!(outcome.asked, [[0, 1, 2, 3, 4]]);
    check(&outcome.turns, &[("SPEAKER_00", 2.0, 12.0)]);
    assert_eq!((outcome.warnings.len(), outcome.errors.len()), (3, 0));
}

#[test]
fn the_limit_is_an_error() {
    for (deadly, idle_deaths) in [(&[2][..], 0), (&[], 2)] {
        let outcome = run(deadly, idle_deaths, &[("restart-limit", "1")]);
        assert_eq!((outcome.warnings.len(), outcome.errors.len()), (1, 1));
        assert!(
            outcome.errors[0].contains("restart-limit"),
            "{:?}",
            outcome.errors
        );
    }
}
