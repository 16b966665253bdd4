//! The session against models whose answers are known, on lines where every sample says when it was spoken.

use super::*;
use crate::speech::diarize::direction::Direction;
use crate::speech::diarize::online::PieceDistances;
use crate::speech::diarize::online::fake::{FIVE, Models, PERIOD, QUICK, Truth, audio};
use crate::speech::diarize::online::noise::Noise;
use crate::speech::diarize::{Scores, Voices};
use proptest::prelude::*;

fn config(latency: u64) -> OnlineConfig {
    OnlineConfig {
        latency,
        tau: 0.5,
        delta: 0.7,
        ..OnlineConfig::default()
    }
}

/// A step of a stream.
#[derive(Clone, Copy, Debug)]
enum Input {
    Audio(u64),
    Gap(u64),
}

/// Feeds the session and returns its turns; checks at every step what holds at all of them.
fn run(session: &mut OnlineSession, models: &Models, inputs: &[Input]) -> Vec<Turn> {
    run_in_batches(session, models, inputs, 1)
}

/// The same with up to so many windows out at a time.
fn run_in_batches(session: &mut OnlineSession, models: &Models, inputs: &[Input], batch: usize) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut settled = session.settled();
    let mut drain = |session: &mut OnlineSession| {
        let given = |session: &OnlineSession| session.turns.len();
        loop {
            let before = given(session);
            let windows: Vec<Window> = std::iter::from_fn(|| session.next_window()).take(batch).collect();
            assert_eq!(given(session), before, "turns come of answers only");
            if windows.is_empty() {
                break;
            }
            for window in &windows {
                let analysis = match window.focus {
                    Some(_) => models.hear_pieces(window),
                    None => models.hear(window),
                };
                session.accept(&analysis);
            }
            assert!(session.turns.iter().all(|turn| turn.start >= session.settled()));
        }
        for turn in session.take_turns() {
            assert!(turn.start >= settled, "{turn:?} begins before {settled}");
            assert!(turn.start < turn.end && turn.end <= session.end(), "{turn:?}");
            turns.push(turn);
        }
        assert!(session.settled() >= settled);
        settled = session.settled();
    };
    for input in inputs {
        match *input {
            Input::Audio(mut samples) => {
                while samples > 0 {
                    let n = samples.min(session.room() as u64);
                    assert!(n > 0, "no room and no window");
                    session.push(&audio(session.end(), session.end() + n));
                    samples -= n;
                    drain(session);
                }
            }
            Input::Gap(samples) => session.skip(samples),
        }
        drain(session);
    }
    session.finish();
    drain(session);
    assert!(session.is_done());
    assert_eq!(session.settled(), session.end());
    assert!(turns.is_sorted_by_key(|turn| turn.start));
    turns
}

/// Pieces that adjoin made whole again, in order of their start.
fn whole(turns: &[Turn]) -> Vec<(String, u64, u64)> {
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    for turn in turns {
        let before = found
            .iter_mut()
            .find(|(s, _, end)| **s == *turn.speaker && *end == turn.start);
        match before {
            Some((_, _, end)) => *end = turn.end,
            None => found.push((turn.speaker.to_string(), turn.start, turn.end)),
        }
    }
    found
}

/// The turns are those of the truth, to a frame and a half, under the labels given for its speakers.
#[track_caller]
fn check(turns: &[Turn], truth: &Truth, labels: &[&str]) {
    let found = whole(turns);
    assert_eq!(found.len(), truth.len(), "{found:?}");
    for ((label, start, end), (who, from, to)) in found.iter().zip(truth) {
        assert_eq!(label, labels[*who], "{found:?}");
        let off = start.abs_diff(*from).max(end.abs_diff(*to));
        assert!(off <= 405, "{label} {start}..{end} instead of {from}..{to}");
    }
}

fn s(seconds: f64) -> u64 {
    crate::time::seconds(seconds)
}

/// Three people, 40 s, some of it together.
fn conversation() -> Truth {
    let in_seconds = [
        (2, 1.0, 5.5),
        (0, 6.0, 11.0),
        (1, 10.0, 15.0),
        (2, 15.5, 19.0),
        (0, 20.0, 30.5),
        (1, 23.0, 24.0),
        (2, 31.0, 36.0),
    ];
    in_seconds
        .iter()
        .map(|(who, from, to)| (*who, s(*from), s(*to)))
        .collect()
}

const LABELS: [&str; 3] = ["SPEAKER_01", "SPEAKER_02", "SPEAKER_00"];

#[test]
fn a_conversation_comes_out_as_it_was() {
    let models = Models::new(FIVE, conversation());
    for latency in [2.0, 3.3, 5.0] {
        let mut session = OnlineSession::new(config(s(latency)), FIVE);
        let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
        check(&turns, &models.truth, &LABELS);
        assert!(
            turns
                .iter()
                .all(|t| t.end - t.start <= s(2.0) && t.confidence > 0.8)
        );
        let speech: Vec<_> = session
            .speakers()
            .into_iter()
            .map(|s| (s.label, s.speech))
            .collect();
        for (who, label) in LABELS.iter().enumerate() {
            let of_it = models.truth.iter().filter(|t| t.0 == who);
            let expected: u64 = of_it.map(|(_, from, to)| to - from).sum();
            let (_, found) = speech.iter().find(|(found, _)| **found == **label).unwrap();
            assert!(found.abs_diff(expected) < 2_000, "{label}: {found} {expected}");
        }
    }
}

#[test]
fn speakers_are_found_piece_by_piece() {
    let in_seconds = [
        (2, 1.0, 5.5),
        (0, 6.0, 11.0),
        (1, 11.0, 16.0),
        (2, 17.0, 23.0),
        (1, 23.5, 30.0),
        (0, 31.0, 36.0),
    ];
    let truth = in_seconds.iter().map(|(who, from, to)| (*who, s(*from), s(*to)));
    let models = Models::new(FIVE, truth.collect());
    for latency in [2.0, 3.3, 5.0] {
        let config = OnlineConfig {
            pieces: Some(PieceDistances::default()),
            // Its first frame may have been guessed before a voice was known.
            min_duration_on: s(0.05),
            ..config(s(latency))
        };
        let mut session = OnlineSession::new(config, FIVE);
        let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
        check(&turns, &models.truth, &LABELS);
        assert_eq!(session.speakers().len(), 3);
        let in_parts: Vec<Input> = (0..40).map(|_| Input::Audio(s(1.0))).collect();
        session.restart(0);
        assert_eq!(run(&mut session, &models, &in_parts), turns);
    }
}

#[test]
fn at_the_lowest_latency_only_beginnings_are_missed() {
    let models = Models::new(FIVE, conversation());
    let mut session = OnlineSession::new(config(s(0.5)), FIVE);
    let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
    for turn in &turns {
        let who = LABELS.iter().position(|label| **label == *turn.speaker).unwrap();
        assert!(
            models.speaks(who, (turn.start + turn.end) / 2) || turn.end - turn.start < s(1.6),
            "{turn:?}"
        );
    }
    let spoken: u64 = models.truth.iter().map(|(_, from, to)| to - from).sum();
    let found: u64 = turns.iter().map(|turn| turn.end - turn.start).sum();
    assert!(found > spoken * 85 / 100, "{found} of {spoken}");
}

#[test]
fn the_first_window_is_due_after_a_step() {
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    session.push(&audio(0, 7_999));
    assert_eq!(session.next_window(), None);
    session.push(&audio(7_999, 8_100));
    let window = session.next_window().unwrap();
    assert_eq!((window.start, window.samples.len()), (0, 80_000));
    assert!(window.samples[..72_000].iter().all(|x| *x == 0.0));
    assert_eq!(window.samples[72_000..], audio(0, 8_000));
    assert_eq!(session.settled(), 0);
}

#[test]
fn what_is_said_comes_out_after_the_latency() {
    for latency in [0.5, 2.0] {
        let mut session = OnlineSession::new(config(s(latency)), FIVE);
        let models = Models::new(FIVE, vec![(0, s(6.0), s(7.0)), (0, s(20.0), s(30.0))]);
        let mut given = Vec::new();
        for _ in 0..64 {
            session.push(&audio(session.end(), session.end() + s(0.5)));
            while let Some(window) = session.next_window() {
                session.accept(&models.hear(&window));
            }
            let late = session.end() - session.settled();
            let most = s(latency) + s(2.0) + 540;
            assert!(late <= most, "{late} samples at {}", session.end());
            given.extend(session.take_turns().iter().map(|turn| (turn.end, session.end())));
        }
        assert!(given.len() >= 6, "{given:?}");
        for (end, at) in given {
            // A frame behind the turn must be known, and windows end every half second.
            assert!(at <= end + s(latency) + s(0.5), "{end} came at {at}");
        }
    }
}

#[test]
fn nothing_comes_of_nothing() {
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    session.finish();
    assert_eq!(session.next_window(), None);
    assert!(session.is_done() && session.take_turns().is_empty() && session.speakers().is_empty());
    let models = Models::new(FIVE, vec![]);
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    assert_eq!(run(&mut session, &models, &[Input::Audio(s(20.1))]), []);
}

#[test]
fn the_end_is_flushed() {
    let models = Models::new(FIVE, vec![(0, s(1.0), s(7.2))]);
    for latency in [0.5, 2.0, 5.0] {
        let mut session = OnlineSession::new(config(s(latency)), FIVE);
        let turns = run(&mut session, &models, &[Input::Audio(s(7.0))]);
        assert_eq!(turns.last().map(|turn| turn.end), Some(s(7.0)), "{latency}");
    }
    // Shorter than a step.
    let models = Models::new(FIVE, vec![(0, 0, s(1.0))]);
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    let turns = run(&mut session, &models, &[Input::Audio(s(0.4))]);
    assert_eq!(whole(&turns), [("SPEAKER_00".to_owned(), 0, s(0.4))]);
}

#[test]
fn hours_without_audio_take_no_time_and_keep_the_labels() {
    let mut truth = conversation();
    // A thousand hours later the same people say the same.
    let gap = 3_600 * PERIOD;
    let models = Models::new(FIVE, truth.clone());
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    let inputs = [
        Input::Audio(s(40.0)),
        Input::Gap(gap - s(40.0)),
        Input::Audio(s(40.0)),
    ];
    let turns = run(&mut session, &models, &inputs);
    let again: Truth = truth
        .iter()
        .map(|(who, from, to)| (*who, from + gap, to + gap))
        .collect();
    truth.extend(again);
    check(&turns, &truth, &LABELS);
}

#[test]
fn silence_costs_no_inference() {
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    session.push(&audio(0, s(3.0)));
    session.skip(s(60.0));
    session.push(&audio(s(63.0), s(64.0)));
    let mut ends = Vec::new();
    while let Some(window) = session.next_window() {
        let heard = window.samples.iter().rposition(|x| *x > 0.0).unwrap();
        ends.push(window.samples[heard] as u64 - 1);
        session.accept(&Analysis {
            start: window.start,
            ..Analysis::default()
        });
    }
    // 6 windows end in the first piece, 3 more reach it, and 2 end in the second.
    assert_eq!(ends.len(), 11, "{ends:?}");
    assert_eq!(ends[10], s(64.0) - 1);
}

#[test]
fn a_restart_forgets_everything() {
    let models = Models::new(FIVE, conversation());
    let mut session = OnlineSession::new(config(s(2.0)), FIVE);
    session.push(&audio(0, s(4.0)));
    let window = session.next_window().unwrap();
    let stale = models.hear(&window);
    session.restart(PERIOD);
    assert_eq!((session.settled(), session.end()), (PERIOD, PERIOD));
    session.accept(&stale);
    session.push(&audio(PERIOD, PERIOD + s(10.0)));
    for _ in 0..4 {
        session.next_window().unwrap();
    }
    session.accept(&stale);
    assert_eq!(session.settled(), PERIOD, "nothing has been answered yet");
    session.restart(PERIOD);
    let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
    let later: Truth = models
        .truth
        .iter()
        .map(|(w, from, to)| (*w, from + PERIOD, to + PERIOD))
        .collect();
    check(&turns, &later, &LABELS);
}

#[test]
fn the_known_carry_their_names() {
    let models = Models::new(FIVE, conversation());
    let mut dice = Noise::new(5);
    let mut enrolled = |who: usize| dice.near(&models.people[who]).values().to_vec();
    let voices = vec![("Ana".to_owned(), enrolled(2)), ("Bob".to_owned(), enrolled(1))];
    let config = OnlineConfig {
        voices: Voices::new(voices, 0.7),
        ..config(s(2.0))
    };
    let mut session = OnlineSession::new(config, FIVE);
    let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
    check(&turns, &models.truth, &["SPEAKER_00", "Bob", "Ana"]);
}

#[test]
fn a_speaker_too_many_counts_as_one_of_the_others() {
    let models = Models::new(FIVE, conversation());
    let config = OnlineConfig {
        max_speakers: 2,
        ..config(s(2.0))
    };
    let mut session = OnlineSession::new(config, FIVE);
    let turns = run(&mut session, &models, &[Input::Audio(s(40.0))]);
    assert_eq!(session.speakers().len(), 2);
    let spoken: u64 = turns.iter().map(|turn| turn.end - turn.start).sum();
    assert!(spoken > s(30.0), "{spoken}");
}

#[test]
fn ten_hours_take_as_much_room_as_a_minute() {
    // 72000 steps of half a second, at a tenth of the samples: four people, one after the other, 3 s each.
    let turn = 4_800;
    let truth: Truth = (0..PERIOD / turn)
        .map(|i| ((i * i % 4) as usize, i * turn, (i + 1) * turn - 300))
        .collect();
    let people = truth
        .iter()
        .map(|(who, ..)| *who)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let models = Models::new(QUICK, truth);
    let config = OnlineConfig {
        step: 800,
        latency: 3_200,
        longest_piece: 3_200,
        ..config(0)
    };
    let mut session = OnlineSession::new(config, QUICK);
    let mut most = [(0, 0, 0); 2];
    let mut speech = 0;
    for step in 0..72_000_u64 {
        session.push(&audio(step * 800, (step + 1) * 800));
        while let Some(window) = session.next_window() {
            // Only the turns around the window matter, and there are many.
            let first = (window.start % PERIOD / turn).saturating_sub(1) as usize;
            let near = Models {
                truth: models.truth.iter().skip(first).take(5).copied().collect(),
                people: models.people.clone(),
                ..models
            };
            session.accept(&near.hear(&window));
        }
        speech += session.take_turns().iter().map(|t| t.end - t.start).sum::<u64>();
        let (samples, frames, stretches) = session.held();
        let most = &mut most[usize::from(step > 120)];
        *most = (most.0.max(samples), most.1.max(frames), most.2.max(stretches));
    }
    assert_eq!(most[0], most[1], "in the first minute, and in all the others");
    let speakers = session.speakers();
    assert_eq!(speakers.len(), people);
    for speaker in &speakers {
        let voice = Direction::of(&speaker.embedding).unwrap();
        let nearest = models
            .people
            .iter()
            .map(|p| p.distance(&voice))
            .fold(2.0, f32::min);
        assert!(nearest < 0.02, "{} drifted by {nearest}", speaker.label);
    }
    let share = speech as f64 / (72_000.0 * 800.0);
    assert!((0.92..0.95).contains(&share), "{share}");
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = prop_oneof![
        4 => (1_u64..60_000).prop_map(Input::Audio),
        1 => (1_u64..90_000).prop_map(Input::Gap),
    ];
    prop::collection::vec(input, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn turns_do_not_depend_on_how_the_samples_come(
        inputs in inputs(),
        piece in 1_u64..9_000,
        batch in 1_usize..8,
        latency in 8_000_u64..80_000,
        exclusive: bool,
        pause in 0_u64..12_000,
    ) {
        let models = Models::new(FIVE, conversation());
        let config = OnlineConfig {
            exclusive,
            min_duration_on: pause / 2,
            min_duration_off: pause,
            ..config(latency)
        };
        let turns = run(&mut OnlineSession::new(config.clone(), FIVE), &models, &inputs);
        let cut = |input: &Input| match *input {
            Input::Audio(n) => {
                let pieces = std::iter::repeat_n(Input::Audio(piece), (n / piece) as usize);
                pieces.chain([Input::Audio(n % piece)]).collect::<Vec<_>>()
            }
            Input::Gap(n) => vec![Input::Gap(n / 3), Input::Gap(n - n / 3)],
        };
        let cut: Vec<Input> = inputs.iter().flat_map(cut).collect();
        let again = run_in_batches(&mut OnlineSession::new(config, FIVE), &models, &cut, batch);
        prop_assert_eq!(&turns, &again);
        if exclusive {
            prop_assert!(turns.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", turns);
        }
        for (i, turn) in turns.iter().enumerate() {
            let others = turns[..i].iter().filter(|other| other.speaker == turn.speaker);
            prop_assert!(others.into_iter().all(|other| other.end <= turn.start), "said twice: {turn:?}");
        }
    }

    #[test]
    fn no_answer_makes_it_panic(
        speakers in 0_usize..5,
        values in prop::collection::vec(prop_oneof![0.0_f32..1.5, Just(f32::NAN), Just(f32::INFINITY)], 0..40),
        embedding in prop::collection::vec(prop_oneof![-1.0_f32..1.0, Just(f32::NAN)], 0..4),
        step in 0_u64..100_000,
        max_speakers in 0_usize..3,
    ) {
        let config = OnlineConfig { step, max_speakers, longest_piece: step / 7, ..config(step / 2) };
        let mut session = OnlineSession::new(config, FIVE);
        for _ in 0..3 {
            session.push(&audio(session.end(), session.end() + 50_000));
            session.skip(step);
            // A step of one sample would take its time.
            for _ in 0..40 {
                let Some(window) = session.next_window() else { break };
                session.accept(&Analysis {
                    start: window.start,
                    scores: Scores { speakers, values: values.clone() },
                    embeddings: vec![Some(embedding.clone()), None, Some(vec![1.0])],
                    ..Analysis::default()
                });
            }
        }
        session.finish();
        prop_assert!(session.settled() <= session.end());
    }
}
