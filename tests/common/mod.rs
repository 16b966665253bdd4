//! What several test files need.
#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};
use std::sync::Once;

pub const RATE: u64 = 16_000;

/// GStreamer with the plugin of this crate.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstscribe::plugin_register_static().expect("the plugin registers");
    });
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn demo_model() -> String {
    root()
        .join("models/ggml-scribe-demo.en-q5_0.bin")
        .display()
        .to_string()
}

pub fn recording(name: &str) -> PathBuf {
    root().join("models/recordings").join(name)
}

/// A file beside the project that only measuring needs. `None`, with a printed reason, when it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// The resident set of this process in bytes.
pub fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Lower-case words without punctuation.
pub fn plain(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|w| !w.is_empty())
        .collect()
}

/// Word errors of `heard` against `truth` (Levenshtein distance), as a share of the truth's words.
pub fn word_error_rate(truth: &[String], heard: &[String]) -> f64 {
    distance(truth, heard) as f64 / truth.len().max(1) as f64
}

pub fn distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Runs a pipeline description to EOS and returns every message but state changes; panics on an ERROR.
pub fn run(description: &str) -> Vec<gst::Message> {
    let (messages, error) = try_run(description);
    assert!(error.is_none(), "{description}: {}", error.unwrap());
    messages
}

/// Like [`run`], with the text of the first ERROR instead of a panic.
pub fn try_run(description: &str) -> (Vec<gst::Message>, Option<String>) {
    use gst::prelude::*;
    init();
    let pipeline = gst::parse::launch(description).unwrap_or_else(|e| panic!("{description}: {e}"));
    let bus = pipeline.bus().unwrap();
    let started = pipeline.set_state(gst::State::Playing);
    let mut messages = Vec::new();
    let mut error = None;
    loop {
        // A state change that failed has posted its error already.
        let timeout = if started.is_err() {
            Some(gst::ClockTime::ZERO)
        } else {
            gst::ClockTime::NONE
        };
        let Some(message) = bus.timed_pop(timeout) else {
            break;
        };
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => {
                error = Some(format!("{} ({})", e.error(), e.debug().unwrap_or_default()));
                break;
            }
            gst::MessageView::StateChanged(_) => {}
            _ => messages.push(message),
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    messages.extend(std::iter::from_fn(|| bus.pop()));
    (messages, error)
}

/// Quotes a path for a pipeline description.
pub fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
