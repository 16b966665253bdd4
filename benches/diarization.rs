//! Diarization error and speed of `scribediarizer`, by file and mode.
//!
//!     cargo bench --bench diarization -- [--property=value ...] [FILE ...]
//!
//! Each FILE has its truth beside it, in FILE.rttm with the same stem; without any, the bundled conversation and what is in
//! `../shared/audio`. Other properties, such as `--embedding-model=voices.onnx`, go to the element. Prints a table: error rate
//! (DER, no collar, overlap scored) with its parts in per cent of the speech, speakers found and true, and the real-time
//! factor of the whole pipeline on one thread; last, the error of giving all speech to one speaker.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/der.rs"]
mod der;

use std::path::{Path, PathBuf};
use std::time::Instant;

use gstscribe::speech::diarize::Turn;
use gstscribe::speech::rttm;

const MODES: [(&str, &str); 4] = [
    ("offline", "mode=offline"),
    ("online 0.5 s", "mode=online latency=500"),
    ("online 2 s", "mode=online latency=2000"),
    ("online 5 s", "mode=online latency=5000"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let (properties, files): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|a| a.starts_with("--"));
    let properties: String = properties.iter().map(|p| format!(" {}", &p[2..])).collect();
    let files: Vec<PathBuf> = if files.is_empty() {
        known()
    } else {
        files.into_iter().map(Into::into).collect()
    };
    println!(
        "| file | mode | DER | miss | false alarm | confusion | speakers: found, true | real-time factor |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for file in files {
        let truth = turns(&file.with_extension("rttm"));
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (mode, setting) in MODES {
            let begun = Instant::now();
            let (found, seconds) = diarize(&file, &format!("{setting} threads=1{properties}"));
            let factor = begun.elapsed().as_secs_f64() / seconds;
            row(&name, mode, &truth, &found, &format!("{factor:.3}"));
        }
        row(&name, "one speaker", &truth, &one_speaker(&truth), "");
    }
}

/// The recordings that come with their truth.
fn known() -> Vec<PathBuf> {
    let mut files = vec![common::recording("conversation.flac")];
    if let Some(folder) = common::shared("audio") {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        found.retain(|f| f.extension().is_some_and(|e| e == "flac") && f.with_extension("rttm").exists());
        found.sort();
        files.extend(found);
    }
    files
}

fn turns(rttm: &Path) -> Vec<Turn> {
    let text = std::fs::read_to_string(rttm).unwrap_or_else(|e| panic!("{}: {e}", rttm.display()));
    let records = rttm::read(&text).unwrap_or_else(|e| panic!("{}: {e}", rttm.display()));
    records.into_iter().map(|r| r.turn).collect()
}

/// The turns that the element writes, and how long the recording is, in seconds.
fn diarize(file: &Path, properties: &str) -> (Vec<Turn>, f64) {
    let out = tempfile::NamedTempFile::new().unwrap();
    common::run(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribediarizer {properties} ! application/x-rttm ! filesink location={}",
        common::quoted(file),
        common::quoted(out.path())
    ));
    let seconds = common::decode(file).len() as f64 / common::RATE as f64;
    (turns(out.path()), seconds)
}

/// What is said, by one speaker.
fn one_speaker(truth: &[Turn]) -> Vec<Turn> {
    let all = truth.iter().map(|turn| Turn {
        speaker: "everybody".into(),
        ..turn.clone()
    });
    let mut all: Vec<Turn> = all.collect();
    all.sort_by_key(|turn| turn.start);
    let mut joined: Vec<Turn> = Vec::new();
    for turn in all {
        match joined.last_mut().filter(|last| turn.start <= last.end) {
            Some(last) => last.end = last.end.max(turn.end),
            None => joined.push(turn),
        }
    }
    joined
}

fn row(name: &str, mode: &str, truth: &[Turn], found: &[Turn], factor: &str) {
    let score = der::score(truth, found, der::FULL);
    let share = |part: u64| 100.0 * part as f64 / score.total.max(1) as f64;
    println!(
        "| {name} | {mode} | {:.1} | {:.1} | {:.1} | {:.1} | {}, {} | {factor} |",
        100.0 * score.der(),
        share(score.miss),
        share(score.false_alarm),
        share(score.confusion),
        score.speakers.1,
        score.speakers.0,
    );
}
