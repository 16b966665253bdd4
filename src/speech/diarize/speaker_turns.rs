//! `application/x-json, format=speaker-turns`: one JSON object a line and turn.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Turn;
use crate::speech::json::thousandths;
use crate::time::{SAMPLE_RATE, samples_to_seconds};

#[derive(Deserialize, Serialize)]
struct Line<'a> {
    #[serde(borrow)]
    speaker: Cow<'a, str>,
    start: f64,
    end: f64,
    #[serde(default = "sure")]
    confidence: f64,
}

/// The confidence of a turn that does not tell its own.
fn sure() -> f64 {
    1.0
}

/// A line that is no turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a line of speaker turns is not as expected: {0}; a turn is \
     {{\"speaker\":\"A\",\"start\":0.5,\"end\":2.0,\"confidence\":0.9}}, with times in seconds"
)]
pub struct ReadTurnError(String);

/// `{"speaker","start","end","confidence"}` with a line break behind it; times in seconds, exact to the sample.
pub fn to_json(turn: &Turn) -> String {
    let line = Line {
        speaker: Cow::Borrowed(&turn.speaker),
        start: samples_to_seconds(turn.start),
        end: samples_to_seconds(turn.end),
        confidence: thousandths(turn.confidence),
    };
    // Strings and finite numbers only: serde_json cannot fail, and a line is text in any case.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

/// The turn in `line`: the reverse of [`to_json`]. Other fields are ignored, and a turn without a confidence is sure.
pub fn from_json(line: &str) -> Result<Turn, ReadTurnError> {
    let read: Line = serde_json::from_str(line).map_err(|e| ReadTurnError(e.to_string()))?;
    if !(0.0..=LONGEST).contains(&read.start) || !(read.start..=LONGEST).contains(&read.end) {
        return Err(ReadTurnError(format!(
            "from {} s to {} s is no time",
            read.start, read.end
        )));
    }
    let samples = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as u64;
    Ok(Turn {
        speaker: read.speaker.into(),
        start: samples(read.start),
        end: samples(read.end),
        confidence: read.confidence.clamp(0.0, 1.0) as f32,
    })
}

/// No turn is later, in seconds: the 584 years that GStreamer's nanoseconds can count.
const LONGEST: f64 = 1.8e10;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(speaker: &str, samples: (u64, u64), confidence: f32, expected: &str) {
        let turn = Turn {
            speaker: speaker.into(),
            start: samples.0,
            end: samples.1,
            confidence,
        };
        assert_eq!(to_json(&turn), format!("{expected}\n"));
    }

    #[test]
    fn a_turn_is_a_line() {
        check(
            "SPEAKER_00",
            (12_800, 48_160),
            0.912_34,
            r#"{"speaker":"SPEAKER_00","start":0.8,"end":3.01,"confidence":0.912}"#,
        );
        check(
            "Zoë \"Z\"\n",
            (0, 1),
            f32::NAN,
            r#"{"speaker":"Zoë \"Z\"\n","start":0.0,"end":0.0000625,"confidence":0.0}"#,
        );
    }

    #[test]
    fn what_is_written_is_read() {
        for (speaker, start, end, confidence) in [
            ("SPEAKER_00", 12_800, 48_160, 0.912),
            ("Zoë \"Z\"\n", 0, 1, 0.0),
            ("A", 16_000 * 86_400 + 1, 16_000 * 86_400 + 3, 1.0),
        ] {
            let turn = Turn {
                speaker: speaker.into(),
                start,
                end,
                confidence,
            };
            assert_eq!(from_json(&to_json(&turn)), Ok(turn));
        }
        let bare = from_json(r#" {"end":2,"speaker":"A","start":1,"channel":3} "#).unwrap();
        assert_eq!((bare.start, bare.end, bare.confidence), (16_000, 32_000, 1.0));
    }

    #[test]
    fn what_is_no_turn_is_told() {
        for (line, expected) in [
            ("", "EOF"),
            ("speaker: A", "expected value"),
            ("[1, 2]", "invalid type"),
            (r#"{"speaker":"A","start":1}"#, "missing field `end`"),
            (r#"{"speaker":7,"start":1,"end":2}"#, "invalid type"),
            (r#"{"speaker":"A","start":-1,"end":2}"#, "from -1 s to 2 s"),
            (r#"{"speaker":"A","start":2,"end":1}"#, "from 2 s to 1 s"),
            (r#"{"speaker":"A","start":1,"end":1e300}"#, "is no time"),
        ] {
            let error = from_json(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
