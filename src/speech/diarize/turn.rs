//! The product of the diarization.

use std::sync::Arc;

/// One speaker speaks, without a pause that counts. Turns of different speakers may overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// `SPEAKER_00` and so on by first appearance, or the name under which the voice is enrolled.
    pub speaker: Arc<str>,
    /// First sample.
    pub start: u64,
    /// First sample after the turn.
    pub end: u64,
    /// How sure the models are that this speaker speaks here, 0 to 1.
    pub confidence: f32,
}
