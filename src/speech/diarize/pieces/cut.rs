//! The scores of a window → pieces of speech of one person each.

use std::ops::Range;

use crate::speech::diarize::{Geometry, Scores};
use crate::time::seconds;

/// Pauses from this length on divide speech. A breath is 0.2 to 0.5 s, and another person may go on behind it.
const PAUSE: u64 = seconds(0.25);
/// Longer speech is divided evenly. Longer pieces tell voices apart better and hide more changes: of 1.5, 2.5, 3 and
/// 4 s, 2.5 s left the least confusion (ADR 14).
const LONGEST: u64 = seconds(2.5);
/// What comes so long before and behind a moment is compared to see whether the speaker changes there. Shorter
/// flickers of a label change nothing.
const COMPARED: u64 = seconds(0.68);
/// One less the cosine between the scores before and behind: above this somebody else speaks. 0 is the same person, 1 one
/// who was silent before.
const CHANGE: f64 = 0.5;
/// Changes nearer than this to a greater one are the same.
const APART: u64 = seconds(0.42);
/// No piece that a change divides is shorter than this: an embedding of less says nothing.
const SHORTEST: u64 = seconds(0.34);

/// A piece of speech of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The local speaker who is active in most of its frames.
    pub speaker: usize,
    /// Its frames in the window.
    pub frames: Range<usize>,
}

/// The pieces of a window that have a frame in `focus`, in order. `soft` are the scores as the model gives them, which tell
/// changes; `active` are binarized, and above 0.5 is speech.
pub fn cut(soft: &Scores, active: &Scores, focus: &Range<usize>, geometry: &Geometry) -> Vec<Cut> {
    let frames = |samples: u64| (samples / (geometry.frame_step as u64).max(1)) as usize;
    let changes = changes(soft, frames(COMPARED));
    let mut cuts = Vec::new();
    for stretch in stretches(active, frames(PAUSE)) {
        for part in between_changes(stretch, &changes, frames(APART), frames(SHORTEST).max(1)) {
            for piece in evenly(part, frames(LONGEST).max(1)) {
                if piece.start < focus.end && piece.end > focus.start {
                    cuts.push(Cut {
                        speaker: most_active(active, &piece),
                        frames: piece,
                    });
                }
            }
        }
    }
    cuts
}

/// The frames of a piece that its voice is taken from: where one person is active, if those are more than
/// `too_few`, or else all with speech. Also how many of the first kind there are.
pub fn piece_mask(active: &Scores, piece: &Range<usize>, too_few: usize) -> (Vec<bool>, usize) {
    let count = |frame: &[f32]| frame.iter().filter(|score| **score > 0.5).count();
    let counts: Vec<usize> = active.frames().map(count).collect();
    let those = |right: &dyn Fn(usize) -> bool| -> Vec<bool> {
        let frames = counts.iter().enumerate();
        frames.map(|(i, n)| piece.contains(&i) && right(*n)).collect()
    };
    let alone = those(&|n| n == 1);
    let clean = alone.iter().filter(|frame| **frame).count();
    (if clean > too_few { alone } else { those(&|n| n > 0) }, clean)
}

/// Speech of whomever, pauses of less than `pause` frames left in.
fn stretches(active: &Scores, pause: usize) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for (i, frame) in active.frames().enumerate() {
        if !frame.iter().any(|score| *score > 0.5) {
            continue;
        }
        match stretches.last_mut() {
            Some(last) if i - last.end < pause.max(1) => last.end = i + 1,
            _ => stretches.push(i..i + 1),
        }
    }
    stretches
}

/// How much the speakers behind each frame are others than those before it, 0 to 1, looking `reach` frames both ways or to
/// the nearer end of the window.
fn changes(soft: &Scores, reach: usize) -> Vec<f64> {
    let speakers = soft.speakers;
    let mut sums = vec![vec![0.0; speakers]];
    for (i, frame) in soft.frames().enumerate() {
        let score = |score: &f32| if score.is_finite() { f64::from(*score) } else { 0.0 };
        let next = sums[i].iter().zip(frame).map(|(sum, s)| sum + score(s)).collect();
        sums.push(next);
    }
    let frames = sums.len() - 1;
    let between = |from: usize, to: usize| -> Vec<f64> {
        sums[to]
            .iter()
            .zip(&sums[from])
            .map(|(to, from)| to - from)
            .collect()
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let change = |i: usize| {
        let reach = reach.min(i).min(frames - i);
        let (before, behind) = (between(i - reach, i), between(i, i + reach));
        let lengths = (product(&before, &before) * product(&behind, &behind)).sqrt();
        if lengths > 0.0 {
            1.0 - product(&before, &behind) / lengths
        } else {
            0.0
        }
    };
    (0..frames).map(change).collect()
}

/// Divides a stretch where the speaker changes most.
fn between_changes(
    stretch: Range<usize>,
    changes: &[f64],
    apart: usize,
    shortest: usize,
) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = stretch.start;
    for i in stretch.start + shortest..stretch.end.saturating_sub(shortest) {
        let around = &changes[stretch.start.max(i.saturating_sub(apart))..(i + apart + 1).min(changes.len())];
        let is_peak = around.iter().all(|change| *change <= changes[i]);
        if changes[i] > CHANGE && is_peak && i - start >= shortest {
            parts.push(start..i);
            start = i;
        }
    }
    parts.push(start..stretch.end);
    parts
}

/// As few parts as have at most `longest` frames, of nearly the same length.
fn evenly(range: Range<usize>, longest: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = range.len().div_ceil(longest);
    let edge = move |part: usize| range.start + part * range.len() / parts;
    (0..parts).map(move |part| edge(part)..edge(part + 1))
}

/// The first of the most active local speakers.
fn most_active(active: &Scores, frames: &Range<usize>) -> usize {
    let of = |speaker: usize| {
        let frames = active.frames().skip(frames.start).take(frames.len());
        frames.filter(|frame| frame[speaker] > 0.5).count()
    };
    (0..active.speakers).rev().max_by_key(|s| of(*s)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 100 frames a second.
    const GEOMETRY: Geometry = Geometry {
        window: 160_000,
        frames: 1_000,
        frame_step: 160,
        receptive_field: 160,
        speakers: 3,
    };

    /// So many frames each of a letter: `a`, `b`, `c` or who speaks together, as `ab`; `-` is nobody.
    fn scores(stretches: &[(&str, usize)]) -> Scores {
        let frame = |who: &str| ["a", "b", "c"].map(|s| f32::from(u8::from(who.contains(s))));
        let frames = stretches
            .iter()
            .flat_map(|(who, n)| std::iter::repeat_n(frame(who), *n));
        Scores {
            speakers: 3,
            values: frames.flatten().collect(),
        }
    }

    #[track_caller]
    fn check(stretches: &[(&str, usize)], focus: Range<usize>, expected: &[(usize, Range<usize>)]) {
        let scores = scores(stretches);
        let cuts = cut(&scores, &scores, &focus, &GEOMETRY);
        let cuts: Vec<_> = cuts.into_iter().map(|c| (c.speaker, c.frames)).collect();
        assert_eq!(cuts, expected, "{stretches:?}");
    }

    #[test]
    fn pauses_divide_breaths_do_not() {
        check(
            &[("a", 100), ("-", 24), ("a", 50), ("-", 25), ("b", 60), ("-", 300)],
            0..999,
            &[(0, 0..174), (1, 199..259)],
        );
    }

    #[test]
    fn another_speaker_divides_a_flicker_does_not() {
        check(&[("a", 100), ("b", 100)], 0..999, &[(0, 0..100), (1, 100..200)]);
        check(&[("a", 100), ("b", 20), ("a", 100)], 0..999, &[(0, 0..220)]);
        check(&[("a", 100), ("ab", 100), ("a", 30)], 0..999, &[(0, 0..230)]);
    }

    #[test]
    fn long_speech_is_divided_evenly() {
        check(
            &[("c", 501)],
            0..999,
            &[(2, 0..167), (2, 167..334), (2, 334..501)],
        );
        check(&[("c", 250)], 0..999, &[(2, 0..250)]);
    }

    #[test]
    fn what_lies_out_of_focus_is_left_out() {
        check(&[("a", 100), ("-", 50), ("b", 100)], 0..150, &[(0, 0..100)]);
        check(&[("a", 100), ("-", 50), ("b", 100)], 100..151, &[(1, 150..250)]);
        check(&[("a", 100)], 100..100, &[]);
        check(&[], 0..999, &[]);
    }

    #[test]
    fn a_voice_is_taken_where_one_speaks() {
        let scores = scores(&[("a", 3), ("ab", 2), ("-", 1), ("b", 2)]);
        let mask = |piece: Range<usize>, too_few| {
            let (mask, clean) = piece_mask(&scores, &piece, too_few);
            (
                mask.iter()
                    .map(|m| if *m { '#' } else { '.' })
                    .collect::<String>(),
                clean,
            )
        };
        assert_eq!(mask(0..8, 4), ("###...##".into(), 5));
        assert_eq!(mask(0..8, 5), ("#####.##".into(), 5));
        assert_eq!(mask(1..4, 1), (".##.....".into(), 2));
    }

    proptest! {
        #[test]
        fn pieces_are_in_order_and_cover_all_speech(
            stretches in prop::collection::vec((prop::sample::select(vec!["a", "b", "ab", "c", "-"]), 1_usize..300), 0..12),
        ) {
            let scores = scores(&stretches);
            let cuts = cut(&scores, &scores, &(0..usize::MAX), &GEOMETRY);
            prop_assert!(cuts.windows(2).all(|pair| pair[0].frames.end <= pair[1].frames.start));
            prop_assert!(cuts.iter().all(|c| !c.frames.is_empty() && c.frames.len() <= 250));
            for (i, frame) in scores.frames().enumerate() {
                let speech = frame.iter().any(|s| *s > 0.5);
                prop_assert!(!speech || cuts.iter().any(|c| c.frames.contains(&i)), "frame {}", i);
            }
        }
    }
}
