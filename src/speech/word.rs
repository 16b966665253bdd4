//! A word with its place in the stream: what transcription makes and captions are built from.

use std::sync::Arc;

/// One spoken word. `start` and `end` are 16 kHz samples on the caller's time line.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The bare word: no space at either end, punctuation attached, never empty.
    pub text: String,
    /// First sample of the word.
    pub start: u64,
    /// First sample after the word; never before `start`.
    pub end: u64,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Number of the model's segment (its sentence or clause) that the word belongs to.
    pub segment: u32,
    /// Who said it, once somebody knows.
    pub speaker: Option<Arc<str>>,
    /// BCP-47 code of the language, where known.
    pub language: Option<Arc<str>>,
}
