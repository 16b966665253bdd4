//! The CUDA driver's view of a device: who asks where NVML has nothing to say.
#![allow(unsafe_code)] // the driver is a C library, found at run time

use std::{ffi::CStr, panic};

use cudarc::driver::{result, sys};
use whisper_rs::whisper_rs_sys as ggml;

use crate::memory::probes::{Device, Probe, Reading, Source};

/// Where models go by themselves: the first CUDA device when the inference code of this very
/// process has one, else ordinary memory. A device that no model of the process can be on would
/// read as zero for ever.
pub fn own_device() -> Device {
    // SAFETY: ggml registers its devices on the first question, and their names live for ever.
    let name = unsafe {
        let device = ggml::ggml_backend_dev_by_type(ggml::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_GPU);
        if device.is_null() {
            return Device::Cpu;
        }
        CStr::from_ptr(ggml::ggml_backend_dev_name(device))
    };
    match name.to_bytes().strip_prefix(b"CUDA") {
        Some(_) => Device::Cuda(0),
        None => Device::Cpu,
    }
}

/// Whether the CUDA driver is here and knows device `index`. Takes no memory on it.
pub fn is_there(index: u32) -> bool {
    let Ok(index) = i32::try_from(index) else {
        return false;
    };
    // SAFETY: only tries to open the library.
    if !unsafe { sys::is_culib_present() } {
        return false;
    }
    // cudarc panics on a library without the functions asked for.
    panic::catch_unwind(|| result::init().is_ok() && result::device::get(index).is_ok()).unwrap_or(false)
}

/// Whether CUDA device `index` can be used, without taking memory on it.
///
/// # Errors
/// A sentence that says what there is instead.
pub fn check(index: u32) -> Result<(), String> {
    if is_there(index) {
        return Ok(());
    }
    Err(match is_there(0) {
        true => format!(
            "device=cuda:{index}: the CUDA driver knows no such device. nvidia-smi lists those that there are; or use \
             device=cpu"
        ),
        false => format!(
            "device=cuda:{index}: there is no CUDA driver here (libcuda.so.1), or it finds no device. nvidia-smi shows \
             whether the driver works; or use device=cpu"
        ),
    })
}

/// Used memory of a whole device, less what was used when the probe was made.
///
/// The driver tells it only to a thread with a context, and a context costs hundreds of megabytes.
/// So none is made to measure: until the process has its primary context (ggml and ONNX Runtime
/// both use that one) it holds nothing, and the reading is zero. When the probe was made that
/// early, nothing is known of what others held, and they are counted in.
pub struct CudaProbe {
    device: sys::CUdevice,
    name: String,
    total: u64,
    baseline: u64,
}

impl CudaProbe {
    /// CUDA device `index`; `None` without the driver or the device.
    pub fn new(index: u32) -> Option<Self> {
        let index = i32::try_from(index).ok()?;
        // SAFETY: only tries to open the library.
        if !unsafe { sys::is_culib_present() } {
            return None;
        }
        // cudarc panics on a library without the functions asked for. All that are needed are asked
        // for here, once, so a strange driver ends as "no probe".
        panic::catch_unwind(|| Self::open(index).ok()).ok().flatten()
    }

    fn open(index: i32) -> Result<Self, result::DriverError> {
        result::init()?;
        let device = result::device::get(index)?;
        let name = result::device::get_name(device)?;
        // SAFETY: the device comes from `get`.
        let total = unsafe { result::device::total_mem(device) }? as u64;
        let mut probe = Self {
            device,
            name,
            total,
            baseline: 0,
        };
        probe.baseline = probe.used()?;
        Ok(probe)
    }

    /// Used by anybody; zero while this process has no context.
    fn used(&self) -> Result<u64, result::DriverError> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: two places to write to, and a device that `get` gave.
        unsafe { sys::cuDevicePrimaryCtxGetState(self.device, &mut flags, &mut active) }.result()?;
        if active == 0 {
            return Ok(0);
        }
        // SAFETY: as above. It exists, so this only counts one user more, until the release below.
        let context = unsafe { result::primary_ctx::retain(self.device) }?;
        let info = with_current(context, result::mem_get_info);
        // SAFETY: retained above.
        unsafe { result::primary_ctx::release(self.device) }?;
        let (free, total) = info?;
        Ok(total.saturating_sub(free) as u64)
    }
}

/// Runs `f` with `context` on top of this thread's stack of contexts, and leaves the stack as it was.
fn with_current<T>(
    context: sys::CUcontext,
    f: impl FnOnce() -> Result<T, result::DriverError>,
) -> Result<T, result::DriverError> {
    // SAFETY: the caller holds the context.
    unsafe { sys::cuCtxPushCurrent_v2(context) }.result()?;
    let answer = f();
    let mut popped = std::ptr::null_mut();
    // SAFETY: pops what was pushed.
    unsafe { sys::cuCtxPopCurrent_v2(&mut popped) }.result()?;
    answer
}

impl Probe for CudaProbe {
    fn device(&self) -> &str {
        &self.name
    }

    fn source(&self) -> Source {
        Source::Cuda
    }

    fn read(&self) -> Option<Reading> {
        let used = self.used().ok()?;
        Some(Reading {
            allocated: used.saturating_sub(self.baseline),
            total: self.total,
        })
    }

    /// Not known without a context.
    fn free(&self) -> Option<u64> {
        match self.used().ok()? {
            0 => None,
            used => Some(self.total.saturating_sub(used)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_no_probe() {
        assert!(CudaProbe::new(999).is_none());
        assert!(CudaProbe::new(u32::MAX).is_none());
        assert!(!is_there(999) && !is_there(u32::MAX));
        let text = check(999).unwrap_err();
        assert!(
            text.starts_with("device=cuda:999: ") && text.contains("device=cpu"),
            "{text}"
        );
    }

    #[test]
    fn models_have_a_place_on_every_machine() {
        assert_ne!(own_device(), Device::Auto);
    }
}
