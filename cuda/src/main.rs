//! `scribe-worker-cuda PID`: `scribe-worker` with whisper.cpp's CUDA backend.

mod inside;

use std::process::ExitCode;

fn main() -> ExitCode {
    inside::main()
}
