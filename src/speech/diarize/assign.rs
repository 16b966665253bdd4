//! The local speakers of a window → the speakers of the recording.

use super::matching::match_rows;
use super::vectors::{dot, norm, normalised};

/// The speakers of the recording, by the directions of their centroids.
#[derive(Clone, Debug)]
pub struct Assigner {
    directions: Vec<Vec<f64>>,
    /// No two local speakers of a window are one speaker.
    constrained: bool,
}

impl Assigner {
    /// Compares with `centroids`. `constrained` makes no two speakers of a window one speaker of the recording: the
    /// segmentation told them apart for a reason; in exchange, some may be nobody.
    pub fn new(centroids: &[Vec<f64>], constrained: bool) -> Self {
        Self {
            directions: centroids.iter().map(|c| normalised(c)).collect(),
            constrained,
        }
    }

    /// The cosines between an embedding and all centroids; `None` when it has no direction, or another length of the
    /// row than they.
    pub fn similarities(&self, embedding: &[f32]) -> Option<Vec<f64>> {
        let norm = norm(embedding)?;
        if self.directions.iter().any(|c| c.len() != embedding.len()) {
            return None;
        }
        let direction: Vec<f64> = embedding.iter().map(|x| f64::from(*x) / norm).collect();
        Some(self.directions.iter().map(|c| dot(&direction, c)).collect())
    }

    /// The speaker of each local speaker, given their embeddings; those who are silent have none.
    ///
    /// Who has no embedding is nobody: the reference gives such a one whoever is left over.
    pub fn assign(&self, embeddings: &[Option<&[f32]>]) -> Vec<Option<usize>> {
        let speakers = self.directions.len();
        let similarities = embeddings.iter().map(|e| e.and_then(|e| self.similarities(e)));
        if !self.constrained {
            return similarities.map(|row| row.as_deref().and_then(highest)).collect();
        }
        let costs = similarities.flat_map(|row| match row {
            Some(row) => row.into_iter().map(|s| -s).collect(),
            None => vec![f64::INFINITY; speakers],
        });
        let mut matched = match_rows(&costs.collect::<Vec<_>>(), speakers);
        matched.resize(embeddings.len(), None);
        matched
    }
}

/// The first of the greatest.
fn highest(values: &[f64]) -> Option<usize> {
    let mut best = None;
    for (i, value) in values.iter().enumerate() {
        if best.is_none_or(|b: usize| *value > values[b]) {
            best = Some(i);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(constrained: bool, embeddings: &[Option<&[f32]>], expected: &[Option<usize>]) {
        let assigner = Assigner::new(&[vec![2.0, 0.0], vec![0.0, 5.0]], constrained);
        assert_eq!(assigner.assign(embeddings), expected);
    }

    #[test]
    fn each_goes_to_the_most_similar() {
        let (near, nearer, far) = (
            Some(&[0.9f32, 0.5][..]),
            Some(&[0.9f32, 0.1][..]),
            Some(&[0.0f32, 1.0][..]),
        );
        check(false, &[near, nearer, None], &[Some(0), Some(0), None]);
        check(true, &[near, nearer, None], &[Some(1), Some(0), None]);
        check(true, &[near, nearer, far], &[None, Some(0), Some(1)]);
        check(true, &[Some(&[f32::NAN, 1.0]), far], &[None, Some(1)]);
        check(true, &[], &[]);
    }

    #[test]
    fn without_speakers_all_are_nobody() {
        for constrained in [false, true] {
            assert_eq!(
                Assigner::new(&[], constrained).assign(&[Some(&[1.0]), None]),
                [None, None]
            );
        }
    }

    #[test]
    fn similarity_is_the_cosine() {
        let assigner = Assigner::new(&[vec![1.0, 0.0], vec![-1.0, 0.0], vec![0.0, 0.0]], true);
        let similarities = assigner.similarities(&[3.0, 4.0]).unwrap();
        assert!(
            similarities
                .iter()
                .zip([0.6, -0.6, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        assert_eq!(assigner.similarities(&[0.0, 0.0]), None);
        assert_eq!(assigner.similarities(&[1.0]), None);
    }
}
