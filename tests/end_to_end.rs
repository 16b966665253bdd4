//! The bundled recording through whole pipelines with the demo model: what is heard, when, and what is left behind.

mod common;

use std::collections::HashMap;

use common::{RATE, demo_model, plain, quoted, recording};
use gst::prelude::*;
use gstscribe::speech::Word;
use serde::Deserialize;

/// One word of the recording's truth, times in seconds.
#[derive(Deserialize)]
struct TrueWord {
    word: String,
    start: f64,
}

fn truth() -> Vec<TrueWord> {
    let text = std::fs::read_to_string(recording("conversation.words.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().flat_map(|w| plain(&w.text)).collect()
}

/// One thread: what is measured then does not depend on how busy the machine is.
const ONE_THREAD: &str = "threads=1";

#[test]
fn the_conversation_is_understood_and_timed() {
    let samples = common::decode(&recording("conversation.flac"));
    let heard = common::transcribe(&demo_model(), &samples, ONE_THREAD);
    let truth = truth();
    let true_texts: Vec<String> = truth.iter().flat_map(|w| plain(&w.word)).collect();
    let rate = common::word_error_rate(&true_texts, &texts(&heard));

    // Times are compared where a word's text occurs once in the neighbourhood: the nearest of the same text.
    let mut errors: Vec<f64> = heard
        .iter()
        .filter_map(|w| {
            let start = w.start as f64 / RATE as f64;
            let same = truth.iter().filter(|t| plain(&t.word) == plain(&w.text));
            same.map(|t| (t.start - start).abs()).min_by(f64::total_cmp)
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    let most = errors[errors.len() * 9 / 10];
    println!(
        "word error rate {:.1} %, start times off by {median:.3} s at the median, {most:.3} s for nine of ten",
        100.0 * rate
    );
    assert!(rate <= 0.05, "word error rate {rate}: {:?}", texts(&heard));
    assert!(
        median <= 0.2 && most <= 0.4,
        "start times off by {median} s, {most} s"
    );
    assert!(
        heard.windows(2).all(|w| w[0].end <= w[1].start),
        "in order, not overlapping"
    );
}

#[test]
fn silence_hum_and_noise_are_no_words() {
    let samples = common::decode(&recording("silence-and-noise.flac"));
    let heard = common::transcribe(&demo_model(), &samples, ONE_THREAD);
    assert_eq!(texts(&heard), Vec::<String>::new());
}

#[test]
fn windows_give_the_text_of_one_call_over_the_whole_recording() {
    let samples = common::decode(&recording("conversation.flac")).repeat(4);
    let heard = common::transcribe(
        &demo_model(),
        &samples,
        &format!("{ONE_THREAD} silence-gate=false"),
    );
    let said = plain(&common::direct_segments(&demo_model(), &samples, 1).concat());
    let differing = common::word_error_rate(&said, &texts(&heard));
    println!("{:.2} % of {} words differ", 100.0 * differing, said.len());
    assert!(
        differing <= 0.01,
        "{:.2} % of the words differ",
        100.0 * differing
    );
}

/// The checkpoints of one run over the recording: label → freed per cent.
fn checkpoints(messages: &[gst::Message]) -> Vec<(String, Option<f64>)> {
    messages
        .iter()
        .filter_map(|m| m.structure().filter(|s| s.name() == "gpu-memory"))
        .map(|s| {
            (
                s.get::<String>("label").unwrap(),
                s.get::<f64>("freed-percent").ok(),
            )
        })
        .collect()
}

#[test]
fn a_run_writes_its_checkpoints_and_gives_the_model_back() {
    let messages = common::run(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribetranscriber model-path=\"{}\" {ONE_THREAD} ! \
         scribecaptions ! application/x-subtitle-vtt ! fakesink sync=false",
        quoted(&recording("conversation.flac")),
        demo_model()
    ));
    let written = checkpoints(&messages);
    let mut labels: Vec<&str> = written.iter().map(|(label, _)| label.as_str()).collect();
    labels.sort_unstable();
    assert_eq!(
        labels,
        [
            "After Audio Preprocessing",
            "After Transcription (post-cleanup)",
            "After Waveform Cleanup",
            "After Whisper Cleanup",
            "Before Audio Preprocessing",
            "Before Transcription",
            "Before Waveform Cleanup",
            "Before Whisper Cleanup",
        ]
    );
    let freed: HashMap<_, _> = written.into_iter().collect();
    let freed = freed["After Whisper Cleanup"].expect("a cleanup has a share");
    println!("Whisper cleanup gave back {freed:.1} %");
    assert!(freed > 95.0, "{freed} %");
}

/// glibc's default. Setting it stops glibc from raising it, and the threshold for blocks of their own, with every
/// large block freed: what it then keeps differs by 20 MB between the first cycle and the third, and stays. That
/// is glibc's, not the element's, so the cycles are measured without it, in a process of their own.
const TRIM_THRESHOLD: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "131072");

#[test]
fn ten_cycles_hold_what_the_first_held() {
    let (name, value) = TRIM_THRESHOLD;
    if std::env::var_os(name).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again
            .args(["--exact", "ten_cycles_hold_what_the_first_held", "--nocapture"])
            .env(name, value);
        assert!(again.status().unwrap().success());
        return;
    }
    common::init();
    let transcriber = gst::ElementFactory::make("scribetranscriber")
        .property("model-path", demo_model())
        .property("threads", 1_u32)
        .build()
        .unwrap();
    let samples = common::decode(&recording("conversation.flac"));
    let bytes: Vec<u8> = samples[..20 * RATE as usize]
        .iter()
        .flat_map(|s| s.to_le_bytes())
        .collect();
    let (mut loaded, mut paused, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..11 {
        let mut h = gst_check::Harness::with_element(&transcriber, Some("sink"), Some("src"));
        h.set_src_caps(gstscribe::elements::speech_audio_caps());
        h.play();
        loaded.push(common::resident() as f64 / 1e6);
        let mut buffer = gst::Buffer::from_slice(bytes.clone());
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
        h.push(buffer).unwrap();
        h.push_event(gst::event::Eos::new());
        while h.try_pull().is_some() {}
        paused.push(common::resident() as f64 / 1e6);
        transcriber.set_state(gst::State::Ready).unwrap();
        ready.push(common::resident() as f64 / 1e6);
    }
    println!("MB resident: model loaded {loaded:.1?}, having run {paused:.1?}, freed {ready:.1?}");
    for (state, held) in [("loaded", loaded), ("having run", paused)] {
        let growth = held[10] / held[0] - 1.0;
        assert!(growth <= 0.02, "{state}: grown by {:.1} %", 100.0 * growth);
    }
}

/// The same bytes, from the library and from a file.
#[test]
fn the_bundled_model_says_what_its_file_says() {
    let samples = common::decode(&recording("conversation.flac"));
    let samples = &samples[..20 * RATE as usize];
    let [bundled, file] =
        ["bundled", &demo_model()].map(|model| common::transcribe(model, samples, ONE_THREAD));
    assert!(bundled.len() > 10, "{:?}", texts(&bundled));
    assert_eq!(bundled, file);
}

#[test]
fn a_file_without_audio_and_a_file_that_is_no_media_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let silent = folder.path().join("silent.mkv");
    common::run(&format!(
        "videotestsrc num-buffers=5 ! matroskamux ! filesink location={}",
        quoted(&silent)
    ));
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "no recording at all\n").unwrap();
    for path in [silent, text] {
        let (_, error) = common::try_run(&format!(
            "filesrc location={} ! decodebin ! scriberesample ! scribetranscriber model-path=\"{}\" ! fakesink",
            quoted(&path),
            demo_model()
        ));
        assert!(error.is_some(), "{}", path.display());
    }
}

/// A pipeline that is dropped while it plays ends its inference and leaves no thread.
#[test]
fn a_pipeline_dropped_in_playing_leaves_nothing() {
    common::init();
    let count = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let line = format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribetranscriber model-path=\"{}\" {ONE_THREAD} ! \
         fakesink sync=false",
        quoted(&recording("conversation.flac")),
        demo_model()
    );
    let names = || -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok())
            .collect()
    };
    let before = count();
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline.state(gst::ClockTime::NONE).0.unwrap();
    assert!(names().iter().any(|n| n.trim() == "scribe-whisper"));
    pipeline.set_state(gst::State::Null).unwrap();
    drop(pipeline);
    assert!(
        !names().iter().any(|n| n.trim() == "scribe-whisper"),
        "{:?} of {before}",
        names()
    );
}
