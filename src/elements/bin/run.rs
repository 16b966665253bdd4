//! One run, from READY→PAUSED to PAUSED→READY: its place in the sequence, its checkpoints, the error that waits.

use std::collections::HashSet;
use std::sync::Arc;

use crate::elements::checkpoints::Checkpoints;
use crate::memory::Label;

/// Whether the models of this run take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Not known before the first segment begins.
    Undecided,
    Sequential,
    Concurrent,
}

/// What a run knows of itself.
pub(super) struct Run {
    pub checkpoints: Arc<Checkpoints>,
    pub order: Order,
    /// The words are out, and the turns are being made.
    pub diarizing: bool,
    /// What the children and the bin have written.
    pub written: HashSet<Label>,
    /// The ERROR of a stage behind the words, until the words are out.
    pub withheld: Option<gst::Message>,
}

impl Run {
    pub fn new(checkpoints: Arc<Checkpoints>) -> Self {
        Run {
            checkpoints,
            order: Order::Undecided,
            diarizing: false,
            written: HashSet::new(),
            withheld: None,
        }
    }

    /// Checkpoints of stages that the run ended before: they are written when it ends, so that every run has the same
    /// ones. In the order in which a stage writes them.
    pub fn missing(&self, diarize: bool) -> Vec<Label> {
        let labels = if diarize {
            &STAGES[..]
        } else {
            &STAGES[..WITHOUT_SPEAKERS]
        };
        labels
            .iter()
            .copied()
            .filter(|l| !self.written.contains(l))
            .collect()
    }
}

/// How many of [`STAGES`] a run without diarization writes.
const WITHOUT_SPEAKERS: usize = 8;

/// The stages' checkpoints, each stage from its beginning to its end.
const STAGES: [Label; 16] = [
    Label::BeforeAudioPreprocessing,
    Label::AfterAudioPreprocessing,
    Label::BeforeWaveformCleanup,
    Label::AfterWaveformCleanup,
    Label::BeforeTranscription,
    Label::BeforeWhisperCleanup,
    Label::AfterWhisperCleanup,
    Label::AfterTranscription,
    Label::BeforeDiarization,
    Label::BeforeDiarizationModelCleanup,
    Label::AfterDiarizationModelCleanup,
    Label::AfterDiarization,
    Label::BeforeSpeakerAlignment,
    Label::BeforeAlignmentTensorsCleanup,
    Label::AfterAlignmentTensorsCleanup,
    Label::AfterSpeakerAlignment,
];
