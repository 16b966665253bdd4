//! Probabilistic linear discriminant analysis: the space in which voices of one speaker lie around a point with
//! variance 1, and speakers with a known variance for each axis.
//!
//! Ioffe, "Probabilistic linear discriminant analysis", 2006; with the transform of x-vectors that goes before it, as
//! pyannote.audio 4 (`vbx_setup`) does. The reference solves a generalised eigenproblem for B = (trᵀ diag(1/psi) tr)⁻¹
//! against W = (trᵀ tr)⁻¹; but tr W trᵀ = 1 and tr B trᵀ = diag(psi), so the rows of `tr` are the eigenvectors and
//! `psi` the eigenvalues already, up to the signs of axes, which nothing depends on.

use super::vectors::{dot, normalised};

/// A PLDA with the transform of embeddings that goes before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plda {
    mean1: Vec<f64>,
    mean2: Vec<f64>,
    /// Transposed: one row for each value that comes out.
    lda: Vec<f64>,
    mu: Vec<f64>,
    tr: Vec<f64>,
    psi: Vec<f64>,
}

/// Why arrays make no PLDA.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PldaError {
    /// An array has not as many values as the others ask for.
    #[error("the array {name:?} has {actual} values where {expected} are expected ({why})")]
    Length {
        /// Of the array, as pyannote's files call it.
        name: &'static str,
        /// Values that it has.
        actual: usize,
        /// Values that it should have.
        expected: usize,
        /// What that follows from.
        why: String,
    },
    /// An array is empty.
    #[error("the array {0:?} is empty")]
    Empty(&'static str),
    /// An array has an infinity or what is no number.
    #[error("the array {0:?} has values that are not finite")]
    NotFinite(&'static str),
    /// A variance is negative.
    #[error("the array \"psi\" has a negative value; variances between speakers are expected")]
    Negative,
}

impl Plda {
    /// From the arrays of pyannote's files, rows one after the other: `xvec_transform.npz` has `mean1` (d), `mean2` (l)
    /// and `lda` (d × l), `plda.npz` has `mu` (l), `tr` (l × l) and `psi` (l).
    pub fn new(
        mean1: Vec<f64>,
        mean2: Vec<f64>,
        lda: Vec<f64>,
        mu: Vec<f64>,
        tr: Vec<f64>,
        psi: Vec<f64>,
    ) -> Result<Self, PldaError> {
        let (d, l) = (mean1.len(), mean2.len());
        for (name, array, expected, why) in [
            ("mean1", &mean1, d, String::new()),
            ("mean2", &mean2, l, String::new()),
            ("lda", &lda, d * l, format!("\"mean1\" has {d} and \"mean2\" {l}")),
            ("mu", &mu, l, format!("\"mean2\" has {l}")),
            ("tr", &tr, l * l, format!("\"mean2\" has {l}, and it is square")),
            ("psi", &psi, l, format!("\"mean2\" has {l}")),
        ] {
            if array.is_empty() {
                return Err(PldaError::Empty(name));
            }
            if array.len() != expected {
                return Err(PldaError::Length {
                    name,
                    actual: array.len(),
                    expected,
                    why,
                });
            }
            if !array.iter().all(|v| v.is_finite()) {
                return Err(PldaError::NotFinite(name));
            }
        }
        if psi.iter().any(|v| *v < 0.0) {
            return Err(PldaError::Negative);
        }
        let lda = (0..l)
            .flat_map(|j| (0..d).map(move |i| i * l + j))
            .map(|at| lda[at])
            .collect();
        Ok(Self {
            mean1,
            mean2,
            lda,
            mu,
            tr,
            psi,
        })
    }

    /// Values of the embeddings that it takes.
    pub fn embedding_dimension(&self) -> usize {
        self.mean1.len()
    }

    /// The variances between speakers on each axis (φ of VBx).
    pub fn between(&self) -> &[f64] {
        &self.psi
    }

    /// Centred, brought to the length √d, reduced by the LDA, centred, brought to the length √l.
    pub fn whiten(&self, embedding: &[f32]) -> Vec<f64> {
        let centred: Vec<f64> = embedding
            .iter()
            .zip(&self.mean1)
            .map(|(x, m)| f64::from(*x) - m)
            .collect();
        let scale = (self.mean1.len() as f64).sqrt();
        let long: Vec<f64> = normalised(&centred).into_iter().map(|x| x * scale).collect();
        let reduced = self.lda.chunks_exact(self.mean1.len()).map(|row| dot(row, &long));
        let centred: Vec<f64> = reduced.zip(&self.mean2).map(|(x, m)| x - m).collect();
        let scale = (self.mean2.len() as f64).sqrt();
        normalised(&centred).into_iter().map(|x| x * scale).collect()
    }

    /// An embedding in the space of the PLDA.
    pub fn project(&self, embedding: &[f32]) -> Vec<f64> {
        let white = self.whiten(embedding);
        let centred: Vec<f64> = white.iter().zip(&self.mu).map(|(x, m)| x - m).collect();
        self.tr
            .chunks_exact(self.mu.len())
            .map(|row| dot(row, &centred))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plda() -> Result<Plda, PldaError> {
        // Three values to two: the LDA takes the first and twice the third.
        Plda::new(
            vec![1.0, 0.0, 0.0],
            vec![0.0, 0.0],
            vec![1.0, 0.0, 0.0, 0.0, 0.0, 2.0],
            vec![1.0, 0.0],
            vec![0.0, 1.0, 3.0, 0.0],
            vec![2.0, 1.0],
        )
    }

    #[test]
    fn an_embedding_is_whitened_and_turned() {
        let plda = plda().unwrap();
        assert_eq!((plda.embedding_dimension(), plda.between()), (3, &[2.0, 1.0][..]));
        // (3, 0, 4) centred is (2, 0, 4); reduced it points to (2, 8), which is brought to the length √2.
        let whole = 68f64.sqrt();
        let white = plda.whiten(&[3.0, 0.0, 4.0]);
        let expected = [2.0 * 2f64.sqrt() / whole, 8.0 * 2f64.sqrt() / whole];
        assert!(
            white.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{white:?}"
        );
        let projected = plda.project(&[3.0, 0.0, 4.0]);
        let expected = [expected[1], 3.0 * (expected[0] - 1.0)];
        assert!(
            projected.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{projected:?}"
        );
    }

    #[test]
    fn an_embedding_without_a_direction_is_the_middle() {
        let plda = plda().unwrap();
        assert_eq!(plda.whiten(&[1.0, 0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(
            plda.project(&[]),
            [0.0, -3.0],
            "and one that is too short does not panic"
        );
    }

    #[test]
    fn arrays_that_do_not_fit_are_told_apart() {
        let new = |tr: Vec<f64>, psi: Vec<f64>| {
            Plda::new(vec![0.0; 2], vec![0.0], vec![1.0; 2], vec![0.0], tr, psi).map_err(|e| e.to_string())
        };
        assert!(new(vec![1.0], vec![1.0]).is_ok());
        assert_eq!(
            new(vec![1.0, 2.0], vec![1.0]).unwrap_err(),
            "the array \"tr\" has 2 values where 1 are expected (\"mean2\" has 1, and it is square)"
        );
        assert!(new(vec![f64::NAN], vec![1.0]).unwrap_err().contains("\"tr\""));
        assert!(new(vec![], vec![1.0]).unwrap_err().contains("empty"));
        assert!(new(vec![1.0], vec![-1.0]).unwrap_err().contains("negative"));
    }
}
