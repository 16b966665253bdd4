//! What the bin holds at its peak, with the bundled models, each run in a process of its own.

mod common;

use std::process::Command;

use common::{quoted, recording};
use serde_json::Value;

/// A line of `memory-log`.
struct Checkpoint {
    label: String,
    allocated: u64,
    verdict: Option<String>,
}

/// The checkpoints of a line behind the decoder, in which LOG stands for the memory log.
fn checkpoints(rest: &str) -> Vec<Checkpoint> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("memory.jsonl");
    let test = std::env::current_exe().unwrap();
    let plugins = test.parent().and_then(|deps| deps.parent()).unwrap();
    let line = format!(
        "exec gst-launch-1.0 -q filesrc location={} ! decodebin ! {} ! fakesink sync=false",
        quoted(&recording("conversation.flac")),
        rest.replace("LOG", &format!("memory-log={}", quoted(&log)))
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .env("GST_PLUGIN_PATH", plugins)
        .env("GST_REGISTRY", folder.path().join("registry.bin"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| Checkpoint {
            label: line["label"].as_str().unwrap().to_owned(),
            allocated: line["allocated"].as_u64().unwrap(),
            verdict: line["verdict"].as_str().map(str::to_owned),
        })
        .collect()
}

fn peak(checkpoints: &[Checkpoint]) -> u64 {
    checkpoints.iter().map(|c| c.allocated).max().unwrap()
}

const BIN: &str = "scribebin whisper-model=bundled threads=1";

/// The larger stage and a tenth more, where all at once is the sum.
#[test]
fn residency_sequential_holds_one_stage_at_a_time() {
    // Within the bin, whose own code is no part of a stage: with a model this small it would count.
    let transcription = peak(&checkpoints(&format!("{BIN} diarize=false LOG")));
    let diarization = peak(&checkpoints("scriberesample ! scribediarizer threads=1 LOG"));
    let sequential = checkpoints(&format!("{BIN} residency=sequential LOG"));
    let concurrent = checkpoints(&format!("{BIN} residency=concurrent LOG"));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "peaks in MB: transcription alone {:.1}, diarization alone {:.1}, sequential {:.1}, concurrent {:.1}",
        megabytes(transcription),
        megabytes(diarization),
        megabytes(peak(&sequential)),
        megabytes(peak(&concurrent))
    );
    let larger = transcription.max(diarization);
    assert!(peak(&sequential) as f64 <= 1.1 * larger as f64);
    assert!(peak(&concurrent) > peak(&sequential));
    for run in [&sequential, &concurrent] {
        assert_eq!(run.len(), 19);
        for checkpoint in run.iter().filter(|c| c.verdict.is_some()) {
            assert_eq!(
                checkpoint.verdict.as_deref(),
                Some("good"),
                "{}",
                checkpoint.label
            );
        }
    }
}
