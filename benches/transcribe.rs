//! The element against one direct `WhisperState::full` call over the whole recording: the same work, without
//! windows, threads, pads and words. Prints the ratio of wall times and CPU times, how the texts differ, and how
//! long a cancel takes.
//!
//!     cargo bench --bench transcribe -- [MODEL [FILE [REPEAT [THREADS]]]]
//!
//! Runs the two in turn five times, so that a machine whose speed drifts is fair to both.

#[path = "../tests/common/mod.rs"]
mod common;
mod shared;

use std::time::{Duration, Instant};

use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::infer::whisper::{Whisper, WhisperConfig};
use gstscribe::speech::transcribe::{Context, Window};

use shared::{Job, cpu_seconds, spread};

const ROUNDS: usize = 5;

fn main() {
    let job = Job::of_arguments(3);
    let mut wall = Vec::new();
    let mut cpu = Vec::new();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (text, direct) = timed(|| direct(&job));
        said = text;
        let (text, element) = timed(|| element(&job));
        heard = text;
        println!(
            "round {round}: direct {:.2} s wall {:.2} s CPU, element {:.2} s wall {:.2} s CPU",
            direct.0, direct.1, element.0, element.1
        );
        wall.push(element.0 / direct.0);
        cpu.push(element.1 / direct.1);
    }
    for (what, ratios) in [("wall", &mut wall), ("CPU", &mut cpu)] {
        let (least, median, most) = spread(ratios);
        println!("element / direct: {what} {least:.3} {median:.3} {most:.3} (least, median, most)");
    }
    let differing = common::distance(&said, &heard);
    println!(
        "words: direct {}, element {}, differing {differing}",
        said.len(),
        heard.len()
    );
    cancels(&job);
}

/// What `run` returns, and the wall and CPU seconds that it took.
fn timed<T>(run: impl FnOnce() -> T) -> (T, (f64, f64)) {
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let result = run();
    (result, (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu))
}

fn direct(job: &Job) -> Vec<String> {
    let mut text = String::new();
    for segment in common::direct_segments(&job.model, &job.samples, job.threads as i32) {
        text.push_str(&segment);
    }
    common::plain(&text)
}

fn element(job: &Job) -> Vec<String> {
    common::transcribe(
        &job.model,
        &job.samples,
        &format!("threads={} silence-gate=false", job.threads),
    )
    .into_iter()
    .flat_map(|w| common::plain(&w.text))
    .collect()
}

/// Sets the cancel switch at moments spread over a window's recognition, and measures until it returns.
fn cancels(job: &Job) {
    let config = WhisperConfig {
        threads: job.threads as i32,
        ..common::whisper_config(&job.model)
    };
    let mut whisper = Whisper::load(&config, &mut |_| {}).expect("the model loads");
    let length = job.samples.len().min(31 * common::RATE as usize);
    let window = Window {
        start: 0,
        samples: job.samples[..length].to_vec(),
        before: Vec::new(),
        context: Context::Start,
        history: Vec::new(),
        language: None,
    };
    let whole = timed(|| whisper.recognize(&window, &Cancel::default()).map(drop))
        .1
        .0;
    let mut delays: Vec<f64> = Vec::new();
    for i in 1..20 {
        let cancel = Cancel::default();
        let switch = cancel.clone();
        let wait = Duration::from_secs_f64(whole * f64::from(i) / 20.0);
        let killer = std::thread::spawn(move || {
            std::thread::park_timeout(wait); // nobody unparks it
            switch.set();
            Instant::now()
        });
        let result = whisper.recognize(&window, &cancel);
        let end = Instant::now();
        let set = killer.join().unwrap();
        if result == Err(RunError::Cancelled) {
            delays.push(end.saturating_duration_since(set).as_secs_f64() * 1000.0);
        }
    }
    delays.sort_by(f64::total_cmp);
    if let (Some(median), Some(most)) = (delays.get(delays.len() / 2), delays.last()) {
        println!(
            "cancel: {} times, median {median:.1} ms, most {most:.1} ms",
            delays.len()
        );
    }
}
