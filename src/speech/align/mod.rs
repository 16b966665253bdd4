//! Words + turns → words with speakers.
//!
//! [`Aligner`] takes both as they come and gives each word back once, in order, with whoever said it. How a word finds
//! its speaker is in `rule`, how a sentence corrects one of its words in `smoothing`.

mod aligner;
mod rule;
mod smoothing;
mod timeline;

pub use aligner::{AlignConfig, Aligner, Out};
