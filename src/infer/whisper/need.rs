//! What a Whisper file takes, by its own header.

use super::{WhisperConfig, source};
use crate::infer::alignment;
use crate::infer::model::{LoadError, ModelSource};
use crate::infer::model_file::{ModelShape, Survey};
use crate::memory::estimate::{Dimensions, Estimate, Place, Use};

/// What the model of `config` takes on `place` when it works as `config` says. Reads the whole structure of the file, no weights:
/// some milliseconds.
///
/// # Errors
/// As [`super::check`].
pub fn need(config: &WhisperConfig, place: Place) -> Result<Estimate, LoadError> {
    need_of(&config.model, decoders(config), place)
}

/// The same for a model of which it is known how many decoders will work at once.
///
/// # Errors
/// As [`super::check`].
pub fn need_of(model: &ModelSource, decoders: u64, place: Place) -> Result<Estimate, LoadError> {
    let Survey { shape, weights } = source::survey(model)?;
    let usage = Use {
        decoders,
        alignment: alignment::of(&shape).cost(),
        place,
        // As `context_parameters` has it.
        flash_attention: false,
    };
    Ok(dimensions(&shape).need(weights, &usage))
}

/// How many decoders whisper.cpp may use (`whisper_full_with_state`): the beams at the first temperature, the
/// candidates above 0.
pub fn decoders(config: &WhisperConfig) -> u64 {
    let beams = config.beam_size;
    let warm = config.temperature > 0.0 || config.temperature_increment > 0.0;
    let candidates = if warm { config.best_of } else { 1 };
    beams.max(candidates).max(1).unsigned_abs().into()
}

fn dimensions(shape: &ModelShape) -> Dimensions {
    // Checked to be positive when the file was read.
    let [
        vocabulary,
        audio_context,
        text_context,
        width,
        heads,
        decoder_layers,
    ] = [
        shape.n_vocab,
        shape.n_audio_ctx,
        shape.n_text_ctx,
        shape.n_text_state,
        shape.n_audio_head,
        shape.n_text_layer,
    ]
    .map(|n| u64::from(n.unsigned_abs()));
    Dimensions {
        vocabulary,
        audio_context,
        text_context,
        width,
        heads,
        decoder_layers,
    }
}
