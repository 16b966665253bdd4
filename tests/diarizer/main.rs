//! `scribediarizer` with models that say what a test expects.

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod flow;
mod online;
mod restart;
mod rig;
mod turns;
