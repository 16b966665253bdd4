//! Ring 1, pure: no GStreamer, no model, no clock, no thread, no file.
//!
//! Everything here counts 16 kHz samples, is fed by its caller and cannot fail while running.

pub mod align;
pub mod captions;
pub mod diarize;
mod json;
pub mod rttm;
mod sentence;
pub mod transcribe;
mod word;

pub use word::Word;
