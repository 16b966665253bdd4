//! Voices → speakers as pyannote's community-1 (`VBxClustering`): agglomerative clusters are where VBx begins.

use std::sync::Arc;

use super::Bounds;
use super::agglomerate::absorb;
use super::blocks::Blocks;
use super::kmeans::k_means;
use super::linkage::{Linkage, Points, centroid_linkage};
use super::vbx::{VbxConfig, vbx};
use super::voices::Voices;
use crate::speech::diarize::Plda;

/// A speaker with less than this share is none, as in the reference.
const LEAST_SHARE: f64 = 1e-7;
/// Voices × speakers that a pass of VBx looks at, at most. It bounds the time of a long recording with many noises: in
/// ten hours, 74 speakers to begin with; in one hour, 740, more than ever seen.
const MOST_PAIRS: usize = 4_000_000;

/// What community-1 clusters with.
#[derive(Clone, Debug)]
pub struct Variational {
    /// The space in which voices are compared.
    pub plda: Arc<Plda>,
    /// Up to this distance of normalised centroids voices begin as one cluster.
    pub threshold: f64,
    /// How VBx runs.
    pub vbx: VbxConfig,
}

impl Variational {
    /// With the values of community-1.
    pub fn new(plda: Arc<Plda>) -> Self {
        Self {
            plda,
            threshold: 0.6,
            vbx: VbxConfig::default(),
        }
    }
}

/// The centroids of the speakers: means of the voices as they came, weighted by how likely each is the speaker's. The
/// flag tells that their number was forced (k-means).
///
/// The voices must have as many values as the PLDA takes.
pub fn cluster_variationally(
    voices: &Voices,
    config: &Variational,
    bounds: &Bounds,
    blocks: &Blocks,
) -> (Vec<Vec<f64>>, bool) {
    let (points, point_of) = blocks.condense(voices, Linkage::Centroid);
    let clusters = centroid_linkage(&points, 1).cut(config.threshold);
    let most = (MOST_PAIRS / voices.len().max(1)).max(2);
    let clusters = keep_largest(&points, clusters, most);
    let start: Vec<usize> = point_of.iter().map(|point| clusters[*point]).collect();
    let features = (0..voices.len())
        .flat_map(|i| config.plda.project(voices.row(i)))
        .collect();
    let posterior = vbx(features, config.plda.between(), &start, &config.vbx);
    let kept: Vec<usize> = (0..posterior.shares.len())
        .filter(|s| posterior.shares[*s] > LEAST_SHARE)
        .collect();
    if let Some(wanted) = bounds.wanted(kept.len(), voices.len()) {
        let clusters = k_means(&points, wanted);
        let clusters: Vec<usize> = point_of.iter().map(|point| clusters[*point]).collect();
        return (voices.means(&clusters, wanted), true);
    }
    let mut centroids = vec![vec![0.0; voices.dimension()]; kept.len()];
    let mut weights = vec![0.0; kept.len()];
    for i in 0..voices.len() {
        let row = posterior.responsibilities(i);
        for (s, centroid) in centroids.iter_mut().enumerate() {
            let share = row[kept[s]];
            weights[s] += share;
            centroid
                .iter_mut()
                .zip(voices.row(i))
                .for_each(|(sum, x)| *sum += share * f64::from(*x));
        }
    }
    for (centroid, weight) in centroids.iter_mut().zip(weights) {
        centroid.iter_mut().for_each(|x| *x /= weight);
    }
    (centroids, false)
}

/// The `most` largest clusters; the points of the others go to the nearest of them.
fn keep_largest(points: &Points, clusters: Vec<usize>, most: usize) -> Vec<usize> {
    let mut sizes = vec![0; clusters.iter().max().map_or(0, |last| last + 1)];
    if sizes.len() <= most {
        return clusters;
    }
    for (i, cluster) in clusters.iter().enumerate() {
        sizes[*cluster] += points.weight(i);
    }
    let mut largest: Vec<usize> = (0..sizes.len()).collect();
    largest.sort_by_key(|c| std::cmp::Reverse(sizes[*c]));
    let mut is_kept = vec![false; sizes.len()];
    largest[..most].iter().for_each(|c| is_kept[*c] = true);
    absorb(points, clusters, |cluster| is_kept[cluster])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voices around three directions that come in turn, and a PLDA that takes them as they are.
    fn find(bounds: Bounds) -> (Vec<Vec<f64>>, bool) {
        let voice = |i: usize| {
            let mut voice = [0.0; 4];
            voice[i % 3] = 1.0;
            voice[3] = ((i * 37) % 11) as f32 / 22.0 - 0.25;
            voice
        };
        let rows: Vec<[f32; 4]> = (0..60).map(voice).collect();
        let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
        let diagonal = |value: f64| {
            (0..16)
                .map(|i| if i % 5 == 0 { value } else { 0.0 })
                .collect::<Vec<_>>()
        };
        let zeros = || vec![0.0; 4];
        let plda = Plda::new(
            zeros(),
            zeros(),
            diagonal(1.0),
            zeros(),
            diagonal(4.0),
            vec![20.0; 4],
        )
        .unwrap();
        cluster_variationally(
            &voices,
            &Variational::new(Arc::new(plda)),
            &bounds,
            &Blocks::default(),
        )
    }

    #[test]
    fn people_are_found() {
        let (centroids, is_forced) = find(Bounds::default());
        assert_eq!((centroids.len(), is_forced), (3, false));
        for person in 0..3 {
            let near = centroids.iter().filter(|c| c[person] > 0.9);
            assert_eq!(near.count(), 1, "{centroids:?}");
        }
    }

    #[test]
    fn their_number_can_be_forced() {
        for (bounds, count) in [
            ((Some(2), None, None), 2),
            ((Some(5), None, None), 5),
            ((None, Some(4), None), 4),
            ((None, None, Some(2)), 2),
        ] {
            let (exactly, at_least, at_most) = bounds;
            let bounds = Bounds {
                exactly,
                at_least,
                at_most,
            };
            let (centroids, is_forced) = find(bounds);
            assert_eq!((centroids.len(), is_forced), (count, true), "{bounds:?}");
        }
        let three = Bounds {
            exactly: Some(3),
            ..Bounds::default()
        };
        assert!(!find(three).1, "three are three anyway");
    }

    #[test]
    fn small_clusters_go_to_the_nearest_of_the_largest() {
        let mut points = Points::new(2);
        for (x, y, weight) in [
            (1.0, 0.0, 5),
            (0.9, 0.2, 1),
            (0.0, 1.0, 4),
            (0.2, 0.9, 2),
            (-1.0, 0.0, 3),
        ] {
            points.push([x, y], weight);
        }
        let each = || (0..5).collect::<Vec<_>>();
        assert_eq!(keep_largest(&points, each(), 5), each());
        assert_eq!(keep_largest(&points, each(), 3), [0, 0, 1, 1, 2]);
        assert_eq!(
            keep_largest(&points, each(), 2),
            [0, 0, 1, 1, 1],
            "across is nearer than opposite"
        );
    }
}
