//! Labels that keep their distance and stay as near to their places as that allows.

/// Places at least `gap` apart within `low..=high`, in the order of `wanted` (ascending), with the least sum of
/// squared distances to it. Where there is no room for `gap` they share what there is.
pub fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let gaps = wanted.len().saturating_sub(1) as f64;
    let gap = if gaps * gap > high - low {
        (high - low) / gaps
    } else {
        gap
    };
    // Without the gaps, "at least `gap` apart" is "ascending": isotonic regression, by pooling adjacent violators.
    let mut pools: Vec<(f64, usize)> = Vec::new(); // mean, members
    for (index, wanted) in wanted.iter().enumerate() {
        let mut pool = (wanted - index as f64 * gap, 1);
        while let Some(&(mean, members)) = pools.last().filter(|last| last.0 > pool.0) {
            let all = members + pool.1;
            pool = ((mean * members as f64 + pool.0 * pool.1 as f64) / all as f64, all);
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.into_iter().flat_map(|(mean, members)| vec![mean; members]);
    places
        .enumerate()
        .map(|(index, place)| place.clamp(low, (high - gaps * gap).max(low)) + index as f64 * gap)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_apart_stays_and_what_is_close_moves_as_little_as_it_can() {
        for (wanted, places) in [
            (vec![], vec![]),
            (vec![5.0], vec![5.0]),
            (vec![5.0, 50.0], vec![5.0, 50.0]),
            (vec![50.0, 50.0], vec![45.0, 55.0]),
            (vec![50.0, 50.0, 53.0, 90.0], vec![41.0, 51.0, 61.0, 90.0]),
            // At the edges there is no way out on both sides.
            (vec![0.0, 0.0], vec![0.0, 10.0]),
            (vec![100.0, 100.0, 100.0], vec![80.0, 90.0, 100.0]),
        ] {
            assert_eq!(spread(&wanted, 10.0, (0.0, 100.0)), places, "{wanted:?}");
        }
    }

    #[test]
    fn too_many_share_the_room() {
        assert_eq!(spread(&[7.0; 5], 10.0, (0.0, 20.0)), [0.0, 5.0, 10.0, 15.0, 20.0]);
    }

    proptest::proptest! {
        #[test]
        fn none_overlap_or_leave(mut wanted in proptest::collection::vec(0.0..1000.0, 1..45)) {
            wanted.sort_by(f64::total_cmp);
            let places = spread(&wanted, 20.0, (0.0, 1000.0));
            assert_eq!(places.len(), wanted.len());
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 19.999), "{places:?}");
            assert!(places.iter().all(|place| (-0.001..1000.001).contains(place)), "{places:?}");
        }
    }
}
