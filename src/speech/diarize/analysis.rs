//! What goes to the speaker models, and what comes back.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::pieces::Piece;

/// The shape of a segmentation model: how it cuts a window into frames. In samples and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Samples of a window.
    pub window: usize,
    /// Frames that the model gives for a window.
    pub frames: usize,
    /// Samples from one frame to the next.
    pub frame_step: usize,
    /// Samples that one frame sees; frame `i` is centred at `receptive_field / 2 + i * frame_step`.
    pub receptive_field: usize,
    /// Speakers that the model tells apart within a window ("local" speakers).
    pub speakers: usize,
}

impl Geometry {
    /// The frames that are centred in a range of samples of the window.
    pub fn frames_in(&self, samples: &Range<usize>) -> Range<usize> {
        let frame = |sample: usize| {
            let behind = sample.saturating_sub(self.receptive_field / 2);
            behind.div_ceil(self.frame_step.max(1)).min(self.frames)
        };
        frame(samples.start)..frame(samples.end)
    }

    /// pyannote segmentation-3.0 on its 10 s window, as its ONNX metadata say.
    pub const PYANNOTE_3: Geometry = Geometry {
        window: 160_000,
        frames: 589,
        frame_step: 270,
        receptive_field: 991,
        speakers: 3,
    };
}

/// A stretch of audio for the models to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Position of its first sample in the stream.
    pub start: u64,
    /// As many samples as [`Geometry::window`] says; zeros stand where the recording has no audio.
    pub samples: Vec<f32>,
    /// Where its voices are wanted piece by piece, in samples of the window (see [`super::pieces`]); `None` for one voice
    /// of each local speaker, from all of the window.
    pub focus: Option<Range<usize>>,
}

/// How active each local speaker is in each frame of a window.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Local speakers: the row length of `values`.
    pub speakers: usize,
    /// Frame by frame, `speakers` values each, 0 to 1; only 0 and 1 where the powerset was decoded hard.
    pub values: Vec<f32>,
}

impl Scores {
    /// The frames, each a slice with one value a speaker.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.speakers.max(1))
    }
}

/// A vector that tells voices apart, as the embedding model gave it: not normalised.
pub type Embedding = Vec<f32>;

/// What the models make of one window.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Analysis {
    /// [`Window::start`].
    pub start: u64,
    /// Who is active when.
    pub scores: Scores,
    /// One for each local speaker; `None` for one who says nothing, or too little to be embedded.
    pub embeddings: Vec<Option<Embedding>>,
    /// The pieces with a frame in [`Window::focus`] that have a voice, in order.
    pub pieces: Vec<Piece>,
}
