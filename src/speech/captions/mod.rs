//! Words → cues → caption formats. Pure: samples in, text out.
//!
//! [`CueBuilder`] groups words into [`Cue`]s under [`Rules`]; [`Writer`] turns a cue into the text of
//! one [`Format`]. Neither fails: whatever the words are, the text is well-formed.

mod boundary;
mod builder;
mod cues;
mod format;
mod json;
mod lines;
mod markup;
mod pango;
mod srt;
mod vtt;

pub use builder::CueBuilder;
pub use cues::{Cue, Rules};
pub use format::{Format, Writer};
