//! VBx: which speakers there are and which voice is whose, by variational Bayes in the space of a PLDA.
//!
//! Landini, Profant, Diez and Burget, "Bayesian HMM clustering of x-vector sequences (VBx) in speaker diarization",
//! 2022, without the HMM: a mixture, as pyannote.audio 4 uses it. Numbers in the comments are those of the paper's
//! equations. Speakers that are not needed lose their share. The responsibilities of all voices are never held:
//! a pass over the voices sums up what the next one needs, so memory is voices × dimension + speakers × dimension.

use crate::speech::diarize::vectors::dot;

/// Added to a share before its logarithm is taken, as in the reference.
const LEAST_SHARE: f64 = 1e-8;
/// A responsibility below this changes no sum that a f64 could show.
const NEGLIGIBLE: f64 = 1e-18;

/// How VBx runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VbxConfig {
    /// How much the voices count; lower since neighbouring windows share their audio.
    pub fa: f64,
    /// How much a speaker costs: higher gives fewer speakers.
    pub fb: f64,
    /// Passes at most.
    pub iterations: usize,
    /// A pass that gains less than this is the last one.
    pub epsilon: f64,
    /// How sure the clusters at the beginning are: the logit of a voice's own cluster.
    pub smoothing: f64,
}

impl Default for VbxConfig {
    /// The values of pyannote's community-1, and of its `cluster_vbx`.
    fn default() -> Self {
        Self {
            fa: 0.07,
            fb: 0.8,
            iterations: 20,
            epsilon: 1e-4,
            smoothing: 7.0,
        }
    }
}

/// What VBx found.
#[derive(Clone, Debug)]
pub struct Posterior {
    config: VbxConfig,
    dimension: usize,
    /// The voices, scaled by the square roots of the between-speaker variances, (18).
    rho: Vec<f64>,
    /// The term of each voice that does not depend on the speaker, in (23).
    constants: Vec<f64>,
    model: Model,
    /// The share of each speaker.
    pub shares: Vec<f64>,
    /// The objective after each pass.
    pub elbo: Vec<f64>,
}

/// The speakers as they are at the beginning of a pass.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Means, speaker by speaker, (16).
    alpha: Vec<f64>,
    /// The term of each speaker that does not depend on the voice, in (23).
    constants: Vec<f64>,
    log_shares: Vec<f64>,
    /// What the speakers add to the objective, (25).
    evidence: f64,
}

/// What a pass sums up.
#[derive(Clone, Debug)]
struct Sums {
    /// Responsibilities of each speaker.
    voices: Vec<f64>,
    /// Voices weighted by them, speaker by speaker.
    rho: Vec<f64>,
    log_likelihood: f64,
}

/// Runs VBx on `features` (voices × `phi.len()`, from [`Plda::project`](crate::speech::diarize::Plda::project)), with
/// the between-speaker variances `phi`, from the clusters `start` of the voices, numbered without gaps.
pub fn vbx(mut features: Vec<f64>, phi: &[f64], start: &[usize], config: &VbxConfig) -> Posterior {
    let dimension = phi.len();
    features.resize(start.len() * dimension, 0.0);
    let deviations: Vec<f64> = phi.iter().map(|p| p.sqrt()).collect();
    let mut constants = Vec::with_capacity(start.len());
    for voice in features.chunks_exact_mut(dimension.max(1)) {
        constants.push(-0.5 * (dot(voice, voice) + dimension as f64 * std::f64::consts::TAU.ln()));
        voice.iter_mut().zip(&deviations).for_each(|(x, d)| *x *= d);
    }
    constants.resize(start.len(), 0.0);
    let speakers = start.iter().max().map_or(0, |last| last + 1);
    let mut posterior = Posterior {
        config: *config,
        dimension,
        rho: features,
        constants,
        model: Model::default(),
        shares: vec![1.0 / speakers.max(1) as f64; speakers],
        elbo: Vec::new(),
    };
    let mut sums = posterior.sums_at_start(start);
    for _ in 0..config.iterations {
        posterior.model = posterior.fit(&sums, phi);
        sums = posterior.pass();
        let whole: f64 = sums.voices.iter().sum();
        if whole.is_nan() || whole <= 0.0 {
            break;
        }
        posterior.shares = sums.voices.iter().map(|n| n / whole).collect();
        let elbo = sums.log_likelihood + posterior.model.evidence;
        let gain = posterior.elbo.last().map(|before| elbo - before);
        posterior.elbo.push(elbo);
        if gain.is_some_and(|gain| gain < config.epsilon) {
            break;
        }
    }
    posterior
}

impl Posterior {
    /// How likely each speaker is to own the voice `i`.
    pub fn responsibilities(&self, i: usize) -> Vec<f64> {
        let mut row = vec![0.0; self.shares.len()];
        self.respond(i, &mut row);
        row
    }

    /// The same, into `row`; returns the logarithm of the voice's likelihood.
    fn respond(&self, i: usize, row: &mut [f64]) -> f64 {
        let voice = &self.rho[i * self.dimension..][..self.dimension];
        let mut highest = f64::NEG_INFINITY;
        for (s, value) in row.iter_mut().enumerate() {
            let mean = &self.model.alpha[s * self.dimension..][..self.dimension];
            let terms = dot(voice, mean) + self.model.constants[s] + self.constants[i];
            *value = self.config.fa * terms + self.model.log_shares[s]; // (23)
            highest = highest.max(*value);
        }
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = (*value - highest).exp();
            sum += *value;
        }
        row.iter_mut().for_each(|value| *value /= sum);
        highest + sum.ln()
    }

    fn no_sums(&self) -> Sums {
        Sums {
            voices: vec![0.0; self.shares.len()],
            rho: vec![0.0; self.shares.len() * self.dimension],
            log_likelihood: 0.0,
        }
    }

    /// The sums for responsibilities of softmax(smoothing × one-hot cluster).
    fn sums_at_start(&self, start: &[usize]) -> Sums {
        let own = self.config.smoothing.exp();
        let whole = own + self.shares.len() as f64 - 1.0;
        let mut sums = self.no_sums();
        let mut all = vec![0.0; self.dimension];
        for (i, speaker) in start.iter().enumerate() {
            let voice = &self.rho[i * self.dimension..][..self.dimension];
            add(&mut all, voice, 1.0 / whole);
            let of_speaker = &mut sums.rho[speaker * self.dimension..][..self.dimension];
            add(of_speaker, voice, (own - 1.0) / whole);
            sums.voices[*speaker] += (own - 1.0) / whole;
        }
        for s in 0..self.shares.len() {
            add(&mut sums.rho[s * self.dimension..][..self.dimension], &all, 1.0);
            sums.voices[s] += start.len() as f64 / whole;
        }
        sums
    }

    fn fit(&self, sums: &Sums, phi: &[f64]) -> Model {
        let ratio = self.config.fa / self.config.fb;
        let mut model = Model {
            alpha: sums.rho.clone(),
            log_shares: self.shares.iter().map(|p| (p + LEAST_SHARE).ln()).collect(),
            ..Model::default()
        };
        for (mean, voices) in model
            .alpha
            .chunks_exact_mut(self.dimension.max(1))
            .zip(&sums.voices)
        {
            let mut constant = 0.0;
            for (x, phi) in mean.iter_mut().zip(phi) {
                let variance = 1.0 / (1.0 + ratio * voices * phi); // (17)
                *x *= ratio * variance; // (16)
                constant -= 0.5 * (variance + *x * *x) * phi;
                model.evidence += self.config.fb * 0.5 * (variance.ln() - variance - *x * *x + 1.0);
            }
            model.constants.push(constant);
        }
        model.constants.resize(self.shares.len(), 0.0);
        model
    }

    fn pass(&self) -> Sums {
        let mut sums = self.no_sums();
        let mut row = vec![0.0; self.shares.len()];
        for i in 0..self.constants.len() {
            sums.log_likelihood += self.respond(i, &mut row);
            let voice = &self.rho[i * self.dimension..][..self.dimension];
            for (s, share) in row.iter().enumerate() {
                sums.voices[s] += share;
                if *share > NEGLIGIBLE {
                    add(
                        &mut sums.rho[s * self.dimension..][..self.dimension],
                        voice,
                        *share,
                    );
                }
            }
        }
        sums
    }
}

fn add(sums: &mut [f64], values: &[f64], factor: f64) {
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, v)| *sum += v * factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two speakers on the first axis, and noise on the second; the start splits the first one in two.
    fn run() -> Posterior {
        let voice = |i: usize| {
            let noise = ((i * 37) % 11) as f64 / 11.0 - 0.5;
            [if i < 40 { 4.0 } else { -4.0 } + noise, noise]
        };
        let features: Vec<f64> = (0..60).flat_map(voice).collect();
        let start: Vec<usize> = (0..60)
            .map(|i| usize::from(i >= 30) + usize::from(i >= 40))
            .collect();
        let config = VbxConfig {
            fa: 0.3,
            fb: 5.0,
            ..VbxConfig::default()
        };
        vbx(features, &[20.0, 1.0], &start, &config)
    }

    #[test]
    fn a_speaker_too_many_loses_its_share() {
        let posterior = run();
        for (share, expected) in posterior.shares.iter().zip([2.0 / 3.0, 0.0, 1.0 / 3.0]) {
            assert!((share - expected).abs() < 1e-3, "{:?}", posterior.shares);
        }
        // What the reference's formulas give in numpy.
        assert!(
            (posterior.elbo[0] + 109.436_069_844_998_24).abs() < 1e-9,
            "{:?}",
            posterior.elbo
        );
        assert!(
            (posterior.elbo.last().unwrap() + 99.524_827_917_592_23).abs() < 1e-6,
            "{:?}",
            posterior.elbo
        );
    }

    #[test]
    fn the_objective_never_falls_and_responsibilities_are_shares() {
        let posterior = run();
        assert!(posterior.elbo.len() > 1);
        assert!(
            posterior.elbo.windows(2).all(|w| w[1] > w[0] - 1e-9),
            "{:?}",
            posterior.elbo
        );
        let mut sums = vec![0.0; 3];
        for i in 0..60 {
            let row = posterior.responsibilities(i);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            add(&mut sums, &row, 1.0 / 60.0);
        }
        for (sum, share) in sums.iter().zip(&posterior.shares) {
            assert!((sum - share).abs() < 1e-9);
        }
    }

    #[test]
    fn odd_input_has_an_answer() {
        let config = VbxConfig::default();
        assert!(vbx(vec![], &[1.0], &[], &config).shares.is_empty());
        assert_eq!(vbx(vec![1.0], &[1.0], &[0], &config).shares, [1.0]);
        assert_eq!(vbx(vec![], &[], &[0, 1], &config).shares.len(), 2);
        let shares = vbx(vec![f64::NAN, 1.0], &[1.0], &[0, 1], &config).shares;
        assert!(shares.iter().all(|s| s.is_finite()), "{shares:?}");
    }
}
