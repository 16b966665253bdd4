//! The speaker models on ONNX Runtime: bundled ones, those of others, and what is none.

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod interfaces;
mod memory;
mod running;
mod runtime;

use std::path::PathBuf;

use gstscribe::infer::model::{Cancel, LoadError};
use gstscribe::infer::onnx::{ModelSource, OnnxSpeakers, SessionOptions, SpeakersConfig};
use gstscribe::infer::speaker_models::{Decode, SpeakerModels};
use gstscribe::memory::probes::Device;
use gstscribe::speech::diarize::{Analysis, Window};

fn data(name: &str) -> ModelSource {
    ModelSource::File(data_path(name))
}

fn data_path(name: &str) -> PathBuf {
    common::root().join("tests/data/onnx").join(name)
}

fn on_one_thread() -> SessionOptions {
    SessionOptions {
        device: Device::Cpu,
        threads: 1,
        gpu_memory_limit: 0,
    }
}

/// The bundled models on the CPU.
fn config() -> SpeakersConfig {
    SpeakersConfig {
        device: Device::Cpu,
        ..SpeakersConfig::default()
    }
}

fn load(config: &SpeakersConfig) -> Result<OnnxSpeakers, LoadError> {
    OnnxSpeakers::load(config, &mut |_| {})
}

/// Windows of `length` samples of the bundled recording, one for each second.
fn windows(count: usize, length: usize) -> Vec<Window> {
    let audio = common::decode(&common::recording("conversation.flac"));
    let window = |n: usize| Window {
        start: n as u64 * common::RATE,
        samples: (0..length)
            .map(|i| audio[(n * common::RATE as usize + i) % audio.len()])
            .collect(),
        focus: None,
    };
    (0..count).map(window).collect()
}

fn analyse(speakers: &mut OnnxSpeakers, windows: &[Window]) -> Vec<Analysis> {
    speakers
        .analyse(windows, Decode::Hard, &Cancel::default())
        .unwrap()
}

/// The same, but for the rounding of sums in another order.
#[track_caller]
fn assert_alike(a: &[Analysis], b: &[Analysis]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!((a.start, a.scores.speakers), (b.start, b.scores.speakers));
        assert_eq!(a.scores.values.len(), b.scores.values.len());
        let other = a
            .scores
            .values
            .iter()
            .zip(&b.scores.values)
            .filter(|(a, b)| (*a - *b).abs() > 1e-3);
        assert_eq!(other.count(), 0, "scores of the window at {}", a.start);
        for (a, b) in a.embeddings.iter().zip(&b.embeddings) {
            match (a, b) {
                (Some(a), Some(b)) => assert!(cosine(a, b) > 0.9999, "{}", cosine(a, b)),
                (a, b) => assert_eq!(a.is_some(), b.is_some()),
            }
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
