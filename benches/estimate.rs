//! The estimate of a model's memory beside what the model takes, each model in a process of its own.
//!
//!     cargo bench --bench estimate -- [WHISPER.bin | SEGMENTATION.onnx | EMBEDDING.onnx ...]
//!
//! Without a file: the demo models, and Whisper models of OpenAI's shapes tiny, base and small with random weights,
//! which are made by `tools/random_model.py` beside the project. That needs NumPy (`PYTHON` names the interpreter) and
//! in `WHISPER_ASSETS` the folder `whisper/assets` of the package openai-whisper; what is missing is said, and left out.
//!
//! A Whisper model hears two windows that are full of speech, the second with the text of the first as its prompt, and
//! with all its decoders at work. *loaded* and *held* are the growth of the anonymous resident set behind the load and
//! behind the windows, *peak* is the most that the whole resident set grew.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use gstscribe::infer::heap;
use gstscribe::infer::model::{Cancel, ModelSource};
use gstscribe::infer::onnx::{EmbeddingModel, FeatureProfile, SegmentationModel, SessionOptions};
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::infer::whisper::{self, Whisper, WhisperConfig};
use gstscribe::memory::estimate::{self, Place};
use gstscribe::memory::probes::Device;
use gstscribe::speech::transcribe::{Context, Window};

/// How this program calls itself for one measurement.
const ONE: &str = "--one";
const SHAPES: [&str; 3] = ["tiny", "base", "small"];
/// Text tokens in each window of the random models: near the 224 that whisper.cpp writes at most.
const TOKENS: &str = "200";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [one, model, candidates] = &arguments[..]
        && one == ONE
    {
        return measure(Path::new(model), candidates.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = if arguments.is_empty() {
        let ours = [
            "ggml-scribe-demo.en-q5_0.bin",
            "scribe-segmentation.onnx",
            "scribe-embedding.onnx",
        ];
        let ours = ours.map(|name| common::root().join("models").join(name));
        ours.into_iter().chain(random_models(folder.path())).collect()
    } else {
        arguments.iter().map(PathBuf::from).collect()
    };
    println!("| model | decoders | estimate | loaded | held | peak | estimate / peak |");
    println!("|---|---|---|---|---|---|---|");
    for file in &files {
        let whisper = file.extension().is_some_and(|e| e == "bin");
        for candidates in if whisper { &["1", "5"][..] } else { &["1"] } {
            row(file, candidates);
        }
    }
}

/// Those that can be made.
fn random_models(folder: &Path) -> Vec<PathBuf> {
    let Some(script) = common::shared("tools/random_model.py") else {
        return Vec::new();
    };
    let Some(assets) = std::env::var_os("WHISPER_ASSETS") else {
        eprintln!("skipped: WHISPER_ASSETS does not name the folder of Whisper's vocabularies");
        return Vec::new();
    };
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let made = SHAPES.iter().map(|shape| {
        let file = folder.join(format!("ggml-{shape}.bin"));
        let mut command = Command::new(&python);
        command
            .arg(&script)
            .arg(shape)
            .arg(&file)
            .args(["--tokens", TOKENS])
            .arg("--assets")
            .arg(&assets);
        let output = command.output().unwrap();
        let problem = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            eprintln!("skipped: {shape} cannot be made: {problem}");
        }
        output.status.success().then_some(file)
    });
    made.flatten().collect()
}

fn row(file: &Path, candidates: &str) {
    let myself = std::env::current_exe().unwrap();
    let output = Command::new(myself)
        .arg(ONE)
        .arg(file)
        .arg(candidates)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [estimate, loaded, held, peak] = numbers[..] else {
        eprintln!("skipped: {name}: {}", String::from_utf8_lossy(&output.stderr));
        return;
    };
    let [estimate, loaded, held, peak] = [estimate, loaded, held, peak].map(|bytes| bytes / 1e6);
    println!(
        "| `{name}` | {candidates} | {estimate:.1} MB | {loaded:.1} | {held:.1} | {peak:.1} | {:.3} |",
        estimate / peak
    );
}

/// Prints the estimate, and what was measured.
fn measure(file: &Path, candidates: i32) {
    common::init();
    let kind = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let source = ModelSource::File(file.to_owned());
    if kind.ends_with(".bin") {
        return print(&measure_whisper(source, candidates));
    }
    let size = std::fs::metadata(file).unwrap().len();
    let need = estimate::onnx(size, Place::Host).total();
    print(&if kind.contains("segmentation") {
        measure_segmentation(&source, need)
    } else {
        measure_embedding(&source, need)
    });
}

fn print(numbers: &[u64; 4]) {
    println!("{} {} {} {}", numbers[0], numbers[1], numbers[2], numbers[3]);
}

fn measure_whisper(model: ModelSource, candidates: i32) -> [u64; 4] {
    let config = WhisperConfig {
        model,
        best_of: candidates,
        // Candidates work at a temperature above 0 alone.
        temperature: if candidates > 1 { 0.2 } else { 0.0 },
        temperature_increment: if candidates > 1 { 0.2 } else { 0.0 },
        language: Some("en".into()),
        ..common::whisper_config("")
    };
    let need = whisper::need(&config, Place::Host).unwrap().total();
    let meter = Meter::new();
    let mut model = Whisper::load(&config, &mut |_| {}).unwrap();
    let loaded = meter.held();
    for context in [Context::Start, Context::Carry] {
        model.recognize(&window(context), &Cancel::default()).unwrap();
    }
    [need, loaded, meter.held(), meter.peak()]
}

/// 30 s and the look-ahead, of a tone that swells like syllables.
fn window(context: Context) -> Window {
    let at = |i: usize| i as f32 / common::RATE as f32;
    let sound = |i: usize| (at(i) * 2_000.0).sin() * (at(i) * 20.0).sin() * 0.3;
    Window {
        start: 0,
        samples: (0..31 * common::RATE as usize).map(sound).collect(),
        before: Vec::new(),
        context,
        history: Vec::new(),
        language: None,
    }
}

fn options() -> SessionOptions {
    SessionOptions {
        device: Device::Cpu,
        threads: 1,
        gpu_memory_limit: 0,
    }
}

fn measure_segmentation(source: &ModelSource, need: u64) -> [u64; 4] {
    gstscribe::infer::onnx::runtime().expect("ONNX Runtime");
    let meter = Meter::new();
    let mut model = SegmentationModel::open(source, &options()).unwrap();
    let loaded = meter.held();
    let geometry = model.geometry();
    let samples = vec![0.1; geometry.window];
    model.run(&geometry, &[&samples], &Cancel::default()).unwrap();
    [need, loaded, meter.held(), meter.peak()]
}

fn measure_embedding(source: &ModelSource, need: u64) -> [u64; 4] {
    gstscribe::infer::onnx::runtime().expect("ONNX Runtime");
    let meter = Meter::new();
    let mut model = EmbeddingModel::open(source, &options(), FeatureProfile::Auto).unwrap();
    let loaded = meter.held();
    // 10 s, the longest window.
    let samples: Vec<f32> = window(Context::Start).samples[..10 * common::RATE as usize].to_vec();
    let features = model.features(0, &samples);
    model.embed((*features).clone(), &Cancel::default()).unwrap();
    [need, loaded, meter.held(), meter.peak()]
}

/// The resident set of this process, from now on.
struct Meter {
    anonymous: u64,
    resident: u64,
}

impl Meter {
    fn new() -> Self {
        heap::give_back();
        // Makes the peak what there is now (proc(5)).
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Meter {
            anonymous: field("RssAnon:"),
            resident: field("VmRSS:"),
        }
    }

    fn held(&self) -> u64 {
        field("RssAnon:").saturating_sub(self.anonymous)
    }

    fn peak(&self) -> u64 {
        field("VmHWM:").saturating_sub(self.resident)
    }
}

/// Bytes of a line of this process's status.
fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}
