//! Raw audio of any format and layout → mono `f32` at the same rate.

use gst_audio::{AudioFormat, AudioInfo, AudioLayout};

use crate::infer::audio_convert::{AudioConvert, AudioConvertError};

/// What one call mixes: one slice of interleaved frames, or one slice for each channel.
pub type Planes<'a> = [&'a [u8]];

/// Decodes and mixes down. The three formats that decoders give have a path of their own, which is
/// ten times as fast as the general converter (`docs/adr/0002-resampler-engine.md`); the mix is the
/// same, since the gains are asked from that converter.
pub enum Mixer {
    /// Decoded here, mixed with these gains (the scale of the format is folded in).
    Direct {
        /// How one sample is read.
        decode: Decode,
        /// Share of each channel in the mono sum.
        gains: Vec<f32>,
        /// Whether the channels lie in planes of their own.
        planar: bool,
    },
    /// Every other format: GStreamer's converter.
    General(AudioConvert),
}

/// The formats with a direct path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    /// 16 bit integers, little endian.
    S16,
    /// 32 bit integers, little endian.
    S32,
    /// 32 bit floats, little endian.
    F32,
}

impl Mixer {
    /// The mixer for audio of this kind.
    pub fn new(info: &AudioInfo) -> Result<Self, AudioConvertError> {
        let (decode, full_scale) = match info.format() {
            AudioFormat::S16le => (Decode::S16, 32_768.0),
            AudioFormat::S32le => (Decode::S32, 2_147_483_648.0),
            AudioFormat::F32le => (Decode::F32, 1.0),
            _ => return AudioConvert::to_mono(info, info.rate()).map(Self::General),
        };
        let gains = gains(info)?.into_iter().map(|gain| gain / full_scale).collect();
        Ok(Self::Direct { decode, gains, planar: info.layout() == AudioLayout::NonInterleaved })
    }

    /// Appends `frames` mono samples to `out`.
    pub fn mix(&mut self, input: &Planes, frames: usize, out: &mut Vec<f32>) -> Result<(), AudioConvertError> {
        match self {
            Self::General(converter) => converter.convert(Some(input), frames, out)?,
            Self::Direct { decode: Decode::S16, gains, planar } => {
                direct(input, gains, *planar, |b| f32::from(i16::from_le_bytes(b)), out);
            }
            Self::Direct { decode: Decode::S32, gains, planar } => {
                direct(input, gains, *planar, |b| i32::from_le_bytes(b) as f32, out);
            }
            Self::Direct { decode: Decode::F32, gains, planar } => {
                direct(input, gains, *planar, f32::from_le_bytes, out);
            }
        }
        Ok(())
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

/// The weighted sum of all channels. One and two interleaved channels are spelled out, since the
/// compiler turns them into vector code.
fn direct<const N: usize>(
    input: &Planes,
    gains: &[f32],
    planar: bool,
    decode: impl Fn([u8; N]) -> f32 + Copy,
    out: &mut Vec<f32>,
) {
    if planar {
        return planes(input, gains, decode, out);
    }
    for bytes in input {
        match *gains {
            [gain] => out.extend(bytes.as_chunks().0.iter().map(|&sample| decode(sample) * gain)),
            [left, right] => out.extend(
                bytes
                    .as_chunks::<N>()
                    .0
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|&[l, r]| decode(l) * left + decode(r) * right),
            ),
            _ => out.extend(
                bytes
                    .as_chunks::<N>()
                    .0
                    .chunks_exact(gains.len())
                    .map(|frame| frame.iter().zip(gains).map(|(&s, g)| decode(s) * g).sum::<f32>()),
            ),
        }
    }
}

fn planes<const N: usize>(
    input: &Planes,
    gains: &[f32],
    decode: impl Fn([u8; N]) -> f32 + Copy,
    out: &mut Vec<f32>,
) {
    let start = out.len();
    let mut channels = input.iter().zip(gains);
    if let Some((plane, gain)) = channels.next() {
        out.extend(plane.as_chunks().0.iter().map(|&sample| decode(sample) * gain));
    }
    for (plane, gain) in channels {
        for (sum, &sample) in out[start..].iter_mut().zip(plane.as_chunks().0) {
            *sum += decode(sample) * gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_audio::AudioChannelPosition as P;

    /// Both paths over the same bytes.
    fn check(info: &AudioInfo) {
        let frames = 100;
        let bytes = pseudo_random(frames * info.bpf() as usize, info.format());
        let planes: Vec<&[u8]> = match info.layout() {
            AudioLayout::Interleaved => vec![&bytes],
            _ => bytes.chunks(frames * info.bps() as usize).collect(),
        };
        let (mut direct, mut general) = (Vec::new(), Vec::new());
        Mixer::new(info).unwrap().mix(&planes, frames, &mut direct).unwrap();
        AudioConvert::to_mono(info, info.rate())
            .unwrap()
            .convert(Some(&planes), frames, &mut general)
            .unwrap();
        assert_eq!(direct.len(), frames);
        for (a, b) in direct.iter().zip(&general) {
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
            AudioFormat::F32le => {
                (0..bytes / 4).flat_map(|_| (next() as f32 / 8_388_608.0 - 1.0).to_le_bytes()).collect()
            }
            _ => (0..bytes).map(|_| next() as u8).collect(),
        }
    }

    #[test]
    fn the_direct_paths_mix_as_gstreamer_does() {
        gst::init().unwrap();
        let layouts: [&[P]; 5] = [
            &[P::Mono],
            &[P::FrontLeft, P::FrontRight],
            &[P::FrontLeft, P::FrontRight, P::FrontCenter, P::Lfe1, P::RearLeft, P::RearRight],
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
        for format in [AudioFormat::S16le, AudioFormat::S32le, AudioFormat::F32le] {
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
        check(&info);
    }

    #[test]
    fn stereo_is_the_mean_of_both() {
        gst::init().unwrap();
        let info = AudioInfo::builder(AudioFormat::S16le, 48_000, 2).build().unwrap();
        assert_eq!(gains(&info).unwrap(), [0.5, 0.5]);
    }
}
