//! From clusters to frames, and from the models' answers to turns.

use std::path::PathBuf;

use gstscribe::infer::npy::{Array, read_npy};
use gstscribe::speech::diarize::cluster::Variational;
use gstscribe::speech::diarize::{
    Analysis, Clustering, Grid, MAX_LOCAL_SPEAKERS, OfflineConfig, OfflineSession, Placed, Reconstruction,
    Turn,
};

use crate::fixtures::{Clip, GEOMETRY, STEP, Windows, fixture, plda};

/// Frames × speakers of the recording, from known clusters (negative: nobody).
fn reconstruct(windows: &Windows, hard: &[f64], speakers: usize) -> Vec<f64> {
    let activities = windows.activities();
    let plan = Reconstruction {
        grid: Grid::new(GEOMETRY, STEP),
        windows: activities.len() as u64,
        speakers: hard.iter().fold(-1.0, |most: f64, k| most.max(*k)) as usize + 1,
        at_once: MAX_LOCAL_SPEAKERS as u64,
    };
    let placed = activities
        .iter()
        .zip(hard.chunks(3))
        .enumerate()
        .map(|(w, (activity, hard))| Placed {
            window: w as u64,
            activity,
            speakers: hard.iter().map(|k| (*k >= 0.0).then_some(*k as usize)).collect(),
        });
    let mut frames = vec![0.0; plan.grid.frames_in(plan.windows) as usize * speakers];
    plan.run(placed, |vote| {
        frames[vote.frame as usize * speakers + vote.speaker] = 1.0
    });
    frames
}

#[track_caller]
fn check_frames(windows: &Windows, hard: &[f64], count: &Array, discrete: &Array) {
    let [frames, speakers] = discrete.shape[..] else {
        panic!()
    };
    let ours = reconstruct(windows, hard, speakers);
    assert_eq!(ours.len(), frames * speakers);
    let counts: Vec<f64> = ours.chunks(speakers).map(|f| f.iter().sum()).collect();
    assert_eq!(counts, count.values, "speaker count");
    let differ = ours
        .chunks(speakers)
        .zip(discrete.values.chunks(speakers))
        .filter(|(a, b)| a != b)
        .count();
    println!("{frames} frames, {differ} differ");
    assert_eq!(differ, 0, "frames that differ");
}

#[test]
fn frames_are_reconstructed_alike() {
    for clip in Clip::all() {
        let hard = clip.array("clustering", "hard_clusters").values;
        let (count, discrete) = (
            clip.array("reconstruction", "count"),
            clip.array("reconstruction", "discrete_diarization"),
        );
        let windows = clip.windows();
        // The silent are nobody, as the reference makes them before it reconstructs.
        let silent = |i: usize| !windows.activities()[i / 3].is_active(i % 3);
        let hard: Vec<f64> = (0..hard.len())
            .map(|i| if silent(i) { -2.0 } else { hard[i] })
            .collect();
        check_frames(&windows, &hard, &count, &discrete);
    }
    let read = |name: &str| fixture(&format!("speakrs/{name}.npy")).map(|p| read_npy(&p).unwrap());
    let Some(windows) = Windows::speakrs("pipeline") else {
        return;
    };
    check_frames(
        &windows,
        &read("pipeline_hard_clusters").unwrap().values,
        &read("pipeline_speaker_counting_data").unwrap(),
        &read("pipeline_discrete_diarization_data").unwrap(),
    );
}

/// Speaker, start and duration in seconds, of each line.
fn rttm(path: PathBuf) -> Vec<(String, f64, f64)> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (
            fields[7].to_owned(),
            fields[3].parse().unwrap(),
            fields[4].parse().unwrap(),
        )
    };
    text.lines().map(line).collect()
}

/// The turns that our session makes of a recording of `samples` samples whose windows' answers are known.
fn diarize(windows: &Windows, samples: usize, clustering: Clustering) -> Vec<Turn> {
    let config = OfflineConfig {
        clustering,
        ..OfflineConfig::default()
    };
    let mut session = OfflineSession::new(config, GEOMETRY);
    let mut answers = windows.scores.iter().zip(&windows.embeddings);
    let mut left = samples;
    while !session.is_done() {
        let n = left.min(session.room());
        session.push(&vec![0.1; n]);
        left -= n;
        if left == 0 {
            session.finish();
        }
        while let Some(window) = session.next_window() {
            let (scores, embeddings) = answers.next().expect("as many windows as the reference");
            session.accept(Analysis {
                start: window.start,
                scores: scores.clone(),
                embeddings: embeddings
                    .iter()
                    .map(|e| (!e[0].is_nan()).then(|| e.clone()))
                    .collect(),
                ..Analysis::default()
            });
        }
    }
    assert!(answers.next().is_none(), "as many windows as the reference");
    session.conclude().turns
}

/// The same lines to 3 decimals: a frame's centre lies between two samples, so half a millisecond is allowed.
#[track_caller]
fn check_rttm(turns: &[Turn], expected: &[(String, f64, f64)]) {
    let seconds = |samples: u64| samples as f64 / 16_000.0;
    let ours: Vec<_> = turns
        .iter()
        .map(|t| (t.speaker.to_string(), seconds(t.start), seconds(t.end - t.start)))
        .collect();
    assert_eq!(ours.len(), expected.len(), "{ours:#?}");
    for (a, b) in ours.iter().zip(expected) {
        let same = a.0 == b.0 && (a.1 - b.1).abs() < 0.000_501 && (a.2 - b.2).abs() < 0.000_501;
        assert!(same, "{a:?} is not {b:?}");
    }
    println!("{} turns are the reference's", ours.len());
}

#[test]
fn turns_are_those_of_the_reference() {
    let Some(plda) = plda() else { return };
    let clustering = || Clustering::Vbx(Variational::new(plda.clone()));
    for clip in Clip::all() {
        let windows = clip.windows();
        let samples = GEOMETRY.window + (windows.scores.len() - 1) * STEP as usize;
        check_rttm(
            &diarize(&windows, samples, clustering()),
            &rttm(clip.0.join("reference.rttm")),
        );
    }
    for (clip, windows) in [("pipeline", 18), ("single_speaker", 7), ("short", 1)] {
        let Some(expected) = fixture(&format!("speakrs/{clip}_expected.rttm")) else {
            return;
        };
        let samples = GEOMETRY.window + (windows - 1) * STEP as usize;
        let windows = Windows::speakrs(clip).unwrap();
        check_rttm(&diarize(&windows, samples, clustering()), &rttm(expected));
    }
}

#[test]
fn agglomerative_clustering_finds_the_same_people() {
    // The rules of 3.1 on the embeddings of 4.0: no reference, but two voices are two voices.
    let Some(windows) = Windows::speakrs("pipeline") else {
        return;
    };
    let samples = GEOMETRY.window + 17 * STEP as usize;
    let expected = rttm(fixture("speakrs/pipeline_expected.rttm").unwrap());
    check_rttm(&diarize(&windows, samples, Clustering::default()), &expected);
}
