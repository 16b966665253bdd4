//! A segmentation and an embedding model as the diarizer asks them.

use std::ops::Range;
use std::sync::mpsc;

use super::embedding::{EmbeddingModel, FeatureProfile};
use super::segmentation::SegmentationModel;
use super::session::{ModelSource, SessionOptions};
use super::{embedding, provider, segmentation};
use crate::infer::cuda;
use crate::infer::fbank::Features;
use crate::infer::heap;
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use crate::memory::estimate::{self, Estimate, Place};
use crate::memory::probes::Device;
use crate::speech::diarize::pieces::{Cut, Piece, cut, piece_mask};
use crate::speech::diarize::{
    Analysis, Embedding, Geometry, Hysteresis, Scores, Window, embedding_mask, too_few_frames,
};

/// What is loaded, and how it runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SpeakersConfig {
    /// Who speaks when within a window.
    pub segmentation: ModelSource,
    /// How a voice sounds.
    pub embedding: ModelSource,
    /// Where both run.
    pub device: Device,
    /// Threads on the CPU, of both models together. From two on, they run at the same time.
    pub threads: usize,
    /// Windows that the segmentation model takes at a time, at most. On a CPU more than 1 gains nothing (ADR 0008).
    pub batch_size: usize,
    /// Features of the embedding model.
    pub feature_profile: FeatureProfile,
    /// Bytes that the arenas of both models together may take on a CUDA device.
    pub gpu_memory_limit: u64,
}

impl Default for SpeakersConfig {
    /// The bundled models on one thread.
    fn default() -> Self {
        SpeakersConfig {
            segmentation: ModelSource::Bundled,
            embedding: ModelSource::Bundled,
            device: Device::Auto,
            threads: 1,
            batch_size: 1,
            feature_profile: FeatureProfile::Auto,
            gpu_memory_limit: 2 << 30,
        }
    }
}

impl SpeakersConfig {
    /// The same in ordinary memory.
    #[must_use]
    pub fn on_cpu(&self) -> Self {
        SpeakersConfig {
            device: Device::Cpu,
            // A larger run gains nothing there (ADR 8), and would keep the two models from working side by side.
            batch_size: 1,
            ..self.clone()
        }
    }
}

/// What the models of `config` take together, and where: `auto` is decided.
///
/// # Errors
/// A file cannot be read, or the device cannot be had.
pub fn need(config: &SpeakersConfig) -> Result<(Estimate, Device), LoadError> {
    let device = match config.device {
        // Only where there is a GPU is ONNX Runtime asked whether it can use it.
        Device::Auto if cuda::is_there(0) => {
            provider::cuda_device(Device::Auto, super::runtime()?)?.map_or(Device::Cpu, Device::Cuda)
        }
        Device::Auto => Device::Cpu,
        named => named,
    };
    let place = match device {
        Device::Cuda(_) => Place::Gpu,
        Device::Auto | Device::Cpu => Place::Host,
    };
    let segmentation = estimate::onnx(segmentation::file(&config.segmentation).size()?, place);
    let embedding = estimate::onnx(embedding::file(&config.embedding).size()?, place);
    Ok((segmentation.beside(embedding), device))
}

/// The least that a voice is known by in [`SpeakerModels::embed`]: 0.5 s in frames of 10 ms. What is embedded
/// there names somebody for a whole recording.
const LEAST_VOICE: usize = 50;
/// As much as it is known by, at most: a minute.
const MOST_VOICE: usize = 6_000;

/// Both models, loaded.
pub struct OnnxSpeakers {
    segmentation: SegmentationModel,
    embedding: EmbeddingModel,
    batch_size: usize,
    in_parallel: bool,
    are_bundled: bool,
}

/// What the segmentation model makes of a window.
struct Heard {
    scores: Scores,
    /// 0 and 1, where the scores are neither.
    active: Option<Scores>,
}

impl Heard {
    /// 0 and 1.
    fn active(&self) -> &Scores {
        self.active.as_ref().unwrap_or(&self.scores)
    }
}

impl OnnxSpeakers {
    /// What can be known without loading a model: the library, the device and the files are there.
    ///
    /// # Errors
    /// As [`OnnxSpeakers::load`].
    pub fn check(config: &SpeakersConfig) -> Result<(), LoadError> {
        provider::cuda_device(config.device, super::runtime()?)?;
        Self::check_files(config)
    }

    /// The part of [`OnnxSpeakers::check`] that loads no library: for those whose models go to another process.
    ///
    /// # Errors
    /// A file is missing, or is no ONNX model by its first bytes.
    pub fn check_files(config: &SpeakersConfig) -> Result<(), LoadError> {
        segmentation::file(&config.segmentation).check()?;
        embedding::file(&config.embedding).check()
    }

    /// Loads both, reporting per cent.
    ///
    /// # Errors
    /// [`LoadError`] names the file and says what to do, also where ONNX Runtime itself is missing.
    pub fn load(config: &SpeakersConfig, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        report(0);
        super::runtime()?;
        report(10);
        let threads = config.threads.max(1);
        // The embedding model has about twice the work in a conversation (ADR 0008).
        let for_segmentation = (threads / 3).max(1);
        let options = |threads: usize| SessionOptions {
            device: config.device,
            threads,
            gpu_memory_limit: config.gpu_memory_limit / 2,
        };
        let segmentation = SegmentationModel::open(&config.segmentation, &options(for_segmentation))?;
        report(50);
        let embedding = EmbeddingModel::open(
            &config.embedding,
            &options((threads - for_segmentation).max(1)),
            config.feature_profile,
        )?;
        heap::give_back(); // what parsing the files left behind
        report(100);
        Ok(OnnxSpeakers {
            segmentation,
            embedding,
            batch_size: config.batch_size.max(1),
            in_parallel: threads > 1,
            are_bundled: [&config.segmentation, &config.embedding] == [&ModelSource::Bundled; 2],
        })
    }

    /// How windows of this length are cut.
    fn cutting(&self, windows: &[Window]) -> Geometry {
        let online = self.segmentation.online();
        if windows.iter().all(|window| window.samples.len() == online.window) {
            online
        } else {
            self.segmentation.geometry()
        }
    }

    /// One thread listens ahead while this one embeds.
    fn analyse_in_parallel(
        &mut self,
        windows: &[Window],
        task: &Task<'_>,
    ) -> Result<Vec<Analysis>, RunError> {
        let OnnxSpeakers {
            segmentation,
            embedding,
            batch_size,
            ..
        } = self;
        let (answers, inbox) = mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            let listen = move || {
                for part in windows.chunks(*batch_size) {
                    let heard = hear(segmentation, part, task);
                    // An error ends both sides; so does an embedding that fails, which drops the inbox.
                    let stop = heard.is_err();
                    if answers.send(heard).is_err() || stop {
                        return;
                    }
                }
            };
            std::thread::Builder::new()
                .name("scribe-segments".into())
                .spawn_scoped(scope, listen)
                .map_err(|e| {
                    RunError::Failed(format!("cannot start a thread for the segmentation model: {e}"))
                })?;
            let mut analyses = Vec::with_capacity(windows.len());
            let mut windows = windows.iter();
            for heard in inbox {
                for (heard, window) in heard?.into_iter().zip(&mut windows) {
                    analyses.push(voices(embedding, window, heard, task)?);
                }
            }
            Ok(analyses)
        })
    }

    fn analyse_in_turn(&mut self, windows: &[Window], task: &Task<'_>) -> Result<Vec<Analysis>, RunError> {
        let mut analyses = Vec::with_capacity(windows.len());
        for part in windows.chunks(self.batch_size) {
            let heard = hear(&mut self.segmentation, part, task)?;
            for (window, heard) in part.iter().zip(heard) {
                analyses.push(voices(&mut self.embedding, window, heard, task)?);
            }
        }
        Ok(analyses)
    }
}

impl SpeakerModels for OnnxSpeakers {
    fn facts(&self) -> SpeakerFacts {
        SpeakerFacts {
            geometry: self.segmentation.geometry(),
            online: self.segmentation.online(),
            dimension: self.embedding.dimension(),
            threshold: self.embedding.threshold(),
            pieces: self.are_bundled,
        }
    }

    fn analyse(
        &mut self,
        windows: &[Window],
        decode: Decode,
        cancel: &Cancel,
    ) -> Result<Vec<Analysis>, RunError> {
        let geometry = self.cutting(windows);
        let task = Task {
            geometry,
            decode,
            too_few: too_few_frames(geometry.frames, self.embedding.least_samples(), geometry.window),
            cancel,
        };
        // A single window has nothing to be done meanwhile.
        if self.in_parallel && windows.len() > self.batch_size {
            self.analyse_in_parallel(windows, &task)
        } else {
            self.analyse_in_turn(windows, &task)
        }
    }

    fn embed(&mut self, samples: &[f32], cancel: &Cancel) -> Result<Option<Embedding>, RunError> {
        let mut voice = Features::default();
        let geometry = self.segmentation.geometry();
        for (n, samples) in samples.chunks(geometry.window).enumerate() {
            let logits = self.segmentation.run(&geometry, &[samples], cancel)?;
            let active = self.segmentation.hard(&logits[0]);
            let alone: Vec<bool> = active.frames().map(|f| f.iter().sum::<f32>() == 1.0).collect();
            if !alone.contains(&true) {
                continue;
            }
            let features = self.embedding.features((n * geometry.window) as u64, samples);
            let cut = self.embedding.cut(&features, &alone, &geometry);
            voice.bands = cut.bands;
            voice.values.extend(cut.values);
            if voice.rows() >= MOST_VOICE {
                voice.values.truncate(MOST_VOICE * voice.bands);
                break;
            }
        }
        if voice.rows() < LEAST_VOICE {
            return Ok(None);
        }
        self.embedding.embed(voice, cancel)
    }
}

/// What is asked for all windows of a request.
struct Task<'a> {
    geometry: Geometry,
    decode: Decode,
    /// See [`too_few_frames`].
    too_few: usize,
    cancel: &'a Cancel,
}

/// One run of the segmentation model.
fn hear(model: &mut SegmentationModel, windows: &[Window], task: &Task<'_>) -> Result<Vec<Heard>, RunError> {
    let samples: Vec<&[f32]> = windows.iter().map(|window| window.samples.as_slice()).collect();
    let answers = model.run(&task.geometry, &samples, task.cancel)?;
    let heard = answers.iter().map(|logits| match task.decode {
        Decode::Hard => Heard {
            scores: model.hard(logits),
            active: None,
        },
        Decode::Hysteresis { onset, offset } => Heard {
            scores: Hysteresis { onset, offset }.scores(&model.soft(logits)),
            active: None,
        },
        Decode::Soft => Heard {
            scores: model.soft(logits),
            active: Some(model.hard(logits)),
        },
    });
    Ok(heard.collect())
}

/// The voices in a window, as it asks for them. Its features are made once, and not at all in silence.
fn voices(
    model: &mut EmbeddingModel,
    window: &Window,
    heard: Heard,
    task: &Task<'_>,
) -> Result<Analysis, RunError> {
    if let Some(focus) = &window.focus {
        return pieces(model, window, focus, heard, task);
    }
    let active = heard.active();
    let mut features = None;
    let mut embeddings = Vec::with_capacity(active.speakers);
    for speaker in 0..active.speakers {
        let embedding = match embedding_mask(active, speaker, task.too_few) {
            None => None,
            Some(mask) => {
                let features = features.get_or_insert_with(|| model.features(window.start, &window.samples));
                let cut = model.cut(features, &mask, &task.geometry);
                model.embed(cut, task.cancel)?
            }
        };
        embeddings.push(embedding);
    }
    Ok(Analysis {
        start: window.start,
        scores: heard.scores,
        embeddings,
        pieces: Vec::new(),
    })
}

/// The voices of the pieces of speech in the focus of a window.
fn pieces(
    model: &mut EmbeddingModel,
    window: &Window,
    focus: &Range<usize>,
    heard: Heard,
    task: &Task<'_>,
) -> Result<Analysis, RunError> {
    let active = heard.active();
    let cuts = cut(
        &heard.scores,
        active,
        &task.geometry.frames_in(focus),
        &task.geometry,
    );
    let mut pieces = Vec::with_capacity(cuts.len());
    if !cuts.is_empty() {
        let features = model.features(window.start, &window.samples);
        for Cut { speaker, frames } in cuts {
            let (mask, clean) = piece_mask(active, &frames, task.too_few);
            let voice = model.cut(&features, &mask, &task.geometry);
            if let Some(embedding) = model.embed(voice, task.cancel)? {
                pieces.push(Piece {
                    speaker,
                    frames,
                    clean,
                    embedding,
                });
            }
        }
    }
    Ok(Analysis {
        start: window.start,
        scores: heard.scores,
        embeddings: Vec::new(),
        pieces,
    })
}
