//! What `isolation=process` costs: the transcriber over the bundled recording with the model in a `scribe-worker`, and in
//! this process, in turn, so that a machine whose speed drifts is fair to both. Prints the ratios of wall and CPU
//! times and how long the frame of a window is on its way between two processes' sockets.
//!
//!     cargo bench --bench isolation -- [MODEL [FILE [REPEAT [THREADS]]]]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use gstscribe::infer::protocol::frame::{self, Frame};
use gstscribe::infer::protocol::{ToWorker, Travels, pack_window};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::speech::transcribe::{Context, Window};

const ROUNDS: usize = 9;
const FRAMES: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let argument = |i: usize| arguments.get(i).cloned();
    common::init();
    let model = argument(0).unwrap_or_else(common::demo_model);
    let file = argument(1).map_or_else(|| common::recording("conversation.flac"), PathBuf::from);
    let repeat: usize = argument(2).map_or(5, |n| n.parse().expect("REPEAT is a number"));
    let threads: u32 = argument(3).map_or(1, |n| n.parse().expect("THREADS is a number"));
    let samples = common::decode(&file).repeat(repeat);
    println!(
        "{model}\n{}, {repeat} times: {} s, {threads} thread(s)",
        file.display(),
        samples.len() as u64 / common::RATE
    );
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

/// User and system time of this process and of the children that it has reaped. 100 ticks a second on every Linux.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    let ticks = behind_name.split(' ').skip(11).take(4);
    ticks.map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
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
