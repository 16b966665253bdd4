//! The sum of taps on a CUDA device: the kernel is compiled when it is first needed, by NVRTC, which is loaded at run time as
//! the driver is. Nothing is linked.

#![allow(unsafe_code)] // a kernel's arguments are what its source says, which no compiler sees

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc;

use super::{Convolver, DeviceError, Filter, Launch, Polyphase};
use crate::infer::cuda;

/// The kernel.
const SOURCE: &str = include_str!("resample.cu");
const NAME: &str = "resample";
/// Threads of a block: eight warps hide each other's waits; a second of audio still fills 60 blocks.
const THREADS: u32 = 256;

/// The kernel on a device, ready to run. Holds the device's context, some hundred MB, until it and all resamplers
/// made by it are dropped.
#[derive(Clone)]
pub struct Kernel {
    index: u32,
    context: Arc<CudaContext>,
    function: CudaFunction,
}

impl Kernel {
    /// Compiles it for CUDA device `index`.
    ///
    /// # Errors
    /// There is no such device, no driver, no NVRTC, or no memory for a context.
    pub fn new(index: u32) -> Result<Self, DeviceError> {
        cuda::check(index).map_err(DeviceError)?;
        // SAFETY: only tries to open the library.
        if !unsafe { nvrtc::sys::is_culib_present() } {
            return Err(DeviceError(format!(
                "device=cuda:{index} needs NVRTC to compile the resampler for this device, and there is no libnvrtc.so. \
                 Install CUDA's toolkit or \"pip install nvidia-cuda-nvrtc\" and put the folder of the library into \
                 LD_LIBRARY_PATH, or use device=cpu"
            )));
        }
        // cudarc panics on a library without the functions asked for.
        let opened = panic::catch_unwind(AssertUnwindSafe(|| Self::open(index)));
        opened.unwrap_or_else(|_| {
            Err(DeviceError(format!(
                "device=cuda:{index}: the CUDA driver or NVRTC here lacks functions of CUDA 12. Update the driver, or use \
                 device=cpu"
            )))
        })
    }

    fn open(index: u32) -> Result<Self, DeviceError> {
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            DeviceError(format!(
                "device=cuda:{index}: cannot {what}: {why}. nvidia-smi shows who holds the device's memory; or use \
                 device=cpu"
            ))
        };
        let program = nvrtc::compile_ptx(SOURCE).map_err(|e| failed("compile the resampler", &e))?;
        let context = CudaContext::new(index as usize).map_err(|e| failed("make a context", &Reason(e)))?;
        let module = context
            .load_module(program)
            .map_err(|e| failed("load the resampler", &Reason(e)))?;
        let function = module
            .load_function(NAME)
            .map_err(|e| failed("find the resampler", &Reason(e)))?;
        Ok(Kernel {
            index,
            context,
            function,
        })
    }

    /// A resampler that works there.
    ///
    /// # Errors
    /// There is no memory on the device.
    pub fn resampler(&self, from: u32, to: u32) -> Result<Polyphase, DeviceError> {
        let filter = Filter::new(from, to);
        let convolver = Convolution::new(self, &filter).map_err(|e| failed(self.index, &e))?;
        Ok(Polyphase::new(&filter, Box::new(convolver)))
    }
}

/// The driver's own words.
struct Reason(DriverError);

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.error_string() {
            Ok(text) => f.write_str(&text.to_string_lossy()),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}

fn failed(index: u32, error: &DriverError) -> DeviceError {
    DeviceError(format!(
        "the resampler on device=cuda:{index} failed: {}. nvidia-smi shows who holds the device's memory; or use device=cpu",
        Reason(*error)
    ))
}

/// The filter and the waveform on the device.
struct Convolution {
    index: u32,
    function: CudaFunction,
    stream: Arc<CudaStream>,
    taps: CudaSlice<f32>,
    waveform: CudaSlice<f32>,
    output: CudaSlice<f32>,
    up: u32,
    down: u32,
    width: u32,
    phases: u32,
}

impl Convolution {
    fn new(kernel: &Kernel, filter: &Filter) -> Result<Self, DriverError> {
        // One of its own, so that it waits for no other work on the device.
        let stream = kernel.context.new_stream()?;
        let most = u64::from(filter.width) * u64::from(filter.up) / u64::from(filter.down) + 1;
        Ok(Convolution {
            index: kernel.index,
            function: kernel.function.clone(),
            taps: stream.clone_htod(&filter.taps)?,
            waveform: stream.alloc_zeros(2 * filter.width as usize)?,
            output: stream.alloc_zeros(most as usize)?,
            stream,
            up: filter.up,
            down: filter.down,
            width: filter.width,
            phases: filter.phases,
        })
    }

    fn compute(&mut self, block: &[f32], launch: Launch, out: &mut Vec<f32>) -> Result<(), DriverError> {
        let width = self.width as usize;
        let (mut old, mut new) = self.waveform.split_at_mut(width);
        self.stream.memcpy_dtod(&new, &mut old)?;
        self.stream.memcpy_htod(block, &mut new)?;
        let count = launch.count as usize;
        if count == 0 {
            return Ok(());
        }
        let mut arguments = self.stream.launch_builder(&self.function);
        arguments
            .arg(&self.waveform)
            .arg(&self.taps)
            .arg(&mut self.output);
        arguments.arg(&launch.first).arg(&self.up).arg(&self.down);
        arguments.arg(&self.width).arg(&self.phases).arg(&launch.count);
        let threads = LaunchConfig {
            grid_dim: (launch.count.div_ceil(THREADS), 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are those of the kernel in resample.cu, in order and of their types. It reads `width` frames
        // from position / up of each sample on, which `Polyphase` keeps within the two blocks of the waveform, rows up to
        // `phases`, of which there is one more, and writes `count` samples, which are no more than a block completes.
        unsafe { arguments.launch(threads) }?;
        let start = out.len();
        out.resize(start + count, 0.0);
        self.stream
            .memcpy_dtoh(&self.output.slice(..count), &mut out[start..])?;
        self.stream.synchronize()
    }
}

impl Convolver for Convolution {
    fn run(&mut self, block: &[f32], launch: Launch, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let index = self.index;
        self.compute(block, launch, out)
            .map_err(|error| failed(index, &error))
    }

    fn clear(&mut self) -> Result<(), DeviceError> {
        let index = self.index;
        self.stream
            .memset_zeros(&mut self.waveform)
            .map_err(|error| failed(index, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_driver_there_is_a_sentence() {
        let Err(DeviceError(text)) = Kernel::new(999) else {
            panic!("a thousand devices");
        };
        assert!(
            text.starts_with("device=cuda:999: ") && text.contains("device=cpu"),
            "{text}"
        );
    }

    /// NVRTC needs no GPU. The stand-in of `tests/gpu` compiles the same source as C++.
    #[test]
    fn nvrtc_takes_the_kernel_where_it_is() {
        // SAFETY: only tries to open the library.
        if !unsafe { nvrtc::sys::is_culib_present() } {
            eprintln!("skipped: there is no libnvrtc.so here");
            return;
        }
        let compiled = nvrtc::compile_ptx(SOURCE).unwrap().to_src();
        assert!(
            compiled.contains(&format!(".visible .entry {NAME}(")),
            "{compiled}"
        );
    }

    /// What the kernel relies on: blocks never make it read outside of the two blocks of the waveform.
    #[test]
    fn launches_stay_within_the_waveform() {
        use crate::infer::polyphase::Shape;
        for rate in [
            1_000, 1_001, 8_000, 11_025, 16_001, 44_099, 44_100, 48_000, 767_999, 768_000,
        ] {
            let filter = Filter::new(rate, 16_000);
            let (up, down, width) = (filter.up.into(), filter.down.into(), filter.width.into());
            let shape = Shape { up, down, width };
            let (mut fed, mut made) = (0, 0);
            for _ in 0..200 {
                let launch = shape.launch(fed, made);
                let count = u64::from(launch.count);
                assert!(count <= width * up / down + 1, "{rate} Hz: {count} samples");
                if count > 0 {
                    let last = (launch.first + (count - 1) * down) / up;
                    assert!(last + width <= 2 * width, "{rate} Hz: {launch:?}");
                    // And no sample is left behind: the next one would not fit.
                    let next = (launch.first + count * down) / up;
                    assert!(next + width > 2 * width, "{rate} Hz: {launch:?}");
                }
                fed += width;
                made += count;
            }
        }
    }
}
