//! `scribealigner` between pads that say what a test wants.

mod alone;
#[path = "../common/mod.rs"]
mod common;
mod flow;
mod live;
mod order;
mod rig;
mod states;
mod trouble;
