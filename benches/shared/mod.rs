//! What benches over one recording have in common: how they are asked, and what they count.

use std::path::PathBuf;

use crate::common;

/// `[MODEL [FILE [REPEAT [THREADS]]]]` of the command line.
pub struct Job {
    pub model: String,
    /// The file, as often as asked.
    pub samples: Vec<f32>,
    pub threads: u32,
}

impl Job {
    /// The bundled model and recording unless told otherwise, the recording `repeat` times; prints what it is.
    pub fn of_arguments(repeat: usize) -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        let argument = |i: usize| arguments.get(i).cloned();
        common::init();
        let model = argument(0).unwrap_or_else(common::demo_model);
        let file = argument(1).map_or_else(|| common::recording("conversation.flac"), PathBuf::from);
        let repeat = argument(2).map_or(repeat, |n| n.parse().expect("REPEAT is a number"));
        let threads = argument(3).map_or(1, |n| n.parse().expect("THREADS is a number"));
        let samples = common::decode(&file).repeat(repeat);
        println!(
            "{model}\n{}, {repeat} times: {} s, {threads} thread(s)",
            file.display(),
            samples.len() as u64 / common::RATE
        );
        Job {
            model,
            samples,
            threads,
        }
    }
}

/// User and system time of this process and of the children that it has reaped. 100 ticks a second on every Linux.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    let ticks = behind_name.split(' ').skip(11).take(4);
    ticks.map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Least, median, most.
pub fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
