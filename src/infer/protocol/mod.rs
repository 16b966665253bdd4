//! What the library and `scribe-worker` say to each other, as bytes. Knows no socket and no process: see
//! [`super::worker`] for those.
//!
//! A frame is a head of [`HEAD`](frame::HEAD) bytes, a message and, where the message is about audio, the samples as
//! they are in memory. Messages are in postcard's format: a byte or two for most numbers, a specification that is
//! frozen since 1.0, and a reader that takes no more memory than its input is long. bincode, the other usual choice,
//! is no longer maintained (RUSTSEC-2025-0141); JSON would make a hypothesis three times as long for a reader that
//! is always our own. The samples stay out of it: half a million floats would be encoded one by one.

pub mod frame;
mod messages;
mod questions;

pub use frame::ProtocolError;
pub use messages::{Facts, FromWorker, Load, News, ToWorker, software};
pub use questions::{Packed, Question, Reply, Travels, pack_voice, pack_window, pack_windows};
