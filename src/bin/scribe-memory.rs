//! `scribe-memory LOG...`: the memory of a run as a timeline, and a verdict on its cleanups.

use std::{
    env, fs,
    io::{self, Read, Write},
    process::ExitCode,
};

use gstscribe::memory::{picture, timeline};

const USAGE: &str = "\
Usage: scribe-memory LOG...

Draws the memory checkpoints in each LOG as a timeline and judges the cleanups.
A LOG is a file (- is the standard input) with the output of a run under
GST_DEBUG=scribe-memory:4, or what the property memory-log wrote.

Exit status: 0 all cleanups gave back what they should, 1 one is a leak, 2 a LOG is of no use.
";

/// What the logs came to, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Clean = 0,
    Leak = 1,
    Unusable = 2,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .iter()
        .find(|a| a.starts_with('-') && *a != "-")
        .map(String::as_str)
    {
        Some("-h" | "--help") => return print(USAGE, Status::Clean),
        Some("-V" | "--version") => {
            return print(
                &format!("scribe-memory {}\n", env!("CARGO_PKG_VERSION")),
                Status::Clean,
            );
        }
        Some(option) => return complain(&format!("unknown option {option}\n{USAGE}")),
        None if arguments.is_empty() => return complain(USAGE),
        None => {}
    }
    let mut status = Status::Clean;
    let mut text = String::new();
    for name in &arguments {
        status = status.max(match report(name, &mut text) {
            Ok(status) => status,
            Err(why) => {
                eprintln!("scribe-memory: {name}: {why}");
                Status::Unusable
            }
        });
    }
    print(&text, status)
}

/// Appends what is in the log `name` to `text`.
fn report(name: &str, text: &mut String) -> Result<Status, String> {
    let (runs, bad) = timeline::read(&load(name).map_err(|error| error.to_string())?);
    for line in &bad {
        eprintln!("scribe-memory: {name}: {line}");
    }
    if runs.is_empty() {
        return Err("no memory checkpoint in it. Run with GST_DEBUG=scribe-memory:4, \
                    or set the property memory-log, and give that output"
            .into());
    }
    for (index, run) in runs.iter().enumerate() {
        text.push_str(&format!(
            "{name}, run {} of {}: {}\n",
            index + 1,
            runs.len(),
            picture::draw(run)
        ));
    }
    Ok(if runs.iter().any(timeline::Run::leaks) {
        Status::Leak
    } else {
        Status::Clean
    })
}

/// Logs may hold bytes of any program, so what is not UTF-8 is replaced.
fn load(name: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    match name {
        "-" => io::stdin().read_to_end(&mut bytes)?,
        path => fs::File::open(path)?.read_to_end(&mut bytes)?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A reader that went away (`| head`) is no error.
fn print(text: &str, status: Status) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::from(status as u8)
}

fn complain(text: &str) -> ExitCode {
    eprint!("{text}");
    ExitCode::from(Status::Unusable as u8)
}
