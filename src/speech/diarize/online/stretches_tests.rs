//! Rows of digits, one a slot, one digit a frame of 10 samples: 7 is a score of 0.7.

use super::*;
use proptest::prelude::*;

const RULE: StretchRule = StretchRule {
    hysteresis: Hysteresis {
        onset: 0.5,
        offset: 0.5,
    },
    min_on: 0,
    min_off: 0,
    longest_piece: 1_000,
    exclusive: false,
    leave_others: false,
};

fn frames(rows: &[&str]) -> Vec<Vec<f32>> {
    let digit = |row: &str, i: usize| f32::from(row.as_bytes()[i] - b'0') / 10.0;
    (0..rows[0].len())
        .map(|i| rows.iter().map(|row| digit(row, i)).collect())
        .collect()
}

/// Slot, first frame, first frame behind.
type Piece = (usize, u64, u64);

fn run(rule: StretchRule, rows: &[&str]) -> Vec<Piece> {
    let mut stretches = Stretches::new(rule, rows.len(), 10, 0);
    let mut found = Vec::new();
    for frame in frames(rows) {
        stretches.frame(&frame);
        found.extend(stretches.take());
    }
    stretches.end_all();
    found.extend(stretches.take());
    assert_eq!(stretches.held(), 0);
    found.iter().map(|s| (s.slot, s.start / 10, s.end / 10)).collect()
}

#[track_caller]
fn check(rule: StretchRule, rows: &[&str], expected: &[Piece]) {
    assert_eq!(run(rule, rows), expected, "{rows:?}");
}

#[test]
fn a_pause_in_which_another_speaks_may_end_a_turn() {
    let rule = |leave_others| StretchRule {
        min_off: 100,
        leave_others,
        ..RULE
    };
    let rows = ["9990999000", "0000000990", "0000000000"];
    check(rule(false), &rows, &[(0, 0, 7), (1, 7, 9)]);
    check(rule(true), &rows, &[(0, 0, 7), (1, 7, 9)]);
    let rows = ["9900099", "0099900"];
    check(rule(false), &rows, &[(0, 0, 7), (1, 2, 5)]);
    check(rule(true), &rows, &[(0, 0, 2), (1, 2, 5), (0, 5, 7)]);
}

#[test]
fn hysteresis_begins_and_ends() {
    check(RULE, &["0990990"], &[(0, 1, 3), (0, 4, 6)]);
    check(RULE, &["0559"], &[(0, 3, 4)]);
    let apart = StretchRule {
        hysteresis: Hysteresis {
            onset: 0.6,
            offset: 0.3,
        },
        ..RULE
    };
    check(apart, &["0574301"], &[(0, 2, 5)]);
}

#[test]
fn short_pauses_are_closed_and_short_stretches_dropped() {
    let rule = StretchRule {
        min_on: 20,
        min_off: 20,
        ..RULE
    };
    check(rule, &["090099009909"], &[(0, 4, 6), (0, 8, 12)]);
    check(rule, &["9090900"], &[(0, 0, 5)]);
    check(rule, &["9009"], &[]);
}

#[test]
fn what_begins_first_comes_first() {
    check(
        RULE,
        &["0999990", "0099000", "0000099"],
        &[(0, 1, 6), (1, 2, 4), (2, 5, 7)],
    );
    check(RULE, &["9990", "9000"], &[(0, 0, 3), (1, 0, 1)]);
}

#[test]
fn what_goes_on_comes_in_pieces() {
    let rule = StretchRule {
        longest_piece: 35,
        ..RULE
    };
    // Pieces end between frames, and adjoin.
    check(
        rule,
        &["0999999990", "0009000000"],
        &[(0, 1, 4), (1, 3, 4), (0, 4, 7), (0, 7, 9)],
    );
    check(rule, &["9990"], &[(0, 0, 3)]);
    let closing = StretchRule {
        longest_piece: 20,
        min_off: 100,
        ..RULE
    };
    check(
        closing,
        &["9000009"],
        &[(0, 0, 2), (0, 2, 4), (0, 4, 6), (0, 6, 7)],
    );
    let whole = StretchRule {
        longest_piece: 20,
        min_on: 40,
        ..RULE
    };
    check(whole, &["9990999990"], &[(0, 4, 6), (0, 6, 8), (0, 8, 9)]);
    let none = StretchRule {
        longest_piece: 0,
        ..RULE
    };
    check(none, &["0990"], &[(0, 1, 2), (0, 2, 3)]);
}

#[test]
fn a_piece_comes_as_soon_as_it_is_full() {
    let rule = StretchRule {
        longest_piece: 30,
        ..RULE
    };
    let mut stretches = Stretches::new(rule, 1, 10, 100);
    for (score, settled, given) in [
        (0.0, 110, 0),
        (0.9, 110, 0),
        (0.7, 110, 0),
        (0.8, 110, 0),
        (0.9, 140, 1),
        (0.9, 140, 0),
        (0.0, 170, 1),
        (0.0, 180, 0),
    ] {
        stretches.frame(&[score]);
        let taken = stretches.take();
        assert_eq!((stretches.settled(), taken.len()), (settled, given));
        if settled == 140 && given == 1 {
            let confidence = taken[0].confidence;
            assert!((confidence - 0.8).abs() < 1e-6, "{confidence}");
        }
    }
}

#[test]
fn one_at_a_time() {
    let rule = StretchRule {
        exclusive: true,
        ..RULE
    };
    check(rule, &["0999960", "0078890"], &[(0, 1, 5), (1, 5, 6)]);
    // Alike: who spoke goes on.
    check(rule, &["00999", "99999"], &[(1, 0, 5)]);
    check(rule, &["99", "99"], &[(0, 0, 2)]);
    let closing = StretchRule {
        exclusive: true,
        min_off: 50,
        ..RULE
    };
    check(closing, &["900909", "009000"], &[(0, 0, 1), (1, 2, 3), (0, 3, 6)]);
}

#[test]
fn long_silence_takes_no_time() {
    let rule = StretchRule { min_off: 20, ..RULE };
    let mut stretches = Stretches::new(rule, 2, 10, 0);
    stretches.frame(&[0.9, 0.0]);
    stretches.silence(1);
    assert_eq!((stretches.settled(), stretches.take().len()), (0, 0));
    stretches.silence(1 << 50);
    assert_eq!(stretches.settled(), 20 + (10 << 50));
    let taken = stretches.take();
    assert_eq!((taken.len(), taken[0].end), (1, 10));
    // A speaker whom no score ends.
    let rule = StretchRule {
        hysteresis: Hysteresis {
            onset: 0.5,
            offset: 0.0,
        },
        ..RULE
    };
    let mut stretches = Stretches::new(rule, 1, 10, 0);
    stretches.frame(&[0.9]);
    stretches.silence(1 << 50);
    assert_eq!(stretches.settled(), 10 + (10 << 50));
}

fn rules() -> impl Strategy<Value = StretchRule> {
    let lengths = (0_u64..60, 0_u64..60, 0_u64..80);
    let flags = (any::<bool>(), any::<bool>());
    (0.2_f32..0.9, 0.2_f32..0.9, lengths, flags).prop_map(|(onset, offset, lengths, flags)| StretchRule {
        hysteresis: Hysteresis { onset, offset },
        min_on: lengths.0,
        min_off: lengths.1,
        longest_piece: lengths.2,
        exclusive: flags.0,
        leave_others: flags.1,
    })
}

proptest! {
    #[test]
    fn all_comes_once_and_in_order(
        rule in rules(),
        frames in prop::collection::vec(prop::collection::vec(0.0_f32..1.0, 3), 0..80),
    ) {
        let mut stretches = Stretches::new(rule, 3, 10, 0);
        let mut found: Vec<Stretch> = Vec::new();
        let mut settled = 0;
        for (n, frame) in frames.iter().enumerate() {
            stretches.frame(frame);
            for stretch in stretches.take() {
                prop_assert!(stretch.start >= settled, "{stretch:?} begins before {settled}");
                prop_assert!(stretch.end <= 10 * (n as u64 + 1));
                found.push(stretch);
            }
            prop_assert!(stretches.settled() >= settled);
            settled = stretches.settled();
            let held = rule.min_on.max(rule.longest_piece) + rule.min_off + 20;
            prop_assert!(rule.exclusive || 10 * (n as u64 + 1) - settled <= held, "{settled} {n}");
        }
        stretches.end_all();
        found.extend(stretches.take());
        let keys: Vec<_> = found.iter().map(|s| (s.start, s.slot)).collect();
        prop_assert!(keys.is_sorted());
        for slot in 0..3 {
            let of_it: Vec<_> = found.iter().filter(|s| s.slot == slot).collect();
            prop_assert!(of_it.iter().all(|s| s.start < s.end && s.end - s.start <= rule.longest_piece.max(10)));
            prop_assert!(of_it.iter().all(|s| (0.0..=1.0).contains(&s.confidence)));
            prop_assert!(of_it.windows(2).all(|w| w[0].end <= w[1].start), "it is never twice");
        }
        if rule.exclusive {
            prop_assert!(found.windows(2).all(|w| w[0].end <= w[1].start), "{found:?}");
        }
    }

    #[test]
    fn pieces_add_up_to_the_whole(
        rule in rules(),
        frames in prop::collection::vec(prop::collection::vec(0.0_f32..1.0, 2), 0..80),
    ) {
        let joined = |rule: StretchRule| {
            let mut stretches = Stretches::new(rule, 2, 10, 0);
            frames.iter().for_each(|frame| stretches.frame(frame));
            stretches.end_all();
            let mut whole: Vec<(usize, u64, u64)> = Vec::new();
            let mut found = stretches.take();
            found.sort_by_key(|s| (s.slot, s.start));
            for s in found {
                match whole.last_mut() {
                    Some(last) if last.0 == s.slot && last.2 == s.start => last.2 = s.end,
                    _ => whole.push((s.slot, s.start, s.end)),
                }
            }
            whole
        };
        prop_assert_eq!(joined(rule), joined(StretchRule { longest_piece: u64::MAX, ..rule }));
    }
}
