//! Memory by length of the recording: five minutes against one hour, each in a process of its own.
//!
//!     cargo bench --bench resident -- [MODEL [FILE]]
//!
//! Prints the peak resident set (VmHWM) of each and their ratio.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::process::Command;

const MINUTES: [usize; 2] = [5, 60];
/// How this program calls itself for one measurement.
const ONE: &str = "--one";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|a| a == ONE) {
        return one(
            &arguments[1],
            &PathBuf::from(&arguments[2]),
            arguments[3].parse().unwrap(),
        );
    }
    let model = arguments.first().cloned().unwrap_or_else(common::demo_model);
    let file = arguments
        .get(1)
        .map_or_else(|| common::recording("conversation.flac"), PathBuf::from);
    let peaks = MINUTES.map(|minutes| {
        let myself = std::env::current_exe().unwrap();
        let output = Command::new(myself)
            .arg(ONE)
            .arg(&model)
            .arg(&file)
            .arg(minutes.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let peak: f64 = text
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)));
        println!("{minutes} minutes: peak resident set {:.1} MB", peak / 1e6);
        peak
    });
    println!(
        "{} / {} minutes: {:.3}",
        MINUTES[1],
        MINUTES[0],
        peaks[1] / peaks[0]
    );
}

/// Transcribes `minutes` of the repeated recording, fed piece by piece so that only the element holds audio.
fn one(model: &str, file: &std::path::Path, minutes: usize) {
    common::init();
    let samples = common::decode(file);
    let wanted = minutes * 60 * common::RATE as usize;
    let heard = common::transcribe_repeated(model, &samples, wanted, "threads=1");
    assert!(heard > 0, "no word was heard");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{}", kilobytes * 1024);
}
