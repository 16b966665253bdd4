//! The parts of `scribebin`.

#![allow(dead_code, reason = "the bin is made of them")]

pub(crate) mod room;
pub(crate) mod spool;
pub(crate) mod whisper_model;
