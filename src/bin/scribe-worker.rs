//! `scribe-worker PID`: hosts a speech model for the process PID, which has the other end of the standard input.

use std::process::ExitCode;

fn main() -> ExitCode {
    gstscribe::infer::worker::command("scribe-worker")
}
