//! Live: turns `latency` after the speech, as diart makes them (Coria et al., 2021).
//!
//! A window of 5 s rolls over the stream by `step`. What the models say of it goes through the stages in this
//! order: local speakers → slots ([`centres`]) or pieces → slots ([`roster`]), scores of overlapping windows → one score a frame ([`overlap`]),
//! scores → stretches of speech ([`stretches`]), slots → labels. [`OnlineSession`] holds them together.

mod centre;
mod centres;
mod config;
#[cfg(test)]
mod fake;
mod line;
#[cfg(test)]
mod noise;
mod overlap;
mod roster;
mod session;
mod stretches;

pub use config::{OnlineConfig, PieceDistances};
pub use session::OnlineSession;
