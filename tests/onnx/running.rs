//! What a run gives does not depend on how it is run, and it can be stopped.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::onnx::{OnnxSpeakers, SpeakersConfig};
use gstscribe::infer::speaker_models::{Decode, SpeakerModels};
use gstscribe::speech::diarize::{Analysis, Hysteresis, Window};

use super::{analyse, assert_alike, common, config, cosine, data, load, windows};

fn loaded(threads: usize, batch_size: usize) -> OnnxSpeakers {
    load(&SpeakersConfig {
        threads,
        batch_size,
        ..config()
    })
    .unwrap()
}

#[test]
fn neither_threads_nor_batches_change_the_answer() {
    let windows = windows(7, 160_000);
    let expected = analyse(&mut loaded(1, 1), &windows);
    assert_eq!(expected.len(), 7);
    assert!(expected.iter().flat_map(|a| &a.embeddings).any(Option::is_some));
    for (threads, batch_size) in [(1, 3), (2, 1), (2, 4), (3, 32)] {
        let mut speakers = loaded(threads, batch_size);
        assert_alike(&analyse(&mut speakers, &windows), &expected);
        assert_alike(&analyse(&mut speakers, &windows[2..3]), &expected[2..3]);
        assert_eq!(analyse(&mut speakers, &[]), []);
    }
}

#[test]
fn what_is_no_number_in_the_audio_is_no_crash_and_no_voice() {
    let mut windows = windows(2, 160_000);
    windows[0].samples.fill(f32::NAN);
    windows[1].samples[80_000] = f32::INFINITY;
    for threads in [1, 2] {
        for analysis in analyse(&mut loaded(threads, 1), &windows) {
            for embedding in analysis.embeddings.iter().flatten() {
                assert!(embedding.iter().all(|v| v.is_finite()));
            }
        }
    }
}

#[test]
fn silence_has_no_voices() {
    let silence = Window {
        start: 5,
        samples: vec![0.0; 160_000],
        focus: None,
    };
    let config = SpeakersConfig {
        segmentation: data("segmentation.onnx"),
        ..config()
    };
    let mut speakers = load(&config).unwrap();
    let found = analyse(&mut speakers, &[silence]).remove(0);
    assert_eq!((found.start, found.embeddings), (5, vec![None, None, None]));
    assert!(found.scores.values.iter().all(|v| *v == 0.0));
    assert_eq!(speakers.embed(&[0.0; 100_000], &Cancel::default()), Ok(None));
    assert_eq!(speakers.embed(&[], &Cancel::default()), Ok(None));
}

#[test]
fn a_voice_is_embedded_from_what_it_says_alone() {
    let config = SpeakersConfig {
        segmentation: data("segmentation.onnx"),
        ..config()
    };
    let mut speakers = load(&config).unwrap();
    let audio = common::decode(&common::recording("conversation.flac"));
    let loudest = audio
        .chunks_exact(32_000)
        .max_by(|a, b| energy(a).total_cmp(&energy(b)))
        .unwrap();
    let mut embed = |samples: &[f32]| speakers.embed(samples, &Cancel::default()).unwrap();
    let voice = embed(loudest).expect("a voice");
    assert_eq!(voice.len(), 256);
    let padded = [&vec![0.0; 200_000], loudest, &vec![0.0; 50_000]].concat();
    let again = embed(&padded).expect("a voice");
    assert!(cosine(&voice, &again) > 0.98, "{}", cosine(&voice, &again));
    assert_eq!(embed(&loudest[..4_000]), None, "a quarter of a second is nobody");
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum()
}

#[test]
fn scores_are_what_was_asked_for() {
    let windows = windows(3, 80_000);
    let mut speakers = load(&config()).unwrap();
    let mut run =
        |decode: Decode| -> Vec<Analysis> { speakers.analyse(&windows, decode, &Cancel::default()).unwrap() };
    let (hard, soft) = (run(Decode::Hard), run(Decode::Soft));
    let rule = Hysteresis {
        onset: 0.6,
        offset: 0.4,
    };
    let ruled = run(Decode::Hysteresis {
        onset: 0.6,
        offset: 0.4,
    });
    for ((hard, soft), ruled) in hard.iter().zip(&soft).zip(&ruled) {
        assert!(hard.scores.values.iter().all(|v| *v == 0.0 || *v == 1.0));
        assert!(soft.scores.values.iter().any(|v| *v > 0.0 && *v < 1.0));
        assert_eq!(ruled.scores, rule.scores(&soft.scores));
        assert_eq!(hard.embeddings, soft.embeddings, "of the same frames");
    }
}

#[test]
fn pieces_are_embedded_where_the_window_asks_for_them() {
    let mut windows = windows(4, 160_000);
    let mut speakers = load(&config()).unwrap();
    assert!(speakers.facts().pieces, "with the bundled models");
    for window in &mut windows {
        window.focus = Some(72_000..88_000);
    }
    let frames = speakers.facts().geometry.frames_in(&(72_000..88_000));
    assert_eq!(frames, 265..325);
    let found = speakers
        .analyse(&windows, Decode::Soft, &Cancel::default())
        .unwrap();
    let pieces: Vec<_> = found.iter().flat_map(|analysis| &analysis.pieces).collect();
    assert!(pieces.len() >= 2, "{}", pieces.len());
    for piece in pieces {
        assert!(
            piece.frames.start < frames.end && piece.frames.end > frames.start,
            "{:?}",
            piece.frames
        );
        assert!(
            piece.clean <= piece.frames.len() && piece.frames.len() <= 148,
            "2.5 s: {piece:?}"
        );
        assert_eq!(piece.embedding.len(), 256);
    }
    assert!(found.iter().all(|analysis| analysis.embeddings.is_empty()));
}

#[test]
fn a_cancel_reaches_into_a_run() {
    for (threads, batch_size) in [(1, 1), (2, 1), (1, 32)] {
        let mut speakers = loaded(threads, batch_size);
        let windows = windows(32, 160_000);
        let began = Instant::now();
        analyse(&mut speakers, &windows);
        let whole = began.elapsed();

        let cancel = Cancel::default();
        let (stopped, waiting) = mpsc::channel();
        let switch = cancel.clone();
        let canceller = std::thread::spawn(move || {
            let early = waiting.recv_timeout(whole / 4);
            assert!(early.is_err(), "the run was over before it was cancelled");
            let set = Instant::now();
            switch.set();
            waiting.recv().unwrap();
            set.elapsed()
        });
        let result = speakers.analyse(&windows, Decode::Hard, &cancel);
        stopped.send(()).unwrap();
        let took = canceller.join().unwrap();
        println!(
            "{threads} threads, batches of {batch_size}: {whole:?} whole, {took:?} from the cancel to the end"
        );
        assert_eq!(result, Err(RunError::Cancelled));
        assert!(
            took < Duration::from_millis(500).min(whole / 2),
            "{took:?} of {whole:?}"
        );

        assert_eq!(
            speakers.analyse(&windows[..1], Decode::Hard, &cancel),
            Err(RunError::Cancelled),
            "still"
        );
        cancel.clear();
        assert_eq!(
            speakers
                .analyse(&windows[..1], Decode::Hard, &cancel)
                .map(|a| a.len()),
            Ok(1)
        );
    }
}
