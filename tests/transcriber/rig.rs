//! Recognizers that say what a test expects, and the element around them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::common::{self, RATE};
use gst::prelude::*;
use gst_check::Harness;
use gstscribe::elements::transcriber::{LoaderFactory, Transcriber};
use gstscribe::elements::{speech_audio_caps, word};
use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::recognizer::{Loader, Recognizer};
use gstscribe::speech::transcribe::{Context, Hypothesis, Segment, Token, Window};

/// Says "w7" from 7.2 to 7.6 s, for every second of the stream. Remembers what it was asked.
#[derive(Default)]
pub struct Clock {
    pub asked: Mutex<Vec<(u64, usize, Context)>>,
    pub loaded: AtomicUsize,
    pub alive: AtomicUsize,
}

pub struct Saying(pub Arc<Clock>);

impl Drop for Saying {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Recognizer for Saying {
    fn recognize(&mut self, window: &Window, _: &Cancel) -> Result<Hypothesis, RunError> {
        self.0
            .asked
            .lock()
            .unwrap()
            .push((window.start, window.samples.len(), window.context));
        let end = (window.start + window.samples.len() as u64).min(window.start + 30 * RATE);
        let mut segments = Vec::new();
        for second in window.start / RATE.. {
            let (start, stop) = (second * RATE + RATE / 5, second * RATE + RATE * 3 / 5);
            if stop > end {
                break;
            }
            if start >= window.start {
                let (start, stop) = (start - window.start, stop - window.start);
                let bytes = format!(" w{second}").into_bytes();
                let token = Token {
                    bytes,
                    probability: 0.5,
                    start,
                    end: stop,
                };
                segments.push(Segment {
                    start,
                    end: stop,
                    tokens: vec![token],
                });
            }
        }
        // At the end of a recording Whisper says that nothing follows; inside it stops at its last timestamp.
        let inside = window.samples.len() as u64 == 31 * RATE;
        let next = segments
            .last()
            .filter(|_| inside)
            .map_or(end - window.start, |s| s.end);
        Ok(Hypothesis {
            segments,
            language: Some("en".into()),
            next,
            history: Vec::new(),
        })
    }
}

pub fn saying(clock: &Arc<Clock>) -> LoaderFactory {
    let clock = clock.clone();
    Arc::new(move || {
        let clock = clock.clone();
        let loader: Loader = Box::new(move |_| {
            clock.loaded.fetch_add(1, Ordering::SeqCst);
            clock.alive.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Saying(clock)))
        });
        loader
    })
}

pub fn element(factory: LoaderFactory) -> Transcriber {
    common::init();
    let element = gst::ElementFactory::make("scribetranscriber")
        .property("silence-gate", false)
        .build()
        .unwrap();
    let transcriber: Transcriber = element.downcast().unwrap();
    transcriber.set_recognizer(factory);
    transcriber
}

pub fn harness(factory: LoaderFactory) -> Harness {
    harness_of(&element(factory))
}

pub fn harness_of(transcriber: &Transcriber) -> Harness {
    let mut h = Harness::with_element(transcriber, Some("sink"), Some("src"));
    h.set_src_caps(speech_audio_caps());
    h
}

/// `seconds` of a quiet tone from `at` seconds on.
pub fn audio(at: f64, seconds: f64) -> gst::Buffer {
    samples(at, (seconds * RATE as f64) as usize)
}

pub fn samples(at: f64, n: usize) -> gst::Buffer {
    let bytes: Vec<u8> = (0..n)
        .flat_map(|i| ((i as f32 * 0.1).sin() * 0.1).to_le_bytes())
        .collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_nseconds((at * 1e9) as u64));
    writable.set_duration(gst::ClockTime::from_nseconds(n as u64 * 62_500));
    buffer
}

pub fn words(h: &mut Harness) -> Vec<String> {
    std::iter::from_fn(|| h.try_pull())
        .map(|b| word::from_buffer(&b).unwrap().text)
        .collect()
}

pub fn numbered(seconds: std::ops::Range<u32>) -> Vec<String> {
    seconds.map(|s| format!("w{s}")).collect()
}

/// Blocks in every window until it is cancelled, and tells that it has begun.
pub struct Blocking(mpsc::Sender<u64>);

impl Recognizer for Blocking {
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        self.0.send(window.start).unwrap();
        while !cancel.is_set() {
            std::thread::yield_now();
        }
        Err(RunError::Cancelled)
    }
}

pub fn blocking() -> (LoaderFactory, mpsc::Receiver<u64>) {
    let (begun, begins) = mpsc::channel();
    let factory: LoaderFactory = Arc::new(move || {
        let begun = begun.clone();
        Box::new(move |_| Ok(Box::new(Blocking(begun)) as Box<dyn Recognizer>))
    });
    (factory, begins)
}
