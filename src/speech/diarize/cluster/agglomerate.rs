//! Voices → clusters by the rules of pyannote.audio 3.1 (`AgglomerativeClustering`).

use super::blocks::Blocks;
use super::dendrogram::Dendrogram;
use super::linkage::{Linkage, Points, centroid_linkage};
use super::voices::Voices;
use super::{Bounds, renumber};
use crate::speech::diarize::vectors::{dot, normalised};

/// The largest "smallest size of a cluster" (`min_cluster_size` of the pyannote 3.1 configuration).
const SMALLEST_CLUSTER: u32 = 12;

/// Clusters the voices, `threshold` being the distance of normalised centroids up to which they are one speaker's.
///
/// Clusters of less than a tenth of all voices or [`SMALLEST_CLUSTER`], whichever is less, join the nearest of the
/// others. If there are then more or fewer clusters than `bounds` allow, the tree is cut elsewhere, as near to the
/// threshold as gives the wanted number, or one close to it. Returns the cluster of each voice.
pub fn agglomerate(voices: &Voices, threshold: f64, bounds: &Bounds, blocks: &Blocks) -> Vec<usize> {
    if voices.len() < 2 {
        return vec![0; voices.len()];
    }
    let (points, point_of) = blocks.condense(voices, Linkage::Centroid);
    let dendrogram = centroid_linkage(&points, 1);
    let smallest = smallest_cluster(voices.len());
    let mut clusters = dendrogram.cut(threshold);
    let large = count_large(&points, &clusters, smallest);
    if let Some(wanted) = bounds.wanted(large, voices.len())
        && wanted != large
    {
        clusters = cut_elsewhere(&dendrogram, &points, threshold, smallest, wanted);
    }
    let sizes = sizes(&points, &clusters);
    let clusters = absorb(&points, clusters, |cluster| sizes[cluster] >= smallest);
    point_of.into_iter().map(|point| clusters[point]).collect()
}

/// `min(12, max(1, round(0.1 n)))`, halves to the even number as Python rounds.
fn smallest_cluster(voices: usize) -> u32 {
    let tenth = (0.1 * voices as f64).round_ties_even();
    (tenth as u32).clamp(1, SMALLEST_CLUSTER)
}

/// Walks over the merges, those with heights near the threshold first, until a cut behind one of them gives the
/// `wanted` number of large clusters; the closest number otherwise.
pub(in super::super) fn cut_elsewhere(
    tree: &Dendrogram,
    points: &Points,
    threshold: f64,
    smallest: u32,
    wanted: usize,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tree.merges().len()).collect();
    let distance = |merge: usize| (tree.merges()[merge].height - threshold).abs();
    order.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    // To begin with: everything merged, one cluster.
    let mut best = (wanted.abs_diff(1), tree.merges().len());
    for merge in order {
        if best.0 == 0 {
            break;
        }
        // A merge that makes no large cluster does not change their number.
        if tree.merges()[merge].weight < smallest {
            continue;
        }
        let large = count_large(points, &tree.cut_after(merge + 1), smallest);
        if large.abs_diff(wanted) < best.0 {
            best = (large.abs_diff(wanted), merge + 1);
        }
    }
    tree.cut_after(best.1)
}

fn sizes(points: &Points, clusters: &[usize]) -> Vec<u32> {
    let mut sizes = vec![0; clusters.iter().max().map_or(0, |last| last + 1)];
    for (i, cluster) in clusters.iter().enumerate() {
        sizes[*cluster] += points.weight(i);
    }
    sizes
}

fn count_large(points: &Points, clusters: &[usize], smallest: u32) -> usize {
    sizes(points, clusters)
        .iter()
        .filter(|size| **size >= smallest)
        .count()
}

/// Puts the points of the clusters that are not kept to the kept cluster whose centroid points in the most similar
/// direction. All become one when none is kept. Numbers the rest anew, in order.
pub(in super::super) fn absorb(
    points: &Points,
    clusters: Vec<usize>,
    is_kept: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let centroids = points.centroids(&clusters, count);
    let directions: Vec<Vec<f64>> = (0..count).map(|c| normalised(centroids.point(c))).collect();
    let becomes = |cluster: usize| {
        if is_kept(cluster) {
            return cluster;
        }
        let mut best = (f64::NEG_INFINITY, 0);
        for kept in (0..count).filter(|c| is_kept(*c)) {
            let similarity = dot(&directions[cluster], &directions[kept]);
            if similarity > best.0 {
                best = (similarity, kept);
            }
        }
        best.1
    };
    let new: Vec<usize> = (0..count).map(becomes).collect();
    renumber(clusters.into_iter().map(|cluster| new[cluster]).collect())
}

#[cfg(test)]
#[path = "agglomerate_tests.rs"]
mod tests;
