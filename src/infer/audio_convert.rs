//! GStreamer's audio converter object: every raw format, layout and channel mix, and its resampler.
//!
//! gstreamer-rs 0.25 binds the converter's configuration but not the converter, so this is the thin
//! safe cover: it checks every length against the format before a pointer crosses.
#![allow(unsafe_code)] // FFI: the only way to gst_audio_converter_samples

use std::ptr::{self, NonNull};

use gst::glib::translate::*;
use gst_audio::{AudioInfo, AudioLayout, ffi};

/// Why a conversion could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudioConvertError {
    /// GStreamer has no conversion between these two.
    #[error("GStreamer cannot convert {from} to {to}; give audio/x-raw of a known format")]
    Unsupported {
        /// Caps of the input.
        from: String,
        /// Caps of the output.
        to: String,
    },
    /// The memory handed over does not hold what was announced.
    #[error("{what}: expected at least {expected}, got {actual}")]
    Length {
        /// Which of the buffers, and in what unit.
        what: &'static str,
        /// Least length that the call needs.
        expected: usize,
        /// Length that it got.
        actual: usize,
    },
    /// The converter gave up; GStreamer's debug log says why.
    #[error("GStreamer's audio converter failed; GST_DEBUG=audio-converter:6 shows why")]
    Failed,
}

/// A converter from any raw audio to mono `f32`, at the same or another rate.
pub struct AudioConvert {
    raw: NonNull<ffi::GstAudioConverter>,
    planes: usize,
    /// Bytes of one frame in one plane.
    stride: usize,
    /// Kept between calls so that a call allocates nothing.
    pointers: Vec<*mut libc::c_void>,
}

// SAFETY: the converter is plain memory without thread affinity; `&mut self` keeps its use exclusive.
unsafe impl Send for AudioConvert {}

impl AudioConvert {
    /// A converter from `input` to mono `f32` at `rate`, mixed down by channel positions as
    /// `audioconvert` does it. Channels without positions are refused: GStreamer would keep the
    /// first and drop the rest, and 1.22 crashes at 64 of them.
    pub fn to_mono(input: &AudioInfo, rate: u32) -> Result<Self, AudioConvertError> {
        let unsupported = |to: String| AudioConvertError::Unsupported {
            from: format!("{input:?}"),
            to,
        };
        let channels = input.channels() as usize;
        if input.is_unpositioned() && channels > 1 {
            return Err(unsupported("mono without knowing where its channels are".into()));
        }
        let output = AudioInfo::builder(gst_audio::AUDIO_FORMAT_F32, rate, 1)
            .build()
            .map_err(|_| unsupported(format!("mono f32 at {rate} Hz")))?;
        // SAFETY: both infos are valid and only read; no configuration is the default.
        let raw = unsafe {
            ffi::gst_audio_converter_new(
                ffi::GST_AUDIO_CONVERTER_FLAG_NONE,
                input.to_glib_none().0 as *mut _,
                output.to_glib_none().0 as *mut _,
                ptr::null_mut(),
            )
        };
        let (planes, stride) = match input.layout() {
            AudioLayout::Interleaved => (1, input.bpf() as usize),
            _ => (channels, (input.width() / 8) as usize),
        };
        Ok(Self {
            raw: NonNull::new(raw).ok_or_else(|| unsupported(format!("{output:?}")))?,
            planes,
            stride,
            pointers: vec![ptr::null_mut(); planes],
        })
    }

    /// Frames that come out when `frames` go in next.
    pub fn frames_out(&self, frames: usize) -> usize {
        // SAFETY: a plain query on a live converter.
        unsafe { ffi::gst_audio_converter_get_out_frames(self.raw.as_ptr(), frames) }
    }

    /// Input frames that the resampler holds back at most.
    pub fn delay(&self) -> usize {
        // SAFETY: a plain query on a live converter.
        unsafe { ffi::gst_audio_converter_get_max_latency(self.raw.as_ptr()) }
    }

    /// Forgets what the resampler remembers.
    pub fn reset(&mut self) {
        // SAFETY: a live converter, exclusively held.
        unsafe { ffi::gst_audio_converter_reset(self.raw.as_ptr()) }
    }

    /// Appends the conversion of `frames` frames to `out`. `input` is one slice of interleaved frames,
    /// or one slice for each channel; `None` is silence.
    pub fn convert(
        &mut self,
        input: Option<&[&[u8]]>,
        frames: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), AudioConvertError> {
        if let Some(input) = input {
            at_least("planes", self.planes, input.len())?;
            let bytes = frames.saturating_mul(self.stride);
            for (pointer, plane) in self.pointers.iter_mut().zip(input) {
                at_least("bytes of a plane", bytes, plane.len())?;
                *pointer = plane.as_ptr() as *mut _;
            }
        }
        let start = out.len();
        let made = self.frames_out(frames);
        out.resize(start + made, 0.0);
        if frames == 0 || made == 0 && input.is_none() {
            return Ok(());
        }
        let mut target = out[start..].as_mut_ptr() as *mut libc::c_void;
        let source = input.map_or(ptr::null_mut(), |_| self.pointers.as_mut_ptr());
        // SAFETY: each plane holds `frames` frames (checked above) and is only read, as the flag
        // IN_WRITABLE is not given; `target` has room for `made` mono samples.
        let done = unsafe {
            ffi::gst_audio_converter_samples(
                self.raw.as_ptr(),
                ffi::GST_AUDIO_CONVERTER_FLAG_NONE,
                source,
                frames,
                &mut target,
                made,
            )
        };
        if done == 0 {
            out.truncate(start);
            return Err(AudioConvertError::Failed);
        }
        Ok(())
    }
}

impl Drop for AudioConvert {
    fn drop(&mut self) {
        // SAFETY: made by gst_audio_converter_new, freed once.
        unsafe { ffi::gst_audio_converter_free(self.raw.as_ptr()) }
    }
}

fn at_least(what: &'static str, expected: usize, actual: usize) -> Result<(), AudioConvertError> {
    if actual < expected {
        return Err(AudioConvertError::Length {
            what,
            expected,
            actual,
        });
    }
    Ok(())
}
