//! The best matching of rows to columns (linear sum assignment): shortest augmenting paths, after Jonker and Volgenant,
//! "A shortest augmenting path algorithm for dense and sparse linear assignment problems", 1987.
//!
//! Our own, since the crates want whole numbers or square matrices, and the rows are the few speakers of a window.

/// Gives each row a column of its own so that the sum of `costs` (row by row) is least.
///
/// When there are more rows than columns, those are left out that make the sum least. A cost that is no finite number
/// stands for a pair that must not be. Time: rows² × columns.
pub fn match_rows(costs: &[f64], columns: usize) -> Vec<Option<usize>> {
    if columns == 0 {
        return Vec::new();
    }
    let rows = costs.len() / columns;
    // Finite costs reach no further than this; one forbidden pair costs more than all allowed ones.
    let reach = costs
        .iter()
        .filter(|c| c.is_finite())
        .fold(1.0, |most: f64, c| most.max(c.abs()));
    let forbidden = reach * 4.0 * (rows + 1) as f64;
    // A column for each row is added that stands for none, dearer than any real one and cheaper than a forbidden one.
    let nothing = forbidden / 2.0;
    let cost = |row: usize, column: usize| match costs.get(row * columns + column) {
        _ if column >= columns => nothing,
        Some(cost) if cost.is_finite() => *cost,
        _ => forbidden,
    };
    let owners = match_all(rows, columns + rows, cost);
    let mut matched = vec![None; rows];
    for (column, row) in owners.into_iter().enumerate().take(columns) {
        if let Some(row) = row {
            matched[row] = costs[row * columns + column].is_finite().then_some(column);
        }
    }
    matched
}

/// The row of each column when all `rows` are matched; there must be columns enough.
fn match_all(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    // Dual values: the cost of a pair less both is 0 for matched pairs and not negative for others.
    let mut of_rows = vec![0.0; rows];
    let mut of_columns = vec![0.0; columns];
    let mut owners: Vec<Option<usize>> = vec![None; columns];
    for new in 0..rows {
        // The shortest path from the new row to each column, and the column before it on that path.
        let mut lengths = vec![f64::INFINITY; columns];
        let mut before = vec![None; columns];
        let mut is_done = vec![false; columns];
        let (mut row, mut last, mut length) = (new, None, 0.0);
        let end = loop {
            let mut closest: Option<usize> = None;
            for column in (0..columns).filter(|c| !is_done[*c]) {
                let through = length + cost(row, column) - of_rows[row] - of_columns[column];
                if through < lengths[column] {
                    lengths[column] = through;
                    before[column] = last;
                }
                if closest.is_none_or(|c| lengths[column] < lengths[c]) {
                    closest = Some(column);
                }
            }
            // There is one: no more columns than rows before this one are done.
            let Some(column) = closest else { return owners };
            is_done[column] = true;
            length = lengths[column];
            match owners[column] {
                Some(owner) => (row, last) = (owner, Some(column)),
                None => break column,
            }
        };
        of_rows[new] += length;
        for column in (0..columns).filter(|c| is_done[*c]) {
            let change = length - lengths[column];
            of_columns[column] -= change;
            if let Some(owner) = owners[column] {
                of_rows[owner] += change;
            }
        }
        // Turn the path round: each column goes to the row of the one before it.
        let mut column = end;
        while let Some(previous) = before[column] {
            owners[column] = owners[previous];
            column = previous;
        }
        owners[column] = Some(new);
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(costs: &[f64], columns: usize, expected: &[Option<usize>]) {
        assert_eq!(match_rows(costs, columns), expected);
    }

    #[test]
    fn the_sum_is_least() {
        check(
            &[4.0, 1.0, 3.0, 2.0, 0.0, 5.0, 3.0, 2.0, 2.0],
            3,
            &[Some(1), Some(0), Some(2)],
        );
        check(&[1.0, 2.0, 2.0, 9.0], 2, &[Some(1), Some(0)]);
        check(&[-1.0, -5.0, -2.0], 3, &[Some(1)]);
    }

    #[test]
    fn rows_too_many_are_left_out() {
        check(&[3.0, 1.0, 2.0], 1, &[None, Some(0), None]);
        check(&[3.0, 9.0, 1.0, 9.0, 2.0, 2.0], 2, &[None, Some(0), Some(1)]);
    }

    #[test]
    fn what_must_not_be_is_not() {
        let no = f64::INFINITY;
        check(&[no, 1.0, no, 2.0], 2, &[Some(1), None]);
        check(&[no, no, 0.0, f64::NAN], 2, &[None, Some(0)]);
        check(&[no, 1.0, 1.0, no], 2, &[Some(1), Some(0)]);
        check(&[], 3, &[]);
        check(&[], 0, &[]);
    }

    /// All ways to match, by trying.
    fn least(costs: &[f64], columns: usize, row: usize, taken: &mut Vec<bool>) -> (usize, f64) {
        if row * columns >= costs.len() {
            return (0, 0.0);
        }
        let mut best = least(costs, columns, row + 1, taken);
        for column in 0..columns {
            if !taken[column] {
                taken[column] = true;
                let (matched, sum) = least(costs, columns, row + 1, taken);
                taken[column] = false;
                let this = (matched + 1, sum + costs[row * columns + column]);
                if this.0 > best.0 || this.0 == best.0 && this.1 < best.1 {
                    best = this;
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_matching_is_better((columns, costs) in (1usize..5).prop_flat_map(|columns| {
            (Just(columns), prop::collection::vec(-1.0..1.0f64, columns..columns * 5))
        })) {
            let costs = &costs[..costs.len() / columns * columns];
            let matched = match_rows(costs, columns);
            let pairs: Vec<_> = matched.iter().enumerate().filter_map(|(r, c)| c.map(|c| (r, c))).collect();
            let sum: f64 = pairs.iter().map(|(r, c)| costs[r * columns + c]).sum();
            let best = least(costs, columns, 0, &mut vec![false; columns]);
            prop_assert_eq!(pairs.len(), best.0);
            prop_assert!((sum - best.1).abs() < 1e-9);
        }
    }
}
