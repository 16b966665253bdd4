//! The live diarization against simulated conversations, where the truth is known: models that hear who speaks, and
//! whose embeddings are the noisier the less they hear. Real ones are worse at both.

mod common;
#[path = "common/der.rs"]
mod der;

use std::time::{Duration, Instant};

use der::{FULL, Score, score};
use gstscribe::infer::npy::{Array, read_npz};
use gstscribe::speech::diarize::online::{OnlineConfig, OnlineSession};
use gstscribe::speech::diarize::{Analysis, Embedding, Geometry, Scores, Turn, Window};
use gstscribe::speech::rttm;

const RATE: u64 = 16_000;
/// pyannote's segmentation-3.0 on 5 s.
const FIVE: Geometry = Geometry {
    window: 80_000,
    frames: 293,
    ..Geometry::PYANNOTE_3
};
/// Values of an embedding.
const DIMENSION: usize = 256;

/// Deviates from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Exponentially distributed.
    fn length(&mut self, mean: f32) -> f32 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// A vector of nearly normal deviates, about `scale` long.
    fn vector(&mut self, scale: f32) -> Embedding {
        let scale = scale / (DIMENSION as f32).sqrt();
        let normal = |dice: &mut Dice| (0..12).map(|_| dice.uniform()).sum::<f32>() - 6.0;
        (0..DIMENSION).map(|_| scale * normal(self)).collect()
    }
}

/// A conversation: turns of 0.4 s and more, mean `mean`, in a tenth of the cases over the end of the one before.
fn conversation(seed: u64, people: usize, seconds: f32, mean: f32) -> Vec<Turn> {
    let mut dice = Dice(seed);
    let (mut at, mut who) = (0.5, 0);
    let mut turns = Vec::new();
    while at < seconds - 1.0 {
        let end = (at + 0.4 + dice.length(mean)).min(seconds);
        turns.push(Turn {
            speaker: format!("person {who}").into(),
            start: (at * RATE as f32) as u64,
            end: (end * RATE as f32) as u64,
            confidence: 1.0,
        });
        who = (who + 1 + (dice.uniform() * (people - 1) as f32) as usize) % people;
        at = if dice.uniform() < 0.1 {
            end - 0.5 * (end - at)
        } else {
            end + dice.length(0.5)
        };
    }
    turns
}

/// What perfect ears and a fair embedding model make of a window that ends at sample `end`.
fn hear(truth: &[Turn], voices: &[Embedding], window: &Window, end: u64) -> Analysis {
    let g = FIVE;
    let first = end as i64 - g.window as i64 + g.receptive_field as i64 / 2;
    let at = |frame: usize| first + (frame * g.frame_step) as i64;
    let seen = |turn: &&Turn| turn.end as i64 > first && turn.start < end;
    let near: Vec<&Turn> = truth.iter().filter(seen).collect();
    let track = |who: usize| {
        let name = format!("person {who}");
        let of_it: Vec<&&Turn> = near.iter().filter(|turn| *turn.speaker == *name).collect();
        let speaks = |at: i64| of_it.iter().any(|t| (t.start as i64..t.end as i64).contains(&at));
        (0..g.frames)
            .map(|frame| speaks(at(frame)))
            .collect::<Vec<bool>>()
    };
    let mut tracks: Vec<(usize, Vec<bool>)> = (0..voices.len())
        .map(|who| (who, track(who)))
        .filter(|(_, track)| track.contains(&true))
        .collect();
    // Local speakers by first appearance.
    tracks.sort_by_key(|(_, track)| track.iter().position(|active| *active));
    tracks.truncate(g.speakers);
    let score = |frame: usize, local: usize| match tracks.get(local) {
        Some((_, track)) if track[frame] => 0.9,
        _ => 0.05,
    };
    let embedding = |local: usize| {
        let (who, track) = tracks.get(local)?;
        let seconds =
            track.iter().filter(|active| **active).count() as f32 * g.frame_step as f32 / RATE as f32;
        // At 2 s the distance from the voice is 0.3, about what WeSpeaker's ResNet34 has on meetings.
        let noise = Dice(end * 8 + *who as u64).vector((2.0 / seconds).sqrt());
        let voice = voices[*who].iter().zip(noise).map(|(a, b)| a + b).collect();
        (seconds >= 0.25).then_some(voice)
    };
    Analysis {
        start: window.start,
        scores: Scores {
            speakers: g.speakers,
            values: (0..g.frames)
                .flat_map(|f| (0..g.speakers).map(move |l| (f, l)))
                .map(|(f, l)| score(f, l))
                .collect(),
        },
        embeddings: (0..g.speakers).map(embedding).collect(),
        ..Analysis::default()
    }
}

fn diarize(config: OnlineConfig, truth: &[Turn], people: usize, seconds: u64) -> (Score, usize) {
    let mut dice = Dice(7);
    let voices: Vec<Embedding> = (0..people).map(|_| dice.vector(1.0)).collect();
    let step = config.step;
    let mut session = OnlineSession::new(config, FIVE);
    let turns = listen(&mut session, step, seconds, |window, end| {
        hear(truth, &voices, window, end)
    });
    (score(truth, &turns, FULL), session.speakers().len())
}

/// The turns of so many seconds, pushed one by one, of which `hear` analyses each window and knows where it ends.
fn listen(
    session: &mut OnlineSession,
    step: u64,
    seconds: u64,
    hear: impl Fn(&Window, u64) -> Analysis,
) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut windows = 0;
    for second in 0..=seconds {
        if second < seconds {
            session.push(&vec![0.1; RATE as usize]);
        } else {
            session.finish();
        }
        while let Some(window) = session.next_window() {
            windows += 1;
            session.accept(&hear(&window, windows * step));
        }
        turns.extend(session.take_turns());
    }
    turns
}

/// Five conversations of four minutes; all speakers are found, in one of them one too many at most, and the error is at
/// most `most`.
#[track_caller]
fn check(latency: f64, people: usize, mean: f32, most: f64) {
    let (mut wrong, mut total, mut found) = (0, 0, 0);
    for seed in 0..5 {
        let truth = conversation(seed, people, 240.0, mean);
        let config = OnlineConfig {
            latency: (latency * RATE as f64) as u64,
            tau: 0.5,
            delta: 0.7,
            ..OnlineConfig::default()
        };
        let (score, speakers) = diarize(config, &truth, people, 240);
        assert!(
            speakers >= people,
            "latency {latency} s, conversation {seed}: {score}"
        );
        found += speakers;
        wrong += score.miss + score.false_alarm + score.confusion;
        total += score.total;
    }
    let der = wrong as f64 / total as f64;
    let what = format!(
        "latency {latency} s, {people} people: DER {:.1} %, {found} found",
        100.0 * der
    );
    println!("{what}");
    assert!(der < most && found <= 5 * people + 1, "{what}");
}

#[test]
fn two_people_are_told_apart() {
    check(0.5, 2, 3.0, 0.03);
    check(2.0, 2, 3.0, 0.01);
    check(5.0, 2, 3.0, 0.01);
}

#[test]
fn four_people_are_told_apart() {
    check(0.5, 4, 3.0, 0.1);
    check(2.0, 4, 3.0, 0.03);
    check(5.0, 4, 3.0, 0.02);
}

/// The windows of a clip as the reference pipeline saw them: 10 s long, one a second, none reaching over the beginning.
struct Clip {
    segmentations: Array,
    embeddings: Array,
    reference: Vec<Turn>,
}

impl Clip {
    fn read(name: &str) -> Option<Clip> {
        let folder = common::shared(&format!("fixtures/diarization/{name}"))?;
        let text = std::fs::read_to_string(folder.join("reference.rttm")).unwrap();
        Some(Clip {
            segmentations: read_npz(&folder.join("segmentations.npz"), "segmentations").unwrap(),
            embeddings: read_npz(&folder.join("raw_embeddings.npz"), "embeddings").unwrap(),
            reference: rttm::read(&text).unwrap().into_iter().map(|r| r.turn).collect(),
        })
    }

    /// What was recorded of the window that ends at sample `end`; nobody speaks where nothing was.
    fn hear(&self, window: &Window, end: u64) -> Analysis {
        let g = Geometry::PYANNOTE_3;
        let number = end
            .checked_sub(g.window as u64)
            .map(|start| (start / RATE) as usize);
        let Some(number) = number.filter(|number| *number < self.segmentations.shape[0]) else {
            return Analysis {
                start: window.start,
                ..Analysis::default()
            };
        };
        let piece = |array: &Array| -> Vec<f32> {
            let length = array.shape[1] * array.shape[2];
            array.values[number * length..][..length]
                .iter()
                .map(|x| *x as f32)
                .collect()
        };
        let scores = Scores {
            speakers: g.speakers,
            values: piece(&self.segmentations),
        };
        let embeddings = piece(&self.embeddings);
        Analysis {
            start: window.start,
            scores,
            embeddings: embeddings
                .chunks(self.embeddings.shape[2])
                .map(|e| Some(e.to_vec()))
                .collect(),
            ..Analysis::default()
        }
    }
}

/// Real segmentations and embeddings: the online clustering finds about what the offline one found.
#[test]
fn the_references_tensors_give_about_its_turns() {
    // Measured: 5.7 % and 8.0 %, most of it missed where windows disagree.
    for (name, most) in [("02_pyannote_sample", 0.07), ("03_dual_speaker", 0.1)] {
        let Some(clip) = Clip::read(name) else { return };
        let g = Geometry::PYANNOTE_3;
        let config = OnlineConfig {
            step: RATE,
            latency: g.window as u64,
            tau: 0.5,
            ..OnlineConfig::default()
        };
        let mut session = OnlineSession::new(config, g);
        let seconds = clip
            .reference
            .iter()
            .map(|turn| turn.end)
            .max()
            .unwrap()
            .div_ceil(RATE);
        let turns = listen(&mut session, RATE, seconds, |window, end| clip.hear(window, end));
        let score = score(&clip.reference, &turns, FULL);
        println!("{name}: {score}");
        assert!(score.der() < most && score.speakers == (2, 2), "{name}: {score}");
    }
}

#[test]
fn the_last_step_takes_as_long_as_the_first() {
    const PEOPLE: usize = 30;
    let mut dice = Dice(3);
    let voices: Vec<Embedding> = (0..PEOPLE).map(|_| dice.vector(1.0)).collect();
    let mut session = OnlineSession::new(OnlineConfig::default(), FIVE);
    let half_a_second = vec![0.1; RATE as usize / 2];
    let mut times = Vec::new();
    // An hour in which two of the people speak at any time.
    for step in 0..7_200_usize {
        let begun = Instant::now();
        session.push(&half_a_second);
        let window = session.next_window().expect("a window a step");
        let who = |local: usize| &voices[(step / 8 + local) % PEOPLE];
        session.accept(&Analysis {
            start: window.start,
            scores: Scores {
                speakers: 2,
                values: vec![0.9; 2 * FIVE.frames],
            },
            embeddings: (0..2).map(|local| Some(who(local).clone())).collect(),
            ..Analysis::default()
        });
        session.take_turns();
        times.push(begun.elapsed());
    }
    assert_eq!(session.speakers().len(), OnlineConfig::default().max_speakers);
    let median = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    // When all slots are in use.
    let (first, last) = (median(&times[600..1_200]), median(&times[6_600..]));
    println!("a step takes {first:?} in the beginning and {last:?} after an hour");
    assert!(
        last < 3 * first,
        "{first:?} in the beginning, {last:?} after an hour"
    );
}
