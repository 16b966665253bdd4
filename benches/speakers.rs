//! What finding out who speaks costs: the stages of the speaker models by themselves, and the whole against its two
//! ONNX sessions alone on the same inputs, opened as ONNX Runtime opens them by itself, and run in turn.
//!
//!     cargo bench --bench speakers -- [FILE [SEGMENTATION EMBEDDING]]
//!
//! Windows of 10 s at every second, as offline. All runs are repeated in turn, so that a machine whose speed drifts
//! is fair to all.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::time::Instant;

use gstscribe::infer::fbank::{Features, Normalisation};
use gstscribe::infer::model::Cancel;
use gstscribe::infer::onnx::{
    EmbeddingModel, FeatureProfile, ModelSource, OnnxSpeakers, SegmentationModel, SessionOptions,
    SpeakersConfig, runtime,
};
use gstscribe::infer::speaker_models::{Decode, SpeakerModels};
use gstscribe::memory::probes::Device;
use gstscribe::speech::diarize::{Geometry, Window, embedding_mask, too_few_frames};
use ort::session::Session;
use ort::value::TensorRef;

const ROUNDS: usize = 7;
const STEP: usize = 16_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let path = |i: usize, otherwise: PathBuf| arguments.get(i).map_or(otherwise, PathBuf::from);
    let file = path(0, common::recording("conversation.flac"));
    let models = [
        path(1, common::root().join("models/scribe-segmentation.onnx")),
        path(2, common::root().join("models/scribe-embedding.onnx")),
    ];
    common::init();
    let audio = common::decode(&file);
    let seconds = audio.len() as f64 / common::RATE as f64;
    let windows = windows(&audio);
    let runtime = runtime().expect("ONNX Runtime");
    println!(
        "{}: {seconds:.0} s, {} windows, ONNX Runtime {}",
        file.display(),
        windows.len(),
        runtime.version()
    );

    let (stages, inputs) = stages(&models, &windows);
    let sum: f64 = stages.iter().map(|(_, time)| time).sum();
    for (name, time) in stages {
        println!(
            "{name:>14}: {:7.1} ms a minute of audio, {:4.1} %",
            time * 60e3 / seconds,
            100.0 * time / sum
        );
    }
    println!("{:>14}: {} embeddings", "", inputs.len());

    let mut alone = models.clone().map(|model| bare(&model));
    let mut on_one = load(&models, 1, 1);
    let mut in_batches = load(&models, 1, 32);
    let mut on_two = load(&models, 2, 1);
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| run_alone(&mut alone, &windows, &inputs)));
        for (speakers, times) in [&mut on_one, &mut in_batches, &mut on_two]
            .into_iter()
            .zip(&mut times[1..])
        {
            times.push(timed(|| analyse(speakers, &windows)));
        }
    }
    let names = [
        "two sessions alone",
        "analyse, 1 thread",
        "analyse, 1 thread, batches of 32",
        "analyse, 2 threads",
    ];
    for (name, of_it) in names.into_iter().zip(&times) {
        let median = |pick: fn(&(f64, f64)) -> f64| median(of_it.iter().map(pick).collect());
        let ratios = of_it.iter().zip(&times[0]).map(|(a, b)| a.1 / b.1).collect();
        println!(
            "{name:>33}: real-time factor {:.4} (wall), {:.4} (CPU), {:.3} of the CPU time alone",
            median(|t| t.0) / seconds,
            median(|t| t.1) / seconds,
            self::median(ratios)
        );
    }
}

fn windows(audio: &[f32]) -> Vec<Window> {
    let length = Geometry::PYANNOTE_3.window;
    let starts = (0..=audio.len().saturating_sub(length)).step_by(STEP);
    let window = |start: usize| {
        let mut samples = audio[start..(start + length).min(audio.len())].to_vec();
        samples.resize(length, 0.0);
        Window {
            start: start as u64,
            samples,
            focus: None,
        }
    };
    starts.map(window).collect()
}

fn options() -> SessionOptions {
    SessionOptions {
        device: Device::Cpu,
        threads: 1,
        gpu_memory_limit: 0,
    }
}

fn load(models: &[PathBuf; 2], threads: usize, batch_size: usize) -> OnnxSpeakers {
    let config = SpeakersConfig {
        segmentation: ModelSource::File(models[0].clone()),
        embedding: ModelSource::File(models[1].clone()),
        device: Device::Cpu,
        threads,
        batch_size,
        ..SpeakersConfig::default()
    };
    OnnxSpeakers::load(&config, &mut |_| {}).expect("the models load")
}

fn analyse(speakers: &mut OnnxSpeakers, windows: &[Window]) {
    speakers
        .analyse(windows, Decode::Hard, &Cancel::default())
        .expect("the models run");
}

/// Does by hand what [`OnnxSpeakers::analyse`] does. The time of each stage, and what the embedding model was fed.
fn stages(models: &[PathBuf; 2], windows: &[Window]) -> ([(&'static str, f64); 4], Vec<Features>) {
    let [segmentation, embedding] = models.clone().map(ModelSource::File);
    let mut segmentation = SegmentationModel::open(&segmentation, &options()).expect("a segmentation model");
    let mut embedding =
        EmbeddingModel::open(&embedding, &options(), FeatureProfile::Auto).expect("an embedding model");
    let geometry = segmentation.geometry();
    let too_few = too_few_frames(geometry.frames, embedding.least_samples(), geometry.window);
    let cancel = Cancel::default();
    let mut inputs = Vec::new();
    let [mut hearing, mut features_time, mut embedding_time, mut rest] = [0.0; 4];
    for window in windows {
        let begin = Instant::now();
        let answers = segmentation
            .run(&geometry, &[&window.samples], &cancel)
            .expect("the model runs");
        hearing += lap(begin);
        let begin = Instant::now();
        let scores = segmentation.hard(&answers[0]);
        let masks: Vec<_> = (0..scores.speakers)
            .filter_map(|speaker| embedding_mask(&scores, speaker, too_few))
            .collect();
        rest += lap(begin);
        if masks.is_empty() {
            continue;
        }
        let begin = Instant::now();
        let features = embedding.features(window.start, &window.samples);
        features_time += lap(begin);
        for mask in masks {
            let begin = Instant::now();
            let mut cut = embedding.cut(&features, &mask, &geometry);
            rest += lap(begin);
            let begin = Instant::now();
            let answer = embedding.embed(cut.clone(), &cancel).expect("the model runs");
            embedding_time += lap(begin);
            if answer.is_some() {
                Normalisation::Mean.apply(&mut cut);
                inputs.push(cut);
            }
        }
    }
    let stages = [
        ("segmentation", hearing),
        ("fbank", features_time),
        ("embedding", embedding_time),
        ("rest", rest),
    ];
    (stages, inputs)
}

/// As ONNX Runtime opens it by itself, on one thread.
fn bare(model: &PathBuf) -> Session {
    let environment = runtime().expect("ONNX Runtime").environment();
    let builder = Session::builder(environment).expect("a session's options");
    let mut builder = builder.with_intra_threads(1).expect("one thread");
    builder.commit_from_file(model).expect("a session")
}

fn run_alone([segmentation, embedding]: &mut [Session; 2], windows: &[Window], inputs: &[Features]) {
    for window in windows {
        let samples = window.samples.as_slice();
        let tensor = TensorRef::from_array_view(([1, 1, samples.len()], samples)).expect("a tensor");
        std::hint::black_box(segmentation.run(ort::inputs![tensor]).expect("the model runs"));
    }
    for features in inputs {
        let shape = [1, features.rows(), features.bands];
        let tensor = TensorRef::from_array_view((shape, features.values.as_slice())).expect("a tensor");
        std::hint::black_box(embedding.run(ort::inputs![tensor]).expect("the model runs"));
    }
}

fn lap(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64()
}

/// Seconds of wall time and of CPU time of this process.
fn timed(run: impl FnOnce()) -> (f64, f64) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    run();
    (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu)
}

/// User and system time of all threads of this process. 100 ticks a second on every Linux.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    let fields: Vec<&str> = behind_name.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
