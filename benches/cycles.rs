//! Elements set to PAUSED and back to READY again and again, with their models in this process and in a worker: what is held
//! after every tenth of the cycles, and how long one takes. Descriptors, threads and children must not become more (idle threads
//! of GStreamer end after a while); the resident set must level out.
//!
//!     cargo bench --bench cycles -- [CYCLES [none|process [ELEMENT]]]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use gst::prelude::*;

/// Descriptors, threads and children of this process.
fn held() -> [usize; 3] {
    let count = |path: &str| std::fs::read_dir(path).expect("a readable folder").count();
    let threads = std::fs::read_dir("/proc/self/task").expect("a readable folder");
    let children = threads.flatten().filter_map(|thread| {
        let list = std::fs::read_to_string(thread.path().join("children")).ok()?;
        Some(list.split_whitespace().count())
    });
    [count("/proc/self/fd"), count("/proc/self/task"), children.sum()]
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let cycles: usize = arguments
        .next()
        .map_or(1000, |n| n.parse().expect("CYCLES is a number"));
    let only = arguments.next();
    let only_element = arguments.next();
    common::init();
    for isolation in ["none", "process"] {
        if only.as_deref().is_some_and(|only| only != isolation) {
            continue;
        }
        for (name, properties) in [
            ("scribetranscriber", "model-path=bundled"),
            ("scribediarizer", "mode=offline"),
            // Both at once, in one worker.
            ("scribebin", "whisper-model=bundled residency=concurrent"),
        ] {
            if only_element.as_deref().is_some_and(|only| only != name) {
                continue;
            }
            run(name, properties, isolation, cycles);
        }
    }
}

fn run(name: &str, properties: &str, isolation: &str, cycles: usize) {
    let line = format!("{name} isolation={isolation} {properties}");
    let element = gst::parse::launch(&line).expect("an element of this plugin");
    let cycle = || {
        // A bin on its own has no clock and no data: it gets there and waits.
        element.set_state(gst::State::Paused).expect("PAUSED");
        element.set_state(gst::State::Ready).expect("READY");
    };
    (0..5).for_each(|_| cycle()); // what is made once
    let (before, mut resident) = (held(), vec![common::resident() >> 10]);
    let begin = Instant::now();
    for n in 1..=cycles {
        cycle();
        if n % (cycles / 10).max(1) == 0 {
            let held = held();
            let more = held.iter().zip(&before).any(|(now, then)| now > then);
            assert!(
                !more,
                "{line}: descriptors, threads, children {held:?} after {n} cycles, {before:?} before"
            );
            resident.push(common::resident() >> 10);
        }
    }
    let each = begin.elapsed().as_secs_f64() * 1000.0 / cycles as f64;
    println!("{line}: {cycles} cycles, {each:.1} ms each, [descriptors, threads, children] {before:?}");
    println!("  resident set in KiB after each tenth: {resident:?}");
    element.set_state(gst::State::Null).expect("NULL");
}
