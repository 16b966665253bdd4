//! The embeddings that are clustered: those of speakers who are heard alone for long enough.

use super::linkage::Points;
use crate::speech::diarize::vectors::norm;

/// Embeddings that have a direction and one common length of the row.
#[derive(Clone, Debug, Default)]
pub struct Voices<'a> {
    rows: Vec<&'a [f32]>,
    /// What brings each row to the length 1.
    scales: Vec<f64>,
}

impl<'a> Voices<'a> {
    /// Keeps those of `rows` that have a direction and as many values as the first of them. Also tells which of
    /// the rows those are.
    pub fn new(rows: impl IntoIterator<Item = &'a [f32]>) -> (Self, Vec<usize>) {
        let mut voices = Voices::default();
        let mut kept = Vec::new();
        for (i, row) in rows.into_iter().enumerate() {
            let fits = voices.rows.first().is_none_or(|first| first.len() == row.len());
            if let Some(norm) = norm(row).filter(|_| fits) {
                voices.rows.push(row);
                voices.scales.push(1.0 / norm);
                kept.push(i);
            }
        }
        (voices, kept)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Values of an embedding.
    pub fn dimension(&self) -> usize {
        self.rows.first().map_or(0, |row| row.len())
    }

    /// One of them, as it came.
    pub fn row(&self, i: usize) -> &'a [f32] {
        self.rows[i]
    }

    /// One of them, at the length 1.
    pub fn normalised(&self, i: usize) -> impl Iterator<Item = f64> {
        let scale = self.scales[i];
        self.rows[i].iter().map(move |x| f64::from(*x) * scale)
    }

    /// Those of `range` at the length 1, each standing for itself.
    pub fn points(&self, range: std::ops::Range<usize>) -> Points {
        let mut points = Points::new(self.dimension());
        range.for_each(|i| points.push(self.normalised(i), 1));
        points
    }

    /// The mean of the embeddings of each cluster as they came, not normalised; zero for an empty one.
    pub fn means(&self, cluster_of: &[usize], clusters: usize) -> Vec<Vec<f64>> {
        let mut means = vec![vec![0.0; self.dimension()]; clusters];
        let mut sizes = vec![0usize; clusters];
        for (row, cluster) in self.rows.iter().zip(cluster_of) {
            sizes[*cluster] += 1;
            means[*cluster]
                .iter_mut()
                .zip(*row)
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
        for (mean, size) in means.iter_mut().zip(sizes) {
            mean.iter_mut().for_each(|x| *x /= size.max(1) as f64);
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_direction_is_kept() {
        let rows: [&[f32]; 5] = [&[f32::NAN, 1.0], &[3.0, 4.0], &[0.0, 0.0], &[1.0], &[0.0, -2.0]];
        let (voices, kept) = Voices::new(rows);
        assert_eq!((kept, voices.len(), voices.dimension()), (vec![1, 4], 2, 2));
        assert_eq!(voices.points(0..2).point(1), [0.0, -1.0]);
        assert_eq!(voices.means(&[0, 0], 2), [vec![1.5, 1.0], vec![0.0, 0.0]]);
        assert!(Voices::new([]).0.is_empty());
    }
}
