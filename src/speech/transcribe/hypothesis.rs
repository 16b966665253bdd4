//! What a model makes of one window. All positions are samples from the window's start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One text token with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// The token's bytes: may be a part of a UTF-8 character, may begin with a space.
    pub bytes: Vec<u8>,
    /// The model's probability of the token, 0 to 1.
    pub probability: f32,
    /// First sample of the token.
    pub start: u64,
    /// First sample after it. Equal to `start` where the model knows onsets only.
    pub end: u64,
}

/// A stretch of text between two timestamps of the model: a sentence or a clause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// First sample.
    pub start: u64,
    /// First sample after the segment.
    pub end: u64,
    /// Its text tokens, in order; no special tokens.
    pub tokens: Vec<Token>,
}

/// The answer to one window.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Hypothesis {
    /// In order of time.
    pub segments: Vec<Segment>,
    /// The language that the model heard, as a BCP-47 code.
    pub language: Option<Arc<str>>,
    /// Where the next window must begin: the last timestamp that the model closed, or the window's
    /// end when it closed none or heard nothing behind it.
    pub next: u64,
    /// What the model wants to be told with the next window: the text so far, as tokens with its own numbers. Their
    /// number is bounded by the model's context.
    pub history: Vec<i32>,
}
