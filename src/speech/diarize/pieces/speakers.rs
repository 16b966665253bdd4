//! The voices of all pieces → the speakers of the recording.

use crate::speech::diarize::cluster::{
    Blocks, Dendrogram, Linkage, Points, Sticky, Voices, absorb, cut_elsewhere, link, stick,
};
use crate::speech::diarize::vectors::{dot, normalised};
use crate::speech::diarize::{Bounds, Hysteresis};

/// How pieces become speakers. The defaults fit the bundled embedding model; chosen on conversations of held-out voices and
/// looked at on recordings of people (ADRs 14 and 17).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PieceRule {
    /// Pieces whose mean cosine distance is less are one speaker's to begin with, 0 to 2.
    pub distance: f64,
    /// What makes of these the speakers who remain.
    pub sticky: Sticky,
    /// Who speaks for less, in seconds, is no speaker but somebody else's noise.
    pub least: f64,
    /// From how many expected speakers on there is speech, and as far as how many it reaches.
    pub presence: Hysteresis,
}

impl Default for PieceRule {
    fn default() -> Self {
        PieceRule {
            distance: 0.5,
            sticky: Sticky {
                // The median of two pieces of one person, held out or recorded elsewhere.
                within: 0.37,
                acoustic: 0.04,
                speaker: 0.3,
                stay: 0.5,
            },
            least: 3.0,
            // Of offsets of 0.5, 0.2, 0.15 and 0.1 the one that serves recordings with a tight truth and with a wide one.
            presence: Hysteresis {
                onset: 0.5,
                offset: 0.2,
            },
        }
    }
}

/// A shorter piece, in seconds, shapes no cluster.
const SHAPING: f64 = 1.0;
/// A piece of this much speech, in seconds, is trusted wholly; the weight of a shorter one falls with the root.
const TRUSTED: f64 = 2.0;
/// Where the number of speakers is given, fewer pieces than these are none. Most moments are in two or three.
const FEWEST_PIECES: u32 = 5;
/// Pieces × speakers to begin with, at most: keeps ten hours within some tens of megabytes and seconds.
const MOST_CELLS: usize = 2_000_000;

/// A piece as the clustering sees it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its embedding.
    pub voice: &'a [f32],
    /// Seconds in which one person speaks: what the voice is known by.
    pub clean: f64,
    /// Seconds of it that no other piece answers for.
    pub share: f64,
}

/// The speakers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Of each piece; `None` for a voice without a direction.
    pub speaker: Vec<Option<usize>>,
    /// The direction of each speaker's voice.
    pub centroids: Vec<Vec<f64>>,
}

/// The speakers of `pieces`, which are in order of time.
pub fn find(pieces: &[Known], rule: &PieceRule, bounds: &Bounds, blocks: &Blocks) -> Found {
    let (voices, kept) = Voices::new(pieces.iter().map(|piece| piece.voice));
    let known: Vec<&Known> = kept.iter().map(|i| &pieces[*i]).collect();
    let labels = label(&voices, &known, rule, bounds, blocks);
    let shares: Vec<f64> = known.iter().map(|piece| piece.share).collect();
    let count = labels.iter().max().map_or(0, |last| last + 1);
    let mut speaker = vec![None; pieces.len()];
    kept.iter()
        .zip(&labels)
        .for_each(|(i, label)| speaker[*i] = Some(*label));
    Found {
        speaker,
        centroids: centroids(&voices, &labels, &shares, count),
    }
}

/// Numbers without gaps, one a voice.
fn label(
    voices: &Voices,
    known: &[&Known],
    rule: &PieceRule,
    bounds: &Bounds,
    blocks: &Blocks,
) -> Vec<usize> {
    let one = vec![0; voices.len()];
    let is_long = |piece: &&&Known| piece.clean >= SHAPING;
    let (long, _) = Voices::new(known.iter().filter(is_long).map(|piece| piece.voice));
    if long.len() < 2 || bounds.of(long.len()).1 < 2 {
        return one;
    }
    let (points, _) = blocks.condense(&long, Linkage::Average);
    let tree = link(&points, Linkage::Average, 1);
    let begun = nearest(voices, &largest(&points, &tree, rule.distance, voices.len()));
    let found = settle(voices, known, rule, &begun);
    let count = |labels: &[usize]| labels.iter().max().map_or(0, |last| last + 1);
    let Some(wanted) = bounds.wanted(count(&found), long.len()) else {
        return found;
    };
    let forced = nearest(voices, &forced(&points, &tree, rule.distance, wanted));
    let found = settle(voices, known, rule, &forced);
    if count(&found) == wanted { found } else { forced }
}

/// The centroids of the clusters below `distance`, no more than the model has room for.
fn largest(points: &Points, tree: &Dendrogram, distance: f64, voices: usize) -> Points {
    let clusters = tree.cut(distance);
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let centroids = points.centroids(&clusters, count);
    let most = (MOST_CELLS / voices.max(1)).max(2);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|cluster| std::cmp::Reverse(centroids.weight(*cluster)));
    let mut kept = Points::new(points.dimension());
    for cluster in order.into_iter().take(most) {
        kept.push(
            centroids.point(cluster).iter().copied(),
            centroids.weight(cluster),
        );
    }
    kept
}

/// The centroids of `wanted` clusters, or of as near a number as the tree has.
fn forced(points: &Points, tree: &Dendrogram, distance: f64, wanted: usize) -> Points {
    let all: u32 = (0..points.len()).map(|i| points.weight(i)).sum();
    let fewest = (all / 10).clamp(1, FEWEST_PIECES);
    let clusters = cut_elsewhere(tree, points, distance, fewest, wanted);
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let sizes = points.centroids(&clusters, count);
    let clusters = absorb(points, clusters, |cluster| sizes.weight(cluster) >= fewest);
    points.centroids(&clusters, clusters.iter().max().map_or(0, |last| last + 1))
}

/// The speakers who remain, and who of them each voice is.
fn settle(voices: &Voices, known: &[&Known], rule: &PieceRule, begun: &[usize]) -> Vec<usize> {
    let trust: Vec<f64> = known
        .iter()
        .map(|piece| (piece.clean / TRUSTED).min(1.0).sqrt())
        .collect();
    let labels = stick(voices, &trust, begun, &rule.sticky);
    let shares: Vec<f64> = known.iter().map(|piece| piece.share).collect();
    let count = labels.iter().max().map_or(0, |last| last + 1);
    let mut spoken = vec![0.0; count];
    labels
        .iter()
        .zip(&shares)
        .for_each(|(label, share)| spoken[*label] += share);
    let most = spoken.iter().fold(0.0, |most: f64, spoken| most.max(*spoken));
    let is_kept = |label: usize| spoken[label] >= rule.least.min(most) && spoken[label] > 0.0;
    let all = centroids(voices, &labels, &shares, count);
    let mut kept = Points::new(voices.dimension());
    let mut new = vec![0; count];
    for (label, centroid) in all.into_iter().enumerate().filter(|(label, _)| is_kept(*label)) {
        new[label] = kept.len();
        kept.push(centroid, 1);
    }
    let elsewhere = nearest(voices, &kept);
    let speakers = labels.iter().zip(elsewhere);
    speakers
        .map(|(label, other)| if is_kept(*label) { new[*label] } else { other })
        .collect()
}

/// The first of the most similar of `centroids`, for each voice.
fn nearest(voices: &Voices, centroids: &Points) -> Vec<usize> {
    let directions: Vec<Vec<f64>> = (0..centroids.len())
        .map(|i| normalised(centroids.point(i)))
        .collect();
    let of = |i: usize| {
        let voice: Vec<f64> = voices.normalised(i).collect();
        let mut best = (f64::NEG_INFINITY, 0);
        for (k, direction) in directions.iter().enumerate() {
            let similarity = dot(&voice, direction);
            if similarity > best.0 {
                best = (similarity, k);
            }
        }
        best.1
    };
    (0..voices.len()).map(of).collect()
}

/// The direction of each speaker's voice, each of its pieces weighted by its share.
fn centroids(voices: &Voices, labels: &[usize], shares: &[f64], count: usize) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; voices.dimension()]; count];
    for (i, (label, share)) in labels.iter().zip(shares).enumerate() {
        // A piece without a share of its own is still this speaker's voice, where there is no other.
        let share = share.max(1e-3);
        let voice = voices.normalised(i);
        sums[*label]
            .iter_mut()
            .zip(voice)
            .for_each(|(sum, x)| *sum += share * x);
    }
    sums.iter().map(|sum| normalised(sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voices of 64 values: the first half alike for all, the axis behind it the speaker's, and noise.
    fn voices(who: &[usize]) -> Vec<Vec<f32>> {
        let mut state = 7u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0.12 * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        let voice = |who: &usize| {
            let mut voice: Vec<f32> = (0..64).map(|_| noise()).collect();
            voice[32 + who] += 1.0;
            voice
        };
        who.iter().map(voice).collect()
    }

    fn speakers(who: &[usize], clean: &[f64], bounds: Bounds) -> Vec<Option<usize>> {
        let voices = voices(who);
        let known = |(voice, clean): (&'_ Vec<f32>, &f64)| (voice.clone(), *clean);
        let owned: Vec<_> = voices.iter().zip(clean).map(known).collect();
        let pieces: Vec<Known> = owned
            .iter()
            .map(|(voice, clean)| Known {
                voice,
                clean: *clean,
                share: clean / 2.0,
            })
            .collect();
        find(&pieces, &PieceRule::default(), &bounds, &Blocks::default()).speaker
    }

    fn exactly(n: u32) -> Bounds {
        Bounds {
            exactly: Some(n),
            ..Bounds::default()
        }
    }

    #[test]
    fn voices_are_told_apart() {
        let who = [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 1, 1];
        let found = speakers(&who, &[2.0; 16], Bounds::default());
        // Whatever their numbers.
        let number = [0, 4, 10].map(|first| found[first]);
        assert_eq!(found, who.map(|who| number[who]));
        assert!(
            number
                .iter()
                .all(|n| number.iter().filter(|m| *m == n).count() == 1)
        );
    }

    #[test]
    fn whoever_hardly_speaks_is_no_speaker() {
        let who = [0, 0, 0, 0, 0, 3, 1, 1, 1, 1, 1];
        let found = speakers(&who, &[2.0; 11], Bounds::default());
        assert_eq!(found[..5], [found[0]; 5]);
        assert_eq!(found[6..], [found[6]; 5]);
        assert!(
            found[0] != found[6] && (found[5] == found[0] || found[5] == found[6]),
            "{found:?}"
        );
    }

    #[test]
    fn bounds_are_kept() {
        let who = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2];
        for n in [1, 2, 3] {
            let found = speakers(&who, &[2.0; 15], exactly(n));
            let mut different: Vec<_> = found.iter().flatten().collect();
            different.sort();
            different.dedup();
            assert_eq!(different.len(), n as usize, "{found:?}");
        }
    }

    #[test]
    fn little_is_one_speaker() {
        assert_eq!(speakers(&[], &[], Bounds::default()), []);
        assert_eq!(speakers(&[1], &[2.0], Bounds::default()), [Some(0)]);
        assert_eq!(speakers(&[1, 2], &[0.5, 0.5], Bounds::default()), [Some(0); 2]);
    }

    #[test]
    fn a_voice_without_a_direction_is_nobody() {
        let none = [0.0; 4];
        let some = [1.0, 0.0, 0.0, 0.0];
        let known = |voice| Known {
            voice,
            clean: 2.0,
            share: 2.0,
        };
        let found = find(
            &[known(&none), known(&some)],
            &PieceRule::default(),
            &Bounds::default(),
            &Blocks::default(),
        );
        assert_eq!(found.speaker, [None, Some(0)]);
        assert_eq!(found.centroids, [some.map(f64::from).to_vec()]);
    }
}
