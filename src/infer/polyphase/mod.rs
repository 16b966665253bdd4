//! A change of sampling rate as a direct sum of taps, cut into launches that a device can run.
//!
//! [`Polyphase`] counts frames and says what is to be computed; a [`Convolver`] holds the filter and the waveform and
//! computes it: [`cuda`] on a GPU. Its twin in the tests does the same arithmetic in Rust.

pub mod cuda;
mod filter;
#[cfg(test)]
mod quality_tests;
#[cfg(test)]
pub(crate) mod twin;

pub use self::filter::Filter;

/// The device could not do it. A sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceError(pub String);

/// The output samples that a block of input completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Where the first one's first frame is in the waveform, in frames divided by [`Filter::up`].
    pub first: u64,
    /// How many there are.
    pub count: u32,
}

/// What holds a [`Filter`] and the last frames.
pub trait Convolver: Send {
    /// Moves the waveform, two blocks of [`Filter::width`] frames, on by one, puts `block` there, and appends what `launch`
    /// says to `out`.
    ///
    /// # Errors
    /// The device failed.
    fn run(&mut self, block: &[f32], launch: Launch, out: &mut Vec<f32>) -> Result<(), DeviceError>;

    /// The waveform is silence.
    ///
    /// # Errors
    /// The device failed.
    fn clear(&mut self) -> Result<(), DeviceError>;
}

/// A resampler of mono audio.
pub struct Polyphase {
    shape: Shape,
    convolver: Box<dyn Convolver>,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    /// Frames that the convolver was given.
    fed: u64,
    /// Samples that it gave.
    made: u64,
    /// It still has frames of before the last reset.
    is_stale: bool,
}

/// A filter without its taps.
#[derive(Clone, Copy, Debug)]
struct Shape {
    up: u64,
    down: u64,
    width: u64,
}

impl Polyphase {
    /// Works with `filter`, which `convolver` holds.
    pub fn new(filter: &Filter, convolver: Box<dyn Convolver>) -> Self {
        Polyphase {
            shape: Shape {
                up: filter.up.into(),
                down: filter.down.into(),
                width: filter.width.into(),
            },
            convolver,
            pending: Vec::new(),
            fed: 0,
            made: 0,
            is_stale: false,
        }
    }

    /// Input frames that may lie between a frame's arrival and its departure: the block that it waits to fill, as long as
    /// the filter, and half the filter.
    pub fn latency(&self) -> usize {
        (self.shape.width + self.shape.width / 2) as usize
    }

    /// Takes `input` and appends the output that is complete.
    ///
    /// # Errors
    /// The device failed.
    pub fn push(&mut self, mut input: &[f32], out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let width = self.shape.width as usize;
        while self.pending.len() + input.len() >= width {
            let (head, tail) = input.split_at(width - self.pending.len());
            self.pending.extend_from_slice(head);
            input = tail;
            self.run(out)?;
        }
        self.pending.extend_from_slice(input);
        Ok(())
    }

    /// Appends the `wanted` samples that are still owed, then forgets all input.
    ///
    /// # Errors
    /// The device failed.
    pub fn finish(&mut self, wanted: usize, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let end = out.len() + wanted;
        while out.len() < end {
            self.pending.resize(self.shape.width as usize, 0.0);
            self.run(out)?;
        }
        out.truncate(end);
        self.reset();
        Ok(())
    }

    /// Forgets all input.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.is_stale |= self.fed > 0;
        (self.fed, self.made) = (0, 0);
    }

    /// `pending` is a whole block.
    fn run(&mut self, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        if self.is_stale {
            self.convolver.clear()?;
            self.is_stale = false;
        }
        let launch = self.shape.launch(self.fed, self.made);
        self.convolver.run(&self.pending, launch, out)?;
        self.pending.clear();
        self.fed += self.shape.width;
        self.made += u64::from(launch.count);
        Ok(())
    }
}

impl Shape {
    /// What the block behind `fed` frames completes, when `made` samples are there.
    ///
    /// Output sample n lies n × down / up frames into the input and takes `width` / 2 frames behind that place. The waveform
    /// begins one block before the new one, with silence before the first.
    fn launch(&self, fed: u64, made: u64) -> Launch {
        let half = self.width / 2;
        let end = (fed + self.width - half) * self.up;
        let count = end.div_ceil(self.down).saturating_sub(made);
        let first = made * self.down + (self.width - half + 1) * self.up - fed * self.up;
        Launch {
            first,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        }
    }
}
