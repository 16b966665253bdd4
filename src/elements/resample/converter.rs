//! The change of rate, on the CPU or on a GPU.

use crate::infer::polyphase::cuda::Kernel;
use crate::infer::polyphase::{DeviceError, Polyphase};
use crate::time::SAMPLE_RATE;

use super::rate::Rate;
use super::stream::StreamError;

/// One of the two. Both take the filter's delay out, and give the same number of samples.
pub(super) enum Converter {
    Cpu(Rate),
    Gpu(Polyphase),
}

impl Converter {
    /// From `rate` Hz; on the GPU where there is a `kernel` and something to do.
    pub fn new(rate: u32, kernel: Option<&Kernel>) -> Result<Self, StreamError> {
        if let Some(kernel) = kernel.filter(|_| rate != SAMPLE_RATE) {
            return Ok(Converter::Gpu(kernel.resampler(rate, SAMPLE_RATE)?));
        }
        let engine = Rate::new(rate).map_err(|source| StreamError::Rate { rate, source })?;
        Ok(Converter::Cpu(engine))
    }

    /// Input frames that may lie between a sample's arrival and its departure.
    pub fn latency(&self) -> usize {
        match self {
            Converter::Cpu(rate) => rate.latency(),
            Converter::Gpu(polyphase) => polyphase.latency(),
        }
    }

    /// Takes `input` and appends the output that is complete.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<(), StreamError> {
        match self {
            Converter::Cpu(rate) => Ok(rate.push(input, out)?),
            Converter::Gpu(polyphase) => Ok(polyphase.push(input, out)?),
        }
    }

    /// Appends the `wanted` samples that the filter still owes, then forgets all input.
    pub fn finish(&mut self, wanted: usize, out: &mut Vec<f32>) -> Result<(), StreamError> {
        match self {
            Converter::Cpu(rate) => Ok(rate.finish(wanted, out)?),
            Converter::Gpu(polyphase) => Ok(polyphase.finish(wanted, out)?),
        }
    }

    /// Forgets all input.
    pub fn reset(&mut self) {
        match self {
            Converter::Cpu(rate) => rate.reset(),
            Converter::Gpu(polyphase) => polyphase.reset(),
        }
    }
}

impl From<DeviceError> for StreamError {
    fn from(DeviceError(text): DeviceError) -> Self {
        StreamError::Device(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::polyphase::twin::Twin;

    /// The two paths on the same sound: a sweep through most of the band, which comes and goes. Where their filters end
    /// differs, so there is nothing.
    #[test]
    fn the_gpus_path_gives_what_the_cpus_gives() {
        // Not 44,099 Hz: there the CPU's own path is 0.2 samples late.
        for rate in [48_000, 44_100, 96_000, 8_000, 11_025] {
            let top = f64::from(rate.min(SAMPLE_RATE)) * 0.4;
            let sweep = |n: u32| {
                let t = f64::from(n) / f64::from(rate);
                let loudness = 0.5 * (std::f64::consts::PI * t).sin().powi(2);
                (loudness * (std::f64::consts::PI * top * t * t).sin()) as f32
            };
            let input: Vec<f32> = (0..rate).map(sweep).collect();
            let mut paths = [
                Converter::new(rate, None).unwrap(),
                Converter::Gpu(Twin::resampler(rate, SAMPLE_RATE)),
            ]
            .map(|mut converter| {
                let mut out = Vec::new();
                converter.push(&input, &mut out).unwrap();
                converter.finish(16_000 - out.len(), &mut out).unwrap();
                out
            });
            let [cpu, gpu] = &mut paths;
            assert_eq!(cpu.len(), gpu.len());
            let apart = cpu.iter().zip(gpu.iter()).map(|(a, b)| (a - b).abs());
            let apart = apart.fold(0.0, f32::max);
            assert!(apart < 1e-4, "{rate} Hz: {apart} apart");
        }
    }
}
