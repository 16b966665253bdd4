//! Each offline stage of the diarization against what pyannote.audio 4.0.4 made of the same input, and the whole
//! against its RTTM. The tensors lie beside the project; without them, these tests say so and end.

#[path = "../common/mod.rs"]
mod common;
mod fixtures;
mod stages;
mod whole;
