//! The core of `scriberesample`: frames in, 16 kHz samples out, and the count of both.
//!
//! One law holds the timing: after a drain, `fed` input frames have given exactly
//! `round(fed × 16000 / rate)` samples, however they were cut and however often it was drained. So
//! the time of sample `n` is `n / 16000` after the first frame, without drift.

use gst_audio::AudioInfo;

use super::converter::Converter;
use super::mix::{Mixer, Planes};
use crate::{
    infer::{audio_convert::AudioConvertError, polyphase::cuda::Kernel},
    time::SAMPLE_RATE,
};

/// Why audio could not be resampled.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Decoding or mixing failed.
    #[error(transparent)]
    Mix(#[from] AudioConvertError),
    /// No filter for this rate.
    #[error("no resampler from {rate} Hz to 16000 Hz ({source}); give a rate of 1000 to 768000 Hz")]
    Rate {
        /// Rate of the input in Hz.
        rate: u32,
        /// What the resampler says.
        source: rubato::ResamplerConstructionError,
    },
    /// The resampler refused a block.
    #[error("the resampler failed: {0}")]
    Resample(#[from] rubato::ResampleError),
    /// The device failed, or has no room.
    #[error("{0}")]
    Device(String),
}

/// A running conversion of one kind of audio.
pub struct Stream {
    mixer: Mixer,
    rate: Converter,
    in_rate: u32,
    fed: u64,
    made: u64,
    /// The mono mix of one call, kept for its memory.
    mono: Vec<f32>,
}

impl Stream {
    /// A stream of audio as `info` says, starting at frame 0. Resampled on the GPU where there is a `kernel`.
    pub fn new(info: &AudioInfo, kernel: Option<&Kernel>) -> Result<Self, StreamError> {
        let in_rate = info.rate();
        Ok(Self {
            mixer: Mixer::new(info)?,
            rate: Converter::new(in_rate, kernel)?,
            in_rate,
            fed: 0,
            made: 0,
            mono: Vec::new(),
        })
    }

    /// Samples given since the start: the number of the next one.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The longest time between a frame's arrival and its departure.
    pub fn latency(&self) -> gst::ClockTime {
        frames_to_time(self.rate.latency() as u64, self.in_rate)
    }

    /// How long the frames taken since the start last.
    pub fn fed_time(&self) -> gst::ClockTime {
        frames_to_time(self.fed, self.in_rate)
    }

    /// Takes `frames` frames and appends the samples that are complete to `out`.
    pub fn push(&mut self, input: &Planes, frames: usize, out: &mut Vec<f32>) -> Result<(), StreamError> {
        self.mono.clear();
        self.mixer.mix(input, frames, &mut self.mono)?;
        let before = out.len();
        self.rate.push(&self.mono, out)?;
        self.fed += frames as u64;
        self.made += (out.len() - before) as u64;
        Ok(())
    }

    /// Appends the samples that are still due for the frames taken. The filter begins anew behind
    /// them, the counts go on.
    pub fn drain(&mut self, out: &mut Vec<f32>) -> Result<(), StreamError> {
        let wanted = self.due().saturating_sub(self.made);
        self.rate.finish(wanted as usize, out)?;
        self.made += wanted;
        Ok(())
    }

    /// Takes `frames` frames of silence behind a drain and returns how many zero samples they are.
    pub fn skip(&mut self, frames: usize) -> u64 {
        self.fed += frames as u64;
        let silent = self.due().saturating_sub(self.made);
        self.made += silent;
        silent
    }

    /// Forgets everything: the next frame is number 0.
    pub fn reset(&mut self) {
        self.rate.reset();
        (self.fed, self.made) = (0, 0);
    }

    /// Samples that `fed` frames make, to the nearest.
    fn due(&self) -> u64 {
        let rate = u64::from(self.in_rate);
        (self.fed * u64::from(SAMPLE_RATE) + rate / 2) / rate
    }
}

fn frames_to_time(frames: u64, rate: u32) -> gst::ClockTime {
    // 128 bits, since an hour of 768 kHz times a billion does not fit into 64.
    let ns = u128::from(frames) * 1_000_000_000 / u128::from(rate.max(1));
    gst::ClockTime::from_nseconds(u64::try_from(ns).unwrap_or(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_audio::AudioFormat;
    use proptest::prelude::*;

    fn mono(rate: u32) -> Stream {
        gst::init().unwrap();
        Stream::new(
            &AudioInfo::builder(AudioFormat::F32le, rate, 1).build().unwrap(),
            None,
        )
        .unwrap()
    }

    fn push(stream: &mut Stream, samples: &[f32], out: &mut Vec<f32>) {
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        stream.push(&[&bytes], samples.len(), out).unwrap();
    }

    const RATES: [u32; 12] = [
        1_000, 1_001, 8_000, 11_025, 16_000, 22_050, 44_099, 44_100, 48_000, 96_000, 192_000, 768_000,
    ];

    #[test]
    fn an_impulse_comes_out_when_it_went_in() {
        for rate in RATES {
            // A short bump, so that rates below 16 kHz have something that they can carry.
            let at = rate as usize / 3;
            let mut input = vec![0f32; rate as usize];
            input[at] = 1.0;
            let mut out = Vec::new();
            let mut stream = mono(rate);
            push(&mut stream, &input, &mut out);
            stream.drain(&mut out).unwrap();
            assert_eq!(out.len(), 16_000, "{rate} Hz");
            let peak = (0..out.len()).max_by(|&a, &b| out[a].total_cmp(&out[b])).unwrap();
            let expected = at as f64 * 16_000.0 / f64::from(rate);
            assert!(
                (peak as f64 - expected).abs() <= 1.0,
                "{rate} Hz: {peak}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_tone_keeps_its_level_and_its_place() {
        for rate in RATES {
            let hz = f64::from(rate.min(16_000) / 7);
            let step = std::f64::consts::TAU * hz / f64::from(rate);
            let wave = |n| (0.5 * (f64::from(n) * step).sin()) as f32;
            let input: Vec<f32> = (0..3 * rate).map(wave).collect();
            let mut out = Vec::new();
            let mut stream = mono(rate);
            push(&mut stream, &input, &mut out);
            stream.drain(&mut out).unwrap();
            // What the output has of the same tone at 16 kHz, in phase and across.
            let step = std::f64::consts::TAU * hz / 16_000.0;
            let (mut along, mut across) = (0.0, 0.0);
            let middle = 16_000..32_000; // whole cycles, far from both ends
            for n in middle {
                let (sin, cos) = (n as f64 * step).sin_cos();
                along += f64::from(out[n]) * sin * 4.0 / 16_000.0;
                across += f64::from(out[n]) * cos * 4.0 / 16_000.0;
            }
            let decibels = 20.0 * along.hypot(across).log10();
            let late = -across.atan2(along) / step;
            assert!(decibels.abs() < 0.02, "{rate} Hz: {decibels} dB");
            assert!(late.abs() < 0.51, "{rate} Hz: {late} samples late");
        }
    }

    #[test]
    fn drains_and_silence_do_not_shift_the_count() {
        for rate in RATES {
            let mut stream = mono(rate);
            let (mut out, mut silent) = (Vec::new(), 0);
            for n in 1..200usize {
                push(&mut stream, &vec![0.1; n * 7], &mut out);
                stream.drain(&mut out).unwrap();
                silent += stream.skip(n * 3);
                assert_eq!(stream.made(), stream.due(), "{rate} Hz, round {n}");
                assert_eq!(out.len() as u64 + silent, stream.made());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_output_does_not_depend_on_the_cuts(
            rate in proptest::sample::select(RATES.to_vec()),
            cuts in proptest::collection::vec(1usize..3_000, 1..40),
        ) {
            let total: usize = cuts.iter().sum();
            let input: Vec<f32> = (0..total).map(|n| ((n * n) as f32 * 1e-3).sin()).collect();
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            let mut stream = mono(rate);
            push(&mut stream, &input, &mut whole);
            stream.drain(&mut whole).unwrap();
            stream.reset();
            let mut rest = &input[..];
            for cut in cuts {
                push(&mut stream, &rest[..cut], &mut parts);
                rest = &rest[cut..];
            }
            stream.drain(&mut parts).unwrap();
            let due = (total as f64 * 16_000.0 / f64::from(rate)).round() as usize;
            prop_assert_eq!(whole.len(), due);
            prop_assert_eq!(whole, parts);
        }
    }
}
