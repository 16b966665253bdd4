//! Who is whom: pairs of directions, one to one, none of them further apart than a threshold.

use super::match_rows;

/// The column of each row. `distances` has a row for each on one side, with a value for each on the other; a pair
/// needs a distance below `threshold`, and the pairs together are those that leave most of the threshold unused.
///
/// So a near pair is never broken up to make two far ones, as it happens when the distances beyond the threshold
/// take part in the sum.
pub fn below(distances: &[Vec<f32>], threshold: f32) -> Vec<Option<usize>> {
    let columns = distances.first().map_or(0, Vec::len);
    let gain = |distance: &f32| f64::from((distance - threshold).min(0.0));
    let gains: Vec<f64> = distances.iter().flatten().map(gain).collect();
    let mut matched = match_rows(&gains, columns);
    matched.resize(distances.len(), None);
    let near =
        |(row, column): (usize, Option<usize>)| column.filter(|column| distances[row][*column] < threshold);
    matched.into_iter().enumerate().map(near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(distances: &[&[f32]], expected: &[Option<usize>]) {
        let rows: Vec<Vec<f32>> = distances.iter().map(|row| row.to_vec()).collect();
        assert_eq!(below(&rows, 0.5), expected, "{distances:?}");
    }

    #[test]
    fn pairs_are_near_and_one_to_one() {
        check(&[&[0.4, 0.1], &[0.2, 0.3]], &[Some(1), Some(0)]);
        check(&[&[0.1], &[0.2], &[0.9]], &[Some(0), None, None]);
        check(&[&[0.6, 0.5, 0.4]], &[Some(2)]);
        check(&[&[0.6], &[0.5]], &[None, None]);
        check(&[&[], &[]], &[None, None]);
        check(&[], &[]);
    }

    #[test]
    fn a_near_pair_is_not_broken_up_for_two_far_ones() {
        // The least sum of distances would be 1.9, and both too far.
        check(&[&[1.98, 0.9], &[1.0, 0.0]], &[None, Some(1)]);
        // Two pairs below the threshold, but one of them is better alone.
        check(&[&[0.0, 0.45], &[0.45, 0.9]], &[Some(0), None]);
    }

    #[test]
    fn what_is_no_number_is_no_pair() {
        check(&[&[f32::NAN, 0.1], &[f32::INFINITY, f32::NAN]], &[Some(1), None]);
    }
}
