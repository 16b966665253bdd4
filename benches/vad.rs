//! What an hour of audio costs the silence gate: the detector with its map, and a plain energy
//! threshold as the least that any gate costs. `cargo bench --bench vad`

use std::time::Instant;

use gstscribe::infer::vad::{FRAME, VoiceDetector};
use gstscribe::speech::transcribe::speech_map::{SpeechMap, SpeechRule};
use gstscribe::time::{samples_to_seconds, seconds};

/// Bursts of a buzz over noise. The network does the same work whatever it hears.
fn audio(length: u64) -> Vec<f32> {
    let mut state = 1u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let buzz = |n: u64| {
        if n % seconds(3.0) < seconds(2.0) {
            (n % 128) as f32 / 640.0 - 0.1
        } else {
            0.0
        }
    };
    (0..length).map(|n| buzz(n) + 0.01 * noise()).collect()
}

fn new_map() -> SpeechMap {
    SpeechMap::new(SpeechRule::default(), 0)
}

fn detector(audio: &[f32]) -> SpeechMap {
    let (mut detector, mut map) = (VoiceDetector::new(), new_map());
    audio
        .chunks(1_024)
        .for_each(|buffer| detector.push(buffer, &mut map));
    detector.finish(&mut map);
    map
}

/// Frames above −40 dBFS.
fn energy(audio: &[f32]) -> SpeechMap {
    let mut map = new_map();
    for frame in audio.chunks(FRAME) {
        let power = frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32;
        map.push(frame.len() as u64, if power > 1e-4 { 1.0 } else { 0.0 });
    }
    map.finish();
    map
}

fn main() {
    let audio = audio(seconds(300.0));
    let minutes = samples_to_seconds(audio.len() as u64) / 60.0;
    println!("{minutes} minutes of audio, the fastest of 5 runs:");
    type Gate = fn(&[f32]) -> SpeechMap;
    let gates: [(&str, Gate); 2] = [("earshot and map", detector), ("energy and map", energy)];
    for (name, gate) in gates {
        let run = || {
            let start = Instant::now();
            let map = gate(std::hint::black_box(&audio));
            assert_eq!(map.known_until(), audio.len() as u64);
            start.elapsed().as_secs_f64()
        };
        let fastest = (0..5).map(|_| run()).fold(f64::INFINITY, f64::min);
        println!("{name:>16}: {:8.3} s per hour of audio", fastest * 60.0 / minutes);
    }
}
