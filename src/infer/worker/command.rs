//! The command line of the worker programs.

use std::env;
use std::process::ExitCode;

use super::serve;
use crate::memory::probes::Device;

/// The `main` of the worker program `name`: its arguments are the process that it works for and the device of its models.
pub fn command(name: &str) -> ExitCode {
    let usage = format!(
        "Usage: {name} PID [cpu|cuda:N]\n\n\
         Hosts speech models outside of the media process. The elements of gst-plugin-scribe start it themselves\n\
         (isolation=process) and end it when they are set to READY; it is of no use by hand.\n"
    );
    let argument = env::args_os().nth(1).unwrap_or_default();
    let device = env::args_os().nth(2).unwrap_or_else(|| "cpu".into());
    match argument.to_string_lossy().as_ref() {
        "-h" | "--help" => {
            print!("{usage}");
            ExitCode::SUCCESS
        }
        "-V" | "--version" => {
            println!("{name} {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        parent => match (parent.parse(), device.to_string_lossy().parse()) {
            (Ok(parent), Ok(device)) => run(name, parent, device),
            _ => {
                eprint!("{usage}");
                ExitCode::from(2)
            }
        },
    }
}

fn run(name: &str, parent: u32, device: Device) -> ExitCode {
    match serve(parent, device) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
