//! Agglomerative clustering with centroid linkage: again and again, the two clusters whose centroids are closest
//! become one.
//!
//! The result is that of scipy's `linkage(points, method="centroid")`, up to the order of equal distances. Distances
//! are updated by the formula of Lance and Williams; nearest neighbours are remembered and looked up again only when
//! they went away (the generic algorithm of Müllner, "Modern hierarchical, agglomerative clustering algorithms",
//! 2011). Memory: half a matrix of f64; time: about the square of the points.

use super::dendrogram::{Dendrogram, Merge};
use crate::speech::diarize::vectors::squared_distance;

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

/// Merges `points` until `clusters` are left (1 for the whole tree).
pub fn centroid_linkage(points: &Points, clusters: usize) -> Dendrogram {
    let n = points.len();
    let mut dendrogram = Dendrogram::new(n);
    let mut linkage = Linkage::new(points);
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
struct Linkage {
    /// Squared distances of all pairs of places `i < j`, row by row.
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
    squared: f64,
    /// The neighbour may have moved away: the distance is no more than a lower bound.
    is_stale: bool,
}

impl Linkage {
    fn new(points: &Points) -> Self {
        let n = points.len();
        let mut distances = Vec::with_capacity(n * n.saturating_sub(1) / 2);
        for i in 0..n {
            distances.extend((i + 1..n).map(|j| squared_distance(points.point(i), points.point(j))));
        }
        let mut linkage = Self {
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
            squared: f64::INFINITY,
            is_stale: false,
        };
        // The rows are laid so that `row + other` is the pair's place; it may not exist for the last one.
        let row = place * (2 * self.places - place - 1) / 2;
        for other in &self.alive[from.min(self.alive.len())..] {
            let squared = self.distances[row + other - place - 1];
            if squared < nearest.squared {
                nearest.place = *other;
                nearest.squared = squared;
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
                if self.nearest[*place].squared < self.nearest[best].squared {
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
                return (best, other, nearest.squared.max(0.0).sqrt());
            }
            self.refresh(best);
        }
    }

    /// Puts what is at `x` to what is at `y`, a later place.
    fn merge(&mut self, x: usize, y: usize) {
        let (wx, wy) = (f64::from(self.weights[x]), f64::from(self.weights[y]));
        let whole = wx + wy;
        let between = self.distances[self.pair(x, y)] * wx * wy / (whole * whole);
        self.alive.retain(|p| *p != x);
        for i in 0..self.alive.len() {
            let k = self.alive[i];
            if k == y {
                continue;
            }
            let (kx, ky) = (self.pair(k, x), self.pair(k, y));
            let squared = (wx * self.distances[kx] + wy * self.distances[ky]) / whole - between;
            self.distances[ky] = squared;
            if k > y {
                continue;
            }
            let nearest = &mut self.nearest[k];
            if squared < nearest.squared {
                *nearest = Nearest {
                    place: y,
                    squared,
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
