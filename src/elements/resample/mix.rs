//! Raw audio of any format and layout → mono `f32` at the same rate.

use gst_audio::{AudioFormat, AudioInfo, AudioLayout};

use crate::infer::audio_convert::{AudioConvert, AudioConvertError};

/// What one call mixes: one slice of interleaved frames, or one slice for each channel.
pub type Planes<'a> = [&'a [u8]];

/// Decodes and mixes down. The gains are asked from GStreamer's mixer, the sum is made here, since
/// that is ten times as fast (`docs/adr/0002-resampler-engine.md`).
pub struct Mixer {
    decode: Decode,
    /// Share of each channel in the mono sum, with the scale of the format folded in.
    gains: Vec<f32>,
    /// Channels in one plane.
    together: usize,
}

/// How samples become `f32`: the formats that decoders give here, all others by GStreamer.
enum Decode {
    S16,
    S32,
    F32,
    /// Samples of all channels are converted as if they were one, so this needs no mixing of its own.
    General {
        converter: AudioConvert,
        samples: Vec<f32>,
    },
}

impl Mixer {
    /// The mixer for audio of this kind.
    pub fn new(info: &AudioInfo) -> Result<Self, AudioConvertError> {
        let (decode, full_scale) = match info.format() {
            AudioFormat::S16le => (Decode::S16, 32_768.0),
            AudioFormat::S32le => (Decode::S32, 2_147_483_648.0),
            AudioFormat::F32le => (Decode::F32, 1.0),
            format => (Decode::general(format, info.rate())?, 1.0),
        };
        let gains = gains(info)?.into_iter().map(|gain| gain / full_scale).collect();
        let together = match info.layout() {
            AudioLayout::NonInterleaved => 1,
            _ => info.channels() as usize,
        };
        Ok(Self {
            decode,
            gains,
            together,
        })
    }

    /// Appends `frames` mono samples to `out`.
    pub fn mix(
        &mut self,
        input: &Planes,
        frames: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), AudioConvertError> {
        let start = out.len();
        for (plane, gains) in input.iter().zip(self.gains.chunks(self.together)) {
            match &mut self.decode {
                Decode::S16 => add(
                    plane.as_chunks().0,
                    gains,
                    |b| f32::from(i16::from_le_bytes(b)),
                    start,
                    out,
                ),
                Decode::S32 => add(
                    plane.as_chunks().0,
                    gains,
                    |b| i32::from_le_bytes(b) as f32,
                    start,
                    out,
                ),
                Decode::F32 => add(plane.as_chunks().0, gains, f32::from_le_bytes, start, out),
                Decode::General { converter, samples } => {
                    samples.clear();
                    converter.convert(Some(&[plane]), frames * self.together, samples)?;
                    add(samples, gains, |sample| sample, start, out);
                }
            }
        }
        Ok(())
    }
}

impl Decode {
    fn general(format: AudioFormat, rate: u32) -> Result<Self, AudioConvertError> {
        let mono = AudioInfo::builder(format, rate, 1)
            .build()
            .map_err(|_| AudioConvertError::Failed)?;
        let converter = AudioConvert::to_mono(&mono, rate)?;
        Ok(Self::General {
            converter,
            samples: Vec::new(),
        })
    }
}

/// How much of each channel GStreamer puts into mono: what comes out for a 1 in that channel alone.
pub fn gains(info: &AudioInfo) -> Result<Vec<f32>, AudioConvertError> {
    let channels = info.channels() as usize;
    if channels == 1 {
        return Ok(vec![1.0]);
    }
    if info.is_unpositioned() {
        return Ok(vec![1.0 / channels as f32; channels]);
    }
    let probe = AudioInfo::builder(gst_audio::AUDIO_FORMAT_F32, info.rate(), info.channels())
        .positions_if_some(info.positions())
        .build()
        .map_err(|_| AudioConvertError::Failed)?;
    let mut frames = Vec::with_capacity(channels * channels * size_of::<f32>());
    for cell in 0..channels * channels {
        let one_hot = if cell % (channels + 1) == 0 { 1f32 } else { 0.0 };
        frames.extend_from_slice(&one_hot.to_ne_bytes());
    }
    let mut gains = Vec::with_capacity(channels);
    AudioConvert::to_mono(&probe, info.rate())?.convert(Some(&[&frames]), channels, &mut gains)?;
    Ok(gains)
}

/// Appends the weighted sum of the channels in `samples` to `out`, or adds it to what is behind
/// `start` already. One and two channels are spelled out, since the compiler makes vector code of
/// them.
fn add<S: Copy>(
    samples: &[S],
    gains: &[f32],
    decode: impl Fn(S) -> f32 + Copy,
    start: usize,
    out: &mut Vec<f32>,
) {
    match *gains {
        [gain] if out.len() == start => out.extend(samples.iter().map(|&sample| decode(sample) * gain)),
        [gain] => {
            for (sum, &sample) in out[start..].iter_mut().zip(samples) {
                *sum += decode(sample) * gain;
            }
        }
        [left, right] => {
            let frames = samples.as_chunks().0.iter();
            out.extend(frames.map(|&[l, r]| decode(l) * left + decode(r) * right));
        }
        _ => {
            let weigh = |frame: &[S]| {
                frame
                    .iter()
                    .zip(gains)
                    .map(|(&s, gain)| decode(s) * gain)
                    .sum::<f32>()
            };
            out.extend(samples.chunks_exact(gains.len()).map(weigh));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_audio::AudioChannelPosition as P;

    /// The same bytes through this mixer and GStreamer's.
    fn check(info: &AudioInfo) {
        let frames = 100;
        let bytes = pseudo_random(frames * info.bpf() as usize, info.format());
        let planes: Vec<&[u8]> = match info.layout() {
            AudioLayout::Interleaved => vec![&bytes],
            _ => bytes.chunks(frames * info.width() as usize / 8).collect(),
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        Mixer::new(info).unwrap().mix(&planes, frames, &mut ours).unwrap();
        AudioConvert::to_mono(info, info.rate())
            .unwrap()
            .convert(Some(&planes), frames, &mut theirs)
            .unwrap();
        assert_eq!(ours.len(), frames);
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 2e-6, "{info:?}: {a} and {b}");
        }
    }

    fn pseudo_random(bytes: usize, format: AudioFormat) -> Vec<u8> {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        match format {
            AudioFormat::F32le => (0..bytes / 4)
                .flat_map(|_| (next() as f32 / 8_388_608.0 - 1.0).to_le_bytes())
                .collect(),
            _ => (0..bytes).map(|_| next() as u8).collect(),
        }
    }

    #[test]
    fn the_mix_is_that_of_gstreamer() {
        gst::init().unwrap();
        let layouts: [&[P]; 5] = [
            &[P::Mono],
            &[P::FrontLeft, P::FrontRight],
            &[
                P::FrontLeft,
                P::FrontRight,
                P::FrontCenter,
                P::Lfe1,
                P::RearLeft,
                P::RearRight,
            ],
            &[
                P::FrontLeft,
                P::FrontRight,
                P::FrontCenter,
                P::Lfe1,
                P::RearLeft,
                P::RearRight,
                P::SideLeft,
                P::SideRight,
            ],
            &[P::RearLeft, P::RearRight],
        ];
        for format in [
            AudioFormat::S16le,
            AudioFormat::S32le,
            AudioFormat::F32le,
            AudioFormat::S24be,
            AudioFormat::S2432le,
            AudioFormat::U8,
        ] {
            for positions in layouts {
                for layout in [AudioLayout::Interleaved, AudioLayout::NonInterleaved] {
                    let info = AudioInfo::builder(format, 48_000, positions.len() as u32)
                        .positions(positions)
                        .layout(layout)
                        .build()
                        .unwrap();
                    check(&info);
                }
            }
        }
    }

    #[test]
    fn channels_without_positions_are_averaged() {
        gst::init().unwrap();
        let info = AudioInfo::builder(AudioFormat::S16le, 48_000, 64)
            .positions(&[P::None; 64])
            .flags(gst_audio::AudioFlags::UNPOSITIONED)
            .build()
            .unwrap();
        assert_eq!(gains(&info).unwrap(), [1.0 / 64.0; 64]);
        let (bytes, mut out) = (vec![64u8; 2 * 64 * 3], Vec::new());
        Mixer::new(&info).unwrap().mix(&[&bytes], 3, &mut out).unwrap();
        assert_eq!(out, [f32::from(0x4040i16) / 32_768.0; 3]);
    }

    #[test]
    fn stereo_is_the_mean_of_both() {
        gst::init().unwrap();
        let info = AudioInfo::builder(AudioFormat::S16le, 48_000, 2).build().unwrap();
        assert_eq!(gains(&info).unwrap(), [0.5, 0.5]);
    }
}
