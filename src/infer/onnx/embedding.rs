//! How a voice sounds: models with the interfaces of WeSpeaker, 3D-Speaker and NeMo, as sherpa-onnx exports them.

use std::sync::Arc;

use super::CAT;
use super::session::{ModelFile, ModelSource, OnnxModel, Output, SessionOptions};
use crate::infer::fbank::{Fbank, Features, Normalisation, Recipe, SlidingFbank, WindowShape};
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::speech::diarize::{Embedding, Geometry};
use crate::time::SAMPLE_RATE;

/// Our own, trained in `models/train`.
static BUNDLED: &[u8] = include_bytes!("../../../models/scribe-embedding.onnx");

/// Fewer frames of features than this have no voice in them: 0.1 s. pyannote embeds even a single frame; with the
/// mean over time taken off, that is all zeros.
const LEAST_ROWS: usize = 10;
/// Frames at which a model that refuses shorter input is given up.
const MOST_LEAST_ROWS: usize = 640;
/// NeMo's encoder takes whole blocks of this many frames (sherpa-onnx, `speaker-embedding-extractor-nemo-impl.h`).
const NEMO_BLOCK: usize = 16;

/// Which features the model is fed with, where its file leaves that open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum FeatureProfile {
    /// Those that it was trained on, by the framework that its metadata name, or by their own `feature_profile`.
    #[default]
    Auto,
    /// As sherpa-onnx makes them for every model: for the same embeddings as there.
    Sherpa,
    /// As WeSpeaker and pyannote make them.
    Wespeaker,
}

/// How the model is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interface {
    /// [N, T, bands], and the embeddings are the first output.
    Rows,
    /// [N, bands, T] and lengths, and the embeddings are the second output (the first are classes).
    Nemo,
}

/// An embedding model with the features that it takes.
pub struct EmbeddingModel {
    model: OnnxModel,
    interface: Interface,
    features: SlidingFbank,
    normalisation: Normalisation,
    dimension: usize,
    least_rows: usize,
    threshold: Option<f32>,
}

/// The model that `source` is, as errors name it.
pub(super) fn file(source: &ModelSource) -> ModelFile<'_> {
    ModelFile {
        property: "embedding-model",
        kind: "a speaker embedding model",
        source,
        bundled: BUNDLED,
    }
}

impl EmbeddingModel {
    /// Opens it.
    ///
    /// # Errors
    /// [`LoadError`], when it is not there, damaged, or of no interface that is known here.
    pub fn open(
        source: &ModelSource,
        options: &SessionOptions,
        profile: FeatureProfile,
    ) -> Result<Self, LoadError> {
        let file = file(source);
        let model = OnnxModel::open(&file, options)?;
        let claims = Claims {
            file: &file,
            model: &model,
        };
        let rate = claims.number("sample_rate")?.unwrap_or(f64::from(SAMPLE_RATE));
        if rate != f64::from(SAMPLE_RATE) {
            return Err(file.wrong(format_args!(
                "it is for audio at {rate} Hz, and {SAMPLE_RATE} Hz was expected"
            )));
        }
        let (interface, recipe) = claims.recipe(profile)?;
        claims.check_input(interface, recipe.options.bands)?;
        let promised = claims.number("output_dim")?.map(|n| n as usize);
        let threshold = claims.number("clustering_threshold")?.map(|n| n as f32);
        let mut this = EmbeddingModel {
            interface,
            features: SlidingFbank::new(Fbank::new(recipe.options)),
            normalisation: recipe.normalisation,
            dimension: 0,
            least_rows: LEAST_ROWS,
            threshold,
            model,
        };
        this.probe(&file)?;
        match promised {
            Some(n) if n != this.dimension => Err(file.wrong(format_args!(
                "its embeddings have {} values, and its metadata output_dim={n} say otherwise",
                this.dimension
            ))),
            _ => Ok(this),
        }
    }

    /// Values of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Where its maker would cut the clustering (metadata `clustering_threshold`).
    pub fn threshold(&self) -> Option<f32> {
        self.threshold
    }

    /// Samples without which there is no embedding.
    pub fn least_samples(&self) -> usize {
        let fbank = self.features.fbank();
        (self.least_rows - 1) * (fbank.centre(1) - fbank.centre(0)) + 2 * fbank.centre(0)
    }

    /// The features of a window that begins at sample `start`, from which [`EmbeddingModel::cut`] takes those of
    /// each speaker. What the window before had already is not made again.
    pub fn features(&mut self, start: u64, samples: &[f32]) -> Arc<Features> {
        self.features.compute(start, samples)
    }

    /// Those of `features` that lie where `mask` is true: one value for each frame of `geometry`, whose frame counts
    /// that is centred nearest.
    pub fn cut(&self, features: &Features, mask: &[bool], geometry: &Geometry) -> Features {
        let nearest = |row: usize| {
            let from_first = (self.features.fbank().centre(row) + geometry.frame_step / 2)
                .saturating_sub(geometry.receptive_field / 2);
            (from_first / geometry.frame_step.max(1)).min(mask.len().saturating_sub(1))
        };
        let mut values = Vec::with_capacity(features.values.len());
        for row in 0..features.rows() {
            if mask.get(nearest(row)).copied().unwrap_or(false) {
                values.extend_from_slice(features.row(row));
            }
        }
        Features {
            bands: features.bands,
            values,
        }
    }

    /// The voice in `features`, which are normalised here; `None` when there are too few, or the model makes no
    /// numbers of them.
    pub fn embed(&mut self, mut features: Features, cancel: &Cancel) -> Result<Option<Embedding>, RunError> {
        if features.rows() < self.least_rows {
            return Ok(None);
        }
        self.normalisation.apply(&mut features);
        let embedding = self.run(&features, cancel)?.values;
        if embedding.len() != self.dimension {
            return Err(RunError::Failed(format!(
                "the embedding model gave {} values, and {} were expected",
                embedding.len(),
                self.dimension
            )));
        }
        Ok(embedding.iter().all(|v| v.is_finite()).then_some(embedding))
    }

    fn run(&mut self, features: &Features, cancel: &Cancel) -> Result<Output, RunError> {
        let (rows, bands) = (features.rows(), features.bands);
        match self.interface {
            Interface::Rows => self
                .model
                .run(&[1, rows, bands], &features.values, None, 0, cancel),
            Interface::Nemo => {
                let padded = rows.next_multiple_of(NEMO_BLOCK);
                let mut turned = vec![0.0; bands * padded];
                for (t, row) in features.values.chunks_exact(bands).enumerate() {
                    for (band, value) in row.iter().enumerate() {
                        turned[band * padded + t] = *value;
                    }
                }
                let lengths = [rows as i64];
                self.model
                    .run(&[1, bands, padded], &turned, Some(&lengths), 1, cancel)
            }
        }
    }

    /// Runs it on made-up features of growing length until it takes them. Sets its dimension and the least length.
    fn probe(&mut self, file: &ModelFile<'_>) -> Result<(), LoadError> {
        let bands = self.features.fbank().bands();
        loop {
            let values = (0..self.least_rows * bands)
                .map(|i| (i % 7) as f32 - 3.0)
                .collect();
            match self.run(&Features { bands, values }, &Cancel::default()) {
                Ok(output) => match output.shape[..] {
                    [1, n] if n > 0 => {
                        self.dimension = n as usize;
                        return Ok(());
                    }
                    _ => {
                        return Err(file.wrong(format_args!(
                            "its output is {:?}, and [1, dimension] was expected",
                            output.shape
                        )));
                    }
                },
                // Too little is another matter than too little memory.
                Err(e) if self.least_rows >= MOST_LEAST_ROWS || matches!(e, RunError::NoMemory { .. }) => {
                    let input = format!("{} frames of {bands} bands", self.least_rows);
                    return Err(file.does_not_run(input, &e));
                }
                Err(_) => self.least_rows *= 2,
            }
        }
    }
}

/// What the file says of itself, under sherpa-onnx's keys.
struct Claims<'a> {
    file: &'a ModelFile<'a>,
    model: &'a OnnxModel,
}

impl Claims<'_> {
    fn number(&self, key: &str) -> Result<Option<f64>, LoadError> {
        let Some(text) = self.model.metadata(key) else {
            return Ok(None);
        };
        match text.trim().parse::<f64>() {
            Ok(n) if n >= 0.0 && n.is_finite() => Ok(Some(n)),
            _ => Err(self.wrong(key, &text, "a number")),
        }
    }

    fn wrong(&self, key: &str, value: &str, expected: &str) -> LoadError {
        self.file
            .wrong(format_args!("its metadata {key}={value} should be {expected}"))
    }

    /// How it is called and what it is fed with.
    fn recipe(&self, profile: FeatureProfile) -> Result<(Interface, Recipe), LoadError> {
        let framework = self.model.metadata("framework");
        let own_profile = self.model.metadata("feature_profile");
        let profile = match (profile, own_profile.as_deref()) {
            (FeatureProfile::Auto, Some("sherpa")) => FeatureProfile::Sherpa,
            (FeatureProfile::Auto, Some("wespeaker")) => FeatureProfile::Wespeaker,
            (FeatureProfile::Auto, Some(other)) => {
                return Err(self.wrong("feature_profile", other, "sherpa or wespeaker"));
            }
            (profile, _) => profile,
        };
        let (interface, mut recipe) = match (framework.as_deref(), profile) {
            (Some("nemo"), _) => (Interface::Nemo, Recipe::nemo()),
            (Some("3d-speaker"), FeatureProfile::Auto | FeatureProfile::Sherpa) => {
                (Interface::Rows, Recipe::three_d_speaker())
            }
            (Some("wespeaker") | None, FeatureProfile::Sherpa) => (Interface::Rows, Recipe::sherpa()),
            (Some("wespeaker" | "3d-speaker") | None, _) => (Interface::Rows, Recipe::wespeaker()),
            (Some(other), _) => {
                return Err(self.wrong("framework", other, "wespeaker, 3d-speaker or nemo"));
            }
        };
        if framework.is_none() {
            gst::warning!(
                CAT,
                "{} does not name its framework in its metadata: it is fed as a WeSpeaker model",
                self.file
            );
        }
        self.adjust(&mut recipe)?;
        Ok((interface, recipe))
    }

    /// What the file says of its features goes before what is usual.
    fn adjust(&self, recipe: &mut Recipe) -> Result<(), LoadError> {
        match self.model.metadata("normalize_samples").as_deref() {
            None => {}
            Some("0") => recipe.options.scale = 32_768.0,
            Some("1") => recipe.options.scale = 1.0,
            Some(other) => return Err(self.wrong("normalize_samples", other, "0 or 1")),
        }
        match self.model.metadata("feature_normalize_type").as_deref() {
            None => {}
            Some("global-mean") => recipe.normalisation = Normalisation::Mean,
            Some("per_feature") => recipe.normalisation = Normalisation::MeanAndDeviation,
            Some(other) => {
                return Err(self.wrong("feature_normalize_type", other, "global-mean or per_feature"));
            }
        }
        match self.model.metadata("window_type").as_deref() {
            None => {}
            Some("povey") => recipe.options.window = WindowShape::Povey,
            Some("hamming") => recipe.options.window = WindowShape::Hamming,
            Some("hann") => recipe.options.window = WindowShape::Hann,
            Some(other) => return Err(self.wrong("window_type", other, "povey, hamming or hann")),
        }
        let bounded = |key: &str, least: f64, most: f64| match self.number(key)? {
            Some(n) if !(least..=most).contains(&n) => {
                Err(self.wrong(key, &n.to_string(), &format!("{least} to {most}")))
            }
            n => Ok(n),
        };
        if let Some(ms) = bounded("window_size_ms", 1.0, 1000.0)? {
            recipe.options.frame_length_ms = ms as f32;
        }
        if let Some(ms) = bounded("window_stride_ms", 1.0, 1000.0)? {
            recipe.options.frame_shift_ms = ms as f32;
        }
        if let Some(n) = bounded("feat_dim", 1.0, 256.0)? {
            recipe.options.bands = n as usize;
        }
        Ok(())
    }

    fn check_input(&self, interface: Interface, bands: usize) -> Result<(), LoadError> {
        let open_or = |n: i64, expected: usize| n < 0 || n == expected as i64;
        let (inputs, outputs) = self.model.arity();
        let shape = self.model.input_shape(0).unwrap_or_default();
        let (fits, expected) = match interface {
            Interface::Rows => (
                inputs == 1
                    && outputs >= 1
                    && matches!(shape[..], [n, t, b] if open_or(n, 1) && t < 0 && open_or(b, bands)),
                format!("float32 [N, T, {bands}]"),
            ),
            Interface::Nemo => (
                inputs == 2
                    && outputs >= 2
                    && matches!(shape[..], [n, b, t] if open_or(n, 1) && open_or(b, bands) && t < 0),
                format!(
                    "float32 [N, {bands}, T] and int64 lengths, with the embeddings as its second output"
                ),
            ),
        };
        if fits {
            return Ok(());
        }
        Err(self.file.wrong(format_args!(
            "it should take features as {expected}, and has {}",
            self.model.interface()
        )))
    }
}
