//! Memory accounting: what the models hold, measured, judged and reported.
//!
//! A [`probes::Probe`] reads a device, the [`ledger`] books the reading at a [`Label`] and judges
//! cleanups by the card's thresholds ([`verdict`]), a [`report::Record`] is the line and [`json`] the log of it. A [`meter::Meter`] ties them.
//! What a model will take is [`estimate`]d, and [`admission`] says whether there is room.
//! Reading back is [`timeline`], drawing is [`picture`] as text and [`chart`] as SVG or HTML: `scribe-memory` is made of these.

pub mod admission;
pub mod alignments;
pub mod chart;
pub mod checkpoint;
pub mod estimate;
pub mod json;
pub mod ledger;
pub mod meter;
pub mod models;
pub mod picture;
pub mod probes;
pub mod report;
pub mod reservations;
mod runs;
pub mod timeline;
pub mod verdict;

pub use checkpoint::{Label, Stage};
