//! Voices in the order of time → speakers, of whom as few remain as explain the voices: a variational Bayesian hidden
//! Markov model.
//!
//! The model is VBx's (Landini, Profant, Diez and Burget, "Bayesian HMM clustering of x-vector sequences (VBx) in
//! speaker diarization", 2022): each speaker is a point drawn around zero, each voice is drawn around its speaker's,
//! speakers go on with the probability `stay`, and a speaker who explains little is given up. It departs from VBx in
//! two things: embeddings of length 1 are taken as they are, their spread the same in all directions, where VBx needs a
//! PLDA trained for the embedding model; and a voice of little speech counts for less.

use super::voices::Voices;
use crate::speech::diarize::vectors::dot;

/// How the model weighs evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sticky {
    /// The share of a voice's squared length that is not its speaker's: the mean cosine distance of two voices of one person.
    pub within: f64,
    /// Fa: how much a voice counts, less than 1 since neighbours share their speech and the values of an
    /// embedding are not independent.
    pub acoustic: f64,
    /// Fb: how much each speaker costs.
    pub speaker: f64,
    /// The probability that a voice is the speaker's of the voice before, whoever it is.
    pub stay: f64,
}

/// Passes at most; the labels settle in about five.
const PASSES: usize = 20;
/// Probabilities that change by less are settled.
const SETTLED: f64 = 1e-4;
/// Speakers with a smaller share of all voices are given up.
const LEAST_SHARE: f64 = 1e-6;
/// How sure the labels that it begins with are taken to be.
const DOUBT: f64 = 1e-3;

/// The speaker of each voice, given those of another clustering; numbers may be missing. `trust` is how much each voice counts, 0
/// to 1.
pub fn stick(voices: &Voices, trust: &[f64], begin: &[usize], rule: &Sticky) -> Vec<usize> {
    let mut speakers: Vec<usize> = (0..begin.iter().max().map_or(0, |last| last + 1)).collect();
    let n = begin.len();
    let width = speakers.len();
    let mut shares = vec![1.0 / width.max(1) as f64; width];
    let mut posterior = vec![DOUBT / (1.0 + DOUBT * (width.max(1) - 1) as f64); n * width];
    for (row, speaker) in posterior.chunks_exact_mut(width.max(1)).zip(begin) {
        row[*speaker] /= DOUBT;
    }
    for _ in 0..PASSES {
        if speakers.len() < 2 {
            break;
        }
        let likelihood = likelihoods(voices, trust, &posterior, speakers.len(), rule);
        let new = smooth(&likelihood, &shares, rule.stay);
        let change = new
            .iter()
            .zip(&posterior)
            .fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        posterior = new;
        shares = shares_of(&posterior, trust, speakers.len());
        give_up(&mut speakers, &mut shares, &mut posterior);
        if change < SETTLED {
            break;
        }
    }
    let best = |row: &[f64]| (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b]));
    let rows = posterior.chunks_exact(speakers.len().max(1));
    rows.map(|row| best(row).map_or(0, |i| speakers[i])).collect()
}

/// How likely each voice is each speaker's, up to a factor for each voice; voices × speakers, the greatest of a row is 1.
fn likelihoods(voices: &Voices, trust: &[f64], posterior: &[f64], width: usize, rule: &Sticky) -> Vec<f64> {
    let dimension = voices.dimension();
    // Voices are scaled to a spread of 1 within a speaker; then this is the spread between speakers.
    let phi = (1.0 - rule.within) / rule.within;
    let scale = (phi * dimension as f64 / rule.within).sqrt();
    let ratio = rule.acoustic / rule.speaker;
    let mut weights = vec![0.0; width];
    let mut points = vec![vec![0.0; dimension]; width];
    let mut voice = Vec::with_capacity(dimension);
    let fill = |voice: &mut Vec<f64>, i: usize| {
        voice.clear();
        voice.extend(voices.normalised(i).map(|x| x * scale));
    };
    for (i, row) in posterior.chunks_exact(width).enumerate() {
        fill(&mut voice, i);
        for ((weight, point), share) in weights.iter_mut().zip(&mut points).zip(row) {
            let share = share * trust[i];
            // Nearly all are next to nothing.
            if share > 1e-9 {
                *weight += share;
                point.iter_mut().zip(&voice).for_each(|(p, x)| *p += share * x);
            }
        }
    }
    let mut offsets = Vec::with_capacity(width);
    for (weight, point) in weights.iter().zip(&mut points) {
        let variance = 1.0 / (1.0 + ratio * weight * phi);
        point.iter_mut().for_each(|p| *p *= ratio * variance);
        offsets.push(0.5 * phi * (dimension as f64 * variance + dot(point, point)));
    }
    let mut likelihood = Vec::with_capacity(posterior.len());
    for (i, trust) in trust.iter().enumerate() {
        fill(&mut voice, i);
        let logs: Vec<f64> = points
            .iter()
            .zip(&offsets)
            .map(|(point, offset)| rule.acoustic * trust * (dot(&voice, point) - offset))
            .collect();
        let most = logs.iter().fold(f64::NEG_INFINITY, |most, log| most.max(*log));
        likelihood.extend(logs.iter().map(|log| (log - most).exp()));
    }
    likelihood
}

/// Forwards and backwards through time: the probability of each speaker for each voice.
fn smooth(likelihood: &[f64], shares: &[f64], stay: f64) -> Vec<f64> {
    let width = shares.len();
    let mut forward: Vec<f64> = Vec::with_capacity(likelihood.len());
    for (i, row) in likelihood.chunks_exact(width).enumerate() {
        let before = i.checked_sub(1).map(|i| &forward[i * width..][..width]);
        let expected = |k: usize| before.map_or(shares[k], |b| stay * b[k] + (1.0 - stay) * shares[k]);
        let mut new: Vec<f64> = (0..width).map(|k| row[k] * expected(k)).collect();
        to_one(&mut new);
        forward.extend(new);
    }
    let mut backward = vec![1.0; width];
    for i in (0..likelihood.len() / width).rev() {
        let now = &mut forward[i * width..][..width];
        now.iter_mut().zip(&backward).for_each(|(f, b)| *f *= b);
        to_one(now);
        let row = &likelihood[i * width..][..width];
        backward.iter_mut().zip(row).for_each(|(b, l)| *b *= l);
        let anybody: f64 = backward.iter().zip(shares).map(|(b, s)| b * s).sum();
        backward
            .iter_mut()
            .for_each(|b| *b = stay * *b + (1.0 - stay) * anybody);
        to_one(&mut backward);
    }
    forward
}

/// Scaled to the sum 1; all alike where there is nothing to scale.
fn to_one(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    let even = 1.0 / values.len().max(1) as f64;
    let usable = sum.is_finite() && sum > 0.0;
    values
        .iter_mut()
        .for_each(|v| *v = if usable { *v / sum } else { even });
}

fn shares_of(posterior: &[f64], trust: &[f64], width: usize) -> Vec<f64> {
    let mut shares = vec![0.0; width];
    for (row, trust) in posterior.chunks_exact(width).zip(trust) {
        shares
            .iter_mut()
            .zip(row)
            .for_each(|(share, p)| *share += p * trust);
    }
    to_one(&mut shares);
    shares
}

/// Removes the speakers who explain nothing.
fn give_up(speakers: &mut Vec<usize>, shares: &mut Vec<f64>, posterior: &mut Vec<f64>) {
    let width = speakers.len();
    let kept: Vec<bool> = shares.iter().map(|share| *share >= LEAST_SHARE).collect();
    if kept.iter().all(|kept| *kept) {
        return;
    }
    let mut column = 0;
    posterior.retain(|_| {
        column += 1;
        kept[(column - 1) % width]
    });
    let mut at = 0;
    speakers.retain(|_| {
        at += 1;
        kept[at - 1]
    });
    shares.retain(|share| *share >= LEAST_SHARE);
    posterior.chunks_exact_mut(speakers.len().max(1)).for_each(to_one);
    to_one(shares);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: Sticky = Sticky {
        within: 0.4,
        acoustic: 0.2,
        speaker: 0.5,
        stay: 0.5,
    };

    /// Voices of 32 values near one of the axes each, `off` from it by noise that is the same each time.
    fn voices(axes: &[usize], off: f32) -> Vec<Vec<f32>> {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let voice = |axis: &usize| {
            let mut voice: Vec<f32> = (0..32).map(|_| off * noise()).collect();
            voice[*axis] += 1.0;
            voice
        };
        axes.iter().map(voice).collect()
    }

    #[track_caller]
    fn check(axes: &[usize], off: f32, trust: f64, begin: &[usize], expected: &[usize]) {
        let rows = voices(axes, off);
        let (voices, _) = Voices::new(rows.iter().map(Vec::as_slice));
        assert_eq!(stick(&voices, &vec![trust; axes.len()], begin, &RULE), expected);
    }

    #[test]
    fn speakers_who_are_one_become_one() {
        // Twelve voices of one person that were taken for three people.
        let begin = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2];
        let found = {
            let rows = voices(&[0; 12], 0.15);
            let (voices, _) = Voices::new(rows.iter().map(Vec::as_slice));
            stick(&voices, &[1.0; 12], &begin, &RULE)
        };
        assert!(found.iter().all(|speaker| *speaker == found[0]), "{found:?}");
    }

    #[test]
    fn people_stay_apart_and_wrong_labels_are_mended() {
        let axes = [0, 0, 0, 0, 5, 5, 5, 5, 0, 0, 5, 5];
        let mut begin = axes.map(|axis| usize::from(axis == 5));
        begin[1] = 1;
        let expected = axes.map(|axis| usize::from(axis == 5));
        check(&axes, 0.1, 1.0, &begin, &expected);
    }

    #[test]
    fn a_voice_of_little_speech_goes_with_its_neighbours() {
        let axes = [0, 0, 0, 5, 0, 0, 0, 5, 5, 5, 5];
        let rows = voices(&axes, 0.1);
        let (voices, _) = Voices::new(rows.iter().map(Vec::as_slice));
        let begin = axes.map(|axis| usize::from(axis == 5));
        let mut trust = [1.0; 11];
        trust[3] = 0.01;
        assert_eq!(
            stick(&voices, &trust, &begin, &RULE),
            [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
        );
        assert_eq!(stick(&voices, &[1.0; 11], &begin, &RULE), begin);
    }

    #[test]
    fn few_voices_keep_what_they_have() {
        check(&[], 0.1, 1.0, &[], &[]);
        check(&[3], 0.1, 1.0, &[0], &[0]);
        check(&[3, 3], 0.1, 0.0, &[0, 0], &[0, 0]);
    }

    proptest! {
        #[test]
        fn labels_are_those_it_began_with(begin in prop::collection::vec(0_usize..4, 1..30), off in 0.0_f32..1.0) {
            let rows = voices(&begin, off);
            let (voices, _) = Voices::new(rows.iter().map(Vec::as_slice));
            let found = stick(&voices, &vec![1.0; begin.len()], &begin, &RULE);
            prop_assert_eq!(found.len(), begin.len());
            prop_assert!(found.iter().all(|speaker| begin.contains(speaker)));
        }
    }
}
