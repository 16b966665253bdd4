//! On which device a session runs, and how much of its memory it may take.

use std::path::{Path, PathBuf};

use ort::ep::{self, ArenaExtendStrategy, ExecutionProviderDispatch};

use super::CAT;
use super::runtime::Runtime;
use crate::infer::cuda;
use crate::infer::model::LoadError;
use crate::memory::probes::Device;

/// What ONNX Runtime loads for a CUDA session, from the folder of its own library.
const CUDA_PROVIDER: &str = "libonnxruntime_providers_cuda.so";

/// The CUDA device to run on; `None` is the CPU.
///
/// # Errors
/// A CUDA device that was asked for by its number and cannot be had: never the CPU instead.
pub(super) fn cuda_device(device: Device, runtime: &Runtime) -> Result<Option<u32>, LoadError> {
    choose(device, runtime.path(), cuda::is_there)
}

fn choose(device: Device, library: &Path, is_there: impl Fn(u32) -> bool) -> Result<Option<u32>, LoadError> {
    let provider = library
        .parent()
        .map_or_else(PathBuf::new, Path::to_owned)
        .join(CUDA_PROVIDER);
    match device {
        Device::Cpu => Ok(None),
        Device::Auto => {
            let first = (provider.is_file() && is_there(0)).then_some(0);
            gst::debug!(CAT, "device auto is CUDA device {first:?}");
            Ok(first)
        }
        Device::Cuda(index) if !provider.is_file() => Err(LoadError::NotFound(format!(
            "device=cuda:{index} needs ONNX Runtime's CUDA provider, and there is no {}. Get it with \"pip install \
             onnxruntime-gpu\" and set ORT_DYLIB_PATH to its onnxruntime/capi/libonnxruntime.so.1.*, or use \
             device=cpu",
            provider.display()
        ))),
        Device::Cuda(index) if !is_there(index) => Err(LoadError::NotFound(format!(
            "device=cuda:{index}: the CUDA driver knows no such device. nvidia-smi lists those that there are; or \
             use device=cpu"
        ))),
        Device::Cuda(index) => Ok(Some(index)),
    }
}

/// Of the CUDA device `index`, with an arena of at most `limit` bytes that grows by what is asked for, and never by
/// doubling. Convolutions are chosen by rule: to try them all takes seconds and gigabytes for every new length.
pub(super) fn cuda_provider(index: u32, limit: u64) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(i32::try_from(index).unwrap_or(i32::MAX))
        .with_memory_limit(usize::try_from(limit).unwrap_or(usize::MAX))
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_conv_max_workspace(false)
        .build()
        .error_on_failure()
}

/// The CPU's without an arena: it would keep the memory of the longest input until the session ends.
pub(super) fn cpu_provider() -> ExecutionProviderDispatch {
    ep::CPU::default().with_arena_allocator(false).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_was_asked_for_is_had_or_refused() {
        let with = tempfile::tempdir().unwrap();
        std::fs::write(with.path().join(CUDA_PROVIDER), "").unwrap();
        let without = tempfile::tempdir().unwrap();
        let one_device = |index: u32| index == 0;
        let check = |device: Device, folder: &Path, expected: Result<Option<u32>, &str>| {
            let found = choose(device, &folder.join("libonnxruntime.so.1"), one_device);
            match (found, expected) {
                (Err(LoadError::NotFound(said)), Err(part)) => assert!(said.contains(part), "{said}"),
                (found, expected) => assert_eq!(found.ok(), expected.ok(), "{device}"),
            }
        };
        check(Device::Cpu, with.path(), Ok(None));
        check(Device::Auto, with.path(), Ok(Some(0)));
        check(Device::Auto, without.path(), Ok(None));
        check(Device::Cuda(0), with.path(), Ok(Some(0)));
        check(Device::Cuda(1), with.path(), Err("knows no such device"));
        check(Device::Cuda(0), without.path(), Err("onnxruntime-gpu"));
        check(Device::Cuda(0), without.path(), Err("device=cpu"));
    }

    #[test]
    fn without_a_device_auto_is_the_cpu() {
        let with = tempfile::tempdir().unwrap();
        std::fs::write(with.path().join(CUDA_PROVIDER), "").unwrap();
        let library = with.path().join("libonnxruntime.so.1");
        assert_eq!(choose(Device::Auto, &library, |_| false), Ok(None));
    }
}
