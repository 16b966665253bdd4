use super::*;
use proptest::prelude::*;

/// Small round numbers: frames of 10, checkable by eye.
fn rule() -> SpeechRule {
    SpeechRule {
        onset: 0.5,
        offset: 0.3,
        min_speech: 20,
        min_silence: 30,
        pad_before: 15,
        pad_after: 25,
    }
}

/// One character a frame of 10 samples: `#` voice, `-` between the thresholds, `.` silence.
fn probability(c: char) -> f32 {
    match c {
        '#' => 0.9,
        '-' => 0.4,
        _ => 0.1,
    }
}

fn heard(frames: &str) -> SpeechMap {
    let mut map = SpeechMap::new(rule(), 0);
    frames.chars().for_each(|c| map.push(10, probability(c)));
    map
}

/// All stretches, read through the public question alone.
fn stretches(map: &SpeechMap) -> Vec<(u64, Option<u64>)> {
    let (mut at, mut found) = (0, Vec::new());
    while let Answer::Speech { start, end } = map.next_speech_at_or_after(at) {
        found.push((start, end));
        match end {
            Some(end) => at = end,
            None => break,
        }
    }
    found
}

#[test]
fn finished_lines_have_padded_stretches() {
    for (why, frames, expected) in [
        ("silence", "..........", vec![]),
        ("nothing at all", "", vec![]),
        ("one word", "....###.........", vec![(25, 95)]),
        ("padding ends with the line", "....###.", vec![(25, 80)]),
        ("padding begins with the line", "###.........", vec![(0, 55)]),
        ("too short", "....#.........", vec![]),
        ("too short at the end", "....#", vec![]),
        ("just long enough", "....##.........", vec![(25, 85)]),
        ("between the thresholds nothing begins", "....-----......", vec![]),
        (
            "between the thresholds it goes on",
            "....##---......",
            vec![(25, 115)],
        ),
        (
            "a short pause joins short sounds",
            "....#.#........",
            vec![(25, 95)],
        ),
        ("a longer one does not", "....#...#......", vec![]),
        (
            "stretches whose padding meets are one",
            "..##....##........",
            vec![(5, 125)],
        ),
        ("stretches apart", "..##.....##........", vec![(5, 65), (75, 135)]),
    ] {
        let mut map = heard(frames);
        map.finish();
        let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a, Some(b))).collect();
        assert_eq!(stretches(&map), expected, "{why}: {frames}");
        assert_eq!(map.known_until(), 10 * frames.len() as u64, "{why}");
    }
}

#[test]
fn an_open_line_says_what_it_knows() {
    use Answer::{SilenceUntil, Speech};
    for (why, frames, known, answer, silence) in [
        ("nothing heard", "", 0, SilenceUntil(0), 0),
        (
            "silence is known but for the padding",
            "....",
            25,
            SilenceUntil(25),
            40,
        ),
        ("a short sound decides nothing", "....#", 25, SilenceUntil(25), 0),
        ("speech is open", "....##", 60, Speech { start: 25, end: None }, 0),
        (
            "a pause is open",
            "....##..",
            80,
            Speech { start: 25, end: None },
            20,
        ),
        (
            "ended, but speech could join",
            "....##....",
            85,
            Speech { start: 25, end: None },
            40,
        ),
        (
            "ended for good",
            "....##.....",
            95,
            Speech {
                start: 25,
                end: Some(85),
            },
            50,
        ),
        (
            "a dropped sound counts as silence",
            "....#...",
            65,
            SilenceUntil(65),
            80,
        ),
    ] {
        let map = heard(frames);
        assert_eq!(map.known_until(), known, "{why}: {frames}");
        assert_eq!(map.next_speech_at_or_after(0), answer, "{why}: {frames}");
        assert_eq!(map.silence_since(), silence, "{why}: {frames}");
    }
}

#[test]
fn ranges_are_silent_only_when_all_of_them_is_known() {
    let map = heard("....##........"); // speech 25..85, known to 125
    for (range, silent, overlap) in [
        (0..25, true, 0),
        (0..26, false, 1),
        (0..125, false, 60),
        (30..40, false, 10),
        (84..86, false, 1),
        (85..125, true, 0),
        (85..126, false, 0),
        (0..0, true, 0),
        (500..600, false, 0),
    ] {
        assert_eq!(map.is_silent(range.clone()), silent, "{range:?}");
        assert_eq!(map.speech_overlap(range.clone()), overlap, "{range:?}");
    }
}

#[test]
fn a_question_inside_speech_is_answered_from_there() {
    let map = heard("....##........");
    assert_eq!(
        map.next_speech_at_or_after(50),
        Answer::Speech {
            start: 50,
            end: Some(85)
        }
    );
    assert_eq!(map.next_speech_at_or_after(85), Answer::SilenceUntil(125));
    assert_eq!(map.next_speech_at_or_after(9_999), Answer::SilenceUntil(125));
}

#[test]
fn a_gap_is_one_long_frame_of_silence() {
    let mut map = heard("....##");
    map.push(1_000, 0.0);
    assert_eq!(
        map.next_speech_at_or_after(0),
        Answer::Speech {
            start: 25,
            end: Some(85)
        }
    );
    assert_eq!(map.known_until(), 1_045);
}

#[test]
fn a_reset_line_starts_elsewhere() {
    let mut map = heard("..####");
    map.reset(1_000);
    assert_eq!(map.next_speech_at_or_after(0), Answer::SilenceUntil(1_000));
    map.push(100, 0.9);
    assert_eq!(
        map.next_speech_at_or_after(0),
        Answer::Speech {
            start: 1_000,
            end: None
        }
    );
}

#[test]
fn memory_is_bounded_by_what_is_remembered() {
    let mut map = SpeechMap::new(rule(), 0);
    for word in 0..10_000u64 {
        map.push(30, 0.9);
        map.push(100, 0.1);
        map.forget_before(word * 130);
        assert!(map.stretches.len() <= 2);
    }
    assert!(map.stretches.capacity() <= 8);
}

#[test]
fn a_probability_that_is_no_number_is_silence() {
    let mut map = heard("....");
    map.push(100, f32::NAN);
    assert_eq!(map.next_speech_at_or_after(0), Answer::SilenceUntil(125));
}

/// Frames of 1 to 40 samples with any probability.
fn frames() -> impl Strategy<Value = Vec<(u64, f32)>> {
    prop::collection::vec((1u64..40, 0f32..1.0), 0..120)
}

proptest! {
    #[test]
    fn the_same_map_whatever_the_pieces(frames in frames(), piece in 1u64..40) {
        let (mut whole, mut pieces) = (SpeechMap::new(rule(), 0), SpeechMap::new(rule(), 0));
        for (len, p) in frames {
            whole.push(len, p);
            (0..len).step_by(piece as usize).for_each(|at| pieces.push(piece.min(len - at), p));
            prop_assert_eq!(whole.known_until(), pieces.known_until());
            prop_assert_eq!(whole.silence_since(), pieces.silence_since());
            prop_assert_eq!(stretches(&whole), stretches(&pieces));
        }
    }

    #[test]
    fn what_is_known_stays(frames in frames()) {
        let mut map = SpeechMap::new(rule(), 0);
        let mut before: Vec<bool> = Vec::new(); // speech or not, of every known sample
        let read = |map: &SpeechMap| -> Vec<bool> {
            (0..map.known_until()).map(|n| map.speech_overlap(n..n + 1) == 1).collect()
        };
        for (len, p) in frames {
            map.push(len, p);
            let now = read(&map);
            prop_assert!(now.starts_with(&before));
            before = now;
        }
        map.finish();
        prop_assert!(read(&map).starts_with(&before));
        prop_assert_eq!(map.known_until(), map.heard_until());
    }

    #[test]
    fn an_end_once_said_stays_and_the_answers_agree(frames in frames()) {
        let mut map = SpeechMap::new(rule(), 0);
        let mut ended: Vec<(u64, Option<u64>)> = Vec::new();
        for (len, p) in frames {
            map.push(len, p);
            let now: Vec<_> = stretches(&map).into_iter().filter(|s| s.1.is_some()).collect();
            prop_assert!(now.starts_with(&ended));
            for &(start, end) in &now {
                let end = end.unwrap_or(start);
                prop_assert_eq!(map.speech_overlap(start..end), end - start);
            }
            ended = now;
        }
    }

    #[test]
    fn forgetting_changes_no_later_answer(frames in frames(), forget in 0u64..2_000) {
        let (mut full, mut short) = (SpeechMap::new(rule(), 0), SpeechMap::new(rule(), 0));
        for (len, p) in frames {
            full.push(len, p);
            short.push(len, p);
            let from = forget.min(full.known_until());
            short.forget_before(from);
            prop_assert_eq!(full.known_until(), short.known_until());
            for at in [from, from + 7, from + 90] {
                prop_assert_eq!(full.next_speech_at_or_after(at), short.next_speech_at_or_after(at));
                prop_assert_eq!(full.speech_overlap(at..at + 50), short.speech_overlap(at..at + 50));
            }
        }
    }
}
