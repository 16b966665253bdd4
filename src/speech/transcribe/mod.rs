//! Audio → windows → words: the transcription session.

mod hypothesis;
mod script;
mod session;
pub mod speech_map;
mod words;

pub use hypothesis::{Hypothesis, Segment, Token};
pub use session::{Context, Session, SessionConfig, Window};
pub use speech_map::{Answer, SpeechMap, SpeechRule};
pub use words::words_of_segment;
