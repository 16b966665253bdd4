//! What several test files need.
#![allow(dead_code)] // each test file uses its part

pub mod forged_model;
pub mod smaller_model;

use std::path::{Path, PathBuf};
use std::sync::Once;

use gst::prelude::*;
use gstscribe::infer::model::ModelSource;
use gstscribe::infer::whisper::WhisperConfig;
use gstscribe::speech::Word;
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext};

pub const RATE: u64 = 16_000;

/// GStreamer with the plugin of this crate.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstscribe::plugin_register_static().expect("the plugin registers");
    });
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn demo_model() -> String {
    root()
        .join("models/ggml-scribe-demo.en-q5_0.bin")
        .display()
        .to_string()
}

pub fn recording(name: &str) -> PathBuf {
    root().join("models/recordings").join(name)
}

/// A file beside the project that only measuring needs. `None`, with a printed reason, when it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// The anonymous resident set of this process in bytes: what it holds itself, without the pages of program files,
/// which come when code first runs and belong to everybody.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

/// Lower-case words without punctuation.
pub fn plain(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|w| !w.is_empty())
        .collect()
}

/// Word errors of `heard` against `truth` (Levenshtein distance), as a share of the truth's words.
pub fn word_error_rate(truth: &[String], heard: &[String]) -> f64 {
    distance(truth, heard) as f64 / truth.len().max(1) as f64
}

pub fn distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Runs a pipeline description to EOS and returns every message but state changes; panics on an ERROR.
pub fn run(description: &str) -> Vec<gst::Message> {
    let (messages, error) = try_run(description);
    assert!(error.is_none(), "{description}: {}", error.unwrap());
    messages
}

/// Like [`run`], with the text of the first ERROR instead of a panic.
pub fn try_run(description: &str) -> (Vec<gst::Message>, Option<String>) {
    init();
    play(&gst::parse::launch(description).unwrap_or_else(|e| panic!("{description}: {e}")))
}

/// Plays a pipeline to EOS or its first ERROR, then sets it to NULL: its messages, and the error's text.
pub fn play(pipeline: &gst::Element) -> (Vec<gst::Message>, Option<String>) {
    let bus = pipeline.bus().unwrap();
    let started = pipeline.set_state(gst::State::Playing);
    let mut messages = Vec::new();
    let mut error = None;
    loop {
        // A state change that failed has posted its error already.
        let timeout = if started.is_err() {
            Some(gst::ClockTime::ZERO)
        } else {
            gst::ClockTime::NONE
        };
        let Some(message) = bus.timed_pop(timeout) else {
            break;
        };
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => {
                error = Some(format!("{} ({})", e.error(), e.debug().unwrap_or_default()));
                break;
            }
            gst::MessageView::StateChanged(_) => {}
            _ => messages.push(message),
        }
    }
    // Going to NULL empties the bus; what the elements say on the way to READY is wanted.
    let _ = pipeline.set_state(gst::State::Ready); // a pipeline that failed may say so again
    messages.extend(std::iter::from_fn(|| bus.pop()));
    pipeline.set_state(gst::State::Null).unwrap();
    (messages, error)
}

/// Writes 16 kHz mono samples as a WAV file of floats.
pub fn write_wav(path: &Path, samples: &[f32]) {
    let data = samples.len() as u32 * 4;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    // IEEE float, 1 channel, rate, bytes a second, bytes a frame, bits a sample.
    bytes.extend(3_u16.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend((RATE as u32).to_le_bytes());
    bytes.extend((RATE as u32 * 4).to_le_bytes());
    bytes.extend(4_u16.to_le_bytes());
    bytes.extend(32_u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// Quotes a path for a pipeline description.
pub fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// The recording as 16 kHz mono samples.
pub fn decode(path: &Path) -> Vec<f32> {
    let line = format!(
        "filesrc location={} ! decodebin ! scriberesample ! appsink name=sink sync=false",
        quoted(path)
    );
    let mut samples = Vec::new();
    pull(&line, None, |buffer| {
        let map = buffer.map_readable().unwrap();
        samples.extend(map.as_chunks::<4>().0.iter().map(|s| f32::from_le_bytes(*s)));
    });
    samples
}

/// The words that `scribetranscriber` with `properties` makes of `samples`.
pub fn transcribe(model: &str, samples: &[f32], properties: &str) -> Vec<Word> {
    let pieces: Vec<Vec<f32>> = samples.chunks(RATE as usize).map(<[f32]>::to_vec).collect();
    let mut words = Vec::new();
    pull(
        &line(model, properties),
        Some(Box::new(pieces.into_iter())),
        |buffer| {
            words.push(gstscribe::elements::word::from_buffer(&buffer).unwrap());
        },
    );
    words
}

/// How many words come of `length` samples of the recording, repeated as often as needed.
pub fn transcribe_repeated(model: &str, recording: &[f32], length: usize, properties: &str) -> usize {
    let samples: Vec<f32> = recording.to_vec();
    let pieces = (0..length).step_by(RATE as usize).map(move |at| {
        let piece = RATE.min((length - at) as u64) as usize;
        (at..at + piece)
            .map(|i| samples[i % samples.len()])
            .collect::<Vec<f32>>()
    });
    let mut words = 0;
    pull(&line(model, properties), Some(Box::new(pieces)), |_| words += 1);
    words
}

fn line(model: &str, properties: &str) -> String {
    format!(
        "appsrc name=src format=time ! scribetranscriber model-path=\"{model}\" {properties} ! \
         appsink name=sink sync=false"
    )
}

type Pieces = Box<dyn Iterator<Item = Vec<f32>> + Send>;

/// Gives `take` everything that arrives at the appsink `sink`; `pieces` of a second feed the appsrc `src`.
fn pull(line: &str, pieces: Option<Pieces>, mut take: impl FnMut(gst::Buffer)) {
    init();
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    let source = pipeline
        .by_name("src")
        .map(|s| s.downcast::<gst_app::AppSrc>().unwrap());
    if let Some(source) = &source {
        source.set_caps(Some(&gstscribe::elements::speech_audio_caps()));
        source.set_property("block", true);
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let feeder = source
        .zip(pieces)
        .map(|(source, pieces)| std::thread::spawn(move || feed(&source, pieces)));
    while let Ok(sample) = sink.pull_sample() {
        if let Some(buffer) = sample.buffer_owned() {
            take(buffer);
        }
    }
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    assert!(error.is_none(), "{line}: {error:?}");
}

fn feed(source: &gst_app::AppSrc, pieces: Pieces) {
    for (second, piece) in (0_u64..).zip(pieces) {
        let bytes: Vec<u8> = piece.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_seconds(second));
        if source.push_buffer(buffer).is_err() {
            return; // the pipeline failed; its error is on the bus
        }
    }
    let _ = source.end_of_stream();
}

/// The parameters of the element's defaults, as far as the direct call has them.
pub fn whisper_config(model: &str) -> WhisperConfig {
    WhisperConfig {
        model: ModelSource::File(model.into()),
        ..WhisperConfig::default()
    }
}

/// The segments of one `WhisperState::full` call over all samples: what the element's text is measured against.
pub fn direct_segments(model: &str, samples: &[f32], threads: i32) -> Vec<String> {
    let config = whisper_config(model);
    let shape = gstscribe::infer::model_file::check(model.as_ref()).unwrap();
    let parameters = gstscribe::infer::whisper::context_parameters(&shape);
    let context = WhisperContext::new_with_params(model, parameters).unwrap();
    let mut state = context.create_state().unwrap();
    let mut p = FullParams::new(SamplingStrategy::Greedy {
        best_of: config.best_of,
    });
    p.set_language(Some(if context.is_multilingual() { "auto" } else { "en" }));
    p.set_n_threads(threads);
    p.set_n_max_text_ctx(config.max_context);
    p.set_no_context(false);
    p.set_temperature_inc(config.temperature_increment);
    p.set_entropy_thold(config.entropy_threshold);
    p.set_logprob_thold(config.logprob_threshold);
    p.set_no_speech_thold(config.no_speech_threshold);
    p.set_suppress_nst(config.suppress_non_speech);
    p.set_token_timestamps(true);
    p.set_max_initial_ts(0.0);
    p.set_print_progress(false);
    p.set_print_realtime(false);
    p.set_print_timestamps(false);
    state.full(p, samples).unwrap();
    state
        .as_iter()
        .map(|s| s.to_str_lossy().unwrap().into_owned())
        .collect()
}

/// The workers of the process `parent` that are no zombies.
pub fn workers(parent: u32) -> Vec<u32> {
    children(parent)
        .into_iter()
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains("(scribe-worker)") && !stat.contains(") Z ")
        })
        .collect()
}

/// All children of all threads, zombies too.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<u32>>()
        })
        .collect()
}
