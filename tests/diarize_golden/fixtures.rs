//! The recorded tensors.

use std::path::PathBuf;
use std::sync::Arc;

use gstscribe::infer::npy::{Array, read_npy, read_npz};
use gstscribe::infer::plda_file;
use gstscribe::speech::diarize::{Activity, Geometry, Plda, Scores};

use crate::common;

pub const GEOMETRY: Geometry = Geometry::PYANNOTE_3;
pub const STEP: u64 = 16_000;
/// What the reference keeps of VBx's speakers.
pub const KEPT: f64 = 1e-7;

pub fn fixture(name: &str) -> Option<PathBuf> {
    common::shared(&format!("fixtures/diarization/{name}"))
}

/// A clip with the tensors of every stage, in a folder.
pub struct Clip(pub PathBuf);

impl Clip {
    pub fn all() -> Vec<Clip> {
        let names = ["02_pyannote_sample", "03_dual_speaker"];
        names.iter().filter_map(|name| fixture(name).map(Clip)).collect()
    }

    pub fn array(&self, file: &str, name: &str) -> Array {
        read_npz(&self.0.join(format!("{file}.npz")), name).unwrap()
    }

    pub fn windows(&self) -> Windows {
        Windows::new(
            &self.array("segmentations", "segmentations"),
            &self.array("raw_embeddings", "embeddings"),
        )
    }

    /// The embeddings that are clustered, in the reference's order.
    pub fn training(&self) -> Vec<(usize, usize)> {
        let windows = self.array("plda_embeddings", "train_chunk_idx").values;
        let speakers = self.array("plda_embeddings", "train_speaker_idx").values;
        windows
            .iter()
            .zip(speakers)
            .map(|(w, s)| (*w as usize, s as usize))
            .collect()
    }
}

/// Binarized segmentations and embeddings of all windows of a recording.
pub struct Windows {
    pub scores: Vec<Scores>,
    /// Window by window, by local speaker; NaN where the reference had none.
    pub embeddings: Vec<Vec<Vec<f32>>>,
}

impl Windows {
    fn new(segmentations: &Array, embeddings: &Array) -> Self {
        let [_, frames, speakers] = segmentations.shape[..] else {
            panic!()
        };
        let dimension = embeddings.shape[2];
        let f32s = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        let scores = segmentations
            .values
            .chunks(frames * speakers)
            .map(|values| Scores {
                speakers,
                values: f32s(values),
            });
        let embeddings = embeddings.values.chunks(speakers * dimension);
        Self {
            scores: scores.collect(),
            embeddings: embeddings
                .map(|w| w.chunks(dimension).map(f32s).collect())
                .collect(),
        }
    }

    pub fn speakrs(clip: &str) -> Option<Self> {
        let read =
            |part: &str| fixture(&format!("speakrs/{clip}_{part}_data.npy")).map(|p| read_npy(&p).unwrap());
        Some(Self::new(&read("segmentation")?, &read("embeddings")?))
    }

    pub fn activities(&self) -> Vec<Activity> {
        self.scores
            .iter()
            .map(|s| Activity::new(s, GEOMETRY.frames))
            .collect()
    }
}

#[track_caller]
pub fn check_close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let worst = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    println!("{what}: {} values, at most {worst:.1e} apart", ours.len());
    assert!(worst <= tolerance, "{what}: {worst} apart");
}

pub fn plda() -> Option<Arc<Plda>> {
    fixture("plda").map(|path| Arc::new(plda_file::read(&path).unwrap()))
}
