//! `scribetranscriber device=cuda:N`, and what it does where there is no room.

use gst::prelude::*;

use crate::drivers::{state, with_drivers};
use crate::{element, refusal, said};

/// One device of 24 GiB.
const DRIVERS: [(&str, &str); 2] = [("cuda.c", "libcuda.so.1"), ("nvml.c", "libnvidia-ml.so.1")];
const GIB: u64 = 1 << 30;
/// The worker that is built here, without CUDA, in the place of the one with it.
const WORKER: (&str, &str) = ("SCRIBE_WORKER_CUDA", env!("CARGO_BIN_EXE_scribe-worker"));
const MODEL: (&str, &str) = ("model-path", "bundled");

/// Sets what all processes hold of the device; `false` in a process without one.
fn used(bytes: u64) -> bool {
    // Another process holds it; the driver's own file has the same first two numbers.
    state(&format!("1 {bytes} {bytes}"))
}

#[test]
fn a_device_that_is_not_there_is_never_the_cpu() {
    let error = refusal("scribetranscriber", &[MODEL, ("device", "cuda:999")]);
    let text = error.message();
    assert!(error.matches(gst::ResourceError::NotFound), "{text}");
    assert!(
        text.starts_with("device=cuda:999: ") && text.contains("or use device=cpu"),
        "{text}"
    );
    let error = refusal("scribetranscriber", &[MODEL, ("device", "gpu")]);
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    assert!(error.message().contains("cuda:0"), "{error}");
}

#[test]
fn a_worker_without_cuda_says_so() {
    with_drivers(&DRIVERS, "transcriber::inner_worker_without_cuda", &[WORKER]);
}

#[test]
fn inner_worker_without_cuda() {
    if !used(GIB) {
        return;
    }
    let error = refusal("scribetranscriber", &[MODEL, ("device", "cuda:0")]);
    let text = error.message();
    assert!(error.matches(gst::ResourceError::NotFound), "{text}");
    for part in [
        "device=cuda:0",
        "built without CUDA",
        "scribe-worker-cuda",
        "docs/gpu.md",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let error = refusal("scribetranscriber", &[MODEL, ("device", "cuda:1")]);
    assert!(error.message().contains("knows no such device"), "{error}");
    let error = refusal(
        "scribetranscriber",
        &[MODEL, ("device", "cuda:0"), ("isolation", "none")],
    );
    assert!(error.message().contains("isolation=none"), "{error}");
}

#[test]
fn auto_is_the_cpu_where_no_worker_has_cuda() {
    let nowhere = [("SCRIBE_WORKER_CUDA", "/nowhere/scribe-worker-cuda")];
    with_drivers(&DRIVERS, "transcriber::inner_auto", &nowhere);
}

#[test]
fn inner_auto() {
    if !used(GIB) {
        return;
    }
    let (transcriber, bus) = element("scribetranscriber", &[MODEL, ("device", "auto")]);
    transcriber.set_state(gst::State::Paused).unwrap();
    assert!(said(&bus, gst::MessageType::Warning).is_empty());
    transcriber.set_state(gst::State::Null).unwrap();
    let error = refusal("scribetranscriber", &[MODEL, ("device", "cuda:0")]);
    assert!(error.message().contains("/nowhere/scribe-worker-cuda"), "{error}");
}

#[test]
fn on_oom_cpu_runs_on_the_cpu_where_the_gpu_is_full() {
    with_drivers(&DRIVERS, "transcriber::inner_full", &[WORKER]);
}

#[test]
fn inner_full() {
    if !used(24 * GIB) {
        return;
    }
    let gpu = ("device", "cuda:0");
    let error = refusal("scribetranscriber", &[MODEL, gpu]);
    let text = error.message();
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{text}");
    for part in [
        "0 of 24576 MiB are free on Fake GPU",
        "(on-oom=cpu)",
        "(process 1) holds 24576 MiB",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // In a worker on the CPU, and in the same state as any other.
    let (transcriber, bus) = element("scribetranscriber", &[MODEL, gpu, ("on-oom", "cpu")]);
    transcriber.set_state(gst::State::Paused).unwrap();
    let warnings = said(&bus, gst::MessageType::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = warnings[0].message();
    assert!(warnings[0].matches(gst::ResourceError::NoSpaceLeft), "{text}");
    for part in ["on Fake GPU", "runs on the CPU", "on-oom=cpu"] {
        assert!(text.contains(part), "{text}");
    }
    transcriber.set_state(gst::State::Null).unwrap();
    // Where there is none in ordinary memory either, both are said.
    let tight = [MODEL, gpu, ("on-oom", "cpu"), ("memory-fraction", "10")];
    if std::fs::read_to_string("/proc/meminfo").is_ok_and(|text| is_over(&text, 10)) {
        let error = refusal("scribetranscriber", &tight);
        assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
        assert!(error.message().contains("but then: out of memory"), "{error}");
    } else {
        eprintln!("skipped: less than 10 % of this machine's memory are in use");
    }
}

/// Whether more than `percent` of the memory are in use.
fn is_over(meminfo: &str, percent: u64) -> bool {
    let field = |name: &str| -> u64 {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let (total, free) = (field("MemTotal:"), field("MemAvailable:"));
    (total - free) * 100 > total * percent
}
