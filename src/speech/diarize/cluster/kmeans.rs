//! k-means: the clusters when their number is given and the model found another one.
//!
//! As scikit-learn's `KMeans(n_init=3)`: k-means++ starts (Arthur and Vassilvitskii, 2007) with the best of several
//! tries, then Lloyd's steps; the run with the smallest sum of squares wins. The random numbers are our own and always
//! the same, so the result can be another local optimum than scikit-learn's, but is the same each time.

use super::linkage::Points;
use crate::speech::diarize::vectors::squared_distance;

/// Starts; the best one wins (pyannote's `n_init`).
const RUNS: usize = 3;
/// Lloyd's steps at most (scikit-learn's `max_iter`).
const STEPS: usize = 300;
/// pyannote's `random_state`.
const SEED: u64 = 42;

/// Puts each of `points` into one of `clusters` clusters. Each into its own when there are not more points than that.
pub fn k_means(points: &Points, clusters: usize) -> Vec<usize> {
    if points.len() <= clusters {
        return (0..points.len()).collect();
    }
    let mut random = Random(SEED);
    let mut best = (f64::INFINITY, vec![0; points.len()]);
    for _ in 0..RUNS {
        let run = settle(points, start(points, clusters.max(1), &mut random));
        if run.0 < best.0 {
            best = run;
        }
    }
    best.1
}

/// Lloyd's steps from these centroids: the sum of squares, and the cluster of each point.
fn settle(points: &Points, mut centroids: Points) -> (f64, Vec<usize>) {
    let mut cluster_of = vec![usize::MAX; points.len()];
    let mut squares = f64::INFINITY;
    for _ in 0..STEPS {
        let mut farthest = (f64::NEG_INFINITY, 0);
        let mut is_settled = true;
        squares = 0.0;
        for (i, before) in cluster_of.iter_mut().enumerate() {
            let (squared, cluster) = nearest(points.point(i), &centroids);
            is_settled &= *before == cluster;
            *before = cluster;
            squares += squared * f64::from(points.weight(i));
            if squared > farthest.0 {
                farthest = (squared, i);
            }
        }
        let clusters = centroids.len();
        let sizes = points.centroids(&cluster_of, clusters);
        if let Some(empty) = (0..clusters).find(|c| sizes.weight(*c) == 0)
            && farthest.0 > 0.0
        {
            // An empty cluster takes the point that fits worst.
            cluster_of[farthest.1] = empty;
            is_settled = false;
        }
        if is_settled {
            break;
        }
        centroids = points.centroids(&cluster_of, clusters);
    }
    (squares, cluster_of)
}

fn nearest(point: &[f64], centroids: &Points) -> (f64, usize) {
    let mut best = (f64::INFINITY, 0);
    for c in 0..centroids.len() {
        let squared = squared_distance(point, centroids.point(c));
        if squared < best.0 {
            best = (squared, c);
        }
    }
    best
}

/// Centroids that are far apart: each is drawn with a chance that grows with the square of the distance from those
/// before, and is the best of some tries.
fn start(points: &Points, clusters: usize, random: &mut Random) -> Points {
    let tries = 2 + (clusters as f64).ln() as usize; // scikit-learn's number
    let mut centroids = Points::new(points.dimension());
    let mut squared = vec![1.0; points.len()];
    for c in 0..clusters {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..if c == 0 { 1 } else { tries } {
            let drawn = random.draw((0..points.len()).map(|i| squared[i] * f64::from(points.weight(i))));
            let closer = |i: usize| {
                let to_it = squared_distance(points.point(i), points.point(drawn));
                if c == 0 { to_it } else { to_it.min(squared[i]) }
            };
            let now: Vec<f64> = (0..points.len()).map(closer).collect();
            let sum = (0..points.len())
                .map(|i| now[i] * f64::from(points.weight(i)))
                .sum();
            if best.as_ref().is_none_or(|b| sum < b.0) {
                best = Some((sum, drawn, now));
            }
        }
        if let Some((_, drawn, now)) = best {
            centroids.push(points.point(drawn).iter().copied(), 1);
            squared = now;
        }
    }
    centroids
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / 2.0f64.powi(64)
    }

    /// An index, with chances in proportion to `shares`.
    fn draw(&mut self, shares: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.next() * shares.clone().sum::<f64>();
        let mut last = 0;
        for (i, share) in shares.enumerate().filter(|(_, share)| *share > 0.0) {
            last = i;
            left -= share;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(f64, u32)]) -> Points {
        let mut points = Points::new(1);
        values.iter().for_each(|(v, w)| points.push([*v], *w));
        points
    }

    #[track_caller]
    fn check(values: &[(f64, u32)], clusters: usize, groups: &[usize]) {
        let found = k_means(&points(values), clusters);
        for i in 0..values.len() {
            for j in 0..values.len() {
                assert_eq!(found[i] == found[j], groups[i] == groups[j], "{found:?}");
            }
        }
    }

    #[test]
    fn heaps_are_found() {
        let heaps = [(0.0, 1), (10.0, 1), (0.1, 1), (10.1, 1), (30.0, 1), (0.2, 1)];
        check(&heaps, 3, &[0, 1, 0, 1, 2, 0]);
        check(&heaps, 2, &[0, 0, 0, 0, 1, 0]);
        check(&heaps, 1, &[0; 6]);
    }

    #[test]
    fn weights_pull() {
        // Of three heaps two must join: the light ones.
        check(
            &[(0.0, 1), (10.0, 1), (21.0, 100), (0.1, 1), (21.1, 100)],
            2,
            &[0, 0, 1, 0, 1],
        );
    }

    #[test]
    fn odd_numbers_have_an_answer() {
        check(&[(0.0, 1), (1.0, 1)], 5, &[0, 1]);
        check(&[(1.0, 1), (1.0, 1), (1.0, 1)], 2, &[0, 0, 0]);
        assert_eq!(k_means(&points(&[]), 3), Vec::<usize>::new());
        assert_eq!(k_means(&points(&[(1.0, 1), (f64::NAN, 1), (2.0, 1)]), 2).len(), 3);
        assert_eq!(k_means(&points(&[(1.0, 1), (2.0, 1)]), 0).len(), 2);
    }
}
