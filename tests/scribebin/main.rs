//! `scribebin` around models that are quick and predictable: what it does, not what models can.

#[path = "../common/mod.rs"]
mod common;
#[path = "../diarizer/rig.rs"]
#[allow(dead_code, reason = "the diarizer's tests use the rest")]
mod turns_rig;
#[path = "../transcriber/rig.rs"]
#[allow(dead_code, reason = "the transcriber's tests use the rest")]
mod words_rig;

mod audio;
mod cleanup;
mod endings;
mod errors;
mod flow;
mod properties;
mod rig;
