//! The frames in a buffer: where each channel lies, and how many there are.

use gst_audio::{AudioInfo, AudioLayout, AudioMeta};

/// Why a buffer does not hold what its caps say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The last frame is cut off.
    #[error(
        "a buffer of {bytes} bytes holds no whole number of frames: expected a multiple of {frame}; \
         check the caps given to raw audio, or put rawaudioparse in front"
    )]
    CutFrame {
        /// Bytes in the buffer.
        bytes: usize,
        /// Bytes of one frame.
        frame: usize,
    },
    /// The audio meta points outside of the buffer.
    #[error(
        "the audio meta says {samples} samples for each of {channels} channels, more than the {bytes} \
         bytes of the buffer hold; the element upstream must correct its GstAudioMeta"
    )]
    Meta {
        /// Samples of one channel.
        samples: usize,
        /// Channels of the caps.
        channels: u32,
        /// Bytes in the buffer.
        bytes: usize,
    },
}

/// The planes of `bytes` and the frames in them: one plane of interleaved frames, or one for each
/// channel. Planes without a meta lie one behind the other.
pub fn planes<'a>(
    bytes: &'a [u8],
    meta: Option<&AudioMeta>,
    info: &AudioInfo,
) -> Result<(Vec<&'a [u8]>, usize), InputError> {
    let frame = info.bpf() as usize;
    // Not info.bps(), which counts the depth: 3 for the 4 bytes of a sample of S24_32.
    let sample = frame / info.channels() as usize;
    let Some(meta) = meta else {
        if !bytes.len().is_multiple_of(frame) {
            return Err(InputError::CutFrame {
                bytes: bytes.len(),
                frame,
            });
        }
        let frames = bytes.len() / frame;
        let planes = match info.layout() {
            AudioLayout::Interleaved => vec![bytes],
            _ => bytes.chunks(frames.max(1) * sample).collect(),
        };
        return Ok((planes, frames));
    };
    let samples = meta.samples();
    let outside = InputError::Meta {
        samples,
        channels: info.channels(),
        bytes: bytes.len(),
    };
    let plane = |offset: usize, stride: usize| {
        let end = samples
            .checked_mul(stride)
            .and_then(|len| len.checked_add(offset));
        end.and_then(|end| bytes.get(offset..end))
    };
    let planes: Option<Vec<_>> = match info.layout() {
        AudioLayout::Interleaved => plane(0, frame).map(|plane| vec![plane]),
        _ => meta
            .offsets()
            .iter()
            .map(|&offset| plane(offset, sample))
            .collect(),
    };
    let enough = |planes: &Vec<_>| {
        info.layout() == AudioLayout::Interleaved || planes.len() == info.channels() as usize
    };
    Ok((planes.filter(enough).ok_or(outside)?, samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_audio::AudioFormat;

    fn info(layout: AudioLayout) -> AudioInfo {
        gst::init().unwrap();
        AudioInfo::builder(AudioFormat::S16le, 48_000, 2)
            .layout(layout)
            .build()
            .unwrap()
    }

    #[test]
    fn planes_without_a_meta() {
        let bytes: Vec<u8> = (0..12).collect();
        let interleaved = planes(&bytes, None, &info(AudioLayout::Interleaved)).unwrap();
        assert_eq!(interleaved, (vec![&bytes[..]], 3));
        let planar = planes(&bytes, None, &info(AudioLayout::NonInterleaved)).unwrap();
        assert_eq!(planar, (vec![&bytes[..6], &bytes[6..]], 3));
        assert_eq!(
            planes(&[], None, &info(AudioLayout::NonInterleaved)).unwrap().1,
            0
        );
        assert_eq!(
            planes(&bytes[..11], None, &info(AudioLayout::Interleaved)),
            Err(InputError::CutFrame { bytes: 11, frame: 4 })
        );
    }

    #[test]
    fn planes_of_a_meta() {
        let info = info(AudioLayout::NonInterleaved);
        let mut buffer = gst::Buffer::from_slice([0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        AudioMeta::add(buffer.get_mut().unwrap(), &info, 2, &[6, 2]).unwrap();
        let map = buffer.map_readable().unwrap();
        let meta = buffer.meta::<AudioMeta>().unwrap();
        let (found, frames) = planes(&map, Some(&meta), &info).unwrap();
        assert_eq!((found, frames), (vec![&[6u8, 7, 8, 9][..], &[2, 3, 4, 5]], 2));
        let short = planes(&map[..9], Some(&meta), &info).unwrap_err();
        assert_eq!(
            short,
            InputError::Meta {
                samples: 2,
                channels: 2,
                bytes: 9
            }
        );
        let many = AudioInfo::builder(AudioFormat::S16le, 48_000, 6)
            .layout(AudioLayout::NonInterleaved)
            .build()
            .unwrap();
        assert!(planes(&map, Some(&meta), &many).is_err());
    }
}
