//! `scribe-worker PID`: hosts a speech model for the process PID, which has the other end of the standard input.

use std::{env, process::ExitCode};

const USAGE: &str = "\
Usage: scribe-worker PID

Hosts a speech model outside of the media process. The elements of gst-plugin-scribe start it themselves
(isolation=process) and end it when they are set to READY; it is of no use by hand.
";

fn main() -> ExitCode {
    let argument = env::args_os().nth(1).unwrap_or_default();
    match argument.to_string_lossy().as_ref() {
        "-h" | "--help" => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        "-V" | "--version" => {
            println!("scribe-worker {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        parent => match parent.parse() {
            Ok(parent) => run(parent),
            Err(_) => {
                eprint!("{USAGE}");
                ExitCode::from(2)
            }
        },
    }
}

fn run(parent: u32) -> ExitCode {
    match gstscribe::infer::worker::serve(parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scribe-worker: {error}");
            ExitCode::FAILURE
        }
    }
}
