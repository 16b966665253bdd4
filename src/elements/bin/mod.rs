//! The parts of `scribebin`.

#![allow(dead_code, reason = "the bin is made of them")]

pub(crate) mod spool;
