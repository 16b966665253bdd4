//! Speaker models that hear what a test wrote into the samples, and the element around them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use gst::prelude::*;
use gst_check::Harness;
use gstscribe::elements::diarizer::{Diarizer, LoaderFactory};
use gstscribe::elements::speech_audio_caps;
use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::speaker_models::{Decode, Loader, SpeakerFacts, SpeakerModels};
use gstscribe::speech::diarize::{Analysis, Embedding, Geometry, Scores, Window};
use serde_json::Value;

use crate::common::{self, RATE};

/// One voice is one bit: sample value = sum of the bits of those who speak, times this.
const UNIT: f32 = 1.0 / 64.0;
/// Voices that the fake can tell apart.
const VOICES: usize = 5;

pub const ANN: u8 = 1;
pub const BOB: u8 = 2;
pub const EVE: u8 = 4;

/// 5 s at the step and field of [`Geometry::PYANNOTE_3`].
const ONLINE: Geometry = Geometry {
    window: 80_000,
    frames: 293,
    ..Geometry::PYANNOTE_3
};

/// What became of the fakes.
#[derive(Default)]
pub struct Notes {
    /// Starts of the windows asked about.
    pub asked: Mutex<Vec<u64>>,
    pub largest_batch: AtomicUsize,
    pub loaded: AtomicUsize,
    pub alive: AtomicUsize,
}

pub struct Reading(pub Arc<Notes>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who speaks at this sample value.
fn voices_in(sample: f32) -> impl Iterator<Item = usize> {
    let bits = (sample / UNIT).round() as u32;
    (0..VOICES).filter(move |v| bits & (1 << v) != 0)
}

fn voice(v: usize) -> Embedding {
    let mut embedding = vec![0.0; 16];
    embedding[v] = 3.0;
    embedding
}

pub fn facts() -> SpeakerFacts {
    SpeakerFacts {
        geometry: Geometry::PYANNOTE_3,
        online: ONLINE,
        dimension: 16,
        threshold: None,
        pieces: false,
    }
}

impl SpeakerModels for Reading {
    fn facts(&self) -> SpeakerFacts {
        facts()
    }

    fn analyse(&mut self, windows: &[Window], _: Decode, _: &Cancel) -> Result<Vec<Analysis>, RunError> {
        self.0.largest_batch.fetch_max(windows.len(), Ordering::SeqCst);
        self.0
            .asked
            .lock()
            .unwrap()
            .extend(windows.iter().map(|w| w.start));
        Ok(windows.iter().map(read).collect())
    }

    fn embed(&mut self, samples: &[f32], _: &Cancel) -> Result<Option<Embedding>, RunError> {
        let mut counts = [0_usize; VOICES];
        for v in samples.iter().flat_map(|s| voices_in(*s)) {
            counts[v] += 1;
        }
        let most = (0..VOICES).max_by_key(|v| counts[*v]).filter(|v| counts[*v] > 0);
        Ok(most.map(voice))
    }
}

pub fn read(window: &Window) -> Analysis {
    let geometry = if window.samples.len() == ONLINE.window {
        ONLINE
    } else {
        Geometry::PYANNOTE_3
    };
    let mut local: Vec<usize> = Vec::new();
    let mut values = Vec::new();
    for frame in 0..geometry.frames {
        let sample = window.samples[geometry.receptive_field / 2 + frame * geometry.frame_step];
        let mut row = [0.0; 3];
        for v in voices_in(sample) {
            let at = local.iter().position(|l| *l == v).unwrap_or_else(|| {
                local.push(v);
                local.len() - 1
            });
            row[at] = 1.0;
        }
        values.extend(row);
    }
    let embeddings = (0..3).map(|k| local.get(k).map(|v| voice(*v))).collect();
    Analysis {
        start: window.start,
        scores: Scores { speakers: 3, values },
        embeddings,
        ..Analysis::default()
    }
}

pub fn reading(notes: &Arc<Notes>) -> LoaderFactory {
    let notes = notes.clone();
    Arc::new(move || {
        let notes = notes.clone();
        let loader: Loader = Box::new(move |_| {
            notes.loaded.fetch_add(1, Ordering::SeqCst);
            notes.alive.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Reading(notes)))
        });
        loader
    })
}

/// Blocks in every batch until it is cancelled, and tells that it has begun.
pub struct Blocking(mpsc::Sender<u64>);

impl SpeakerModels for Blocking {
    fn facts(&self) -> SpeakerFacts {
        facts()
    }

    fn analyse(&mut self, windows: &[Window], _: Decode, cancel: &Cancel) -> Result<Vec<Analysis>, RunError> {
        self.0.send(windows[0].start).unwrap();
        while !cancel.is_set() {
            std::thread::yield_now();
        }
        Err(RunError::Cancelled)
    }

    fn embed(&mut self, _: &[f32], _: &Cancel) -> Result<Option<Embedding>, RunError> {
        Ok(None)
    }
}

pub fn blocking() -> (LoaderFactory, mpsc::Receiver<u64>) {
    let (begun, begins) = mpsc::channel();
    let factory: LoaderFactory = Arc::new(move || {
        let begun = begun.clone();
        Box::new(move |_| Ok(Box::new(Blocking(begun)) as Box<dyn SpeakerModels>))
    });
    (factory, begins)
}

pub fn element(factory: LoaderFactory) -> Diarizer {
    common::init();
    let element = gst::ElementFactory::make("scribediarizer").build().unwrap();
    let diarizer: Diarizer = element.downcast().unwrap();
    diarizer.set_property("min-duration-off", 0_i32); // the fakes hear to the frame
    diarizer.set_models(factory);
    diarizer
}

/// A bus that hears all that an element says, from the beginning.
pub fn bus_of(diarizer: &Diarizer) -> gst::Bus {
    let bus = gst::Bus::new();
    diarizer.set_bus(Some(&bus));
    bus
}

/// The element with fakes, set up by `gst-launch-1.0`-like pairs.
pub fn harness(properties: &[(&str, &str)]) -> Harness {
    let element = element(reading(&Arc::default()));
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    harness_of(&element)
}

pub fn harness_of(diarizer: &Diarizer) -> Harness {
    harness_that_is(diarizer, false)
}

/// With a source that says whether it is live.
pub fn harness_that_is(diarizer: &Diarizer, live: bool) -> Harness {
    let mut h = Harness::with_element(diarizer, Some("sink"), Some("src"));
    h.set_live(live);
    h.set_src_caps(speech_audio_caps());
    h
}

/// A recording as `(who, from, until)` in seconds, `who` being a sum of voices' bits.
pub fn recording(length: f64, speech: &[(u8, f64, f64)]) -> Vec<f32> {
    let mut samples = vec![0.0; (length * RATE as f64) as usize];
    for &(who, from, until) in speech {
        let range = (from * RATE as f64) as usize..(until * RATE as f64) as usize;
        for sample in &mut samples[range] {
            *sample += f32::from(who) * UNIT;
        }
    }
    samples
}

pub fn buffer(at: u64, samples: &[f32]) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_nseconds(at * 62_500));
    writable.set_duration(gst::ClockTime::from_nseconds(samples.len() as u64 * 62_500));
    buffer
}

/// Pushes `samples` from `at` samples on, in pieces.
pub fn push(h: &mut Harness, at: u64, samples: &[f32], piece: usize) {
    for (i, chunk) in samples.chunks(piece).enumerate() {
        h.push(buffer(at + (i * piece) as u64, chunk)).unwrap();
    }
}

/// A turn as JSON told it, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub speaker: String,
    pub start: f64,
    pub end: f64,
}

pub fn turns(h: &mut Harness) -> Vec<Told> {
    std::iter::from_fn(|| h.try_pull()).map(|b| told(&b)).collect()
}

pub fn told(buffer: &gst::Buffer) -> Told {
    let map = buffer.map_readable().unwrap();
    let value: Value = serde_json::from_slice(&map).unwrap();
    assert!(
        (0.0..=1.0).contains(&value["confidence"].as_f64().unwrap()),
        "{value}"
    );
    Told {
        speaker: value["speaker"].as_str().unwrap().to_owned(),
        start: value["start"].as_f64().unwrap(),
        end: value["end"].as_f64().unwrap(),
    }
}

/// All turns of a recording through one element.
pub fn diarize(properties: &[(&str, &str)], samples: &[f32]) -> Vec<Told> {
    let mut h = harness(properties);
    h.play();
    push(&mut h, 0, samples, 4_000);
    h.push_event(gst::event::Eos::new());
    turns(&mut h)
}

/// The turns are these, to a frame and a half (25 ms).
#[track_caller]
pub fn check(found: &[Told], expected: &[(&str, f64, f64)]) {
    let close = |a: f64, b: f64| (a - b).abs() <= 0.026;
    let right = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(f, e)| f.speaker == e.0 && close(f.start, e.1) && close(f.end, e.2));
    assert!(right, "found {found:#?}\nexpected {expected:#?}");
}
