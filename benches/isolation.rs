//! What `isolation=process` costs: the transcriber over the bundled recording with the model in a `scribe-worker`, and in
//! this process, in turn, so that a machine whose speed drifts is fair to both. Prints the ratios of wall and CPU
//! times and how long the frame of a window is on its way between two processes' sockets.
//!
//!     cargo bench --bench isolation -- [MODEL [FILE [REPEAT [THREADS]]]]

#[path = "../tests/common/mod.rs"]
mod common;
mod shared;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use gstscribe::infer::protocol::frame::{self, Frame};
use gstscribe::infer::protocol::{ToWorker, Travels, pack_window};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::speech::transcribe::{Context, Window};

use shared::{Job, cpu_seconds, spread};

const ROUNDS: usize = 9;
const FRAMES: usize = 200;

fn main() {
    let Job {
        model,
        samples,
        threads,
    } = Job::of_arguments(5);
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let run = |isolation: &str| {
            let (begin, cpu) = (Instant::now(), cpu_seconds());
            let properties = format!("threads={threads} isolation={isolation}");
            let words = common::transcribe(&model, &samples, &properties);
            (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu, words)
        };
        // Who comes first alternates.
        let (inside, outside) = if round % 2 == 0 {
            let inside = run("none");
            (inside, run("process"))
        } else {
            let outside = run("process");
            (run("none"), outside)
        };
        assert_eq!(inside.2, outside.2, "the same words");
        println!(
            "round {round}: none {:.3} s wall {:.2} s CPU, process {:.3} s wall {:.2} s CPU",
            inside.0, inside.1, outside.0, outside.1
        );
        wall.push(outside.0 / inside.0);
        cpu.push(outside.1 / inside.1);
    }
    for (what, ratios) in [("wall", &mut wall), ("CPU", &mut cpu)] {
        let (least, median, most) = spread(ratios);
        println!("process / none: {what} {least:.3} {median:.3} {most:.3} (least, median, most)");
    }
    let (least, median, most) = spread(&mut frames());
    println!("a window of 31 s on its way: {least:.2} {median:.2} {most:.2} ms (least, median, most)");
}

/// From a window here to a window there, and a byte back, in ms: encoding, the socket, decoding, two wake-ups.
fn frames() -> Vec<f64> {
    let window = Window {
        start: 0,
        samples: vec![0.1; 31 * common::RATE as usize],
        before: Vec::new(),
        context: Context::Carry,
        history: Vec::new(),
        language: None,
    };
    let (mut here, mut there) = UnixStream::pair().expect("sockets");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Some(Frame { message, audio }) = frame::read(&mut there).expect("a frame") {
                if let ToWorker::Run { question, .. } = message {
                    let window = <dyn Recognizer>::unpack(question, audio).expect("a window");
                    assert_eq!(window.samples.len(), 31 * common::RATE as usize);
                }
                there.write_all(&[1]).expect("an answer");
            }
        });
        let times = (1..=FRAMES as u64).map(|id| {
            let begin = Instant::now();
            let packed = pack_window(&window);
            let question = packed.question.clone();
            let run = ToWorker::Run {
                model: 1,
                id,
                question,
                budget: u32::MAX,
            };
            let frame = frame::encode(&run, &packed.audio).expect("a frame");
            here.write_all(&frame).expect("room");
            here.read_exact(&mut [0]).expect("an answer");
            begin.elapsed().as_secs_f64() * 1000.0
        });
        let times = times.collect();
        drop(here);
        times
    })
}
