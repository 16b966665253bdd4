//! Real workers that abort and hang in the middle of a stream.

use std::time::{Duration, Instant};

use crate::rig::*;

/// The run that the others are measured against.
fn healthy(minutes: usize) -> Run {
    let run = transcribe(conversation(minutes), "isolation=process", |_| {});
    assert_eq!((run.warnings.len(), &run.error), (0, &None));
    run
}

/// Sends `name` to each new worker as it comes, `times` times.
fn strike(times: usize, name: &str) {
    let mut last = 0;
    for _ in 0..times {
        let new = || workers(std::process::id()).into_iter().find(|pid| *pid != last);
        last = eventually("a new worker", new);
        assert!(signal(last, name));
    }
}

#[test]
fn an_abort_is_told_and_survived() {
    let run = transcribe(conversation(3), "isolation=process", |_| {
        strike(1, "ABRT");
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
        strike(1, "STOP");
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
        strike(2, "KILL");
    });
    let error = run.error.expect("an ERROR");
    for text in ["SIGKILL", "restart-limit", "set the element to READY"] {
        assert!(error.to_lowercase().contains(&text.to_lowercase()), "{error}");
    }
    assert_eq!(run.warnings.len(), 1, "{:#?}", run.warnings);
}
