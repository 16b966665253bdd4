//! The session against a model whose answers are known, on lines of speech and silence.

use super::*;
use crate::speech::transcribe::Token;
use crate::time::SAMPLE_RATE;
use proptest::prelude::*;

const S: u64 = SAMPLE_RATE as u64;

/// Pushes `seconds` in pieces of `piece` samples; `speech` says which seconds hold speech.
fn push(session: &mut Session, seconds: u64, piece: usize, speech: impl Fn(u64) -> bool) {
    let from = session.end();
    let mut left = (seconds * S) as usize;
    while left > 0 {
        let n = left.min(piece);
        session.push(&vec![0.1; n]);
        left -= n;
    }
    for second in from / S..from / S + seconds {
        session
            .speech_map()
            .push(S, if speech(second) { 1.0 } else { 0.0 });
    }
}

fn session(gate: bool) -> Session {
    Session::new(SessionConfig { gate }, 0)
}

/// Says one word a segment: (start, end) in seconds of the window; goes on at `next`.
fn says(segments: &[(f64, f64)], next: f64) -> Hypothesis {
    let token = |start, end| Token {
        bytes: b" word".to_vec(),
        probability: 1.0,
        start,
        end,
    };
    let segments = segments.iter().map(|&(start, end)| {
        let (start, end) = (seconds(start), seconds(end));
        Segment {
            start,
            end,
            tokens: vec![token(start, end)],
        }
    });
    Hypothesis {
        segments: segments.collect(),
        language: None,
        next: seconds(next),
        history: vec![next as i32],
    }
}

/// Start and length in seconds, and the context.
fn shape(window: &Window) -> (f64, f64, Context) {
    let s = |n: u64| n as f64 / S as f64;
    (s(window.start), s(window.samples.len() as u64), window.context)
}

#[test]
fn windows_go_on_where_the_model_closed() {
    let mut s = session(false);
    push(&mut s, 30, 1000, |_| true);
    assert_eq!(s.next_window(), None, "the look-ahead is missing");
    push(&mut s, 5, 1000, |_| true);
    let window = s.next_window().unwrap();
    assert_eq!(shape(&window), (0.0, 31.0, Context::Start));
    assert_eq!(s.next_window(), None, "one at a time");
    s.accept(&says(&[(1.0, 2.0)], 28.5));
    assert_eq!(s.settled(), seconds(28.5));
    push(&mut s, 28, 1000, |_| true);
    let window = s.next_window().unwrap();
    assert_eq!(shape(&window), (28.5, 31.0, Context::Carry));
    s.accept(&says(&[], 0.0));
    assert_eq!(
        s.settled(),
        seconds(58.5),
        "closing nothing is closing the window"
    );
    s.finish();
    assert_eq!(
        shape(&s.next_window().unwrap()),
        (58.5, 4.5, Context::Reset),
        "a short rest stands alone"
    );
    s.accept(&Hypothesis::default());
    assert!(s.is_done());
}

#[test]
fn what_is_too_short_is_left_out() {
    let mut s = session(false);
    s.push(&[0.0; 1_599]);
    s.finish();
    assert_eq!(s.next_window(), None);
    assert!(s.is_done());
    let mut s = session(false);
    push(&mut s, 10, 1000, |_| true);
    s.finish();
    s.next_window().unwrap();
    s.accept(&says(&[(1.0, 9.95)], 9.95));
    assert!(s.is_done(), "50 ms are no window");
}

#[test]
fn long_silence_is_jumped_over() {
    let mut s = session(true);
    let speech = |second| (10..12).contains(&second) || (50..80).contains(&second);
    push(&mut s, 20, 1000, speech);
    let window = s.next_window().unwrap();
    let (start, length, _) = shape(&window);
    // Speech is padded by 0.3 s before and 0.5 s behind; the window adds 0.5 s.
    assert!(
        (9.0..10.0).contains(&start) && (12.5..13.5).contains(&(start + length)),
        "{start} {length}"
    );
    s.accept(&says(&[(1.0, 2.0)], length));
    assert_eq!(s.next_window(), None);
    assert!(s.room() as u64 > Session::CAPACITY - 8 * S, "silence is not held");
    push(&mut s, 25, 1000, speech);
    assert_eq!(s.next_window(), None);
    assert!(s.room() as u64 > Session::CAPACITY - 2 * S);
    push(&mut s, 36, 1000, speech);
    let window = s.next_window().unwrap();
    let (start, _, context) = shape(&window);
    assert!((49.0..50.0).contains(&start), "{start}");
    assert_eq!(context, Context::Carry);
    assert!(!window.history.is_empty());
}

#[test]
fn silence_to_the_end_is_nothing() {
    let mut s = session(true);
    push(&mut s, 20, 1000, |_| false);
    s.speech_map().finish();
    s.finish();
    assert_eq!(s.next_window(), None);
    assert!(s.is_done());
    assert_eq!(s.settled(), 20 * S);
}

#[test]
fn words_in_silence_are_dropped() {
    let mut s = session(true);
    push(&mut s, 35, 1000, |second| second < 5 || second == 7);
    s.next_window().unwrap();
    let words = s.accept(&says(&[(1.0, 2.0), (6.2, 6.6), (7.0, 8.0), (9.5, 10.0)], 10.5));
    let starts: Vec<u64> = words.iter().map(|w| w.start / S).collect();
    assert_eq!(starts, [1, 6, 7], "at 6.2 s speech is near, at 9.5 s it is not");
}

#[test]
fn words_do_not_overlap_and_segments_are_numbered() {
    let mut s = session(false);
    push(&mut s, 35, 1000, |_| true);
    s.next_window().unwrap();
    let words = s.accept(&says(&[(1.0, 2.0), (1.5, 1.8), (3.0, 3.5)], 4.0));
    let times: Vec<_> = words.iter().map(|w| (w.start, w.end, w.segment)).collect();
    assert_eq!(
        times,
        [
            (S, 2 * S, 0),
            (2 * S, 2 * S + SHORTEST_WORD, 1),
            (3 * S, 3 * S + S / 2, 2)
        ]
    );
}

#[test]
fn a_restart_forgets_audio_and_context() {
    let mut s = session(false);
    push(&mut s, 35, 1000, |_| true);
    s.next_window().unwrap();
    s.accept(&says(&[(1.0, 2.0)], 28.0));
    s.restart(100 * S);
    assert_eq!(
        (s.settled(), s.end(), s.room() as u64),
        (100 * S, 100 * S, Session::CAPACITY)
    );
    push(&mut s, 6, 1000, |_| true);
    s.finish();
    assert_eq!(shape(&s.next_window().unwrap()), (100.0, 6.0, Context::Reset));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever the pieces: the same windows, no sample twice or never settled, and bounded memory.
    #[test]
    fn windows_do_not_depend_on_the_pieces(pieces in prop::collection::vec(1_usize..200_000, 1..40), close in 5_u64..31) {
        let total: usize = pieces.iter().sum();
        let windows = |pieces: &[usize]| {
            let mut s = session(false);
            let mut shapes = Vec::new();
            let mut work = |s: &mut Session| {
                while let Some(window) = s.next_window() {
                    shapes.push((window.start, window.samples.len()));
                    s.accept(&Hypothesis { next: close * S, ..Hypothesis::default() });
                }
            };
            for &piece in pieces {
                let mut left = piece;
                while left > 0 {
                    let n = left.min(s.room());
                    assert!(n > 0, "full without a window due");
                    s.push(&vec![0.0; n]);
                    left -= n;
                    work(&mut s);
                }
            }
            s.finish();
            work(&mut s);
            assert!(s.is_done());
            assert_eq!(s.settled(), total as u64);
            shapes
        };
        prop_assert_eq!(windows(&pieces), windows(&[total]));
    }
}
