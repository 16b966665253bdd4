//! A GPU without room, before the models are loaded and while they work: `on-oom=cpu` of both elements.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gst::prelude::*;
use gstscribe::infer::onnx::{OnnxSpeakers, SpeakersConfig};
use gstscribe::infer::protocol::frame::encode;
use gstscribe::infer::protocol::{Facts, FromWorker, News, software};
use gstscribe::infer::speaker_models::SpeakerModels;
use gstscribe::memory::probes::Device;

use crate::common::{self, quoted};
use crate::drivers::{state, with_drivers};
use crate::{element, refusal, said};

/// One device of 24 GiB.
const DRIVERS: [(&str, &str); 2] = [("cuda.c", "libcuda.so.1"), ("nvml.c", "libnvidia-ml.so.1")];
const GIB: u64 = 1 << 30;
/// The worker that is built here, without CUDA, in the place of the one with it.
const WORKER: (&str, &str) = ("SCRIBE_WORKER_CUDA", env!("CARGO_BIN_EXE_scribe-worker"));

/// Writes a worker that is loaded, begins with its first request and then dies as one on a full GPU does.
fn dying(folder: &Path, facts: Facts) {
    let news = |news: News| encode(&FromWorker::Model { model: 1, news }, &[]).unwrap();
    let hello = encode(&FromWorker::Hello { software: software() }, &[]).unwrap();
    std::fs::write(folder.join("first"), [hello, news(News::Loaded(facts))].concat()).unwrap();
    std::fs::write(folder.join("begun"), news(News::Begun { id: 1 })).unwrap();
    // A frame's head has 12 bytes, and says behind the first four how long the message is. The third frame is the request.
    let script = format!(
        r#"#!/bin/sh
cd '{}'
message() {{
    length=$(dd bs=1 count=12 <&0 2>/dev/null | od -An -tu4 -j4 -N4)
    dd bs=1 count=$((length)) <&0 >/dev/null 2>&1
}}
message
message
cat first >&0
message
cat begun >&0
echo 'ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory' >&2
kill -ABRT $$
"#,
        folder.display()
    );
    let worker = folder.join("worker");
    std::fs::write(&worker, script).unwrap();
    std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Plays the recording through `chain` into a file: its lines, and the WARNINGs.
fn play(chain: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let messages = common::run(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! {chain} ! filesink location={}",
        quoted(&common::recording("conversation.flac")),
        quoted(&file)
    ));
    let warnings = messages.iter().filter_map(|message| match message.view() {
        gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
        _ => None,
    });
    (std::fs::read_to_string(file).unwrap(), warnings.collect())
}

/// With the GPU's worker dying, everything comes from the CPU, and one WARNING says why.
fn check(element: &str, behind: &str, texts: &[&str]) {
    let (healthy, warnings) = play(&format!("{element} threads=1 device=cpu ! {behind}"));
    assert_eq!(warnings, [""; 0]);
    assert!(healthy.lines().count() > 5, "{healthy}");
    let (hurt, warnings) = play(&format!(
        "{element} threads=1 device=cuda:0 on-oom=cpu ! {behind}"
    ));
    assert_eq!(hurt, healthy);
    let [warning] = warnings.as_slice() else {
        panic!("one WARNING: {warnings:#?}");
    };
    for text in [
        "out of memory",
        "SIGABRT",
        "on-oom=cpu",
        "is asked again",
        "1 of 3",
    ]
    .iter()
    .chain(texts)
    {
        assert!(warning.contains(text), "{warning}");
    }
}

fn with_dying(facts: Facts, inner: &str) {
    let folder = tempfile::tempdir().unwrap();
    dying(folder.path(), facts);
    let worker = folder.path().join("worker");
    with_drivers(
        &DRIVERS,
        inner,
        &[("SCRIBE_WORKER_CUDA", worker.to_str().unwrap())],
    );
}

#[test]
fn a_transcriber_whose_gpu_runs_full_goes_on_on_the_cpu() {
    with_dying(Facts::Recognizer, "full::inner_transcriber");
}

#[test]
fn inner_transcriber() {
    if state(&format!("1 {GIB} {GIB}")) {
        let text = "The model bundled runs on the CPU";
        check(
            "scribetranscriber model-path=bundled",
            "scribecaptions ! application/x-subtitle-vtt",
            &[text],
        );
    }
}

#[test]
fn a_diarizer_whose_gpu_runs_full_goes_on_on_the_cpu() {
    let config = SpeakersConfig {
        device: Device::Cpu,
        ..SpeakersConfig::default()
    };
    let models = OnnxSpeakers::load(&config, &mut |_| {}).unwrap();
    with_dying(Facts::Speakers(models.facts()), "full::inner_diarizer");
}

#[test]
fn inner_diarizer() {
    if state(&format!("1 {GIB} {GIB}")) {
        let text = "The speaker models run on the CPU";
        check("scribediarizer", "application/x-rttm", &[text]);
    }
}

#[test]
fn a_diarizer_asks_the_gpu_and_then_the_cpu() {
    with_drivers(&DRIVERS, "full::inner_diarizer_admission", &[WORKER]);
}

#[test]
fn inner_diarizer_admission() {
    if !state(&format!("1 {0} {0}", 24 * GIB)) {
        return;
    }
    let gpu = ("device", "cuda:0");
    let error = refusal("scribediarizer", &[gpu]);
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
    for part in ["0 of 24576 MiB are free on Fake GPU", "(on-oom=cpu)"] {
        assert!(error.message().contains(part), "{error}");
    }
    let (diarizer, bus) = element("scribediarizer", &[gpu, ("on-oom", "cpu")]);
    diarizer.set_state(gst::State::Paused).unwrap();
    let warnings = said(&bus, gst::MessageType::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["on Fake GPU", "run on the CPU", "on-oom=cpu"] {
        assert!(warnings[0].message().contains(part), "{warnings:?}");
    }
    diarizer.set_state(gst::State::Null).unwrap();
}
