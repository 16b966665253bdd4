//! The session against a model that reads its answer from the samples: who speaks is what the samples say.

use super::*;
use crate::speech::diarize::pieces::{Cut, Piece, cut, piece_mask};
use crate::speech::diarize::{Scores, Turn};
use proptest::prelude::*;

/// Ten samples a frame, four frames a window, one window every two frames.
const GEOMETRY: Geometry = Geometry {
    window: 40,
    frames: 4,
    frame_step: 10,
    receptive_field: 10,
    speakers: 3,
};

fn config() -> OfflineConfig {
    OfflineConfig {
        step: 20,
        ..OfflineConfig::default()
    }
}

fn session() -> OfflineSession {
    OfflineSession::new(config(), GEOMETRY)
}

/// A sample is a set of bits: who speaks. The local speakers of a window are in order of appearance in it, and a
/// voice is a direction of its own with a little noise.
fn analyse(window: &Window) -> Analysis {
    let frames = window.samples.chunks(10).map(|frame| frame[0] as u8);
    let mut locals: Vec<u8> = Vec::new();
    for bits in frames.clone() {
        for speaker in (0..6).filter(|s| bits >> s & 1 == 1) {
            if !locals.contains(&speaker) && locals.len() < 3 {
                locals.push(speaker);
            }
        }
    }
    let is_active = |bits: u8, local: usize| locals.get(local).is_some_and(|s| bits >> s & 1 == 1);
    let values = frames.flat_map(|bits| (0..3).map(move |l| f32::from(u8::from(is_active(bits, l)))));
    let embedding = |local: usize| {
        let mut voice = vec![0.1; 8];
        voice[*locals.get(local)? as usize] = 5.0;
        voice[7] = window.start as f32 % 7.0 / 10.0;
        Some(voice)
    };
    Analysis {
        start: window.start,
        scores: Scores {
            speakers: 3,
            values: values.collect(),
        },
        embeddings: (0..3).map(embedding).collect(),
        ..Analysis::default()
    }
}

/// Frames of a hundredth of a second, windows of 4 s every second.
const FINE: Geometry = Geometry {
    window: 64_000,
    frames: 400,
    frame_step: 160,
    receptive_field: 160,
    speakers: 3,
};

/// The same in frames of 160 samples, and the pieces in the window's focus.
fn analyse_pieces(window: &Window) -> Analysis {
    let analysis = analyse(&Window {
        samples: window.samples.iter().step_by(16).copied().collect(),
        ..window.clone()
    });
    let focus = FINE.frames_in(window.focus.as_ref().expect("a focus"));
    let cuts = cut(&analysis.scores, &analysis.scores, &focus, &FINE).into_iter();
    let pieces = cuts.map(|Cut { speaker, frames }| Piece {
        speaker,
        clean: piece_mask(&analysis.scores, &frames, 0).1,
        // As many values as a real voice has: evidence grows with them.
        embedding: analysis.embeddings[speaker]
            .iter()
            .flatten()
            .flat_map(|x| [*x; 32])
            .collect(),
        frames,
    });
    Analysis {
        pieces: pieces.collect(),
        embeddings: Vec::new(),
        ..analysis
    }
}

/// Letters of a tenth of a second, in pushes of so many samples: speaker, start and end in tenths.
fn run_pieces(config: OfflineConfig, text: &str, push: usize) -> Vec<(String, u64, u64)> {
    let mut session = OfflineSession::new(config, FINE);
    let audio: Vec<f32> = samples(text).iter().flat_map(|s| [*s; 160]).collect();
    let work = |session: &mut OfflineSession| {
        while let Some(window) = session.next_window() {
            session.accept(analyse_pieces(&window));
        }
    };
    for part in audio.chunks(push) {
        session.push(part);
        work(&mut session);
    }
    session.finish();
    work(&mut session);
    assert!(session.is_done());
    let turns = shape(&session.conclude().turns).into_iter();
    turns
        .map(|(label, start, end)| (label, start / 1_600, end / 1_600))
        .collect()
}

fn pieces() -> OfflineConfig {
    OfflineConfig {
        pieces: Some(PieceRule::default()),
        ..OfflineConfig::default()
    }
}

/// So many tenths of a second of each.
fn text(stretches: &[(&str, usize)]) -> String {
    stretches.iter().map(|(who, n)| who.repeat(*n)).collect()
}

#[test]
fn speakers_are_found_from_pieces() {
    let spoken = text(&[
        ("a", 50),
        (".", 8),
        ("b", 60),
        (".", 4),
        ("a", 60),
        (".", 30),
        ("b", 45),
        (".", 20),
    ]);
    assert_eq!(
        run_pieces(pieces(), &spoken, 7_000),
        [
            turn("00", 0, 50),
            turn("01", 58, 118),
            turn("00", 122, 182),
            turn("01", 212, 257)
        ]
    );
    let alone = OfflineConfig {
        exclusive: true,
        ..pieces()
    };
    let turns = run_pieces(alone, &spoken, 7_000);
    assert!(turns.windows(2).all(|pair| pair[0].2 <= pair[1].1), "{turns:?}");
    let one = OfflineConfig {
        num_speakers: Some(1),
        ..pieces()
    };
    assert!(
        run_pieces(one, &spoken, 7_000)
            .iter()
            .all(|(label, ..)| label == "00")
    );
}

#[test]
fn the_end_of_a_recording_has_its_pieces_too() {
    for tenths in [39, 40, 41, 49, 50, 51, 63] {
        let spoken = text(&[("a", tenths)]);
        assert_eq!(
            run_pieces(pieces(), &spoken, 16_000),
            [turn("00", 0, tenths as u64)],
            "{tenths}"
        );
    }
    assert_eq!(run_pieces(pieces(), "", 1), []);
    assert_eq!(run_pieces(pieces(), &text(&[(".", 70)]), 16_000), []);
}

/// A text of frames, a letter a set of speakers: `.` nobody, `a`, `b`, `A` for a and b together.
fn samples(text: &str) -> Vec<f32> {
    let bits = |c| match c {
        'a' => 1.0,
        'b' => 2.0,
        'c' => 4.0,
        'A' => 3.0,
        _ => 0.0,
    };
    text.chars().flat_map(|c| [bits(c); 10]).collect()
}

fn work(session: &mut OfflineSession) -> usize {
    let mut windows = 0;
    while let Some(window) = session.next_window() {
        session.accept(analyse(&window));
        windows += 1;
    }
    windows
}

fn run(session: &mut OfflineSession, text: &str) -> Vec<(String, u64, u64)> {
    for piece in samples(text).chunks(15) {
        session.push(piece);
        work(session);
    }
    session.finish();
    work(session);
    assert!(session.is_done());
    shape(&session.conclude().turns)
}

fn shape(turns: &[Turn]) -> Vec<(String, u64, u64)> {
    turns
        .iter()
        .map(|t| (t.speaker[8..].to_owned(), t.start, t.end))
        .collect()
}

fn turn(speaker: &str, start: u64, end: u64) -> (String, u64, u64) {
    (speaker.into(), start, end)
}

#[test]
fn speakers_are_followed_through_the_windows() {
    assert_eq!(
        run(&mut session(), "aaaaaa..bbbbbb..aaaa...."),
        [turn("00", 5, 65), turn("01", 85, 145), turn("00", 165, 205)]
    );
    assert_eq!(
        run(&mut session(), "bbbbbbAAAAAAaaaaaa......"),
        [turn("00", 5, 125), turn("01", 65, 185)],
        "labels are by first appearance"
    );
}

#[test]
fn speakers_have_a_voice_and_a_length() {
    let mut session = session();
    run(&mut session, "");
    session.restart(0);
    session.push(&samples("aaaaaabbbbbb...."));
    session.finish();
    work(&mut session);
    let conclusion = session.conclude();
    let speech: Vec<_> = conclusion
        .speakers
        .iter()
        .map(|s| (&*s.label, s.speech))
        .collect();
    assert_eq!(speech, [("SPEAKER_00", 60), ("SPEAKER_01", 60)]);
    for (i, speaker) in conclusion.speakers.iter().enumerate() {
        let length: f32 = speaker.embedding.iter().map(|x| x * x).sum();
        assert!(
            (length - 1.0).abs() < 1e-5 && speaker.embedding[i] > 0.9,
            "{speaker:?}"
        );
    }
    assert!(
        conclusion.turns.iter().all(|t| t.confidence > 0.9),
        "{:?}",
        conclusion.turns
    );
    assert_eq!(session.conclude(), Conclusion::default(), "it is given once");
}

#[test]
fn one_at_a_time_and_a_given_number() {
    let text = "aaaaaaAAAAbbbbbb....cccccc......";
    let speakers = |config: OfflineConfig| {
        let turns = run(&mut OfflineSession::new(config, GEOMETRY), text);
        let mut labels: Vec<String> = turns.iter().map(|t| t.0.clone()).collect();
        labels.sort();
        labels.dedup();
        (labels.len(), turns)
    };
    let (count, turns) = speakers(OfflineConfig {
        exclusive: true,
        ..config()
    });
    assert_eq!(count, 3);
    assert!(turns.windows(2).all(|t| t[0].2 <= t[1].1), "{turns:?}");
    for number in 1..4 {
        let config = OfflineConfig {
            num_speakers: Some(number),
            ..config()
        };
        assert_eq!(speakers(config).0, number as usize);
    }
}

#[test]
fn windows_are_those_of_the_reference() {
    let starts = |samples: usize| {
        let mut session = session();
        session.push(&vec![1.0; samples]);
        let early: Vec<u64> = std::iter::from_fn(|| session.next_window())
            .map(|w| w.start)
            .collect();
        session.finish();
        let late = std::iter::from_fn(|| session.next_window()).map(|w| {
            assert_eq!(w.samples.len(), 40);
            (w.start, w.samples.iter().filter(|s| **s != 0.0).count())
        });
        (early, late.collect::<Vec<_>>())
    };
    for (samples, early, late) in [
        (0, vec![], vec![]),
        (1, vec![], vec![(0, 1)]),
        (39, vec![], vec![(0, 39)]),
        (40, vec![0], vec![]),
        (41, vec![0], vec![(20, 21)]),
        (60, vec![0, 20], vec![]),
        (75, vec![0, 20], vec![(40, 35)]),
    ] {
        assert_eq!(starts(samples), (early, late), "{samples} samples");
    }
}

#[test]
fn room_is_bounded_and_a_window_makes_it() {
    let mut session = session();
    let most = session.room();
    assert_eq!(most, 40 + 20 + 4 * 16_000);
    session.push(&vec![1.0; most]);
    assert_eq!(session.room(), 0);
    assert!(session.next_window().is_some());
    assert_eq!(session.room(), 20, "a step is free");
}

#[test]
fn silence_without_audio_takes_no_window_and_no_room() {
    let mut session = session();
    session.push(&samples("aaaa"));
    let room = session.room();
    session.skip(1_000_000);
    assert_eq!(session.room(), room);
    session.push(&samples("aaaa"));
    session.skip(1_000_000);
    session.finish();
    let mut starts = Vec::new();
    while let Some(window) = session.next_window() {
        starts.push(window.start);
        session.accept(analyse(&window));
    }
    assert_eq!(starts, [0, 20, 1_000_020, 1_000_040, 1_000_060]);
    assert!(session.is_done());
    assert_eq!((session.covered(), session.settled()), (2_000_080, 2_000_080));
    let turns = shape(&session.conclude().turns);
    // What is seen by two windows is heard by both, and the frames beside the silence are zeros in both.
    assert_eq!(turns, [turn("00", 5, 45), turn("00", 1_000_045, 1_000_085)]);
}

#[test]
fn silence_alone_is_no_turn() {
    let mut session = session();
    session.skip(u64::from(u32::MAX));
    assert_eq!(session.next_window(), None);
    session.finish();
    assert_eq!(session.next_window(), None);
    assert!(session.is_done());
    assert_eq!(session.conclude(), Conclusion::default());
}

#[test]
fn answers_come_in_order_or_not_at_all() {
    let mut session = session();
    session.push(&samples("aaaabbbb"));
    let windows: Vec<_> = std::iter::from_fn(|| session.next_window()).collect();
    assert_eq!(windows.len(), 3);
    session.accept(analyse(&windows[2]));
    assert_eq!(session.settled(), 0, "not that one yet");
    session.accept(analyse(&windows[0]));
    session.accept(analyse(&windows[0]));
    assert_eq!(session.settled(), 20);
    session.finish();
    assert!(!session.is_done());
    session.accept(analyse(&windows[1]));
    session.accept(analyse(&windows[2]));
    assert!(session.is_done());
    assert_eq!(
        shape(&session.conclude().turns),
        [turn("00", 5, 45), turn("01", 45, 80)]
    );
}

#[test]
fn a_restart_is_a_clean_state_elsewhere() {
    let mut session = session();
    session.push(&samples("bbbbbb"));
    let old = session.next_window().unwrap();
    session.restart(1_000);
    session.accept(analyse(&old));
    assert_eq!((session.covered(), session.settled()), (1_000, 1_000));
    assert_eq!(run(&mut session, "aaaa........"), [turn("00", 1_005, 1_045)]);
}

#[test]
fn answers_without_sense_do_no_harm() {
    let mut session = session();
    session.push(&samples("aaaabbbbaaaabbbb"));
    session.finish();
    let mut n = 0;
    while let Some(window) = session.next_window() {
        let mut analysis = analyse(&window);
        match n % 5 {
            0 => analysis.embeddings = vec![Some(vec![f32::NAN; 8]); 3],
            1 => analysis.embeddings = vec![Some(vec![1.0; 3]); 9],
            2 => analysis.scores = Scores::default(),
            3 => analysis.embeddings.clear(),
            _ => analysis.scores.values = vec![f32::NAN; 100],
        }
        session.accept(analysis);
        n += 1;
    }
    assert!(session.is_done() && n > 5);
    let conclusion = session.conclude();
    assert!(
        conclusion
            .turns
            .iter()
            .all(|t| t.start < t.end && t.end <= session.covered())
    );
}

proptest! {
    #[test]
    fn pieces_do_not_depend_on_the_pushes(
        stretches in prop::collection::vec((prop::sample::select(vec!["a", "b", "A", "."]), 3_usize..40), 1..6),
        push in 1_000_usize..30_000,
    ) {
        let spoken = text(&stretches);
        prop_assert_eq!(run_pieces(pieces(), &spoken, push), run_pieces(pieces(), &spoken, 16_000));
    }

    #[test]
    fn turns_do_not_depend_on_the_pieces(
        text in "[.abcA]{0,60}", sizes in prop::collection::vec(1usize..90, 1..20), batch in 1usize..4,
    ) {
        let whole = run(&mut session(), &text);
        let mut pieces = session();
        let samples = samples(&text);
        let (mut at, mut turn) = (0, 0);
        while at < samples.len() {
            let n = sizes[turn % sizes.len()].min(samples.len() - at);
            pieces.push(&samples[at..at + n]);
            at += n;
            turn += 1;
            if turn % batch == 0 {
                let windows: Vec<_> = std::iter::from_fn(|| pieces.next_window()).take(batch).collect();
                windows.iter().for_each(|w| pieces.accept(analyse(w)));
            }
        }
        pieces.finish();
        let windows: Vec<_> = std::iter::from_fn(|| pieces.next_window()).collect();
        windows.iter().for_each(|w| pieces.accept(analyse(w)));
        prop_assert!(pieces.is_done());
        prop_assert_eq!(shape(&pieces.conclude().turns), whole);
    }

    #[test]
    fn skipped_silence_is_silence(before in "[ab]{1,12}", gap in 0usize..30, after in "[ab]{0,12}") {
        let text = format!("{before}{}{after}", ".".repeat(gap));
        let pushed = run(&mut session(), &text);
        let mut skipped = session();
        skipped.push(&samples(&before));
        skipped.skip(gap as u64 * 10);
        skipped.push(&samples(&after));
        skipped.finish();
        work(&mut skipped);
        prop_assert!(skipped.is_done());
        prop_assert_eq!(shape(&skipped.conclude().turns), pushed);
    }
}
