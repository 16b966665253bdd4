//! `scribetranscriber` as an element, around a recognizer that says one word a second.

mod cleanup;
#[path = "../common/mod.rs"]
mod common;
mod delay;
mod errors;
mod flow;
mod rig;
mod words;
