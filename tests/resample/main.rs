//! `scriberesample` from the outside: buffers and events in, buffers and events out.

mod conversion;
mod errors;
mod flow;
mod pieces;
mod rig;
