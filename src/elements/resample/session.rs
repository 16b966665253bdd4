//! Buffers in, buffers out, for one kind of input audio: [`Stream`] and [`Timeline`] together.

use gst::ClockTime;
use gst_audio::{AudioFormat, AudioInfo, AudioLayout, AudioMeta};

use super::input::{self, InputError};
use super::stream::{Stream, StreamError};
use super::timeline::{Arrival, Timeline};
use crate::infer::polyphase::cuda::Kernel;
use crate::time::{SAMPLE_RATE, samples_to_time};

/// Why a buffer could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It is not what the caps say.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The conversion failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Its memory cannot be read, or there is none for the output.
    #[error("no access to the memory of a buffer of {bytes} bytes; is the memory exhausted?")]
    Memory {
        /// Its size.
        bytes: usize,
    },
}

/// The conversion of one kind of audio.
pub struct Session {
    info: AudioInfo,
    stream: Stream,
    timeline: Timeline,
    /// The next output buffer does not follow on the last.
    discont: bool,
    /// Samples of one call, kept for their memory.
    samples: Vec<f32>,
    passthrough: bool,
}

impl Session {
    /// A session for audio as `info` says. Resampled on the GPU where there is a `kernel`.
    pub fn new(info: AudioInfo, kernel: Option<&Kernel>) -> Result<Self, StreamError> {
        Ok(Self {
            stream: Stream::new(&info, kernel)?,
            passthrough: is_speech_audio(&info),
            info,
            timeline: Timeline::default(),
            discont: false,
            samples: Vec::new(),
        })
    }

    /// What the input is.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// Whether the input is what comes out, so that buffers go through as they are.
    pub fn is_passthrough(&self) -> bool {
        self.passthrough
    }

    /// The longest time between a frame's arrival and its departure.
    pub fn latency(&self) -> ClockTime {
        self.stream.latency()
    }

    /// Takes `buffer` and returns what is complete.
    pub fn take(&mut self, buffer: gst::Buffer) -> Result<Vec<gst::Buffer>, SessionError> {
        if self.passthrough {
            return Ok(vec![buffer]);
        }
        let mut done = Vec::new();
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        // The drain needs the old time line, so ask on a copy of the count first.
        let before = self.tail_time();
        match self
            .timeline
            .arrive(buffer.pts(), discont, self.stream.fed_time())
        {
            Arrival::Continues => {}
            arrival => {
                done.extend(self.finish(before)?);
                self.stream.reset();
                self.discont |= arrival == Arrival::Jumps;
            }
        }
        let map = buffer
            .map_readable()
            .map_err(|_| SessionError::Memory { bytes: buffer.size() })?;
        let meta = buffer.meta::<AudioMeta>();
        let (planes, frames) = input::planes(&map, meta.as_deref(), &self.info)?;
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            done.extend(self.drain()?);
            let start = self.tail_time();
            let silent = self.stream.skip(frames);
            done.extend(self.silence(start, silent)?);
            return Ok(done);
        }
        let start = self.tail_time();
        self.samples.clear();
        self.stream.push(&planes, frames, &mut self.samples)?;
        done.extend(self.output(start)?);
        Ok(done)
    }

    /// The tail that the filter still holds. The count goes on behind it.
    pub fn drain(&mut self) -> Result<Option<gst::Buffer>, SessionError> {
        self.finish(self.tail_time())
    }

    /// After a drain: the next buffer begins a new count, at `next` where that is known.
    pub fn interrupt(&mut self, next: Option<ClockTime>) {
        self.stream.reset();
        self.timeline.interrupt(next);
    }

    fn finish(&mut self, start: ClockTime) -> Result<Option<gst::Buffer>, SessionError> {
        self.samples.clear();
        self.stream.drain(&mut self.samples)?;
        self.output(start)
    }

    /// Time of the next output sample.
    fn tail_time(&self) -> ClockTime {
        self.timeline.time(self.stream.made())
    }

    fn output(&mut self, start: ClockTime) -> Result<Option<gst::Buffer>, SessionError> {
        let samples = std::mem::take(&mut self.samples);
        let buffer = self.buffer(start, samples.len(), gst::BufferFlags::empty(), |bytes| {
            for (bytes, sample) in bytes.as_chunks_mut().0.iter_mut().zip(&samples) {
                *bytes = sample.to_le_bytes();
            }
        });
        self.samples = samples;
        buffer
    }

    fn silence(&mut self, start: ClockTime, samples: u64) -> Result<Option<gst::Buffer>, SessionError> {
        self.buffer(start, samples as usize, gst::BufferFlags::GAP, |bytes| {
            bytes.fill(0)
        })
    }

    fn buffer(
        &mut self,
        start: ClockTime,
        samples: usize,
        mut flags: gst::BufferFlags,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Option<gst::Buffer>, SessionError> {
        if samples == 0 {
            return Ok(None);
        }
        let bytes = samples * size_of::<f32>();
        let mut buffer = gst::Buffer::with_size(bytes).map_err(|_| SessionError::Memory { bytes })?;
        // Just made, so there is no second reference to it.
        let writable = buffer.get_mut().expect("a new buffer is writable");
        if std::mem::take(&mut self.discont) {
            flags |= gst::BufferFlags::DISCONT;
        }
        writable.set_flags(flags);
        writable.set_pts(start);
        writable.set_duration(samples_to_time(samples as u64));
        fill(
            &mut writable
                .map_writable()
                .map_err(|_| SessionError::Memory { bytes })?,
        );
        Ok(Some(buffer))
    }
}

/// Whether this is what [`crate::elements::speech_audio_caps`] asks for.
fn is_speech_audio(info: &AudioInfo) -> bool {
    info.format() == AudioFormat::F32le
        && info.rate() == SAMPLE_RATE
        && info.channels() == 1
        && info.layout() == AudioLayout::Interleaved
}
