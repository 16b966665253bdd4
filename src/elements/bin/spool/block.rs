//! Audio as it is stored: small buffers that continue each other become one block.

use gst::BufferFlags;

use crate::time::{SAMPLE_RATE, samples_to_time, time_to_samples};

/// Bytes of a second of 16 kHz mono in F32, and the most that small buffers are joined to.
pub const SECOND: usize = SAMPLE_RATE as usize * SAMPLE;
/// Bytes of a sample.
const SAMPLE: usize = size_of::<f32>();

/// Flags that say something of the audio. The others are about the buffer itself.
const TELLING: BufferFlags = BufferFlags::DISCONT
    .union(BufferFlags::RESYNC)
    .union(BufferFlags::CORRUPTED)
    .union(BufferFlags::GAP)
    .union(BufferFlags::DROPPABLE)
    .union(BufferFlags::MARKER);

/// What a buffer says beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub pts: Option<gst::ClockTime>,
    pub duration: Option<gst::ClockTime>,
    /// Number of the first sample, or `None`.
    pub offset: Option<u64>,
    pub flags: BufferFlags,
}

impl Label {
    pub fn of(buffer: &gst::BufferRef) -> Self {
        let known = |offset| (offset != gst::ffi::GST_BUFFER_OFFSET_NONE).then_some(offset);
        Label {
            pts: buffer.pts(),
            duration: buffer.duration(),
            offset: known(buffer.offset()),
            flags: buffer.flags() & TELLING,
        }
    }

    /// A buffer with this label; the bytes are not copied.
    pub fn buffer(&self, bytes: Vec<u8>) -> gst::Buffer {
        let samples = (bytes.len() / SAMPLE) as u64;
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.pts);
            buffer.set_duration(self.duration);
            if let Some(offset) = self.offset {
                buffer.set_offset(offset);
                buffer.set_offset_end(offset + samples);
            }
            buffer.set_flags(self.flags);
        }
        buffer
    }

    /// Whether audio labelled `next` goes on where `bytes` of this end, and says no more than that.
    pub fn is_continued_by(&self, bytes: usize, next: &Label) -> bool {
        // Only a break before the first sample is as true of the joined block.
        let plain = (self.flags - BufferFlags::DISCONT).is_empty() && next.flags.is_empty();
        let samples = (bytes / SAMPLE) as u64;
        let follows = match (self.pts, next.pts) {
            (Some(begin), Some(next)) => time_to_samples(begin) + samples == time_to_samples(next),
            (None, None) => true,
            _ => false,
        };
        let counted = match (self.offset, next.offset) {
            (Some(begin), Some(next)) => begin + samples == next,
            (None, None) => true,
            _ => false,
        };
        plain && bytes.is_multiple_of(SAMPLE) && follows && counted
    }

    /// This label, of a block that has become `bytes` long by joining.
    pub fn grown(self, bytes: usize) -> Self {
        Label {
            duration: Some(samples_to_time((bytes / SAMPLE) as u64)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(sample: u64, flags: BufferFlags) -> Label {
        Label {
            pts: Some(samples_to_time(sample)),
            duration: None,
            offset: None,
            flags,
        }
    }

    #[test]
    fn what_goes_on_unremarkably_is_joined() {
        let (none, discont, gap) = (BufferFlags::empty(), BufferFlags::DISCONT, BufferFlags::GAP);
        let counted = |sample, offset| Label {
            offset: Some(offset),
            ..label(sample, none)
        };
        let timeless = Label {
            pts: None,
            ..label(0, none)
        };
        for (first, bytes, next, joined) in [
            (label(0, none), 640, label(160, none), true),
            (label(7, discont), 640, label(167, none), true),
            (label(0, none), 640, label(161, none), false),
            (label(0, none), 640, label(159, none), false),
            (label(0, none), 640, label(160, discont), false),
            (label(0, gap), 640, label(160, gap), false),
            (label(0, none), 640, label(160, gap), false),
            (label(0, none), 642, label(160, none), false),
            (label(0, none), 640, timeless, false),
            (timeless, 640, timeless, true),
            (counted(0, 50), 640, counted(160, 210), true),
            (counted(0, 50), 640, counted(160, 211), false),
            (counted(0, 50), 640, label(160, none), false),
        ] {
            assert_eq!(
                first.is_continued_by(bytes, &next),
                joined,
                "{first:?} {bytes} {next:?}"
            );
        }
    }

    #[test]
    fn times_that_are_rounded_otherwise_still_continue() {
        let mut next = label(160, BufferFlags::empty());
        next.pts = next.pts.map(|pts| pts + gst::ClockTime::from_nseconds(20_000));
        assert!(label(0, BufferFlags::empty()).is_continued_by(640, &next));
    }

    #[test]
    fn a_buffer_comes_back_as_it_was() {
        gst::init().unwrap();
        let before = Label {
            duration: Some(gst::ClockTime::from_useconds(125)),
            offset: Some(32),
            ..label(32, BufferFlags::DISCONT | BufferFlags::GAP)
        };
        let buffer = before.buffer(vec![1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Label::of(&buffer), before);
        assert_eq!(buffer.offset_end(), 34);
        assert_eq!(*buffer.map_readable().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
