//! The kernel's arithmetic in Rust, operation by operation: what the GPU computes, without one.

use super::{Convolver, DeviceError, Filter, Launch, Polyphase};

/// Does what `resample.cu` does.
pub(crate) struct Twin {
    filter: Filter,
    waveform: Vec<f32>,
}

impl Twin {
    /// A resampler that works with it.
    pub fn resampler(from: u32, to: u32) -> Polyphase {
        let filter = Filter::new(from, to);
        let twin = Twin {
            waveform: vec![0.0; 2 * filter.width as usize],
            filter: filter.clone(),
        };
        Polyphase::new(&filter, Box::new(twin))
    }

    fn sample(&self, position: u64) -> f32 {
        let (up, width) = (u64::from(self.filter.up), self.filter.width as usize);
        let frames = &self.waveform[(position / up) as usize..][..width];
        let place = position % up * u64::from(self.filter.phases);
        let taps = &self.filter.taps[(place / up) as usize * width..];
        let sum = sum_of(frames, taps);
        match place % up {
            0 => sum,
            between => {
                let next = sum_of(frames, &taps[width..]);
                (between as f32 / up as f32).mul_add(next - sum, sum)
            }
        }
    }
}

fn sum_of(frames: &[f32], taps: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 4];
    for (frames, taps) in frames.as_chunks::<4>().0.iter().zip(taps.as_chunks::<4>().0) {
        for n in 0..4 {
            sums[n] = frames[n].mul_add(taps[n], sums[n]);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

impl Convolver for Twin {
    fn run(&mut self, block: &[f32], launch: Launch, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let width = self.filter.width as usize;
        self.waveform.copy_within(width.., 0);
        self.waveform[width..].copy_from_slice(block);
        let step = u64::from(self.filter.down);
        let samples = (0..u64::from(launch.count)).map(|n| self.sample(launch.first + n * step));
        out.extend(samples);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), DeviceError> {
        self.waveform.fill(0.0);
        Ok(())
    }
}
