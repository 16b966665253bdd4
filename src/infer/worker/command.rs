//! The command line of the worker programs.

use std::env;
use std::process::ExitCode;

use super::serve;

/// The `main` of the worker program `name`: its one argument is the process that it works for.
pub fn command(name: &str) -> ExitCode {
    let usage = format!(
        "Usage: {name} PID\n\n\
         Hosts a speech model outside of the media process. The elements of gst-plugin-scribe start it themselves\n\
         (isolation=process) and end it when they are set to READY; it is of no use by hand.\n"
    );
    let argument = env::args_os().nth(1).unwrap_or_default();
    match argument.to_string_lossy().as_ref() {
        "-h" | "--help" => {
            print!("{usage}");
            ExitCode::SUCCESS
        }
        "-V" | "--version" => {
            println!("{name} {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        parent => match parent.parse().map(serve) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => {
                eprintln!("{name}: {error}");
                ExitCode::FAILURE
            }
            Err(_) => {
                eprint!("{usage}");
                ExitCode::from(2)
            }
        },
    }
}
