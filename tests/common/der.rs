//! How wrong turns are: diarization error rate (NIST, "RT-09 evaluation plan", section 6.1) and Jaccard error rate
//! (Second DIHARD Challenge, evaluation plan, section 4.2). Tests only; checked against pyannote.metrics.
//!
//! The whole recording is scored, from 0 to the end of the last turn of either side.

use std::collections::BTreeSet;

use gstscribe::speech::diarize::{Turn, match_rows};

const RATE: f64 = 16_000.0;

/// What is left out of the score.
#[derive(Clone, Copy, Debug)]
pub struct Scoring {
    /// Samples on each side of each boundary of the reference. NIST, dscore and NeMo count like this; pyannote's
    /// `collar` is the sum of both sides, so their usual 0.25 s is its 0.5.
    pub collar: u64,
    /// Whether those stretches count where the reference has several speakers at once.
    pub overlap: bool,
}

/// All counts: no collar, overlap scored.
pub const FULL: Scoring = Scoring {
    collar: 0,
    overlap: true,
};

/// What was wrong, in samples of speakers' time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Speech of the reference.
    pub total: u64,
    /// Of it, what nobody said in the hypothesis.
    pub miss: u64,
    /// What nobody said in the reference.
    pub false_alarm: u64,
    /// What another said.
    pub confusion: u64,
    /// Jaccard error rate, 0 to 1.
    pub jer: f64,
    /// Speakers in the reference and in the hypothesis.
    pub speakers: (usize, usize),
}

impl Score {
    /// Diarization error rate, from 0; can be above 1.
    pub fn der(&self) -> f64 {
        (self.miss + self.false_alarm + self.confusion) as f64 / (self.total as f64).max(1.0)
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |samples: u64| 100.0 * samples as f64 / (self.total as f64).max(1.0);
        write!(
            f,
            "DER {:.1} % (miss {:.1}, false alarm {:.1}, confusion {:.1}), JER {:.1} %, {} speakers for {}, {:.1} s of \
             speech",
            100.0 * self.der(),
            share(self.miss),
            share(self.false_alarm),
            share(self.confusion),
            100.0 * self.jer,
            self.speakers.1,
            self.speakers.0,
            self.total as f64 / RATE,
        )
    }
}

/// A stretch in which nobody begins or ends, and who speaks in it, as numbers of labels.
struct Cell {
    length: u64,
    reference: Vec<usize>,
    hypothesis: Vec<usize>,
}

/// Scores `hypothesis` against `reference`, with the mapping of speakers that makes the error least.
pub fn score(reference: &[Turn], hypothesis: &[Turn], scoring: Scoring) -> Score {
    let (known, found) = (labels(reference), labels(hypothesis));
    let cells = cells(reference, &known, hypothesis, &found, scoring);
    let mut together = vec![0.0; known.len() * found.len()];
    let mut result = Score {
        speakers: (known.len(), found.len()),
        ..Score::default()
    };
    for cell in &cells {
        for r in &cell.reference {
            for h in &cell.hypothesis {
                together[r * found.len() + h] -= cell.length as f64;
            }
        }
    }
    let mut mapping = match_rows(&together, found.len());
    mapping.resize(known.len(), None);
    for (r, mapped) in mapping.iter_mut().enumerate() {
        *mapped = mapped.filter(|h| together[r * found.len() + h] < 0.0);
    }
    for cell in &cells {
        let (speak, heard) = (cell.reference.len() as u64, cell.hypothesis.len() as u64);
        let right = |r: &&usize| mapping[**r].is_some_and(|h| cell.hypothesis.contains(&h));
        let right = cell.reference.iter().filter(right).count() as u64;
        result.total += speak * cell.length;
        result.miss += speak.saturating_sub(heard) * cell.length;
        result.false_alarm += heard.saturating_sub(speak) * cell.length;
        result.confusion += (speak.min(heard) - right) * cell.length;
    }
    result.jer = jaccard(&cells, &mapping);
    result
}

fn jaccard(cells: &[Cell], mapping: &[Option<usize>]) -> f64 {
    let mut errors = Vec::new();
    for (r, mapped) in mapping.iter().enumerate() {
        let (mut both, mut either, mut spoken) = (0, 0, 0);
        for cell in cells {
            let speaks = cell.reference.contains(&r);
            let heard = mapped.is_some_and(|h| cell.hypothesis.contains(&h));
            spoken += if speaks { cell.length } else { 0 };
            both += if speaks && heard { cell.length } else { 0 };
            either += if speaks || heard { cell.length } else { 0 };
        }
        // Who is left out entirely is nobody's error.
        if spoken > 0 {
            errors.push(1.0 - both as f64 / either as f64);
        }
    }
    errors.iter().sum::<f64>() / (errors.len() as f64).max(1.0)
}

fn labels(turns: &[Turn]) -> Vec<&str> {
    let labels: BTreeSet<&str> = turns.iter().map(|turn| &*turn.speaker).collect();
    labels.into_iter().collect()
}

fn cells(
    reference: &[Turn],
    known: &[&str],
    hypothesis: &[Turn],
    found: &[&str],
    scoring: Scoring,
) -> Vec<Cell> {
    let mut edges: BTreeSet<u64> = BTreeSet::from([0]);
    let collars: Vec<(u64, u64)> = reference
        .iter()
        .flat_map(|turn| [turn.start, turn.end])
        .map(|edge| (edge.saturating_sub(scoring.collar), edge + scoring.collar))
        .collect();
    edges.extend(collars.iter().flat_map(|(from, to)| [*from, *to]));
    edges.extend(
        reference
            .iter()
            .chain(hypothesis)
            .flat_map(|turn| [turn.start, turn.end]),
    );
    let last = reference
        .iter()
        .chain(hypothesis)
        .map(|turn| turn.end)
        .max()
        .unwrap_or(0);
    let edges: Vec<u64> = edges.into_iter().filter(|edge| *edge <= last).collect();
    let mut cells = Vec::new();
    for pair in edges.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let speaking = |turns: &[Turn], labels: &[&str]| {
            let active = turns.iter().filter(|turn| turn.start <= from && turn.end >= to);
            let who: BTreeSet<usize> = active
                .filter_map(|turn| labels.iter().position(|l| **l == *turn.speaker))
                .collect();
            who.into_iter().collect::<Vec<usize>>()
        };
        let cell = Cell {
            length: to - from,
            reference: speaking(reference, known),
            hypothesis: speaking(hypothesis, found),
        };
        let in_a_collar = collars.iter().any(|(start, end)| *start <= from && *end >= to);
        if !in_a_collar && (scoring.overlap || cell.reference.len() < 2) {
            cells.push(cell);
        }
    }
    cells
}
