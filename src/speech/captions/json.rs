//! The transcript: one JSON object a line and cue.

use serde::Serialize;

use super::Cue;
use crate::speech::json::thousandths;
use crate::time::samples_to_seconds;

#[derive(Serialize)]
struct Line<'a> {
    /// Without line breaks: those are for screens.
    text: String,
    start: f64,
    end: f64,
    speaker: Option<&'a str>,
    language: Option<&'a str>,
    words: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    text: &'a str,
    start: f64,
    end: f64,
    confidence: f64,
}

pub fn write(cue: &Cue) -> String {
    let words = cue.words.iter().map(|word| Entry {
        text: &word.text,
        start: samples_to_seconds(word.start),
        end: samples_to_seconds(word.end),
        confidence: thousandths(word.confidence),
    });
    let line = Line {
        text: cue.text(),
        start: samples_to_seconds(cue.start),
        end: samples_to_seconds(cue.end),
        speaker: cue.speaker.as_deref(),
        language: cue.language.as_deref(),
        words: words.collect(),
    };
    // Strings and finite numbers only: serde_json cannot fail, and a line is text in any case.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}
