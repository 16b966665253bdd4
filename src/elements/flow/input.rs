//! Buffers and GAPs → samples with a position.

use std::sync::LazyLock;

use super::stream::{Join, Stream, Work};
use crate::time::{SAMPLE_RATE, samples_to_seconds, time_to_samples};

/// A GAP longer than this is jumped over instead of being filled with silence, in samples: 30 s, a window.
const LONGEST_FILLED_GAP: u64 = 30 * SAMPLE_RATE as u64;
/// Silence is pushed in pieces of this size, in samples.
const PIECE: usize = 4096;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-input",
        gst::DebugColorFlags::empty(),
        Some("How audio buffers join"),
    )
});

/// Pushes a buffer of F32LE mono. Its content is ignored where it is flagged as a GAP.
pub(crate) fn push_buffer<W: Work>(
    stream: &Stream<W>,
    segment: &gst::FormattedSegment<gst::ClockTime>,
    buffer: gst::Buffer,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let Some(buffer) =
        gst_audio::audio_buffer_clip(buffer, segment.upcast_ref(), SAMPLE_RATE, size_of::<f32>() as u32)
    else {
        return Ok(gst::FlowSuccess::Ok);
    };
    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
    let is_gap = buffer.flags().contains(gst::BufferFlags::GAP);
    let samples: Vec<f32> = map
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .map(|sample| {
            if is_gap || !sample.is_finite() {
                0.0
            } else {
                sample
            }
        })
        .collect();
    let at = buffer.pts().map(time_to_samples).or_else(|| stream.expected());
    let at = at.or_else(|| segment.start().map(time_to_samples)).unwrap_or(0);
    place(stream, at, buffer.flags().contains(gst::BufferFlags::DISCONT))?;
    stream.push(&samples)
}

/// Pushes the silence of a GAP event.
pub(crate) fn push_gap<W: Work>(
    stream: &Stream<W>,
    start: gst::ClockTime,
    duration: Option<gst::ClockTime>,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let length = duration.map_or(0, time_to_samples);
    let at = time_to_samples(start);
    if length > LONGEST_FILLED_GAP {
        return leap(stream, at + length);
    }
    place(stream, at, false)?;
    silence(stream, length)
}

/// Brings the stream to sample `at`.
fn place<W: Work>(stream: &Stream<W>, at: u64, discont: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
    match stream.join(at) {
        Join::Continues => Ok(gst::FlowSuccess::Ok),
        Join::After(missing) if !discont => silence(stream, missing),
        Join::After(_) | Join::Jumps => leap(stream, at),
    }
}

/// Brings the stream to sample `at` with nothing heard on the way.
fn leap<W: Work>(stream: &Stream<W>, at: u64) -> Result<gst::FlowSuccess, gst::FlowError> {
    gst::debug!(CAT, "input goes on at {:.3} s", samples_to_seconds(at));
    if !stream.skip_to(at)? {
        stream.drain()?;
        stream.restart(at);
    }
    Ok(gst::FlowSuccess::Ok)
}

fn silence<W: Work>(stream: &Stream<W>, length: u64) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut left = length as usize;
    while left > 0 {
        let n = left.min(PIECE);
        stream.push(&[0.0; PIECE][..n])?;
        left -= n;
    }
    Ok(gst::FlowSuccess::Ok)
}
