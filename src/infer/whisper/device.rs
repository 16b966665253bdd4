//! Which GPUs the whisper.cpp of this process can use. What it is asked for and has not, it would replace by the CPU
//! without a word.

use std::ffi::CStr;

use whisper_rs::whisper_rs_sys as ggml;

use crate::infer::model::LoadError;

/// CUDA devices that the whisper.cpp of this process can put a model on: none, unless it was built with CUDA. No part of
/// the Rust code depends on that: ggml's registry is asked.
pub fn cuda_devices() -> u32 {
    // SAFETY: ggml registers its devices on the first question; they and their names live for ever.
    let names = unsafe {
        (0..ggml::ggml_backend_dev_count())
            .map(|n| ggml::ggml_backend_dev_get(n))
            .filter(|device| !device.is_null())
            .map(|device| CStr::from_ptr(ggml::ggml_backend_dev_name(device)))
            .collect::<Vec<_>>()
    };
    let found = names.iter().filter(|name| name.to_bytes().starts_with(b"CUDA"));
    u32::try_from(found.count()).unwrap_or(u32::MAX)
}

/// Whether a model can go to `device`.
///
/// # Errors
/// A CUDA device that cannot be had: never the CPU instead.
pub(super) fn check(device: Option<u32>) -> Result<(), LoadError> {
    match device {
        Some(index) => refuse(index, cuda_devices()),
        None => Ok(()),
    }
}

fn refuse(index: u32, known: u32) -> Result<(), LoadError> {
    if index < known {
        return Ok(());
    }
    let what = match known {
        0 => "has no CUDA device: it was built without CUDA, or finds no driver. Build scribe-worker-cuda (docs/gpu.md) \
              and leave isolation at auto"
            .to_owned(),
        n => format!("knows {n} CUDA devices, counted from 0. Set device to one of these"),
    };
    Err(LoadError::NotFound(format!(
        "device=cuda:{index}: the whisper.cpp of this program {what}, or use device=cpu"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused_and_never_replaced() {
        for (index, known, said) in [
            (0, 0, Some("scribe-worker-cuda")),
            (0, 1, None),
            (1, 1, Some("knows 1 CUDA devices")),
            (7, 8, None),
            (u32::MAX, 8, Some("device=cuda:4294967295")),
        ] {
            let found = refuse(index, known).map_err(|e| e.to_string());
            match (found, said) {
                (Err(text), Some(part)) => {
                    assert!(text.contains(part) && text.contains("device=cpu"), "{text}");
                }
                (found, said) => assert_eq!(found.is_ok(), said.is_none(), "cuda:{index} of {known}"),
            }
        }
    }

    /// The plugin's own whisper.cpp is built without: that is what makes it load everywhere.
    #[test]
    fn this_build_has_no_cuda() {
        assert_eq!(cuda_devices(), 0);
        assert!(check(Some(0)).is_err() && check(None).is_ok());
    }
}
