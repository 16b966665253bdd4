//! Mono `f32` at any rate → 16 kHz, in blocks of a fixed size, with the filter's delay taken out.
//!
//! Output does not depend on how the input was cut, since only whole blocks meet the filter.

use rubato::{
    Async, Fft, FixedAsync, FixedSync, ResampleError, Resampler, ResamplerConstructionError,
    SincInterpolationParameters, SincInterpolationType, WindowFunction,
    audioadapter_buffers::direct::SequentialSlice, calculate_cutoff,
};

use crate::time::SAMPLE_RATE;

/// Its side lobes lie below −140 dB, so aliases drown in the rounding of `f32`.
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris2;

/// Points of the filter at the lower of the two rates: −3 dB at 97 % of that rate's Nyquist
/// frequency, flat to 94 %. GStreamer's default is down by 6 dB at 85 %.
const FILTER_POINTS: usize = 512;

/// Longest block at the lower rate. Rates with hardly a common divisor would need longer ones
/// (44,099 Hz: a second); they go the slower way of an interpolated filter.
const LONGEST_BLOCK: usize = 1024;

/// Points of the interpolated filter, likewise at the lower rate, its window and the filters
/// computed between two points: flat to 88 %, aliases below −105 dB. A longer one costs in
/// proportion, and this path is the slow one already.
const SINC_POINTS: usize = 128;
const SINC_WINDOW: WindowFunction = WindowFunction::BlackmanHarris;
const SINC_OVERSAMPLING: usize = 256;

/// A resampler of mono audio to 16 kHz.
pub struct Rate {
    /// `None` when the input has 16 kHz already.
    engine: Option<Box<dyn Resampler<f32>>>,
    rate: u32,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    /// The filter's delay in output samples.
    delay: usize,
    /// As much of it as has not come out yet.
    skip: usize,
}

impl Rate {
    /// A resampler from `rate` Hz.
    pub fn new(rate: u32) -> Result<Self, ResamplerConstructionError> {
        let (engine, delay) = match (rate != SAMPLE_RATE).then(|| engine(rate)).transpose()? {
            Some((engine, delay)) => (Some(engine), delay),
            None => (None, 0),
        };
        Ok(Self {
            engine,
            rate,
            pending: Vec::new(),
            delay,
            skip: delay,
        })
    }

    /// Input frames that may lie between a sample's arrival and its departure: the block it waits
    /// to fill and half the filter.
    pub fn latency(&self) -> usize {
        let half = (self.delay as u64 * u64::from(self.rate)).div_ceil(u64::from(SAMPLE_RATE));
        self.engine
            .as_ref()
            .map_or(0, |engine| engine.input_frames_max() + half as usize)
    }

    /// Takes `input` and appends the output that is complete.
    pub fn push(&mut self, mut input: &[f32], out: &mut Vec<f32>) -> Result<(), ResampleError> {
        let Some(engine) = self.engine.as_mut() else {
            out.extend_from_slice(input);
            return Ok(());
        };
        loop {
            let block = engine.input_frames_next();
            if self.pending.is_empty() && input.len() >= block {
                process(engine.as_mut(), &input[..block], &mut self.skip, out)?;
                input = &input[block..];
                continue;
            }
            let missing = block - self.pending.len();
            let (head, tail) = input.split_at(missing.min(input.len()));
            self.pending.extend_from_slice(head);
            if self.pending.len() < block {
                return Ok(());
            }
            process(engine.as_mut(), &self.pending, &mut self.skip, out)?;
            self.pending.clear();
            input = tail;
        }
    }

    /// Appends the `wanted` samples that the filter still owes, then forgets all input.
    pub fn finish(&mut self, wanted: usize, out: &mut Vec<f32>) -> Result<(), ResampleError> {
        let end = out.len() + wanted;
        while out.len() < end {
            let Some(engine) = self.engine.as_mut() else {
                break;
            };
            self.pending.resize(engine.input_frames_next(), 0.0);
            process(engine.as_mut(), &self.pending, &mut self.skip, out)?;
            self.pending.clear();
        }
        out.truncate(end);
        self.reset();
        Ok(())
    }

    /// Forgets all input.
    pub fn reset(&mut self) {
        self.pending.clear();
        if let Some(engine) = self.engine.as_mut() {
            engine.reset();
        }
        self.skip = self.delay;
    }
}

/// One block through `engine`; what is still the filter's delay is left out.
fn process(
    engine: &mut dyn Resampler<f32>,
    block: &[f32],
    skip: &mut usize,
    out: &mut Vec<f32>,
) -> Result<(), ResampleError> {
    let start = out.len();
    let room = engine.output_frames_next();
    out.resize(start + room, 0.0);
    // The sizes are the slices' own, so neither adapter can refuse them.
    let (Ok(source), Ok(mut target)) = (
        SequentialSlice::new(block, 1, block.len()),
        SequentialSlice::new_mut(&mut out[start..], 1, room),
    ) else {
        unreachable!("a slice holds one channel of its own length");
    };
    let (_, made) = engine.process_into_buffer(&source, &mut target, None)?;
    out.truncate(start + made);
    let dropped = made.min(*skip);
    *skip -= dropped;
    out.drain(start..start + dropped);
    Ok(())
}

/// The engine for `rate`, and its delay in output samples.
fn engine(rate: u32) -> Result<(Box<dyn Resampler<f32>>, usize), ResamplerConstructionError> {
    let (rate, target) = (rate as usize, SAMPLE_RATE as usize);
    if let Some(block) = fft_block(rate) {
        let fft = Fft::new_custom(rate, target, block, 1, 1, WINDOW, FixedSync::Both)?;
        let delay = fft.output_delay();
        return Ok((Box::new(fft), delay));
    }
    let ratio = target as f64 / rate as f64;
    // Going down, the filter must be as long in time as it would be at 16 kHz.
    let points = ((SINC_POINTS as f64 / ratio.min(1.0)) as usize).next_multiple_of(8);
    let parameters = SincInterpolationParameters::new(points, SINC_WINDOW)
        .f_cutoff(calculate_cutoff(SINC_POINTS, SINC_WINDOW))
        .oversampling_factor(SINC_OVERSAMPLING)
        .interpolation(SincInterpolationType::Quadratic);
    let chunk = (2.0 * SINC_POINTS as f64 / ratio).ceil() as usize;
    let sinc = Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input)?;
    // rubato begins one output step behind the first frame, which its own output_delay leaves out.
    let delay = (points as f64 / 2.0 * ratio - 1.0).round().max(0.0) as usize;
    Ok((Box::new(sinc), delay))
}

/// Input frames of the shortest block that is long enough for the filter, a whole number of samples
/// at both rates, and even at both, so that the delay (half a block) is whole as well.
fn fft_block(rate: usize) -> Option<usize> {
    let target = SAMPLE_RATE as usize;
    let common = gcd(rate, target);
    let (unit_in, unit_out) = (rate / common, target / common);
    let mut units = FILTER_POINTS.div_ceil(unit_in.min(unit_out));
    if units * unit_in % 2 == 1 || units * unit_out % 2 == 1 {
        units += 1;
    }
    (units * unit_in.min(unit_out) <= LONGEST_BLOCK).then_some(units * unit_in)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_and_even_at_both_rates() {
        for (rate, expected) in [
            (48_000, Some(1536)),
            (44_100, Some(1764)),
            (8_000, Some(512)),
            (11_025, Some(882)),
            (22_050, Some(882)),
            (96_000, Some(3072)),
            (192_000, Some(6144)),
            (768_000, Some(24_576)),
            (1_000, Some(512)),
            (44_099, None),
            (1_001, None),
            (767_999, None),
        ] {
            assert_eq!(fft_block(rate), expected, "{rate} Hz");
        }
    }

    #[test]
    fn a_finished_stream_starts_anew() {
        for rate in [48_000, 44_099] {
            let mut engine = Rate::new(rate).unwrap();
            let input: Vec<f32> = (0..rate / 10).map(|n| (n as f32 * 0.05).sin()).collect();
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for out in [&mut first, &mut second] {
                engine.push(&input, out).unwrap();
                engine.finish(1600 - out.len(), out).unwrap();
            }
            assert_eq!(first, second, "{rate} Hz");
        }
    }
}
