//! What the end of an offline diarization takes, by the length of the recording, and whether clustering in two stages
//! finds the same people as in one.
//!
//!     cargo bench --bench diarize_scale -- [HOURS...]
//!
//! The recording is synthetic: people take turns of some seconds with pauses and overlap, one who talks a lot, some who
//! talk little. A window hears up to three of them; its embeddings lie around a direction of each person's own, with a
//! part that stays for some windows (what is said, the place) and a part that does not. No model runs. Each length is
//! measured in a process of its own: seconds of pushing and accepting, seconds to conclude, the peak resident set, and
//! the share of the speech that is given to the wrong person.

use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use gstscribe::speech::diarize::cluster::{Blocks, Variational, Voices, agglomerate};
use gstscribe::speech::diarize::pieces::{Cut, Piece, PieceRule, cut, piece_mask};
use gstscribe::speech::diarize::{
    Analysis, Bounds, Clustering, Geometry, OfflineConfig, OfflineSession, PYANNOTE_THRESHOLD, Plda, Scores,
    Turn,
};

const GEOMETRY: Geometry = Geometry::PYANNOTE_3;
const RATE: u64 = 16_000;
const DIMENSION: usize = 256;
const PEOPLE: usize = 8;
/// How this program calls itself for one measurement.
const ONE: &str = "--one";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|a| a == ONE) {
        return one(arguments[1].parse().unwrap(), &arguments[2]);
    }
    let mut hours: Vec<String> = arguments;
    if hours.is_empty() {
        hours = ["1", "4", "10"].map(String::from).to_vec();
    }
    println!("hours  clustering  embeddings  accept s  conclude s  peak MB  speakers  turns  wrong person %");
    for hours in &hours {
        for clustering in ["ahc", "vbx", "pieces"] {
            let myself = std::env::current_exe().unwrap();
            let output = Command::new(myself)
                .args([ONE, hours, clustering])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            print!("{text}");
        }
    }
    one_stage_or_two();
}

fn one(hours: f64, clustering: &str) {
    let config = OfflineConfig {
        clustering: match clustering {
            "vbx" => Clustering::Vbx(Variational::new(Arc::new(plda()))),
            _ => Clustering::default(),
        },
        pieces: (clustering == "pieces").then(PieceRule::default),
        ..OfflineConfig::default()
    };
    let mut conversation = Conversation::new(hours, 1.0);
    let length = conversation.length;
    let mut session = OfflineSession::new(config, GEOMETRY);
    let mut left = length;
    let mut embeddings = 0;
    let started = Instant::now();
    while !session.is_done() {
        let n = (session.room() as u64).min(left).min(RATE);
        session.push(&vec![0.1; n as usize]);
        left -= n;
        if left == 0 {
            session.finish();
        }
        while let Some(window) = session.next_window() {
            let mut analysis = conversation.analyse(window.start);
            if let Some(focus) = &window.focus {
                analysis.pieces = pieces(&analysis, &GEOMETRY.frames_in(focus));
                analysis.embeddings.clear();
            }
            embeddings += analysis.embeddings.iter().flatten().count() + analysis.pieces.len();
            session.accept(analysis);
        }
    }
    let accepted = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let conclusion = session.conclude();
    let concluded = started.elapsed().as_secs_f64();
    println!(
        "{hours:5}  {clustering:10}  {embeddings:10}  {accepted:8.1}  {concluded:10.1}  {:7.0}  {:8}  {:5}  {:.2}",
        peak() / 1e6,
        conclusion.speakers.len(),
        conclusion.turns.len(),
        100.0 * conversation.wrong(&conclusion.turns),
    );
}

/// The pieces of a window, each with the voice of its local speaker.
fn pieces(analysis: &Analysis, focus: &Range<usize>) -> Vec<Piece> {
    let cuts = cut(&analysis.scores, &analysis.scores, focus, &GEOMETRY);
    let piece = |Cut { speaker, frames }| {
        Some(Piece {
            speaker,
            clean: piece_mask(&analysis.scores, &frames, 0).1,
            embedding: analysis.embeddings[speaker].clone()?,
            frames,
        })
    };
    cuts.into_iter().filter_map(piece).collect()
}

/// The same embeddings as one set and in blocks.
fn one_stage_or_two() {
    println!("\nhours  noise  embeddings  one stage s  two stages s  clusters  grouped otherwise %");
    for (hours, noise) in [(0.5, 1.0), (1.0, 1.0), (1.5, 1.0), (1.0, 1.4), (1.0, 1.7)] {
        let mut conversation = Conversation::new(hours, noise);
        let windows = (0..conversation.length / RATE).map(|w| conversation.analyse(w * RATE));
        let rows: Vec<Vec<f32>> = windows.flat_map(|a| a.embeddings.into_iter().flatten()).collect();
        let (voices, _) = Voices::new(rows.iter().map(|row| &row[..]));
        let run = |most| {
            let blocks = Blocks {
                most,
                ..Blocks::default()
            };
            let started = Instant::now();
            let clusters = agglomerate(&voices, PYANNOTE_THRESHOLD, &Bounds::default(), &blocks);
            (clusters, started.elapsed().as_secs_f64())
        };
        let (one, one_took) = run(usize::MAX);
        let (two, two_took) = run(1_000);
        let count = |clusters: &[usize]| clusters.iter().max().map_or(0, |last| last + 1);
        println!(
            "{hours:5}  {noise:5}  {:10}  {one_took:11.1}  {two_took:12.1}  {:3} {:3}   {:.3}",
            voices.len(),
            count(&one),
            count(&two),
            100.0 * otherwise(&one, &two),
        );
    }
}

/// The share of voices that are not in the cluster of `b` in which most of their cluster of `a` are.
fn otherwise(a: &[usize], b: &[usize]) -> f64 {
    let size = a.iter().chain(b).max().map_or(0, |last| last + 1);
    let mut together = vec![0usize; size * size];
    a.iter().zip(b).for_each(|(a, b)| together[a * size + b] += 1);
    let same: usize = together
        .chunks(size.max(1))
        .filter_map(|row| row.iter().max())
        .sum();
    1.0 - same as f64 / a.len().max(1) as f64
}

/// A PLDA that fits the synthetic voices: the first half of the axes, all alike.
fn plda() -> Plda {
    let half = DIMENSION / 2;
    let square = |size: usize, columns: usize, value: f64| {
        let mut matrix = vec![0.0; size * columns];
        (0..columns).for_each(|i| matrix[i * columns + i] = value);
        matrix
    };
    // Voices of one person have a cosine of 0.7: of the variance 1, that is between people, and 0.3 within.
    Plda::new(
        vec![0.0; DIMENSION],
        vec![0.0; half],
        square(DIMENSION, half, 1.0),
        vec![0.0; half],
        square(half, half, 1.0 / 0.3f64.sqrt()),
        vec![0.7 / 0.3; half],
    )
    .unwrap()
}

struct Conversation {
    length: u64,
    /// First sample, end and person, in order of the starts.
    turns: Vec<(u64, u64, usize)>,
    directions: Vec<Vec<f32>>,
    /// The part of each person's voice that stays for a while.
    moods: Vec<Vec<f32>>,
    noise: f32,
    random: Random,
    /// The first turn that a later window may need.
    from: usize,
}

impl Conversation {
    /// With voices that vary as those of a good model do, times `noise`.
    fn new(hours: f64, noise: f32) -> Self {
        let mut random = Random(1);
        let length = (hours * 3600.0) as u64 * RATE;
        let mut turns = Vec::new();
        let (mut at, mut person) = (0u64, 0);
        while at < length {
            // One person in two turns goes on; others by rank, the first talking most.
            if random.uniform() > 0.3 {
                person = ((PEOPLE as f32 + 1.0).powf(random.uniform()) - 1.0) as usize % PEOPLE;
            }
            let turn = (0.5 + 5.0 * -random.uniform().max(1e-6).ln()) * RATE as f32;
            let end = (at + turn as u64).min(length);
            turns.push((at, end, person));
            // Mostly a pause, now and then an overlap of up to two seconds.
            let shift = random.uniform() * 2.0 * RATE as f32;
            at = if random.uniform() < 0.25 {
                end - (shift as u64).min((end - at) / 2)
            } else {
                end + shift as u64
            };
        }
        let common = random.vector(0.4);
        let directions = (0..PEOPLE).map(|_| add(&random.vector(1.0), &common)).collect();
        Self {
            length,
            turns,
            directions,
            moods: vec![vec![0.0; DIMENSION]; PEOPLE],
            noise,
            random,
            from: 0,
        }
    }

    fn analyse(&mut self, start: u64) -> Analysis {
        let end = start + GEOMETRY.window as u64;
        while self.turns.get(self.from).is_some_and(|t| t.1 + RATE * 60 < start) {
            self.from += 1;
        }
        let here: Vec<_> = self.turns[self.from..]
            .iter()
            .take_while(|t| t.0 < end)
            .filter(|t| t.1 > start)
            .collect();
        let mut locals: Vec<usize> = Vec::new();
        for (.., person) in &here {
            if !locals.contains(person) && locals.len() < GEOMETRY.speakers {
                locals.push(*person);
            }
        }
        let mut values = vec![0.0; GEOMETRY.frames * GEOMETRY.speakers];
        for (from, to, person) in &here {
            let Some(local) = locals.iter().position(|l| l == person) else {
                continue;
            };
            for frame in 0..GEOMETRY.frames {
                let centre = start + (GEOMETRY.receptive_field / 2 + frame * GEOMETRY.frame_step) as u64;
                if (*from..*to).contains(&centre) {
                    values[frame * GEOMETRY.speakers + local] = 1.0;
                }
            }
        }
        for mood in &mut self.moods {
            let change = self.random.vector(self.noise * 0.5 * (1.0f32 - 0.9 * 0.9).sqrt());
            mood.iter_mut().zip(change).for_each(|(m, c)| *m = *m * 0.9 + c);
        }
        let voice = |local: usize| {
            let person = *locals.get(local)?;
            let frames = values
                .iter()
                .skip(local)
                .step_by(GEOMETRY.speakers)
                .filter(|v| **v > 0.0)
                .count();
            // Short speech makes a poor embedding.
            let noise = self
                .random
                .vector(self.noise * (0.4 + 0.6 * (-(frames as f32) / 60.0).exp()));
            Some(add(&add(&self.directions[person], &self.moods[person]), &noise))
        };
        Analysis {
            start,
            embeddings: (0..GEOMETRY.speakers).map(voice).collect(),
            scores: Scores {
                speakers: GEOMETRY.speakers,
                values,
            },
            ..Analysis::default()
        }
    }

    /// The share of the turns' time in which somebody else speaks than the person whom the label mostly means.
    fn wrong(&self, turns: &[Turn]) -> f64 {
        let tenth = RATE / 10;
        let mut truth = vec![0u16; (self.length / tenth) as usize + 1];
        for (start, end, person) in &self.turns {
            (start / tenth..end / tenth).for_each(|t| truth[t as usize] |= 1 << person);
        }
        let mut labels: Vec<(Arc<str>, [usize; PEOPLE], usize)> = Vec::new();
        for turn in turns {
            let known = labels
                .iter()
                .position(|l| l.0 == turn.speaker)
                .unwrap_or_else(|| {
                    labels.push((turn.speaker.clone(), [0; PEOPLE], 0));
                    labels.len() - 1
                });
            for t in turn.start / tenth..turn.end / tenth {
                let who = truth[t as usize];
                labels[known].2 += usize::from(who != 0);
                (0..PEOPLE)
                    .filter(|p| who >> p & 1 == 1)
                    .for_each(|p| labels[known].1[p] += 1);
            }
        }
        let right: usize = labels.iter().filter_map(|l| l.1.iter().max()).sum();
        let all: usize = labels.iter().map(|l| l.2).sum();
        1.0 - right as f64 / all.max(1) as f64
    }
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Xorshift; the same numbers each time.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A random direction, about this long.
    fn vector(&mut self, length: f32) -> Vec<f32> {
        // Uniform on ±√3 has the variance 1.
        let scale = length * (12.0 / DIMENSION as f32).sqrt();
        (0..DIMENSION).map(|_| (self.uniform() - 0.5) * scale).collect()
    }
}

/// The peak resident set of this process in bytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}
