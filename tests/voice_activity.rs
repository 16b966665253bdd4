//! The silence gate on real speech (`../shared/audio`, where there is one) and on what is none.

use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstscribe::infer::vad::VoiceDetector;
use gstscribe::speech::transcribe::speech_map::{SpeechMap, SpeechRule};
use gstscribe::time::{samples_to_seconds, seconds};

fn listen(audio: &[f32]) -> SpeechMap {
    let mut map = SpeechMap::new(SpeechRule::default(), 0);
    let mut detector = VoiceDetector::new();
    audio
        .chunks(1_024)
        .for_each(|buffer| detector.push(buffer, &mut map));
    detector.finish(&mut map);
    map
}

/// Share of `ranges` that the map takes for speech.
fn share(map: &SpeechMap, ranges: &[(u64, u64)]) -> f64 {
    let speech: u64 = ranges
        .iter()
        .map(|&(from, to)| map.speech_overlap(from..to))
        .sum();
    speech as f64 / ranges.iter().map(|(from, to)| to - from).sum::<u64>() as f64
}

fn noise(rms: f32) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes' generator
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..seconds(60.0)).map(|_| 3f32.sqrt() * rms * next()).collect()
}

#[test]
fn a_minute_without_speech_has_none() {
    for (what, audio) in [
        ("digital silence", vec![0.0; seconds(60.0) as usize]),
        ("noise at -20 dBFS", noise(0.1)),
        ("noise at -40 dBFS", noise(0.01)),
        ("noise at -60 dBFS", noise(0.001)),
        ("noise at -80 dBFS", noise(0.000_1)),
    ] {
        let map = listen(&audio);
        assert!(map.is_silent(0..seconds(60.0)), "{what}: {map:?}");
    }
}

#[test]
fn noise_that_breaks_into_digital_silence_is_not_speech() {
    for rms in [0.1, 0.01, 0.001] {
        let mut audio = vec![0.0; seconds(4.0) as usize];
        audio.extend(noise(rms));
        audio.extend(vec![0.0; seconds(4.0) as usize]);
        audio.extend(noise(rms));
        let map = listen(&audio);
        assert!(map.is_silent(0..audio.len() as u64), "noise of {rms}: {map:?}");
    }
}

/// The network's weakness, bounded: noise that breaks into near silence sounds like a voice to it
/// for a while (`docs/adr/0004-voice-activity.md`).
#[test]
fn noise_that_breaks_into_near_silence_is_not_speech_for_long() {
    let mut audio = noise(0.000_1);
    audio.extend(noise(0.01));
    let map = listen(&audio);
    let speech = samples_to_seconds(map.speech_overlap(0..audio.len() as u64));
    println!("{speech:.2} s of speech at a step of noise from -80 to -40 dBFS");
    assert!(speech <= 4.0, "{speech} s");
}

/// Recordings that are for measuring only, and so beside the project, not in it.
fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/audio")
        .join(file);
    let found = path.exists();
    if !found {
        eprintln!("skipped: there is no {}", path.display());
    }
    found.then_some(path)
}

/// Takes the pipeline down also when an assertion fails.
struct Pipeline(gst::Element);

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// A 16 kHz mono recording as the transcriber gets it.
fn decode(path: &Path) -> Vec<f32> {
    gst::init().expect("GStreamer starts");
    let line = "filesrc name=file ! decodebin ! audioconvert ! audioresample ! appsink name=out sync=false \
                caps=audio/x-raw,format=F32LE,rate=16000,channels=1";
    let pipeline = Pipeline(gst::parse::launch(line).expect("the elements are installed"));
    let bin = pipeline
        .0
        .downcast_ref::<gst::Bin>()
        .expect("a pipeline is a bin");
    bin.by_name("file")
        .expect("named above")
        .set_property("location", path);
    let out = bin.by_name("out").expect("named above");
    let out = out.downcast::<gst_app::AppSink>().expect("an appsink");
    pipeline.0.set_state(gst::State::Playing).expect("it plays");
    let mut audio = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample
            .buffer()
            .expect("with audio")
            .map_readable()
            .expect("readable");
        audio.extend(
            buffer
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        );
    }
    assert!(!audio.is_empty(), "{} has no audio", path.display());
    audio
}

/// Start and end of each turn, in samples.
fn turns(rttm: &Path) -> Vec<(u64, u64)> {
    let text = std::fs::read_to_string(rttm).expect("the truth lies beside the recording");
    let turn = |line: &str| {
        let field = |n| {
            line.split_whitespace()
                .nth(n)
                .and_then(|f| f.parse::<f64>().ok())
                .expect("a number")
        };
        (seconds(field(3)), seconds(field(3) + field(4)))
    };
    text.lines().map(turn).collect()
}

/// The truth counts the room noise before the first word of a turn as speech, so that most of a
/// miss is none: with the same padding Silero misses 4.4 % and 2.4 % of the first two (ADR 0004).
#[test]
fn real_speech_is_heard() {
    for (name, most_missed) in [("libri-2spk", 0.05), ("libri-4spk", 0.03), ("digits-2spk", 0.01)] {
        let Some(recording) = shared(&format!("{name}.flac")) else {
            continue;
        };
        let audio = decode(&recording);
        let map = listen(&audio);
        let missed = 1.0 - share(&map, &turns(&recording.with_extension("rttm")));
        println!("{name}: {:.2} % of the turns missed", 100.0 * missed);
        assert!(missed <= most_missed, "{name}: {missed}");

        // 20 dB quieter is the same speech: the gate must not depend on the recording level.
        let quiet: Vec<f32> = audio.iter().map(|s| s * 0.1).collect();
        let missed = 1.0 - share(&listen(&quiet), &turns(&recording.with_extension("rttm")));
        println!(
            "{name} 20 dB quieter: {:.2} % of the turns missed",
            100.0 * missed
        );
        assert!(missed <= most_missed, "{name} 20 dB quieter: {missed}");
    }
}

/// No spoken digit is cut by more than a seventh (their ends fade into silence).
#[test]
fn no_spoken_digit_is_lost() {
    let Some(recording) = shared("digits-2spk.flac") else {
        return;
    };
    let map = listen(&decode(&recording));
    let words =
        std::fs::read_to_string(recording.with_extension("words.json")).expect("the words lie beside");
    let words: Vec<serde_json::Value> = serde_json::from_str(&words).expect("a list of words");
    assert!(!words.is_empty());
    for word in words {
        let at = |key: &str| seconds(word[key].as_f64().expect("a time"));
        let heard = share(&map, &[(at("start"), at("end"))]);
        assert!(heard >= 6.0 / 7.0, "{word}: {heard}");
    }
}
