//! Agglomerative clustering: again and again, the two clusters that are closest become one.
//!
//! The result is that of scipy's `linkage(points, method="centroid")`, or of `linkage(points, method="average",
//! metric="cosine")` for points of length 1, up to the order of equal distances. Distances
//! are updated by the formula of Lance and Williams; nearest neighbours are remembered and looked up again only when
//! they went away (the generic algorithm of Müllner, "Modern hierarchical, agglomerative clustering algorithms",
//! 2011). Memory: half a matrix of f64; time: about the square of the points.

use super::dendrogram::{Dendrogram, Merge};
use crate::speech::diarize::vectors::{dot, squared_distance};

/// What the distance of two clusters is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Linkage {
    /// The Euclidean distance of their centroids, as pyannote has it.
    #[default]
    Centroid,
    /// The mean of the cosine distances of all pairs of their embeddings, which have the length 1. It does not
    /// become less when a cluster grows and its noise averages out, so that one threshold serves short and long recordings.
    Average,
}

impl Linkage {
    /// The distance of two points as it is kept: squared, where its root is meant.
    fn between(self, a: &[f64], b: &[f64]) -> f64 {
        match self {
            Linkage::Centroid => squared_distance(a, b),
            // For points that stand for several embeddings too: the product of means is the mean of the products.
            Linkage::Average => 1.0 - dot(a, b),
        }
    }

    /// What a merge of two clusters with so many embeddings, so far apart, brings all others nearer than their mean
    /// distance to both (Lance and Williams).
    fn gained(self, wx: f64, wy: f64, apart: f64) -> f64 {
        match self {
            Linkage::Centroid => apart * wx * wy / ((wx + wy) * (wx + wy)),
            Linkage::Average => 0.0,
        }
    }

    fn height(self, kept: f64) -> f64 {
        match self {
            Linkage::Centroid => kept.max(0.0).sqrt(),
            Linkage::Average => kept.max(0.0),
        }
    }
}

/// Points that stand for one or more embeddings each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    dimension: usize,
    values: Vec<f64>,
    weights: Vec<u32>,
}

impl Points {
    /// No points yet, of `dimension` values each.
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension,
            ..Self::default()
        }
    }

    /// Adds a point that stands for `weight` embeddings.
    pub fn push(&mut self, point: impl IntoIterator<Item = f64>, weight: u32) {
        self.values.extend(point);
        self.weights.push(weight);
        self.values.resize(self.weights.len() * self.dimension, 0.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Values of a point.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One of them.
    pub fn point(&self, i: usize) -> &[f64] {
        &self.values[i * self.dimension..(i + 1) * self.dimension]
    }

    /// The embeddings that it stands for.
    pub fn weight(&self, i: usize) -> u32 {
        self.weights[i]
    }

    /// The centroids of the clusters, given the cluster of each point and how many there are; each with the
    /// embeddings that it stands for.
    pub fn centroids(&self, cluster_of: &[usize], clusters: usize) -> Points {
        let mut centroids = Points {
            dimension: self.dimension,
            values: vec![0.0; clusters * self.dimension],
            weights: vec![0; clusters],
        };
        for (i, cluster) in cluster_of.iter().enumerate() {
            let sums = &mut centroids.values[cluster * self.dimension..][..self.dimension];
            for (sum, value) in sums.iter_mut().zip(self.point(i)) {
                *sum += value * f64::from(self.weights[i]);
            }
            centroids.weights[*cluster] += self.weights[i];
        }
        for (values, weight) in centroids
            .values
            .chunks_exact_mut(self.dimension.max(1))
            .zip(&centroids.weights)
        {
            let scale = 1.0 / f64::from((*weight).max(1));
            values.iter_mut().for_each(|v| *v *= scale);
        }
        centroids
    }
}

/// Merges `points` by the distance of centroids until `clusters` are left (1 for the whole tree).
pub fn centroid_linkage(points: &Points, clusters: usize) -> Dendrogram {
    link(points, Linkage::Centroid, clusters)
}

/// Merges `points` until `clusters` are left (1 for the whole tree).
pub fn link(points: &Points, rule: Linkage, clusters: usize) -> Dendrogram {
    let n = points.len();
    let mut dendrogram = Dendrogram::new(n);
    let mut linkage = Working::new(points, rule);
    for _ in 0..n.saturating_sub(clusters.max(1)) {
        let (x, y, height) = linkage.closest();
        let (left, right) = (
            linkage.ids[x].min(linkage.ids[y]),
            linkage.ids[x].max(linkage.ids[y]),
        );
        linkage.merge(x, y);
        linkage.ids[y] = n + dendrogram.merges().len();
        dendrogram.push(Merge {
            left,
            right,
            height,
            weight: linkage.weights[y],
        });
    }
    dendrogram
}

/// The clusters as they stand; a cluster lives in the place of one of its points.
struct Working {
    rule: Linkage,
    /// Distances, as the rule keeps them, of all pairs of places `i < j`, row by row.
    distances: Vec<f64>,
    places: usize,
    /// The places that hold a cluster, in order.
    alive: Vec<usize>,
    /// The node of the tree that each place holds.
    ids: Vec<usize>,
    weights: Vec<u32>,
    nearest: Vec<Nearest>,
}

/// The closest of the later places.
#[derive(Clone, Copy)]
struct Nearest {
    place: usize,
    kept: f64,
    /// The neighbour may have moved away: the distance is no more than a lower bound.
    is_stale: bool,
}

impl Working {
    fn new(points: &Points, rule: Linkage) -> Self {
        let n = points.len();
        let mut distances = Vec::with_capacity(n * n.saturating_sub(1) / 2);
        for i in 0..n {
            distances.extend((i + 1..n).map(|j| rule.between(points.point(i), points.point(j))));
        }
        let mut linkage = Self {
            rule,
            distances,
            places: n,
            alive: (0..n).collect(),
            ids: (0..n).collect(),
            weights: points.weights.clone(),
            nearest: Vec::with_capacity(n),
        };
        linkage.nearest = (0..n).map(|i| linkage.find_nearest(i, i + 1)).collect();
        linkage
    }

    /// Where the distance between two places is kept.
    fn pair(&self, a: usize, b: usize) -> usize {
        let (i, j) = (a.min(b), a.max(b));
        i * (2 * self.places - i - 1) / 2 + (j - i - 1)
    }

    /// Looks through the living places from the `from`th on.
    fn find_nearest(&self, place: usize, from: usize) -> Nearest {
        let mut nearest = Nearest {
            place,
            kept: f64::INFINITY,
            is_stale: false,
        };
        // The rows are laid so that `row + other` is the pair's place; it may not exist for the last one.
        let row = place * (2 * self.places - place - 1) / 2;
        for other in &self.alive[from.min(self.alive.len())..] {
            let kept = self.distances[row + other - place - 1];
            if kept < nearest.kept {
                nearest.place = *other;
                nearest.kept = kept;
            }
        }
        nearest
    }

    fn refresh(&mut self, place: usize) {
        let from = self.alive.partition_point(|p| *p <= place);
        self.nearest[place] = self.find_nearest(place, from);
    }

    /// The closest two, the first one the earlier, and their distance. At least two must be alive.
    fn closest(&mut self) -> (usize, usize, f64) {
        loop {
            let mut best = self.alive[0];
            for place in &self.alive {
                if self.nearest[*place].kept < self.nearest[best].kept {
                    best = *place;
                }
            }
            let nearest = self.nearest[best];
            if !nearest.is_stale {
                // All infinitely far, as of points that are no numbers: any two will do.
                let other = if nearest.place == best {
                    self.alive[1]
                } else {
                    nearest.place
                };
                return (best, other, self.rule.height(nearest.kept));
            }
            self.refresh(best);
        }
    }

    /// Puts what is at `x` to what is at `y`, a later place.
    fn merge(&mut self, x: usize, y: usize) {
        let (wx, wy) = (f64::from(self.weights[x]), f64::from(self.weights[y]));
        let whole = wx + wy;
        let gained = self.rule.gained(wx, wy, self.distances[self.pair(x, y)]);
        self.alive.retain(|p| *p != x);
        for i in 0..self.alive.len() {
            let k = self.alive[i];
            if k == y {
                continue;
            }
            let (kx, ky) = (self.pair(k, x), self.pair(k, y));
            let kept = (wx * self.distances[kx] + wy * self.distances[ky]) / whole - gained;
            self.distances[ky] = kept;
            if k > y {
                continue;
            }
            let nearest = &mut self.nearest[k];
            if kept < nearest.kept {
                *nearest = Nearest {
                    place: y,
                    kept,
                    is_stale: false,
                };
            } else if nearest.place == x || nearest.place == y {
                nearest.is_stale = true;
            }
        }
        self.weights[y] += self.weights[x];
        self.refresh(y);
    }
}

#[cfg(test)]
#[path = "linkage_tests.rs"]
mod tests;
