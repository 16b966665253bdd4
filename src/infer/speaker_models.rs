//! What the diarizer asks of a segmentation and an embedding model, whichever runtime hosts them.

use serde::{Deserialize, Serialize};

use super::model::{Cancel, Model, RunError};
use super::pool::Pool;
use crate::speech::diarize::{Analysis, Embedding, Geometry, Window};

/// What the model files say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeakerFacts {
    /// How the segmentation model cuts its own window, the one it was trained on: what offline work takes.
    pub geometry: Geometry,
    /// The same for the shorter window of online work, [`ONLINE_WINDOW`]; the model's own where it takes no other.
    pub online: Geometry,
    /// Values of an embedding.
    pub dimension: usize,
    /// The Euclidean distance between normalised embeddings at which the embedding model's maker would cut
    /// the clustering, where the file names one (metadata `clustering_threshold`).
    pub threshold: Option<f32>,
    /// Whether speakers are best found piece by piece (see [`pieces`](crate::speech::diarize::pieces)): so with the
    /// bundled models. With others the work is that of pyannote and diart.
    pub pieces: bool,
}

/// A segmentation model and an embedding model. They live on one thread, see [`super::engine::Engine`], though
/// they may use others while they run.
pub trait SpeakerModels {
    /// Read once, when they are loaded.
    fn facts(&self) -> SpeakerFacts;

    /// Who speaks when in each of `windows`, and how the voices sound, in the windows' order. All windows have
    /// the length of one of the two geometries.
    fn analyse(
        &mut self,
        windows: &[Window],
        decode: Decode,
        cancel: &Cancel,
    ) -> Result<Vec<Analysis>, RunError>;

    /// How the one voice in `samples` sounds; `None` when there is too little speech in them.
    fn embed(&mut self, samples: &[f32], cancel: &Cancel) -> Result<Option<Embedding>, RunError>;
}

/// The window of online work, in samples: 5 s, as diart has it.
pub const ONLINE_WINDOW: usize = 80_000;

/// How the segmentation model's log-probabilities become [`Scores`](crate::speech::diarize::Scores).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decode {
    /// The likeliest set of speakers of each frame: 0 and 1. What pyannote 3.1 and later do.
    Hard,
    /// Each speaker's probability, made 0 or 1 with hysteresis: on at `onset`, off below `offset`.
    Hysteresis {
        /// Probability from which a speaker is active.
        onset: f32,
        /// Probability below which an active speaker falls silent.
        offset: f32,
    },
    /// Each speaker's probability, as it is. What diart works on; embeddings are masked as with [`Decode::Hard`].
    Soft,
}

/// Those of this process that elements share.
pub static POOL: Pool<dyn SpeakerModels> = Pool::new();

/// Makes speaker models on the thread that will own them.
pub type Loader = super::model::Loader<dyn SpeakerModels>;

/// What [`SpeakerModels`] are asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// [`SpeakerModels::analyse`].
    Windows(Vec<Window>, Decode),
    /// [`SpeakerModels::embed`].
    Voice(Vec<f32>),
}

/// What they say.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Request::Windows`].
    Windows(Vec<Analysis>),
    /// To [`Request::Voice`].
    Voice(Option<Embedding>),
}

impl Model for dyn SpeakerModels {
    type Request = Request;
    type Answer = Answer;
    type Facts = SpeakerFacts;

    fn facts(&self) -> SpeakerFacts {
        SpeakerModels::facts(self)
    }

    fn run(&mut self, request: &Request, cancel: &Cancel) -> Result<Answer, RunError> {
        Ok(match request {
            Request::Windows(windows, decode) => Answer::Windows(self.analyse(windows, *decode, cancel)?),
            Request::Voice(samples) => Answer::Voice(self.embed(samples, cancel)?),
        })
    }
}
