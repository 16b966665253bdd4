//! The scorer of the diarization tests: worked examples, and pyannote.metrics on three files.

#[path = "common/der.rs"]
mod der;

use der::{FULL, Score, Scoring, score};
use gstscribe::speech::diarize::Turn;
use gstscribe::speech::rttm;

/// Speaker, start and end in seconds.
fn turns(turns: &[(&str, f64, f64)]) -> Vec<Turn> {
    let samples = |seconds: f64| (seconds * 16_000.0) as u64;
    let turn = |(speaker, start, end): &(&str, f64, f64)| Turn {
        speaker: (*speaker).into(),
        start: samples(*start),
        end: samples(*end),
        confidence: 1.0,
    };
    turns.iter().map(turn).collect()
}

/// Total, miss, false alarm and confusion in seconds; JER.
#[track_caller]
fn check(
    scoring: Scoring,
    reference: &[(&str, f64, f64)],
    hypothesis: &[(&str, f64, f64)],
    expected: [f64; 4],
    jer: f64,
) {
    let found = score(&turns(reference), &turns(hypothesis), scoring);
    let parts = [found.total, found.miss, found.false_alarm, found.confusion].map(|n| n as f64 / 16_000.0);
    assert_eq!(parts, expected, "{found}");
    assert!((found.jer - jer).abs() < 1e-9, "{} instead of {jer}", found.jer);
}

#[test]
fn worked_examples() {
    let ab = [("a", 0.0, 4.0), ("b", 4.0, 6.0)];
    check(
        FULL,
        &ab,
        &[("y", 0.0, 4.0), ("x", 4.0, 6.0)],
        [6.0, 0.0, 0.0, 0.0],
        0.0,
    );
    check(
        FULL,
        &ab,
        &[("x", 0.0, 6.0)],
        [6.0, 0.0, 0.0, 2.0],
        (2.0 / 6.0 + 1.0) / 2.0,
    );
    check(FULL, &ab, &[], [6.0, 6.0, 0.0, 0.0], 1.0);
    check(FULL, &[], &[("x", 0.0, 1.0)], [0.0, 0.0, 1.0, 0.0], 0.0);
    check(
        FULL,
        &ab,
        &[("x", 0.0, 3.0), ("y", 5.0, 9.0)],
        [6.0, 2.0, 3.0, 0.0],
        (0.25 + 0.8) / 2.0,
    );
    // Two at once, one heard.
    let crossed = [("a", 0.0, 4.0), ("b", 2.0, 4.0)];
    check(FULL, &crossed, &[("x", 0.0, 4.0)], [6.0, 2.0, 0.0, 0.0], 0.5);
    let alone = Scoring {
        overlap: false,
        ..FULL
    };
    check(alone, &crossed, &[("x", 0.0, 4.0)], [2.0, 0.0, 0.0, 0.0], 0.0);
    // Half a second on each side of 0, 4 and 6 is left out, of the hypothesis too.
    let collar = Scoring {
        collar: 8_000,
        ..FULL
    };
    check(
        collar,
        &ab,
        &[("x", 0.3, 4.4), ("y", 4.4, 7.0)],
        [4.0, 0.0, 0.5, 0.0],
        0.5 / 1.5 / 2.0,
    );
    // A speaker whose turns run into each other is one.
    check(
        FULL,
        &[("a", 0.0, 2.0), ("a", 1.0, 3.0)],
        &[("x", 0.0, 3.0)],
        [3.0, 0.0, 0.0, 0.0],
        0.0,
    );
}

#[test]
fn nothing_against_nothing_is_right() {
    let found = score(&[], &[], FULL);
    assert_eq!(found, Score::default());
    assert_eq!(found.der(), 0.0);
}

#[test]
fn pyannote_metrics_says_the_same() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/der");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the file is there");
    let turns = |name: &str| -> Vec<Turn> {
        let records = rttm::read(&read(name)).expect("RTTM");
        records.into_iter().map(|record| record.turn).collect()
    };
    let figures: serde_json::Value = serde_json::from_str(&read("figures.json")).expect("JSON");
    let mut compared = 0;
    for name in ["boundaries", "overlap", "speakers"] {
        let (reference, hypothesis) = (
            turns(&format!("{name}.ref.rttm")),
            turns(&format!("{name}.hyp.rttm")),
        );
        for row in figures[name].as_array().expect("rows") {
            let number = |key: &str| row[key].as_f64().expect("a number");
            let scoring = Scoring {
                collar: (number("collar") * 16_000.0) as u64,
                overlap: row["overlap_scored"].as_bool().expect("yes or no"),
            };
            let found = score(&reference, &hypothesis, scoring);
            for (key, value) in [
                ("total", found.total as f64 / 16_000.0),
                ("miss", found.miss as f64 / 16_000.0),
                ("false_alarm", found.false_alarm as f64 / 16_000.0),
                ("confusion", found.confusion as f64 / 16_000.0),
                ("der", found.der()),
                ("jer", found.jer),
            ] {
                let off = (value - number(key)).abs();
                assert!(
                    off < 1e-6,
                    "{name}, {scoring:?}: {key} is {value}, pyannote.metrics says {}",
                    number(key)
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * 4 * 6);
}
