//! `isolation=process`: the model in a `scribe-worker`, and what happens when that ends, however it ends.

#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod faults;
mod full_memory;
mod kills;
mod life;
mod restart;
mod rig;
mod shared;
mod speakers;
mod words;
