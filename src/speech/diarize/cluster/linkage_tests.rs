//! The linkage against trees that scipy 1.17 made, and against a plain search over all pairs.

use super::*;
use proptest::prelude::*;

fn plane(points: &[[f64; 2]]) -> Points {
    let mut all = Points::new(2);
    points.iter().for_each(|p| all.push(*p, 1));
    all
}

#[track_caller]
fn check(points: &[[f64; 2]], expected: &[(usize, usize, f64, u32)]) {
    let dendrogram = centroid_linkage(&plane(points), 1);
    assert_eq!(dendrogram.merges().len(), expected.len());
    for (merge, (left, right, height, weight)) in dendrogram.merges().iter().zip(expected) {
        assert_eq!((merge.left, merge.right, merge.weight), (*left, *right, *weight));
        assert!((merge.height - height).abs() < 1e-8, "{} {height}", merge.height);
    }
}

#[test]
fn the_tree_is_that_of_scipy() {
    check(
        &[
            [0.0, 0.0],
            [1.0, 0.0],
            [0.5, 0.95],
            [5.0, 5.0],
            [5.2, 5.1],
            [9.0, 0.0],
            [0.4, 7.0],
        ],
        &[
            (3, 4, 0.223_606_80, 2),
            (0, 1, 1.0, 2),
            (2, 8, 0.95, 3), // lower than what it is made of
            (6, 7, 5.088_467_35, 3),
            (9, 10, 6.179_109_07, 6),
            (5, 11, 7.603_749_99, 7),
        ],
    );
}

#[test]
fn average_linkage_of_directions_is_that_of_scipy() {
    let degrees = [0.0_f64, 10.0, 40.0, 90.0, 102.0, 200.0];
    let points = degrees.map(|d| [d.to_radians().cos(), d.to_radians().sin()]);
    let dendrogram = link(&plane(&points), Linkage::Average, 1);
    let expected = [
        (0, 1, 0.015_192_247, 2),
        (3, 4, 0.021_852_399, 2),
        (2, 6, 0.183_965_077, 3),
        (7, 8, 0.826_150_640, 5),
        (5, 9, 1.669_077_248, 6),
    ];
    assert_eq!(dendrogram.merges().len(), expected.len());
    for (merge, (left, right, height, weight)) in dendrogram.merges().iter().zip(expected) {
        assert_eq!((merge.left, merge.right, merge.weight), (left, right, weight));
        assert!((merge.height - height).abs() < 1e-8, "{merge:?} {height}");
    }
}

#[test]
fn few_points_make_small_trees() {
    check(&[], &[]);
    check(&[[1.0, 1.0]], &[]);
    check(&[[0.0, 0.0], [3.0, 4.0]], &[(0, 1, 5.0, 2)]);
}

#[test]
fn what_is_no_number_ends_somewhere() {
    let points = plane(&[[0.0, 0.0], [f64::NAN, 1.0], [0.1, 0.0], [f64::NAN, 2.0]]);
    let dendrogram = centroid_linkage(&points, 1);
    assert_eq!(dendrogram.merges().len(), 3);
    assert_eq!(dendrogram.merges()[0].weight, 2);
}

#[test]
fn a_point_counts_as_what_it_stands_for() {
    let mut points = Points::new(1);
    points.push([0.0], 3);
    points.push([1.0], 1);
    points.push([10.0], 1);
    let heights: Vec<_> = centroid_linkage(&points, 1)
        .merges()
        .iter()
        .map(|m| (m.height, m.weight))
        .collect();
    assert_eq!(heights, [(1.0, 4), (9.75, 5)]);
}

/// Centroid linkage as it is defined: look at all pairs of centroids each time.
fn plain(points: &Points) -> Vec<f64> {
    let mut clusters: Vec<(Vec<f64>, f64)> = (0..points.len())
        .map(|i| (points.point(i).to_vec(), f64::from(points.weight(i))))
        .collect();
    let mut heights = Vec::new();
    while clusters.len() > 1 {
        let pairs = (0..clusters.len()).flat_map(|i| (i + 1..clusters.len()).map(move |j| (i, j)));
        let distance = |(i, j): (usize, usize)| squared_distance(&clusters[i].0, &clusters[j].0).sqrt();
        let closest = pairs
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
            .unwrap();
        heights.push(distance(closest));
        let (b, wb) = clusters.remove(closest.1);
        let (a, wa) = &mut clusters[closest.0];
        a.iter_mut()
            .zip(b)
            .for_each(|(a, b)| *a = (*a * *wa + b * wb) / (*wa + wb));
        *wa += wb;
    }
    heights
}

proptest! {
    #[test]
    fn the_closest_centroids_are_merged(
        values in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64, -1.0..1.0f64, 1u32..4), 1..24),
    ) {
        let mut points = Points::new(3);
        values.iter().for_each(|(x, y, z, w)| points.push([*x, *y, *z], *w));
        let merges = centroid_linkage(&points, 1);
        for (merge, height) in merges.merges().iter().zip(plain(&points)) {
            prop_assert!((merge.height - height).abs() < 1e-9, "{} {}", merge.height, height);
        }
        let part = centroid_linkage(&points, 4);
        prop_assert_eq!(part.merges(), &merges.merges()[..points.len().saturating_sub(4)], "stopped early");
    }
}
