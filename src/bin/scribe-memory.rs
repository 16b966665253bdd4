//! `scribe-memory LOG...`: the memory of a run as a timeline and a chart, and a verdict on its cleanups.

use std::{
    env, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use gstscribe::memory::{
    chart::{Format, Sheet},
    picture,
    timeline::{self, Run},
};

const USAGE: &str = "\
Usage: scribe-memory [--chart FILE] LOG...

Draws the memory checkpoints in each LOG as a timeline and judges the cleanups.
A LOG is a file (- is the standard input) with the output of a run under
GST_DEBUG=scribe-memory:4, or what the property memory-log wrote.

  --chart FILE  also draw all runs into FILE: an image when its name ends in .svg,
                a page with a table of the checkpoints when it ends in .html

Exit status: 0 all cleanups gave back what they should, 1 one is a leak, 2 a LOG is of no use
or the chart cannot be written.
";

/// Behind the name of a log with one run: needless above a chart.
const ALONE: &str = ", run 1 of 1";

/// What the logs came to, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Clean = 0,
    Leak = 1,
    Unusable = 2,
}

/// What to do.
#[derive(Default)]
struct Arguments {
    logs: Vec<String>,
    chart: Option<(PathBuf, Format)>,
}

fn main() -> ExitCode {
    // Lossy: a name that is not UTF-8 is then not found, where args() would panic.
    let mut words = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let chart = match word.as_str() {
            "-h" | "--help" => return print(USAGE, Status::Clean),
            "-V" | "--version" => {
                let version = format!("scribe-memory {}\n", env!("CARGO_PKG_VERSION"));
                return print(&version, Status::Clean);
            }
            "--chart" => match words.next() {
                Some(file) => file,
                None => return complain(&format!("--chart needs the name of a file\n{USAGE}")),
            },
            option if option.starts_with("--chart=") => option["--chart=".len()..].to_owned(),
            option if option.starts_with('-') && option != "-" => {
                return complain(&format!("unknown option {option}\n{USAGE}"));
            }
            _ => {
                arguments.logs.push(word);
                continue;
            }
        };
        match Format::of(Path::new(&chart)) {
            Ok(format) => arguments.chart = Some((chart.into(), format)),
            Err(why) => return complain(&format!("scribe-memory: --chart {why}\n")),
        }
    }
    match arguments.logs.is_empty() {
        true => complain(USAGE),
        false => run(&arguments),
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let mut status = Status::Clean;
    let mut text = String::new();
    let mut runs: Vec<(String, Run)> = Vec::new();
    for name in &arguments.logs {
        match read(name) {
            Ok(found) => {
                let count = found.len();
                let titled = found
                    .into_iter()
                    .enumerate()
                    .map(|(index, run)| (title(name, index, count), run));
                runs.extend(titled);
            }
            Err(why) => {
                eprintln!("scribe-memory: {name}: {why}");
                status = Status::Unusable;
            }
        }
    }
    for (title, run) in &runs {
        text.push_str(&format!("{title}: {}\n", picture::draw(run)));
        if run.leaks() {
            status = status.max(Status::Leak);
        }
    }
    if let Some((path, format)) = arguments.chart.as_ref().filter(|_| !runs.is_empty()) {
        let sheets: Vec<Sheet> = runs
            .iter()
            .map(|(title, run)| Sheet {
                title: title.strip_suffix(ALONE).unwrap_or(title),
                run,
            })
            .collect();
        if let Err(why) = fs::write(path, format.draw(&sheets)) {
            eprintln!(
                "scribe-memory: the chart cannot be written to {}: {why}",
                path.display()
            );
            status = Status::Unusable;
        }
    }
    print(&text, status)
}

fn title(name: &str, index: usize, count: usize) -> String {
    let name = if name == "-" { "standard input" } else { name };
    format!("{name}, run {} of {count}", index + 1)
}

/// The runs in the log `name`; never empty.
fn read(name: &str) -> Result<Vec<Run>, String> {
    let (runs, bad) = timeline::read(&load(name).map_err(|error| error.to_string())?);
    for line in &bad {
        eprintln!("scribe-memory: {name}: {line}");
    }
    if runs.is_empty() {
        return Err("no memory checkpoint in it. Run with GST_DEBUG=scribe-memory:4, \
                    or set the property memory-log, and give that output"
            .into());
    }
    Ok(runs)
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
