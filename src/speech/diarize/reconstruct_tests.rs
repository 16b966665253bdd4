//! Small recordings whose frames can be counted by eye, and the laws that hold for all.

use super::*;
use crate::speech::diarize::{Geometry, Scores};
use proptest::prelude::*;

/// Windows of four frames of ten samples, one every two frames.
fn plan(windows: u64, speakers: usize, at_once: u64) -> Reconstruction {
    let geometry = Geometry {
        window: 40,
        frames: 4,
        frame_step: 10,
        receptive_field: 10,
        speakers: 2,
    };
    Reconstruction {
        grid: Grid::new(geometry, 20),
        windows,
        speakers,
        at_once,
    }
}

/// From one text a local speaker: `#` is active.
fn activity(tracks: &[&str]) -> Activity {
    let frames = tracks[0].len();
    let values = (0..frames).flat_map(|f| tracks.iter().map(move |t| f32::from(u8::from(&t[f..=f] == "#"))));
    let scores = Scores {
        speakers: tracks.len(),
        values: values.collect(),
    };
    Activity::new(&scores, frames)
}

type Given<'a> = (u64, &'a [&'a str], &'a [Option<usize>]);

/// One text a speaker, strangers too.
fn run(plan: &Reconstruction, given: &[Given]) -> Vec<String> {
    let activities: Vec<Activity> = given.iter().map(|(_, tracks, _)| activity(tracks)).collect();
    let placed = given
        .iter()
        .zip(&activities)
        .map(|((window, _, speakers), activity)| Placed {
            window: *window,
            activity,
            speakers: speakers.to_vec(),
        });
    let mut rows = vec![vec!['.'; plan.grid.frames_in(plan.windows) as usize]; plan.speakers];
    plan.run(placed, |vote| {
        if vote.speaker >= rows.len() {
            let empty = vec!['.'; rows[0].len()];
            rows.resize(vote.speaker + 1, empty);
        }
        rows[vote.speaker][vote.frame as usize] = '#';
    });
    rows.into_iter().map(String::from_iter).collect()
}

#[test]
fn windows_vote() {
    // Frames 0 to 6, and one more at the end as the reference has it; 2 to 5 are seen twice.
    let windows: [Given; 3] = [
        (0, &["####"], &[Some(0)]),
        (1, &["##..", "..##"], &[Some(0), Some(1)]),
        (2, &["##..", "...#"], &[Some(1), Some(0)]),
    ];
    assert_eq!(run(&plan(3, 2, 9), &windows), ["####...#.", "....##..."]);
}

#[test]
fn half_of_the_windows_are_not_enough() {
    let one: [Given; 2] = [(0, &["####"], &[Some(0)]), (1, &["...."], &[None])];
    assert_eq!(run(&plan(2, 1, 9), &one), ["##....."]);
    assert_eq!(
        run(&plan(1, 1, 9), &one[..1]),
        ["####."],
        "unless there is but one"
    );
    assert_eq!(
        run(&plan(2, 1, 9), &one[..1]),
        ["##....."],
        "a window that is not given is silent"
    );
}

#[test]
fn the_same_speaker_twice_in_a_window_is_one() {
    let both: [Given; 1] = [(0, &["##..", ".##."], &[Some(0), Some(0)])];
    // Two are counted in frame 1, though: the second is a stranger, as in the reference.
    assert_eq!(run(&plan(1, 1, 9), &both), ["###..", ".#..."]);
    assert_eq!(
        run(&plan(1, 1, 1), &both),
        ["###.."],
        "but not where one may speak at once"
    );
}

#[test]
fn nobodies_are_counted() {
    let nobody: [Given; 1] = [(0, &["##..", ".##."], &[None, Some(1)])];
    assert_eq!(
        run(&plan(1, 2, 9), &nobody),
        ["##...", ".##.."],
        "the first without votes stands in"
    );
}

#[test]
fn long_silence_between_windows_costs_nothing() {
    let far = 1 << 40;
    let plan = plan(far + 1, 1, 9);
    let (early, late) = (activity(&["#..."]), activity(&["#..."]));
    let placed = [(0, &early), (far, &late)].map(|(window, activity)| Placed {
        window,
        activity,
        speakers: vec![Some(0)],
    });
    let mut frames = Vec::new();
    plan.run(placed, |vote| frames.push(vote.frame));
    assert_eq!(
        frames,
        [0],
        "seen by two windows, heard by one: half is not enough at the far one"
    );
}

proptest! {
    #[test]
    fn nobody_is_active_beyond_the_count(
        bits in prop::collection::vec(prop::collection::vec(0u8..4, 4), 1..9),
        clusters in prop::collection::vec(prop::option::of(0usize..3), 18), at_once in 1u64..4,
    ) {
        let plan = plan(bits.len() as u64, 3, at_once);
        let activities: Vec<Activity> = bits.iter().map(|frames| {
            let values = frames.iter().flat_map(|b| [f32::from(b & 1), f32::from(b >> 1)]);
            Activity::new(&Scores { speakers: 2, values: values.collect() }, 4)
        }).collect();
        let placed = activities.iter().enumerate().map(|(w, activity)| Placed {
            window: w as u64, activity, speakers: clusters[w * 2..w * 2 + 2].to_vec(),
        });
        let mut counts = vec![0u64; plan.grid.frames_in(plan.windows) as usize];
        let mut last = 0;
        let mut agreements = Vec::new();
        plan.run(placed, |vote| {
            assert!(vote.frame >= last, "frames come in order");
            last = vote.frame;
            counts[vote.frame as usize] += 1;
            agreements.push(vote.agreement);
        });
        prop_assert!(agreements.iter().all(|a| (0.0..=1.0).contains(a)));
        for (frame, count) in counts.iter().enumerate() {
            let sees = |w: &usize| (w * 2..w * 2 + 4).contains(&frame);
            let windows = (0..bits.len()).filter(sees);
            let active: u32 = windows.clone().map(|w| bits[w][frame - w * 2].count_ones()).sum();
            prop_assert_eq!(*count, speaker_count(active.into(), windows.count() as u64, at_once), "frame {}", frame);
        }
    }
}
