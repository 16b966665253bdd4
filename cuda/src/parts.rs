//! `scribe_worker_main`, which is a C program's to call: the worker, to be linked with a whisper.cpp that was built elsewhere.

mod inside;

use std::process::{ExitCode, Termination};

/// The worker's `main`, after which the process is to exit with what this returns. Its arguments are the process's.
// No other library has a function of this name.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn scribe_worker_main() -> i32 {
    i32::from(inside::main().report() != ExitCode::SUCCESS)
}
