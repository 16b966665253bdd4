//! How a runtime says that memory ran out: in words, as none of them has a number for it.

/// In lower case: ggml's allocators on the CPU and on CUDA, ONNX Runtime's arenas, cuBLAS and cuDNN, Rust, C++.
const SAID: [&str; 7] = [
    "insufficient memory",
    "out of memory",
    "failed to allocate",
    "is smaller than requested bytes",
    "alloc_failed",
    "memory allocation of",
    "bad_alloc",
];

/// Whether `text` says so.
pub(super) fn is_told_in(text: &str) -> bool {
    let text = text.to_lowercase();
    SAID.iter().any(|said| text.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_memory_is_told_from_other_trouble() {
        for (text, expected) in [
            (
                "ggml_aligned_malloc: insufficient memory (attempted to allocate   6.72 MB)",
                true,
            ),
            (
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 94.20 MiB on device 0: cudaMalloc failed: out of memory",
                true,
            ),
            ("memory allocation of 1984000 bytes failed", true),
            (
                "BFCArena: Failed to allocate memory for requested buffer of size 1228800",
                true,
            ),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", true),
            ("std::bad_alloc", true),
            (
                "whisper_model_load: tensor 'x' has wrong size in model file",
                false,
            ),
            ("Invalid rank for input: audio Got: 2 Expected: 3", false),
        ] {
            assert_eq!(is_told_in(text), expected, "{text}");
        }
    }
}
