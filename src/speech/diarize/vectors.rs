//! The few operations on vectors that the clustering is made of, in f64 as the reference's numpy and scipy.

/// Sums kept side by side, so that the compiler may add several products at once.
const LANES: usize = 8;

/// The scalar product; the shorter one gives the length.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, a_rest) = a[..a.len().min(b.len())].as_chunks::<LANES>();
    let (b_lanes, b_rest) = b[..a.len().min(b.len())].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// The squared Euclidean distance.
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, a_rest) = a[..a.len().min(b.len())].as_chunks::<LANES>();
    let (b_lanes, b_rest) = b[..a.len().min(b.len())].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            let difference = x[lane] - y[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The length of a vector; `None` for one without a direction: empty, all zero, or not of numbers.
pub fn norm(v: &[f32]) -> Option<f64> {
    let norm = v
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    (norm.is_finite() && norm > 0.0).then_some(norm)
}

/// Brought to the length 1; zero where there is no direction.
pub fn normalised(v: &[f64]) -> Vec<f64> {
    let norm = dot(v, v).sqrt();
    let scale = if norm.is_finite() && norm > 0.0 {
        1.0 / norm
    } else {
        0.0
    };
    v.iter().map(|x| x * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_whole_whatever_the_length() {
        for n in [0, 1, 7, 8, 9, 256] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let ones = vec![1.0; a.len()];
            let squares: f64 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), squares, "{n}");
            assert_eq!(dot(&a, &ones), a.iter().sum::<f64>(), "{n}");
            let zeros = vec![0.0; a.len()];
            assert_eq!(squared_distance(&a, &zeros), squares, "{n}");
        }
    }

    #[test]
    fn what_has_no_direction_is_told_apart() {
        assert_eq!(norm(&[3.0, 4.0]), Some(5.0));
        for v in [&[][..], &[0.0, 0.0], &[1.0, f32::NAN], &[f32::INFINITY]] {
            assert_eq!(norm(v), None, "{v:?}");
        }
        assert_eq!(normalised(&[3.0, 4.0]), [0.6000000000000001, 0.8]);
        assert_eq!(normalised(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
