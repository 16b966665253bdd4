//! Clustering of more points than a matrix of all pairs has room for, in two stages.
//!
//! Consecutive points are merged in blocks, closest first, until a small share of each block is left; those centroids,
//! weighted by what they stand for, are then clustered as one set. Both linkages merge the closest first in any
//! case, and a speaker who talks is heard in many windows of a block: what a block merges early would have been merged
//! early in the whole, too. Time and memory grow with the number of blocks. (NeMo's long-form clustering works
//! in the same two stages, with 10,000 embeddings a block.)

use super::linkage::{Linkage, Points, link};
use super::voices::Voices;

/// How much is clustered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Up to so many points are clustered as one set, exactly as the reference does. Half a matrix of
    /// 4500² f64 is 81 MB; 4,500 embeddings are about 50 minutes.
    pub most: usize,
    /// Points of a block. Smaller blocks are faster: the matrix is the square of it.
    pub size: usize,
    /// What a block is merged down to: far more than can be speakers of the smallest size of a cluster in it, so that
    /// what is left apart are noises and rare voices.
    pub left: usize,
}

impl Default for Blocks {
    /// Ten hours are 54,000 embeddings, 36 blocks and 4,320 points for the second stage.
    fn default() -> Self {
        Self {
            most: 4_500,
            size: 1_500,
            left: 120,
        }
    }
}

impl Blocks {
    /// The voices as few enough points for one set, and the point that each voice went into.
    pub fn condense(&self, voices: &Voices, rule: Linkage) -> (Points, Vec<usize>) {
        if voices.len() <= self.most {
            return (voices.points(0..voices.len()), (0..voices.len()).collect());
        }
        let mut points = Points::new(voices.dimension());
        let mut point_of = Vec::with_capacity(voices.len());
        for block in self.cut(voices.len()) {
            self.merge(&voices.points(block), rule, &mut points, &mut point_of);
        }
        while points.len() > self.most.max(self.left) {
            let mut fewer = Points::new(points.dimension());
            let mut merged = Vec::with_capacity(points.len());
            for block in self.cut(points.len()) {
                let mut part = Points::new(points.dimension());
                block.for_each(|i| part.push(points.point(i).iter().copied(), points.weight(i)));
                self.merge(&part, rule, &mut fewer, &mut merged);
            }
            if fewer.len() >= points.len() {
                break; // blocks too small to lose anything: no setting that makes sense
            }
            point_of.iter_mut().for_each(|point| *point = merged[*point]);
            points = fewer;
        }
        (points, point_of)
    }

    /// Blocks of nearly the same size, so that the last one is no splinter.
    fn cut(&self, points: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let blocks = points.div_ceil(self.size.max(1)).max(1);
        (0..blocks).map(move |b| b * points / blocks..(b + 1) * points / blocks)
    }

    fn merge(&self, block: &Points, rule: Linkage, points: &mut Points, point_of: &mut Vec<usize>) {
        let dendrogram = link(block, rule, self.left);
        let clusters = dendrogram.cut_after(usize::MAX);
        let centroids = block.centroids(&clusters, clusters.iter().max().map_or(0, |last| last + 1));
        point_of.extend(clusters.iter().map(|cluster| points.len() + cluster));
        for i in 0..centroids.len() {
            points.push(centroids.point(i).iter().copied(), centroids.weight(i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voices in the plane that come in turn, each near one of three directions.
    fn rows(n: usize) -> Vec<[f32; 2]> {
        let angle = |i: usize| (i % 3) as f32 * 2.0 + ((i * 7919) % 100) as f32 * 0.002;
        (0..n).map(|i| [angle(i).cos(), angle(i).sin()]).collect()
    }

    #[test]
    fn few_voices_are_left_as_they_are() {
        let rows = rows(9);
        let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
        let (points, point_of) = Blocks::default().condense(&voices, Linkage::Centroid);
        assert_eq!((points.len(), point_of), (9, (0..9).collect()));
    }

    #[test]
    fn many_voices_become_few_points_that_stand_for_all_of_them() {
        let rows = rows(1_000);
        let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
        for (size, left) in [(100, 10), (50, 10), (30, 6), (1_000, 3)] {
            let blocks = Blocks { most: 40, size, left };
            let (points, point_of) = blocks.condense(&voices, Linkage::Average);
            assert!(points.len() <= 40, "{blocks:?}: {}", points.len());
            assert_eq!((0..points.len()).map(|i| points.weight(i)).sum::<u32>(), 1_000);
            for i in 0..points.len() {
                let voices: Vec<_> = (0..1_000).filter(|v| point_of[*v] == i).collect();
                assert_eq!(voices.len(), points.weight(i) as usize);
                assert!(
                    voices.iter().all(|v| v % 3 == voices[0] % 3),
                    "{blocks:?}: speakers mixed"
                );
            }
        }
    }

    #[test]
    fn settings_without_sense_end() {
        let rows = rows(50);
        let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
        for blocks in [
            Blocks {
                most: 0,
                size: 0,
                left: 0,
            },
            Blocks {
                most: 5,
                size: 3,
                left: 9,
            },
        ] {
            let (points, point_of) = blocks.condense(&voices, Linkage::Centroid);
            assert!(!points.is_empty() && point_of.len() == 50);
        }
    }
}
