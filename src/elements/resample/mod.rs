//! SECTION:element-scriberesample
//!
//! Any raw audio → what the models take: `F32LE`, 16 kHz, mono, interleaved.
//!
//! Takes every format of `audio/x-raw`, 1 to 64 channels, 1 to 768 kHz, interleaved or not. Audio
//! that is 16 kHz mono `F32LE` already goes through as it is, without a copy. Channels are mixed by
//! their positions as `audioconvert` does it; channels without positions, which that refuses, are
//! averaged.
//!
//! ```text
//! gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! scriberesample ! fakesink
//! ```
//!
//! Time: output sample `n` after a start is at the first PTS + `n` / 16000 s, exactly, and sound
//! that went in at time t comes out at t: the filter's delay is taken out. A count of its own begins
//! with DISCONT, with a PTS more than 40 ms from where the last buffer ended, behind a GAP event, a
//! SEGMENT, a STREAM_START and a flush; the tail of the old count is pushed first. A buffer with
//! the GAP flag becomes as much silence, flagged likewise.
//!
//! Latency = the block that a sample waits to fill + half the filter. Both follow from the rate:
//!
//! | input rate | block | half the filter | latency |
//! |---|---|---|---|
//! | 16 kHz | 0 | 0 | 0 |
//! | 48, 96, 192 kHz | 32 ms | 16 ms | 48 ms |
//! | 44.1 kHz | 40 ms | 20 ms | 60 ms |
//! | 8 kHz | 64 ms | 32 ms | 96 ms |
//! | 1 kHz | 512 ms | 256 ms | 768 ms |
//! | rates without a common divisor, such as 44,099 Hz | 16 ms | 4 ms | 20 ms |
//!
//! The filter is flat (±0.01 dB) up to 94 % of the Nyquist frequency of the lower rate, with aliases
//! below −140 dB; in the last row up to 88 %, below −105 dB. Speed, measured with `cargo bench
//! --bench resample`: 48 kHz stereo takes half a millisecond for each second of audio, less than a
//! third of `audioconvert ! audioresample`; rates of the last row take 1.3 to 1.9 times as long as that.
//! `docs/adr/0002-resampler-engine.md` says why it is built so.
//!
//! With `device=cuda:N` the channels are mixed on the CPU and the filter works on a GPU: one of the same width by a direct sum
//! of its taps, held there with the waveform, flat to 93 % and with aliases below −115 dB at every rate. It gives the same
//! number of samples at the same times, within 48 ms for every rate from 16 kHz on. The GPU's context takes some
//! hundred MB of its memory from READY→PAUSED to PAUSED→READY. A device that is not there, or has no NVRTC to compile the
//! filter, is an ERROR. The default is the CPU: `docs/gpu.md`.
//!
//! Property `memory-log`: a file to which the element's memory checkpoints are appended as JSON.
//!
//! Since: 0.1

use gst::{glib, prelude::*};

mod converter;
mod imp;
mod input;
mod mix;
mod rate;
mod session;
mod settings;
mod stream;
mod timeline;

glib::wrapper! {
    /// The element `scriberesample`.
    pub struct Resample(ObjectSubclass<imp::Resample>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "scriberesample",
        gst::Rank::NONE,
        Resample::static_type(),
    )
}
