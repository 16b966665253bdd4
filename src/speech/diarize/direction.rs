//! Embeddings as directions: only the angle between two tells voices apart.

use super::vectors::norm;

/// A vector of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction(Vec<f32>);

impl Direction {
    /// Where `v` points; `None` where it points nowhere: all zeros, empty, or with something that is no number.
    pub fn of(v: &[f32]) -> Option<Direction> {
        let norm = norm(v)?;
        let unit = |x: &f32| (f64::from(*x) / norm) as f32;
        Some(Direction(v.iter().map(unit).collect()))
    }

    /// Its values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Cosine distance: 0 in the same direction, 1 at a right angle, 2 in the opposite one. Directions of different
    /// models (with more or fewer values) are as far apart as can be.
    pub fn distance(&self, other: &Direction) -> f32 {
        if self.0.len() != other.0.len() {
            return 2.0;
        }
        1.0 - self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directions_count() {
        assert_eq!(Direction::of(&[3.0, 4.0]).unwrap().values(), [0.6, 0.8]);
        assert_eq!(Direction::of(&[0.0, -1e30]).unwrap().values(), [0.0, -1.0]);
        for none in [&[][..], &[0.0, 0.0], &[1.0, f32::NAN], &[f32::INFINITY, 1.0]] {
            assert_eq!(Direction::of(none), None, "{none:?}");
        }
        let right = Direction::of(&[2.0, 0.0]).unwrap();
        for (other, expected) in [
            (&[9.0, 0.0][..], 0.0),
            (&[0.0, 0.1], 1.0),
            (&[-1.0, 0.0], 2.0),
            (&[1.0], 2.0),
        ] {
            assert_eq!(right.distance(&Direction::of(other).unwrap()), expected);
        }
    }
}
