//! Where the times of tokens come from: attention heads known to follow the audio, or whisper.cpp's guess.

use whisper_rs::{DtwAhead, DtwMode, DtwModelPreset, DtwParameters, WhisperTokenData};

use super::model_file::ModelShape;
use crate::memory::{alignments, estimate};
use crate::speech::transcribe::Segment;

/// Heads of the bundled demo model that look at the word to come: its training teaches them that
/// (`models/README.md`).
static DEMO_HEADS: [DtwAhead; 2] = [
    DtwAhead {
        n_text_layer: 2,
        n_head: 0,
    },
    DtwAhead {
        n_text_layer: 3,
        n_head: 0,
    },
];
/// Shape of the demo model: width, encoder and decoder layers.
const DEMO_SHAPE: (i32, i32, i32) = (128, 4, 4);

/// How a model's token times are found.
#[derive(Clone, Debug)]
pub(super) enum Alignment {
    /// By dynamic time warping over the cross-attention of known heads.
    Heads {
        mode: DtwMode<'static>,
        cost: estimate::Alignment,
    },
    /// By whisper.cpp's token timestamps: timestamp probabilities and the signal's energy.
    Tokens,
}

/// The alignment for a model of this shape: OpenAI's own models have published heads, and fine-tuned models of
/// the same shape keep them. Nobody needs to be asked.
pub(super) fn of(shape: &ModelShape) -> Alignment {
    let english = !shape.is_multilingual();
    let preset = |model_preset, cost| Alignment::Heads {
        mode: DtwMode::ModelPreset { model_preset },
        cost,
    };
    match (
        shape.n_text_state,
        shape.n_audio_layer,
        shape.n_text_layer,
        english,
    ) {
        (384, 4, 4, true) => preset(DtwModelPreset::TinyEn, alignments::TINY_EN),
        (384, 4, 4, false) => preset(DtwModelPreset::Tiny, alignments::TINY),
        (512, 6, 6, true) => preset(DtwModelPreset::BaseEn, alignments::BASE_EN),
        (512, 6, 6, false) => preset(DtwModelPreset::Base, alignments::BASE),
        (768, 12, 12, true) => preset(DtwModelPreset::SmallEn, alignments::SMALL_EN),
        (768, 12, 12, false) => preset(DtwModelPreset::Small, alignments::SMALL),
        (1024, 24, 24, true) => preset(DtwModelPreset::MediumEn, alignments::MEDIUM_EN),
        (1024, 24, 24, false) => preset(DtwModelPreset::Medium, alignments::MEDIUM),
        // v1 and v2 cannot be told apart by shape; v2 replaced v1 everywhere.
        (1280, 32, 32, false) if shape.n_mels == 80 => preset(DtwModelPreset::LargeV2, alignments::LARGE_V2),
        (1280, 32, 32, false) => preset(DtwModelPreset::LargeV3, alignments::LARGE_V3),
        (1280, 32, 4, false) => preset(DtwModelPreset::LargeV3Turbo, alignments::LARGE_V3_TURBO),
        (width, encoder, decoder, true) if (width, encoder, decoder) == DEMO_SHAPE => Alignment::Heads {
            mode: DtwMode::Custom { aheads: &DEMO_HEADS },
            cost: alignments::DEMO,
        },
        _ => Alignment::Tokens,
    }
}

impl Alignment {
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Alignment::Heads { .. })
    }

    /// What it costs.
    pub(super) fn cost(&self) -> Option<estimate::Alignment> {
        match *self {
            Alignment::Tokens => None,
            Alignment::Heads { cost, .. } => Some(cost),
        }
    }

    pub(super) fn parameters(&self) -> DtwParameters<'static> {
        match self {
            Alignment::Tokens => DtwParameters::default(),
            Alignment::Heads { mode, cost } => DtwParameters {
                mode: mode.clone(),
                // whisper.cpp's default of 128 MiB is too small for 23 heads, and it asserts. Held are four
                // copies of tokens × audio frames × heads in f32 (weights, norm, permuted, filtered), the cost
                // and trace matrices, and the graph. 256 tokens bound a window's 220 and the prompt.
                dtw_mem_size: 256 * 1500 * 4 * (4 * cost.heads as usize + 8) + (16 << 20),
            },
        }
    }

    /// When a token ends, and when it begins if that is known by itself, in whisper.cpp's centiseconds.
    pub(super) fn times(&self, token: &WhisperTokenData) -> (i64, i64) {
        match self {
            Alignment::Heads { .. } if token.t_dtw >= 0 => (token.t_dtw, token.t_dtw),
            _ => (token.t0, token.t1.max(token.t0)),
        }
    }

    /// Completes the times of aligned tokens: each lasts from the end of the one before, or from the segment's
    /// start, to its own end.
    ///
    /// whisper.cpp calls `t_dtw` the time of a token and means its end: OpenAI's `find_alignment` takes the time
    /// of the first row, `<|notimestamps|>`, as the start of the first token, and whisper.cpp leaves that row out,
    /// so that every token has the start of the next one.
    pub(super) fn complete(&self, segments: &mut [Segment]) {
        if !self.is_known() {
            return;
        }
        let mut from = 0;
        for segment in segments {
            from = from.clamp(segment.start, segment.end);
            for token in &mut segment.tokens {
                token.end = token.end.clamp(from, segment.end);
                token.start = std::mem::replace(&mut from, token.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcribe::Token;

    fn shape(n_vocab: i32, width: i32, encoder: i32, decoder: i32, n_mels: i32) -> ModelShape {
        ModelShape {
            n_vocab,
            n_audio_ctx: 1500,
            n_audio_state: width,
            n_audio_head: width / 64,
            n_audio_layer: encoder,
            n_text_ctx: 448,
            n_text_state: width,
            n_text_head: width / 64,
            n_text_layer: decoder,
            n_mels,
            ftype: 1,
        }
    }

    #[test]
    fn heads_are_found_from_the_shape() {
        for (shape, heads) in [
            (shape(51_864, 384, 4, 4, 80), Some(8)),
            (shape(51_865, 512, 6, 6, 80), Some(8)),
            (shape(51_865, 1280, 32, 32, 80), Some(23)),
            (shape(51_866, 1280, 32, 32, 128), Some(10)),
            (shape(51_866, 1280, 32, 4, 128), Some(6)),
            (shape(51_865, 768, 12, 2, 80), None), // distil-small: no published heads
        ] {
            let found = of(&shape).cost().map(|cost| cost.heads);
            assert_eq!(found, heads, "{shape}");
        }
    }

    #[test]
    fn a_token_lasts_from_the_end_of_the_one_before() {
        let token = |end| Token {
            bytes: Vec::new(),
            probability: 1.0,
            start: end,
            end,
        };
        let segment = |start, end, ends: &[u64]| Segment {
            start,
            end,
            tokens: ends.iter().map(|e| token(*e)).collect(),
        };
        let mut segments = [segment(10, 50, &[20, 15, 60]), segment(70, 90, &[80])];
        let heads = Alignment::Heads {
            mode: DtwMode::None,
            cost: alignments::DEMO,
        };
        heads.complete(&mut segments);
        let times: Vec<_> = segments
            .iter()
            .flat_map(|s| &s.tokens)
            .map(|t| (t.start, t.end))
            .collect();
        assert_eq!(times, [(10, 20), (20, 20), (20, 50), (70, 80)]);
    }
}
