//! Real workers that are killed, abort and hang in the middle of a stream.

use std::time::{Duration, Instant};

use gstscribe::speech::Word;

use crate::common::RATE;
use crate::rig::*;

/// The run that the others are measured against.
fn healthy(minutes: usize) -> Run {
    let run = transcribe(conversation(minutes), "isolation=process", |_| {});
    assert_eq!((run.warnings.len(), &run.error), (0, &None));
    run
}

/// Numbers that are the same in every run (Numerical Recipes' linear congruential generator).
struct Dice(u32);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u64::from(self.0 >> 8) * end / (1 << 24)
    }
}

/// Sends `name` to each new worker some time after it came, `times` times at most.
fn strike(times: usize, name: &str, most_ms: u64) -> usize {
    let mut dice = Dice(7);
    let mut last = 0;
    for done in 0..times {
        let begin = Instant::now();
        let found = loop {
            match workers(std::process::id()).into_iter().find(|pid| *pid != last) {
                Some(pid) => break Some(pid),
                // The stream has ended.
                None if begin.elapsed() > Duration::from_secs(10) => break None,
                None => std::thread::park_timeout(Duration::from_millis(1)),
            }
        };
        let Some(pid) = found else { return done };
        std::thread::park_timeout(Duration::from_millis(dice.below(most_ms)));
        if !signal(pid, name) {
            return done;
        }
        last = pid;
    }
    times
}

/// Where a warning says that a window is left without text: the span that it may have had, in samples.
fn lost(run: &Run) -> Vec<(u64, u64)> {
    let lost = run.warnings.iter().filter(|w| w.contains("left without text"));
    lost.map(|warning| {
        let (_, rest) = warning.split_once("The window at ").unwrap();
        let time: gst::ClockTime = rest.split(' ').next().unwrap().parse_time();
        let start = time.nseconds() * RATE / 1_000_000_000;
        (start, start + 30 * RATE)
    })
    .collect()
}

trait ParseTime {
    fn parse_time(&self) -> gst::ClockTime;
}

impl ParseTime for str {
    /// "0:01:02.500000000"
    fn parse_time(&self) -> gst::ClockTime {
        let seconds = self
            .split(':')
            .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
        gst::ClockTime::from_nseconds((seconds * 1e9) as u64)
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_but_in_declared_gaps() {
    let healthy = healthy(12);
    let mut kills = 0;
    let run = transcribe(conversation(12), "isolation=process restart-limit=100", |_| {
        kills = strike(20, "KILL", 900);
    });
    assert_eq!(kills, 20, "the stream was too short");
    assert_eq!(run.error, None);
    assert_eq!(run.warnings.len(), 20, "{:#?}", run.warnings);
    assert!(
        run.warnings.iter().all(|w| w.contains("SIGKILL")),
        "{:#?}",
        run.warnings
    );
    let lost = lost(&run);
    eprintln!("{} windows lost", lost.len());
    // A window behind a lost one is cut elsewhere, so the model may time a word a little differently.
    let near = |a: u64, b: u64| a.abs_diff(b) < RATE / 2;
    let missing: Vec<_> = healthy
        .words
        .iter()
        .filter(|word| {
            !lost
                .iter()
                .any(|(from, until)| (*from..*until).contains(&word.start))
        })
        .filter(|word| {
            let same = |said: &&Word| said.text == word.text && near(said.start, word.start);
            !run.words.iter().any(|said| same(&said))
        })
        .map(|word| (word.start as f64 / RATE as f64, &word.text))
        .collect();
    assert!(
        missing.is_empty(),
        "{:?} of {} words",
        missing,
        healthy.words.len()
    );
    assert_eq!(children(std::process::id()), [0; 0]);
}

#[test]
fn an_abort_is_told_and_survived() {
    let run = transcribe(conversation(3), "isolation=process", |_| {
        assert_eq!(strike(1, "ABRT", 1), 1);
    });
    assert_eq!(
        (run.warnings.len(), &run.error),
        (1, &None),
        "{:#?}",
        run.warnings
    );
    assert!(run.warnings[0].contains("SIGABRT"), "{}", run.warnings[0]);
    assert_eq!(run.texts(), healthy(3).texts());
}

#[test]
fn a_hang_is_told_from_a_long_inference_and_survived() {
    let begin = Instant::now();
    let run = transcribe(conversation(3), "isolation=process", |_| {
        assert_eq!(strike(1, "STOP", 1), 1);
    });
    assert_eq!(
        (run.warnings.len(), &run.error),
        (1, &None),
        "{:#?}",
        run.warnings
    );
    assert!(
        run.warnings[0].contains("no sign of life for 5 s"),
        "{}",
        run.warnings[0]
    );
    assert!(begin.elapsed() >= Duration::from_secs(4));
    assert_eq!(run.texts(), healthy(3).texts());
    assert_eq!(children(std::process::id()), [0; 0]);
}

#[test]
fn the_limit_ends_the_stream_with_an_error() {
    let run = transcribe(conversation(3), "isolation=process restart-limit=1", |_| {
        strike(2, "KILL", 1);
    });
    let error = run.error.expect("an ERROR");
    for text in ["SIGKILL", "restart-limit", "set the element to READY"] {
        assert!(error.to_lowercase().contains(&text.to_lowercase()), "{error}");
    }
    assert_eq!(run.warnings.len(), 1, "{:#?}", run.warnings);
}
