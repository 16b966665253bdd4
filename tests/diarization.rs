//! The bundled speaker models on recordings whose truth is known: who spoke when, as a user gets it.

mod common;
#[path = "common/der.rs"]
mod der;

use std::path::{Path, PathBuf};

use gstscribe::speech::diarize::Turn;
use gstscribe::speech::rttm;

fn truth(file: &Path) -> Vec<Turn> {
    let text = std::fs::read_to_string(file.with_extension("rttm")).unwrap();
    rttm::read(&text).unwrap().into_iter().map(|r| r.turn).collect()
}

/// What the line writes.
fn diarize(file: &Path, properties: &str) -> Vec<Turn> {
    let out = tempfile::NamedTempFile::new().unwrap();
    common::run(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribediarizer threads=1 {properties} ! application/x-rttm ! \
         filesink location={}",
        common::quoted(file),
        common::quoted(out.path())
    ));
    rttm::read(&std::fs::read_to_string(out.path()).unwrap())
        .unwrap()
        .into_iter()
        .map(|r| r.turn)
        .collect()
}

/// No collar, overlap scored; printed for whoever looks.
fn score(file: &Path, properties: &str) -> der::Score {
    let score = der::score(&truth(file), &diarize(file, properties), der::FULL);
    println!("{} {properties}: {score}", file.display());
    score
}

fn bundled() -> PathBuf {
    common::recording("conversation.flac")
}

#[test]
fn the_bundled_conversation_is_told_apart() {
    let score = score(&bundled(), "");
    assert!(score.der() <= 0.05, "{score}");
    assert_eq!(score.speakers, (2, 2));
}

#[test]
fn online_is_little_worse_than_offline() {
    let shared = ["libri-2spk", "digits-2spk"].map(|name| common::shared(&format!("audio/{name}.flac")));
    for file in std::iter::once(bundled()).chain(shared.into_iter().flatten()) {
        let offline = score(&file, "mode=offline");
        let online = score(&file, "mode=online latency=2000");
        assert!(
            online.der() <= offline.der() + 0.08,
            "{}: offline {offline}, online {online}",
            file.display()
        );
    }
}

#[test]
fn silence_has_no_speakers() {
    let found = diarize(&common::recording("silence-and-noise.flac"), "");
    let speech: u64 = found.iter().map(|t| t.end - t.start).sum();
    assert!(speech < common::RATE, "{found:?}");
}

/// Human readers, alike ones among them. Most of what is wrong is silence that their truth spans (`docs/benchmarks.md`).
#[test]
fn people_reading_are_told_apart() {
    for (name, most) in [("libri-2spk", 0.12), ("libri-4spk", 0.10), ("digits-2spk", 0.05)] {
        let Some(file) = common::shared(&format!("audio/{name}.flac")) else {
            return;
        };
        let score = score(&file, "");
        assert!(score.der() <= most, "{name}: {score}");
        assert_eq!(score.speakers.0, score.speakers.1, "{name}: {score}");
    }
}
