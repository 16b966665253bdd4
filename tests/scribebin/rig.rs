//! A pipeline with the bin in it: a word a second, and two people who speak as the samples say.

use std::sync::Arc;

use gst::prelude::*;
use gstscribe::elements::diarizer::Diarizer;
use gstscribe::elements::transcriber::Transcriber;
use serde_json::Value;

use crate::common::{self, RATE};
use crate::turns_rig::{ANN, BOB, Notes, reading, recording};
use crate::words_rig::{Clock, saying};

/// Ten seconds of Ann, ten of Bob, and so on.
pub fn talk(seconds: u32) -> Vec<f32> {
    let turns = (0..seconds.div_ceil(10)).map(|ten| {
        let who = if ten.is_multiple_of(2) { ANN } else { BOB };
        (who, f64::from(ten * 10), f64::from((ten * 10 + 10).min(seconds)))
    });
    recording(f64::from(seconds), &turns.collect::<Vec<_>>())
}

pub struct Rig {
    pub pipeline: gst::Pipeline,
    pub bin: gst::Element,
    pub words: Arc<Clock>,
    pub turns: Arc<Notes>,
}

impl Rig {
    /// With the bin's properties as in a line, and JSON at its end.
    pub fn new(properties: &str) -> Rig {
        let tail = "application/x-json,format=transcript ! \
                    appsink name=sink sync=false async=false wait-on-eos=false";
        Rig::with_tail(properties, tail)
    }

    pub fn with_tail(properties: &str, tail: &str) -> Rig {
        common::init();
        let line = format!(
            "appsrc name=src format=time ! scribebin name=bin silence-gate=false min-duration-off=0 {properties} ! {tail}"
        );
        let pipeline = gst::parse::launch(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let source = pipeline.by_name("src").unwrap();
        source.set_property("caps", gstscribe::elements::speech_audio_caps());
        let rig = Rig {
            bin: pipeline.by_name("bin").unwrap(),
            pipeline,
            words: Arc::default(),
            turns: Arc::default(),
        };
        rig.transcriber().set_recognizer(saying(&rig.words));
        rig.diarizer().set_models(reading(&rig.turns));
        rig
    }

    pub fn child(&self, name: &str) -> gst::Element {
        let bin = self.bin.downcast_ref::<gst::Bin>().unwrap();
        bin.by_name(name).unwrap_or_else(|| panic!("no child {name}"))
    }

    pub fn transcriber(&self) -> Transcriber {
        self.child("transcriber").downcast().unwrap()
    }

    pub fn diarizer(&self) -> Diarizer {
        self.child("diarizer").downcast().unwrap()
    }

    pub fn source(&self) -> gst_app::AppSrc {
        self.pipeline.by_name("src").unwrap().downcast().unwrap()
    }

    pub fn sink(&self) -> gst_app::AppSink {
        self.pipeline.by_name("sink").unwrap().downcast().unwrap()
    }

    pub fn bus(&self) -> gst::Bus {
        self.pipeline.bus().unwrap()
    }

    /// Gives it the samples in buffers of a second, from `second` on.
    pub fn push(&self, second: u64, samples: &[f32]) {
        for (n, piece) in (second..).zip(samples.chunks(RATE as usize)) {
            let bytes: Vec<u8> = piece.iter().flat_map(|s| s.to_le_bytes()).collect();
            let mut buffer = gst::Buffer::from_slice(bytes);
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_seconds(n));
            if self.source().push_buffer(buffer).is_err() {
                return; // it has ended
            }
        }
    }

    /// Plays the talk to its end, or to the first ERROR, and takes everything down.
    pub fn run(&self, samples: &[f32]) -> Outcome {
        let started = self.pipeline.set_state(gst::State::Playing);
        self.push(0, samples);
        let _ = self.source().end_of_stream();
        let mut outcome = Outcome::default();
        if started.is_ok() {
            outcome.hear(&self.bus(), Some(gst::ClockTime::from_seconds(60)));
        }
        outcome.take(&self.sink());
        self.stop(&mut outcome);
        outcome
    }

    /// Down to NULL, with what is said on the way.
    pub fn stop(&self, outcome: &mut Outcome) {
        let _ = self.pipeline.set_state(gst::State::Ready);
        while self.bus().have_pending() {
            outcome.hear(&self.bus(), Some(gst::ClockTime::ZERO));
        }
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Numbers of the checkpoints, in their order.
    pub checkpoints: Vec<u32>,
    pub errors: Vec<String>,
    /// Code and kind of the Progress messages, each pair once in a row.
    pub progress: Vec<(String, gst::ProgressType)>,
    /// Text and speaker of each word.
    pub words: Vec<(String, Option<String>)>,
}

impl Outcome {
    /// Takes in messages until EOS, an ERROR, or the time is over.
    pub fn hear(&mut self, bus: &gst::Bus, timeout: Option<gst::ClockTime>) {
        while let Some(message) = bus.timed_pop(timeout) {
            match message.view() {
                gst::MessageView::Eos(_) => return,
                gst::MessageView::Error(e) => {
                    self.errors.push(e.error().message().to_owned());
                    return;
                }
                gst::MessageView::Element(e) => {
                    let number = e.structure().filter(|s| s.name() == "gpu-memory");
                    self.checkpoints
                        .extend(number.and_then(|s| s.get::<u32>("number").ok()));
                }
                gst::MessageView::Progress(p) => {
                    let (kind, code, _) = p.get();
                    let said = (code.to_owned(), kind);
                    if self.progress.last() != Some(&said) {
                        self.progress.push(said);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes what is in the sink.
    pub fn take(&mut self, sink: &gst_app::AppSink) {
        while let Some(sample) = sink.try_pull_sample(gst::ClockTime::ZERO) {
            let buffer = sample.buffer().unwrap().map_readable().unwrap().to_vec();
            let cue: Value = serde_json::from_slice(&buffer).unwrap();
            let speaker = cue["speaker"].as_str().map(str::to_owned);
            for word in cue["words"].as_array().unwrap() {
                let text = word["text"].as_str().unwrap().to_owned();
                self.words.push((text, speaker.clone()));
            }
        }
    }

    pub fn sorted(&self) -> Vec<u32> {
        let mut numbers = self.checkpoints.clone();
        numbers.sort_unstable();
        numbers
    }
}

/// What [`talk`] is heard as: Ann is whoever speaks first.
pub fn heard(seconds: u32) -> Vec<(String, Option<String>)> {
    let speaker = |s: u32| {
        if (s / 10).is_multiple_of(2) {
            "SPEAKER_00"
        } else {
            "SPEAKER_01"
        }
    };
    (0..seconds)
        .map(|s| (format!("w{s}"), Some(speaker(s).to_owned())))
        .collect()
}

/// All of the 19.
pub fn all() -> Vec<u32> {
    (1..=19).collect()
}
