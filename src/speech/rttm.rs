//! RTTM, the Rich Transcription Time Marked file of NIST: who spoke when, one turn a line.
//!
//! ```text
//! SPEAKER <file> 1 <start> <duration> <NA> <NA> <speaker> <NA> <NA>
//! ```
//!
//! Ten fields with blanks between them, seconds with three decimals (NIST, "RT-09 evaluation plan", appendix A).
//! pyannote.metrics, dscore and md-eval read them.

use std::borrow::Cow;

use super::diarize::Turn;
use crate::time::SAMPLE_RATE;

/// Samples of a millisecond, the unit of an RTTM time.
const MILLISECOND: u64 = SAMPLE_RATE as u64 / 1_000;
/// The fields up to the speaker's name; readers take lines without the two behind it.
const FIELDS: usize = 8;

/// A turn as a line of RTTM, with its line break. `file` names the recording, the same on all its lines.
///
/// Start and end are rounded to milliseconds each and the duration is their difference, so that
/// start + duration is off by half a millisecond at most, and turns that adjoin still do. Blanks and control
/// characters in `file` and in the speaker's name become `_`, because a blank ends a field; what is empty
/// becomes `<NA>`. Two names that differ in nothing else become one: telling them apart is the caller's business.
pub fn write(file: &str, turn: &Turn) -> String {
    let (start, end) = (milliseconds(turn.start), milliseconds(turn.end.max(turn.start)));
    let length = end - start;
    format!(
        "SPEAKER {} 1 {}.{:03} {}.{:03} <NA> <NA> {} <NA> <NA>\n",
        field(file),
        start / 1_000,
        start % 1_000,
        length / 1_000,
        length % 1_000,
        field(&turn.speaker),
    )
}

/// The nearest millisecond; what lies halfway goes to the later one.
fn milliseconds(samples: u64) -> u64 {
    samples.saturating_add(MILLISECOND / 2) / MILLISECOND
}

fn field(text: &str) -> Cow<'_, str> {
    let ends_a_field = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() {
        Cow::Borrowed("<NA>")
    } else if text.contains(ends_a_field) {
        Cow::Owned(text.replace(ends_a_field, "_"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A `SPEAKER` line.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The recording.
    pub file: String,
    /// The turn; its confidence is 1 where the line has `<NA>`.
    pub turn: Turn,
}

/// A line that is no RTTM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "RTTM line {line}: {problem}; a turn is \"SPEAKER file channel start duration <NA> <NA> name <NA> <NA>\", with \
     times in seconds"
)]
pub struct ReadError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// The turns of an RTTM text, in its order. Empty lines, comments (`;;`, and `#`, which NIST does not know but
/// people write) and records of other types are skipped.
pub fn read(text: &str) -> Result<Vec<Record>, ReadError> {
    let mut records = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}');
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first().is_some_and(|kind| *kind == "SPEAKER") {
            records.push(record(&fields).map_err(|problem| ReadError {
                line: number + 1,
                problem,
            })?);
        }
    }
    Ok(records)
}

fn record(fields: &[&str]) -> Result<Record, String> {
    if fields.len() < FIELDS {
        return Err(format!(
            "{} fields, where at least {FIELDS} are expected",
            fields.len()
        ));
    }
    let start = time("start", fields[3])?;
    let duration = time("duration", fields[4])?;
    let samples = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as u64;
    Ok(Record {
        file: fields[1].to_owned(),
        turn: Turn {
            speaker: fields[7].into(),
            start: samples(start),
            end: samples(start + duration),
            confidence: confidence(fields.get(8))?,
        },
    })
}

fn time(what: &str, field: &str) -> Result<f64, String> {
    match field.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(seconds),
        _ => Err(format!(
            "the {what} {field:?} is not a number of seconds from 0 up"
        )),
    }
}

fn confidence(field: Option<&&str>) -> Result<f32, String> {
    match field {
        None | Some(&"<NA>") => Ok(1.0),
        Some(text) => match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value.clamp(0.0, 1.0)),
            _ => Err(format!("the confidence {text:?} is neither a number nor <NA>")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(speaker: &str, start: u64, end: u64) -> Turn {
        Turn {
            speaker: speaker.into(),
            start,
            end,
            confidence: 1.0,
        }
    }

    #[track_caller]
    fn check_written(file: &str, turn: &Turn, expected: &str) {
        assert_eq!(write(file, turn), format!("{expected}\n"));
    }

    #[test]
    fn a_turn_is_a_line_of_ten_fields() {
        check_written(
            "meeting",
            &turn("SPEAKER_00", 12_800, 48_160),
            "SPEAKER meeting 1 0.800 2.210 <NA> <NA> SPEAKER_00 <NA> <NA>",
        );
        check_written(
            "my file",
            &turn("Ana\u{a0}Lima\n", 0, 16_000 * 36_000),
            "SPEAKER my_file 1 0.000 36000.000 <NA> <NA> Ana_Lima_ <NA> <NA>",
        );
        check_written(
            "",
            &turn("", 7, 8),
            "SPEAKER <NA> 1 0.000 0.001 <NA> <NA> <NA> <NA> <NA>",
        );
        check_written(
            "a",
            &turn("b", 32, 16),
            "SPEAKER a 1 0.002 0.000 <NA> <NA> b <NA> <NA>",
        );
    }

    #[test]
    fn lines_become_turns() {
        let text = "\u{feff};; a comment\r\nSPKR-INFO a 1 <NA> <NA> <NA> unknown bob <NA>\r\n\r\n\
                    SPEAKER a 1 0.800 2.210 <NA> <NA> bob <NA> <NA>\r\n\
                    # another\n  SPEAKER\tb 2 1e1 .5 <NA> <NA> Jos\u{e9} 0.75\nLEXEME a 1 0 1 hello lex bob 0.5\n\
                    SPEAKER a 1 0 0 <NA> <NA> bob";
        let found = read(text).unwrap();
        let expected = [
            ("a", turn("bob", 12_800, 48_160)),
            (
                "b",
                Turn {
                    confidence: 0.75,
                    ..turn("Jos\u{e9}", 160_000, 168_000)
                },
            ),
            ("a", turn("bob", 0, 0)),
        ];
        assert_eq!(found.len(), expected.len());
        for (record, (file, turn)) in found.iter().zip(&expected) {
            assert_eq!((record.file.as_str(), &record.turn), (*file, turn));
        }
    }

    #[test]
    fn errors_name_the_line_and_what_is_wrong() {
        let good = "SPEAKER a 1 0 1 <NA> <NA> bob <NA> <NA>\n";
        for (bad, problem) in [
            (
                "SPEAKER a 1 0 1 <NA> <NA>",
                "7 fields, where at least 8 are expected",
            ),
            ("SPEAKER a 1 x 1 <NA> <NA> bob", "the start \"x\" is not"),
            ("SPEAKER a 1 0 -1 <NA> <NA> bob", "the duration \"-1\" is not"),
            ("SPEAKER a 1 0 nan <NA> <NA> bob", "the duration \"nan\" is not"),
            ("SPEAKER a 1 0 1 <NA> <NA> bob high", "the confidence \"high\" is"),
        ] {
            let error = read(&format!("{good}{bad}\n{good}")).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("RTTM line 2: {problem}")) && text.contains("SPEAKER file channel"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            file in "\\PC{0,8}",
            name in "\\PC{0,8}",
            start in 0_u64..10_000_000_000,
            length in 0_u64..10_000_000,
        ) {
            let line = write(&file, &turn(&name, start, start + length));
            prop_assert_eq!(line.split_whitespace().count(), 10);
            let records = read(&line).unwrap();
            prop_assert_eq!(records.len(), 1);
            let read = &records[0].turn;
            prop_assert!(read.start.abs_diff(start) <= MILLISECOND / 2);
            prop_assert!(read.end.abs_diff(start + length) <= MILLISECOND / 2);
        }

        #[test]
        fn turns_that_adjoin_adjoin_as_lines(start in 0_u64..1 << 40, length in 0_u64..1 << 20, next in 0_u64..1 << 20) {
            let middle = start + length;
            let text = write("f", &turn("a", start, middle)) + &write("f", &turn("a", middle, middle + next));
            let records = read(&text).unwrap();
            prop_assert_eq!(records[0].turn.end, records[1].turn.start);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(SPEAKER|[ \\-0-9.a-z<>;]{0,5}|\n){0,60}") {
            let _ = read(&text);
        }
    }
}
