//! `scribe-worker-cuda --inside DEVICE MODEL`: what a model takes in a process that lives on behind it, as `isolation=none`
//! would have it, in bytes as JSON. For `benches/gpu`.

use std::path::PathBuf;
use std::process::ExitCode;

use gstscribe::infer::cuda::CudaProbe;
use gstscribe::infer::model::{Cancel, ModelSource};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::infer::whisper::{Whisper, WhisperConfig, need};
use gstscribe::memory::estimate::Estimate;
use gstscribe::memory::probes::{Device, HostProbe, NvmlProbe, Probe};
use gstscribe::speech::transcribe::{Context, Window};

/// The worker's `main`, or this.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, inside, device, model] = &arguments[..] else {
        return gstscribe::infer::worker::command("scribe-worker-cuda");
    };
    if inside != "--inside" {
        return gstscribe::infer::worker::command("scribe-worker-cuda");
    }
    match measure(device, model) {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("scribe-worker-cuda: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(device: &str, model: &str) -> Result<String, String> {
    let cuda_device = match device.parse().map_err(|e| format!("{e}"))? {
        Device::Cuda(index) => Some(index),
        Device::Auto | Device::Cpu => None,
    };
    let config = config(model, cuda_device);
    let estimate = need(&config, config.place()).map_err(|e| e.to_string())?;
    let probe = probe(cuda_device).ok_or("the device's memory cannot be read")?;
    let read = || probe.read().map(|reading| reading.allocated).unwrap_or_default();
    let before = read();
    let mut whisper = Whisper::load(&config, &mut |_| {}).map_err(|e| e.to_string())?;
    let loaded = read();
    for context in [Context::Start, Context::Carry] {
        let heard = whisper.recognize(&window(context), &Cancel::default());
        heard.map_err(|e| e.to_string())?;
    }
    let ran = read();
    drop(whisper);
    let freed = read();
    let Estimate {
        weights,
        kv,
        compute,
        overhead,
        later,
        ..
    } = estimate;
    let total = estimate.total();
    Ok(format!(
        r#"{{"before": {before}, "loaded": {loaded}, "ran": {ran}, "freed": {freed}, "estimate": {{"weights": {weights}, "kv": {kv}, "compute": {compute}, "overhead": {overhead}, "later": {later}, "total": {total}}}}}"#
    ))
}

/// As the transcriber has it, with a beam search, so that the cache grows at once.
fn config(model: &str, cuda_device: Option<u32>) -> WhisperConfig {
    WhisperConfig {
        model: match model {
            "bundled" => ModelSource::Bundled,
            file => ModelSource::File(PathBuf::from(file)),
        },
        language: Some("en".into()),
        beam_size: 5,
        cuda_device,
        ..WhisperConfig::default()
    }
}

fn probe(cuda_device: Option<u32>) -> Option<Box<dyn Probe>> {
    fn boxed(probe: impl Probe + 'static) -> Box<dyn Probe> {
        Box::new(probe)
    }
    match cuda_device {
        Some(index) => NvmlProbe::new(index)
            .map(boxed)
            .or_else(|| CudaProbe::new(index).map(boxed)),
        None => HostProbe::new().map(boxed),
    }
}

/// 30 s of a tone that swells like syllables.
fn window(context: Context) -> Window {
    let at = |i: usize| i as f32 / 16_000.0;
    let sound = |i: usize| (at(i) * 2_000.0).sin() * (at(i) * 12.0).sin() * 0.3;
    Window {
        start: 0,
        samples: (0..31 * 16_000).map(sound).collect(),
        before: Vec::new(),
        context,
        history: Vec::new(),
        language: None,
    }
}
