//! Several streams with one model: the memory of 1, 2 and 8 of them, and when each is done. Each number of streams has a
//! process of its own; all its streams hear the bundled recording and begin together.
//!
//!     cargo bench --bench sharing -- [MODEL [SECONDS [ISOLATION]]]
//!
//! *peak* is the largest resident set of the process and its worker (VmHWM of both), *unshared* the same where each stream
//! has parameters of its own, which keeps it from sharing.

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How this program calls itself for one measurement.
const ONE: &str = "--one";
const STREAMS: [usize; 3] = [1, 2, 8];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let argument = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or_else(|| default.to_owned());
    if argument(0, "") == ONE {
        let [streams, seconds] = [2, 3].map(|i| argument(i, "").parse().unwrap());
        return one(
            &argument(1, ""),
            streams,
            seconds,
            &argument(4, ""),
            argument(5, "") == "shared",
        );
    }
    let model = argument(0, &common::demo_model());
    let (seconds, isolation) = (argument(1, "60"), argument(2, "none"));
    println!("{model}, {seconds} s each, isolation={isolation}\n");
    println!("| streams | peak | of one stream | unshared | wall time | first done | last done |");
    println!("|---|---|---|---|---|---|---|");
    let mut single = None;
    for streams in STREAMS {
        let measure = |kind: &str| {
            let myself = std::env::current_exe().unwrap();
            let output = Command::new(myself)
                .args([ONE, &model, &streams.to_string(), &seconds, &isolation, kind])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            let problem = || panic!("{text} {}", String::from_utf8_lossy(&output.stderr));
            <[f64; 3]>::try_from(numbers).unwrap_or_else(|_| problem())
        };
        let [peak, first, last] = measure("shared");
        let [unshared, ..] = measure("unshared");
        let one = *single.get_or_insert(peak);
        println!(
            "| {streams} | {:.1} MB | {:.2} | {:.1} MB | {last:.1} s | {first:.1} s | {last:.1} s |",
            peak / 1e6,
            peak / one,
            unshared / 1e6
        );
    }
}

/// Prints the peak in bytes, and when the first and the last stream were done, in seconds.
fn one(model: &str, streams: usize, seconds: usize, isolation: &str, shared: bool) {
    common::init();
    let recording = common::decode(&common::recording("conversation.flac"));
    let wanted = seconds * common::RATE as usize;
    let samples: Vec<f32> = recording.iter().copied().cycle().take(wanted).collect();
    let (done, in_worker) = (AtomicBool::new(false), AtomicU64::new(0));
    let begin = Instant::now();
    let mut ends: Vec<f64> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let held: u64 = common::workers(std::process::id())
                    .iter()
                    .map(|pid| most_resident(&pid.to_string()))
                    .sum();
                in_worker.fetch_max(held, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(20)); // nobody unparks it
            }
        });
        let samples = &samples;
        let runs: Vec<_> = (0..streams)
            .map(|n| {
                // The prompt's length is a parameter that changes next to nothing.
                let own = if shared { 64 } else { 64 - n };
                let properties = format!("threads=1 isolation={isolation} keep-alive=1000 max-context={own}");
                scope.spawn(move || {
                    let words = common::transcribe(model, samples, &properties);
                    (words.len(), begin.elapsed().as_secs_f64())
                })
            })
            .collect();
        let ends = runs.into_iter().map(|run| run.join().unwrap());
        let ends = ends.map(|(words, end)| {
            assert!(words > 0, "a stream without a word");
            end
        });
        let ends = ends.collect();
        done.store(true, Ordering::Relaxed);
        ends
    });
    ends.sort_by(f64::total_cmp);
    let peak = most_resident("self") + in_worker.load(Ordering::Relaxed);
    println!("{peak} {} {}", ends[0], ends[ends.len() - 1]);
}

/// VmHWM in bytes; 0 for a process that is gone.
fn most_resident(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
