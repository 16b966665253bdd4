//! `application/x-json, format=speaker-turns`: one JSON object a line and turn.

use serde::Serialize;

use super::Turn;
use crate::speech::json::thousandths;
use crate::time::samples_to_seconds;

#[derive(Serialize)]
struct Line<'a> {
    speaker: &'a str,
    start: f64,
    end: f64,
    confidence: f64,
}

/// `{"speaker","start","end","confidence"}` with a line break behind it; times in seconds, exact to the sample.
pub fn to_json(turn: &Turn) -> String {
    let line = Line {
        speaker: &turn.speaker,
        start: samples_to_seconds(turn.start),
        end: samples_to_seconds(turn.end),
        confidence: thousandths(turn.confidence),
    };
    // Strings and finite numbers only: serde_json cannot fail, and a line is text in any case.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

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
}
