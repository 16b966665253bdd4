//! All windows of a recording → turns and speakers: the stages, one after the other.

use std::sync::Arc;

use super::cluster::{Blocks, Variational, Voices, agglomerate, cluster_variationally};
use super::pieces::{self, Heard, Known, Piece, PieceRule, Presence, Timeline};
use super::vectors::normalised;
use super::{
    Activity, Assigner, Bounds, Embedding, Grid, OfflineConfig, Placed, Reconstruction, Turn, TurnBuilder,
};
use crate::time::SAMPLE_RATE;

/// pyannote.audio 3.1's threshold (`clustering.threshold` of speaker-diarization-3.1), tuned for WeSpeaker's ResNet34.
pub const PYANNOTE_THRESHOLD: f64 = 0.704_565_496_394_579_9;

/// Who is heard alone for less than this share of a window does not take part in the clustering
/// (`filter_embeddings`, `min_active_ratio`).
const LEAST_ALONE: f64 = 0.2;

/// How speakers are found among the voices of all windows.
#[derive(Clone, Debug)]
pub enum Clustering {
    /// Agglomerative, by the rules of pyannote 3.1.
    Ahc {
        /// Centroids of normalised embeddings nearer than this are one speaker's; 0 to 2.
        threshold: f64,
    },
    /// VBx in the space of a PLDA, as pyannote's community-1. Embeddings of another length than the PLDA takes are
    /// clustered as by the default.
    Vbx(Variational),
}

impl Default for Clustering {
    fn default() -> Self {
        Clustering::Ahc {
            threshold: PYANNOTE_THRESHOLD,
        }
    }
}

/// Who spoke when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conclusion {
    /// In order of their starts, then ends.
    pub turns: Vec<Turn>,
    /// Those who have turns, in the order in which they first speak.
    pub speakers: Vec<Speaker>,
}

/// A speaker of the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// As in the turns.
    pub label: Arc<str>,
    /// The centroid of the voice, at the length 1. Empty for a stranger: more spoke at once than voices were found.
    pub embedding: Embedding,
    /// Samples in which the speaker speaks.
    pub speech: u64,
}

/// What is kept of a window.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub window: u64,
    pub activity: Activity,
    /// By local speaker.
    pub embeddings: Vec<Option<Embedding>>,
    /// Where pieces were asked for.
    pub pieces: Vec<Piece>,
}

impl Record {
    /// The embedding of a local speaker who is active.
    fn voice(&self, speaker: usize) -> Option<&[f32]> {
        let embedding = self.embeddings.get(speaker)?.as_deref()?;
        self.activity.is_active(speaker).then_some(embedding)
    }

    fn voices(&self) -> impl Iterator<Item = (usize, &[f32])> {
        (0..self.embeddings.len()).filter_map(|s| self.voice(s).map(|voice| (s, voice)))
    }
}

/// How long the recording is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub grid: Grid,
    pub windows: u64,
    pub samples: u64,
}

/// The turns and speakers of a recording, whose windows without a record are silent, from the voices of pieces.
pub(super) fn conclude_pieces(
    records: &[Record],
    presence: &Presence,
    extent: &Extent,
    rule: &PieceRule,
    config: &OfflineConfig,
) -> Conclusion {
    let Extent {
        grid,
        windows,
        samples,
    } = extent;
    let bounds = config.bounds();
    let found = {
        let known: Vec<Known> = records.iter().flat_map(|record| known(record, extent)).collect();
        pieces::find(&known, rule, &bounds, &Blocks::default())
    };
    let mut timeline = Timeline::default();
    let mut speakers = found.speaker.iter().copied();
    for record in records {
        let placed = record.pieces.iter().zip(&mut speakers);
        timeline.add(&Heard {
            first: grid.first_frame(record.window),
            activity: &record.activity,
            pieces: placed
                .map(|(p, speaker)| (p.frames.clone(), p.speaker, speaker))
                .collect(),
        });
    }
    let mut counts = presence.counts(grid, *windows, rule.presence);
    if config.exclusive || bounds.at_once() < 2 {
        counts.iter_mut().for_each(|count| *count = (*count).min(1));
    }
    let mut builder = TurnBuilder::default();
    timeline.finish(&counts, |vote| builder.push(vote));
    let (turns, named) = builder.finish(grid, grid.frames_in(*windows), *samples, &config.turn_rule());
    let speakers = named.into_iter().map(|named| Speaker {
        embedding: found.centroids[named.speaker].iter().map(|x| *x as f32).collect(),
        label: named.label,
        speech: named.speech,
    });
    Conclusion {
        speakers: speakers.collect(),
        turns,
    }
}

/// The pieces of a window as the clustering sees them.
fn known<'a>(record: &'a Record, extent: &Extent) -> impl Iterator<Item = Known<'a>> {
    let Extent { grid, windows, .. } = *extent;
    let geometry = *grid.geometry();
    let focus = geometry.frames_in(&grid.focus(record.window, record.window + 1 == windows));
    let seconds = move |frames: usize| (frames * geometry.frame_step) as f64 / f64::from(SAMPLE_RATE);
    record.pieces.iter().map(move |piece| {
        let shared = piece.frames.start.max(focus.start)..piece.frames.end.min(focus.end);
        // As much of it is clean here as in all of the piece.
        let part = shared.len() as f64 / piece.frames.len().max(1) as f64;
        Known {
            voice: &piece.embedding,
            clean: seconds(piece.clean),
            share: seconds(piece.clean) * part,
        }
    })
}

/// The turns and speakers of a recording, whose windows without a record are silent.
pub(super) fn conclude(records: &[Record], extent: &Extent, config: &OfflineConfig) -> Conclusion {
    let Extent {
        grid,
        windows,
        samples,
    } = extent;
    let bounds = config.bounds();
    let speakers = find_speakers(records, grid, config, &bounds);
    let at_once = if config.exclusive { 1 } else { bounds.at_once() };
    let plan = Reconstruction {
        grid: *grid,
        windows: *windows,
        speakers: speakers.centroids().len(),
        at_once,
    };
    let mut builder = TurnBuilder::default();
    plan.run(records.iter().map(|record| speakers.place(record)), |vote| {
        builder.push(vote)
    });
    let (turns, named) = builder.finish(grid, grid.frames_in(*windows), *samples, &config.turn_rule());
    let speakers = named.into_iter().map(|named| Speaker {
        embedding: speakers.embedding(named.speaker),
        label: named.label,
        speech: named.speech,
    });
    Conclusion {
        speakers: speakers.collect(),
        turns,
    }
}

/// The speakers of the recording.
enum Speakers {
    /// Too little is known to tell voices apart, or there can be but one.
    One(Vec<Vec<f64>>),
    Many(Vec<Vec<f64>>, Assigner),
}

impl Speakers {
    fn centroids(&self) -> &[Vec<f64>] {
        match self {
            Speakers::One(centroids) | Speakers::Many(centroids, _) => centroids,
        }
    }

    fn embedding(&self, speaker: usize) -> Embedding {
        let centroid = self
            .centroids()
            .get(speaker)
            .filter(|c| c.iter().any(|x| *x != 0.0));
        let direction = centroid.map(|c| normalised(c)).unwrap_or_default();
        direction.into_iter().map(|x| x as f32).collect()
    }

    fn place<'a>(&self, record: &'a Record) -> Placed<'a> {
        let speakers = match self {
            Speakers::One(_) => vec![Some(0); super::MAX_LOCAL_SPEAKERS],
            Speakers::Many(_, assigner) => {
                let voices: Vec<_> = (0..record.embeddings.len()).map(|s| record.voice(s)).collect();
                assigner.assign(&voices)
            }
        };
        Placed {
            window: record.window,
            activity: &record.activity,
            speakers,
        }
    }
}

fn find_speakers(records: &[Record], grid: &Grid, config: &OfflineConfig, bounds: &Bounds) -> Speakers {
    let least = LEAST_ALONE * grid.geometry().frames as f64;
    let is_heard = |record: &Record, speaker| record.activity.clean_frames(speaker) as f64 >= least;
    let training = records.iter().flat_map(|record| {
        let heard = record
            .voices()
            .filter(move |(speaker, _)| is_heard(record, *speaker));
        heard.map(|(_, voice)| voice)
    });
    let (voices, _) = Voices::new(training);
    if voices.len() < 2 || bounds.of(voices.len()).1 < 2 {
        let all = records.iter().flat_map(Record::voices).map(|(_, voice)| voice);
        let voices = if voices.is_empty() {
            Voices::new(all).0
        } else {
            voices
        };
        return Speakers::One(voices.means(&vec![0; voices.len()], 1));
    }
    let blocks = Blocks::default();
    let (centroids, is_forced) = match &config.clustering {
        Clustering::Vbx(variational) if variational.plda.embedding_dimension() == voices.dimension() => {
            cluster_variationally(&voices, variational, bounds, &blocks)
        }
        other => {
            let threshold = match other {
                Clustering::Ahc { threshold } => *threshold,
                Clustering::Vbx(_) => PYANNOTE_THRESHOLD,
            };
            let clusters = agglomerate(&voices, threshold, bounds, &blocks);
            let count = clusters.iter().max().map_or(0, |last| last + 1);
            (voices.means(&clusters, count), false)
        }
    };
    let assigner = Assigner::new(&centroids, config.constrained && !is_forced);
    Speakers::Many(centroids, assigner)
}
