//! The rules on voices in the plane: directions are speakers.

use super::*;
use proptest::prelude::*;

/// Voices at these angles, in degrees.
fn at(angles: &[f32]) -> Vec<[f32; 2]> {
    let radians = angles.iter().map(|a| a.to_radians());
    radians.map(|a| [3.0 * a.cos(), 3.0 * a.sin()]).collect()
}

fn cluster(angles: &[f32], threshold: f64, bounds: Bounds) -> Vec<usize> {
    let rows = at(angles);
    let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
    agglomerate(&voices, threshold, &bounds, &Blocks::default())
}

fn exactly(n: u32) -> Bounds {
    Bounds {
        exactly: Some(n),
        ..Bounds::default()
    }
}

#[test]
fn near_voices_are_one_speaker() {
    let angles = [0.0, 2.0, 100.0, 1.0, 101.0];
    assert_eq!(
        partition(&cluster(&angles, 0.5, Bounds::default())),
        [0, 0, 1, 0, 1]
    );
    assert_eq!(cluster(&angles, 1.9, Bounds::default()), [0; 5], "all is near");
    assert_eq!(cluster(&angles[..1], 0.5, Bounds::default()), [0]);
    assert_eq!(cluster(&[], 0.5, Bounds::default()), Vec::<usize>::new());
}

#[test]
fn small_clusters_join_the_nearest() {
    // Of 30 voices a cluster has three at least: the two at 60 go to those at 90.
    let mut angles = vec![0.0; 14];
    angles.extend([60.0, 61.0]);
    angles.extend([90.0; 14]);
    let clusters = cluster(&angles, 0.3, Bounds::default());
    assert_eq!(clusters[..14], [0; 14]);
    assert_eq!(clusters[14..], [1; 16]);
}

#[test]
fn clusters_that_are_all_small_are_one() {
    // 80 voices at 10 places: 8 each, where 8 is a tenth; at 20 places, 4 each.
    let angles = |places: usize| (0..80).map(|i| (i % places) as f32 * 18.0).collect::<Vec<_>>();
    assert_eq!(
        cluster(&angles(10), 0.1, Bounds::default()).iter().max(),
        Some(&9)
    );
    assert_eq!(cluster(&angles(20), 0.1, Bounds::default()), [0; 80]);
}

#[test]
fn the_tree_is_cut_where_the_number_is_right() {
    let angles = [0.0, 1.0, 30.0, 31.0, 100.0, 101.0, 160.0, 162.0];
    for (wanted, expected) in [
        (1, [0, 0, 0, 0, 0, 0, 0, 0]),
        (2, [0, 0, 0, 0, 1, 1, 1, 1]),
        (3, [0, 0, 0, 0, 1, 1, 2, 2]),
        (4, [0, 0, 1, 1, 2, 2, 3, 3]),
    ] {
        assert_eq!(
            partition(&cluster(&angles, 0.7, exactly(wanted))),
            expected,
            "{wanted}"
        );
    }
    let bounds = Bounds {
        at_least: Some(4),
        ..Bounds::default()
    };
    assert_eq!(cluster(&angles, 1.9, bounds).iter().max(), Some(&3));
    let bounds = Bounds {
        at_most: Some(2),
        ..Bounds::default()
    };
    assert_eq!(cluster(&angles, 0.3, bounds).iter().max(), Some(&1));
}

#[test]
fn a_tenth_is_rounded_as_python_rounds() {
    for (voices, smallest) in [(2, 1), (5, 1), (15, 2), (25, 2), (35, 4), (119, 12), (5_000, 12)] {
        assert_eq!(smallest_cluster(voices), smallest, "{voices} voices");
    }
}

/// Four people, with noise, in a row that a script can make again.
fn crowd(n: usize) -> Vec<[f32; 4]> {
    let voice = |i: usize| {
        let noise = |k: usize| ((i * (2 * k + 3) * 7_919 + k * 104_729) % 1_009) as f64 / 1_009.0 - 0.5;
        let person = [0, 0, 0, 1, 1, 2, 3][i % 7];
        [0, 1, 2, 3].map(|k| (f64::from(u8::from(k == person)) + 0.9 * noise(k)) as f32)
    };
    (0..n).map(voice).collect()
}

/// What the reference's rules give with scipy 1.17, number by number.
#[test]
fn clusters_are_those_of_the_reference() {
    let least = |n| Bounds {
        at_least: Some(n),
        ..Bounds::default()
    };
    let most = |n| Bounds {
        at_most: Some(n),
        ..Bounds::default()
    };
    for (voices, threshold, bounds, expected) in [
        (24, 0.6, Bounds::default(), "111220111122021112201111"),
        (
            40,
            0.7,
            Bounds::default(),
            "2221103222110322211032221103222110322211",
        ),
        (
            40,
            0.3,
            Bounds::default(),
            "0000000000000000000000000000000000000000",
        ),
        (40, 0.3, exactly(2), "1110011111000011100111110011111001111100"),
        (40, 0.9, exactly(4), "2221103222110322211032221103222110322211"),
        (40, 0.2, exactly(40), "1230023311002023100231230023212002332100"),
        (40, 0.5, least(6), "1230023311002023100231230023212002332100"),
        (40, 0.35, most(3), "1110011111000011100111110011111001111100"),
        (
            130,
            0.45,
            Bounds::default(),
            "12100211110020211002112100212120021121002112200211110001111002122100211120021211\
             00201220021222002112100012110021121002111200212210",
        ),
    ] {
        let rows = crowd(voices);
        let (voices, _) = Voices::new(rows.iter().map(|r| &r[..]));
        let clusters = agglomerate(&voices, threshold, &bounds, &Blocks::default());
        let digits: String = clusters.iter().map(ToString::to_string).collect();
        assert_eq!(
            digits,
            expected,
            "{} voices at {threshold}, {bounds:?}",
            voices.len()
        );
    }
}

/// Numbered by first appearance, so that partitions can be compared.
fn partition(clusters: &[usize]) -> Vec<usize> {
    let mut seen: Vec<usize> = Vec::new();
    let number = |cluster: &usize| {
        seen.iter().position(|s| s == cluster).unwrap_or_else(|| {
            seen.push(*cluster);
            seen.len() - 1
        })
    };
    clusters.iter().map(number).collect()
}

proptest! {
    #[test]
    fn the_order_of_the_voices_does_not_matter(
        voices in prop::collection::vec((0usize..3, 0.0f32..9.0), 2..60), seed in any::<u64>(),
    ) {
        let angle = |(speaker, noise): &(usize, f32)| *speaker as f32 * 100.0 + noise;
        let mut order: Vec<usize> = (0..voices.len()).collect();
        order.sort_by_key(|i| (*i as u64 + 1).wrapping_mul(seed | 1));
        let straight = cluster(&voices.iter().map(angle).collect::<Vec<_>>(), 0.7, Bounds::default());
        let shuffled = cluster(&order.iter().map(|i| angle(&voices[*i])).collect::<Vec<_>>(), 0.7, Bounds::default());
        let back: Vec<usize> = order.iter().map(|i| straight[*i]).collect();
        prop_assert_eq!(partition(&shuffled), partition(&back));
    }
}
