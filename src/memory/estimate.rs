//! What a model takes, in bytes, before anything is loaded.
//!
//! Pure arithmetic: the numbers of a file's header and of how it will be used go in, the parts of the need come out.
//! Two questions have two answers. A device gives whole buffers, so everything that whisper.cpp 1.8.3 *reserves*
//! counts. The host gives pages when they are first written, and whisper.cpp reserves its decoder's buffers for
//! 448 tokens but never hands it as many: there, what is *touched* counts. `benches/estimate.rs` measures that.

/// Where a model would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Ordinary memory.
    Host,
    /// A CUDA device.
    Gpu,
}

/// The size of a Whisper model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Tokens that it knows.
    pub vocabulary: u64,
    /// Positions of the encoder: 1500 for 30 s.
    pub audio_context: u64,
    /// Positions of the decoder: 448.
    pub text_context: u64,
    /// Values of a position, the same in encoder and decoder.
    pub width: u64,
    /// Attention heads of the encoder.
    pub heads: u64,
    /// Layers of the decoder. Those of the encoder share their buffers, and cost weights alone.
    pub decoder_layers: u64,
}

/// Words are aligned by the cross-attention of some heads. What that costs depends on which heads these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Heads whose attention is kept.
    pub heads: u64,
    /// Bytes of the decoder's compute buffer, which holds their attention too.
    pub decoder: u64,
}

/// How a Whisper model would be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Where.
    pub place: Place,
    /// Whether attention is computed without its matrix of audio × audio.
    pub flash_attention: bool,
    /// Decoders that may come to work at once: beams, or candidates at a temperature above 0.
    pub decoders: u64,
    /// How words are aligned, if they are.
    pub alignment: Option<Alignment>,
}

/// What a model takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The weights. States of one model share them, and nothing else.
    pub weights: u64,
    /// Keys and values that attention looks back at, for all decoders.
    pub kv: u64,
    /// Results on their way through the layers.
    pub compute: u64,
    /// On a device its context, its library's workspace and their pool; on the host the vocabulary.
    pub overhead: u64,
    /// Of all these, what is not taken when the model is loaded, but in its first windows.
    pub later: u64,
}

impl Estimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.weights, self.kv, self.compute, self.overhead]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// With another model beside it in the same process: what belongs to the process is there once.
    #[must_use]
    pub fn beside(self, other: Estimate) -> Estimate {
        Estimate {
            weights: self.weights.saturating_add(other.weights),
            kv: self.kv.saturating_add(other.kv),
            compute: self.compute.saturating_add(other.compute),
            overhead: self.overhead.max(other.overhead),
            later: self.later.saturating_add(other.later),
        }
    }
}

/// CUDA context, cuBLAS and memory pool of a process: 180 to 500 MB were seen, depending on driver and device.
const CUDA_OVERHEAD: u64 = 500_000_000;

/// Bytes of a value of the caches, which are f16, and of one between layers.
const F16: u64 = 2;
const F32: u64 = 4;
/// To a multiple of this many positions caches are rounded up (`GGML_PAD` in `whisper_init_state`).
const SLOTS: u64 = 256;
/// Caches that whisper.cpp makes beyond those of its decoders when there are several (`whisper_full_with_state`).
const SPARE_CACHES: u64 = 2;

/// Compute buffers: bytes for each value of the width, at 1500 positions, and bytes beside. Fitted to what ggml reports
/// for each of OpenAI's models, and right within 2 %.
const CONVOLUTION: (u64, u64) = (24_000, 4_000_000);
const ENCODER: (u64, u64) = (24_000, 1_600_000);
const ENCODER_FLASH: (u64, u64) = (42_000, 1_600_000);
const CROSSING: (u64, u64) = (6_000, 1_600_000);
/// Of the decoder beside its logits.
const DECODER: u64 = 5_000_000;

/// Tokens that the decoder is given at once at most: half its context (`n_text_ctx / 2` bounds the prompt and what a
/// window says), and those that stand around it.
const EXTRA_TOKENS: u64 = 6;
/// Bytes of a token in whisper.cpp's two maps of the vocabulary, measured.
const VOCABULARY_ENTRY: u64 = 300;
/// Bytes that a decoder keeps for each token of the vocabulary: probability, logit, its logarithm, and a pair to sort
/// (`whisper_decoder`).
const CANDIDATE: u64 = 3 * F32 + 16;
/// Copies that are made of the kept attention while words are aligned: weights, their norm, permuted, filtered. And
/// matrices of tokens × audio beside them, for the cost and the trace. So `dtw_mem_size` is set.
const ALIGNING_COPIES: u64 = 4;
const ALIGNING_MATRICES: u64 = 8;

impl Dimensions {
    /// What a model of `weights` bytes takes when it is used so.
    pub fn need(&self, weights: u64, usage: &Use) -> Estimate {
        let kv = self.caches(usage.decoders);
        let growth = kv - self.caches(1);
        match usage.place {
            Place::Gpu => Estimate {
                weights,
                kv,
                compute: self.listening(usage) + self.deciding(usage),
                overhead: CUDA_OVERHEAD,
                later: growth,
            },
            Place::Host => {
                let compute = self.touched(usage);
                Estimate {
                    weights,
                    kv,
                    compute,
                    overhead: self.vocabulary * VOCABULARY_ENTRY,
                    later: growth + compute,
                }
            }
        }
    }

    /// The decoder's cache for each decoder, the cache of what the encoder said, and one layer's padding.
    fn caches(&self, decoders: u64) -> u64 {
        let own = match decoders {
            0 | 1 => 1,
            several => several + SPARE_CACHES,
        };
        let text = self.text_context.next_multiple_of(SLOTS);
        let audio = self.audio_context.next_multiple_of(SLOTS);
        let layer = |slots: u64| 2 * slots * self.width * F16;
        self.decoder_layers * (layer(text) * own + layer(audio)) + layer(audio)
    }

    /// Compute buffers of the convolution, the encoder, and what the decoder prepares of its output.
    fn listening(&self, usage: &Use) -> u64 {
        let buffer = |(each, beside): (u64, u64)| each * self.width + beside;
        let encoder = if usage.flash_attention {
            buffer(ENCODER_FLASH)
        } else {
            self.attention() * F32 + buffer(ENCODER)
        };
        buffer(CONVOLUTION) + encoder + buffer(CROSSING)
    }

    /// Values of an encoder layer's attention: of every position to every other, for each head.
    fn attention(&self) -> u64 {
        self.heads * self.audio_context * self.audio_context
    }

    /// The decoder's compute buffer, which is made for as many tokens as the context has.
    fn deciding(&self, usage: &Use) -> u64 {
        match usage.alignment {
            Some(alignment) => alignment.decoder,
            None => self.text_context * self.vocabulary * F32 + DECODER,
        }
    }

    /// What is written of the compute buffers, and what whisper.cpp and ggml take beside them in ordinary memory.
    fn touched(&self, usage: &Use) -> u64 {
        let tokens = self.text_context / 2 + EXTRA_TOKENS;
        let decoder = self.deciding(usage) * tokens / self.text_context.max(1);
        let logits = tokens * self.vocabulary * F32;
        // The CPU multiplies by f16 weights what is f16, too, and copies it.
        let copy = if usage.flash_attention {
            0
        } else {
            self.attention() * F16
        };
        let candidates = usage.decoders.max(1) * self.vocabulary * CANDIDATE;
        let aligning = usage.alignment.map_or(0, |alignment| {
            let matrix = tokens * self.audio_context * F32;
            matrix * (alignment.heads * (1 + ALIGNING_COPIES) + ALIGNING_MATRICES)
        });
        self.listening(usage) + decoder + logits + copy + candidates + aligning
    }
}

/// Bytes that ONNX Runtime takes for a session beside the weights, with what a window of 10 s leaves on its way
/// through the layers. Measured (`benches/estimate.rs`) as the peak of the resident set while a model is opened and
/// first run: 24.7 MB for the bundled segmentation model of 2.7 MB, 23.1 MB for the embedding model of 5.0 MB, 28.3 MB
/// for pyannote's segmentation-3.0 in 8 bits, of 1.5 MB. The estimate is within 20 % of these.
const ONNX_SESSION: u64 = 22_000_000;
/// Of the file, in memory.
const ONNX_FACTOR: u64 = 1;

/// What ONNX Runtime takes for a model file of `size` bytes. It gives buffers back to nobody while the session lives.
pub fn onnx(size: u64, place: Place) -> Estimate {
    Estimate {
        weights: size.saturating_mul(ONNX_FACTOR),
        kv: 0,
        compute: ONNX_SESSION,
        overhead: match place {
            Place::Gpu => CUDA_OVERHEAD,
            Place::Host => 0,
        },
        later: ONNX_SESSION / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    /// Vocabulary, width, heads, decoder layers.
    const TINY: [u64; 4] = [51_865, 384, 6, 4];
    const BASE: [u64; 4] = [51_865, 512, 8, 6];
    const SMALL: [u64; 4] = [51_865, 768, 12, 12];
    const MEDIUM: [u64; 4] = [51_865, 1024, 16, 24];
    const LARGE: [u64; 4] = [51_866, 1280, 20, 32];
    const TURBO: [u64; 4] = [51_866, 1280, 20, 4];

    fn dimensions([vocabulary, width, heads, decoder_layers]: [u64; 4]) -> Dimensions {
        Dimensions {
            vocabulary,
            audio_context: 1500,
            text_context: 448,
            width,
            heads,
            decoder_layers,
        }
    }

    fn usage(place: Place, flash_attention: bool, decoders: u64) -> Use {
        Use {
            place,
            flash_attention,
            decoders,
            alignment: None,
        }
    }

    #[track_caller]
    fn check(what: &str, estimate: u64, figure: f64, tolerance: f64) {
        let found = estimate as f64 / MB;
        let error = (found - figure).abs() / figure;
        assert!(error < tolerance, "{what}: {found:.1} MB, expected {figure} MB");
    }

    /// In MB: ggml's own buffer sizes for the state with flash attention and without, and what five decoders add.
    #[test]
    fn a_device_holds_what_ggml_reserves() {
        for (name, model, flash, without, decoders) in [
            ("tiny", TINY, 146.0, 193.0, 19.0),
            ("base", BASE, 169.0, 232.0, 38.0),
            ("small", SMALL, 240.0, 334.0, 113.0),
            ("medium", MEDIUM, 387.0, 512.0, 302.0),
            ("large-v3", LARGE, 543.0, 700.0, 503.0),
            ("large-v3-turbo", TURBO, 250.0, 407.0, 63.0),
        ] {
            let model = dimensions(model);
            let state = |flash, decoders| {
                let need = model.need(0, &usage(Place::Gpu, flash, decoders));
                assert_eq!(need.total(), need.kv + need.compute + CUDA_OVERHEAD);
                need.kv + need.compute
            };
            check(name, state(true, 1), flash, 0.03);
            check(name, state(false, 1), without, 0.03);
            check(name, state(true, 5) - state(true, 1), decoders, 0.03);
        }
    }

    /// In MB, with 200 tokens a window (`benches/estimate.rs`): the peak of the resident set with one decoder and five,
    /// and what was resident behind the load.
    #[test]
    fn the_host_holds_what_was_measured() {
        for (name, model, weights, heads, decoder, loaded, one, five) in [
            ("tiny", TINY, 77_110_000, 6, 164_030_000, 108.4, 377.9, 399.6),
            ("base", BASE, 147_370_000, 8, 140_290_000, 192.2, 484.7, 525.3),
            ("small", SMALL, 487_010_000, 10, 167_920_000, 584.2, 976.7, 1092.8),
        ] {
            let alignment = Some(Alignment { heads, decoder });
            let need = |decoders| {
                let usage = Use {
                    alignment,
                    ..usage(Place::Host, false, decoders)
                };
                dimensions(model).need(weights, &usage)
            };
            check(name, need(1).total(), one, 0.1);
            check(name, need(5).total(), five, 0.1);
            check(name, need(5).total() - need(5).later, loaded, 0.03);
        }
    }

    #[test]
    fn speaker_models_take_what_was_measured() {
        for (size, peak) in [(2_700_015, 24.7), (5_018_244, 23.1), (1_532_909, 28.3)] {
            check("ONNX", onnx(size, Place::Host).total(), peak, 0.2);
        }
        assert_eq!(onnx(u64::MAX, Place::Gpu).total(), u64::MAX);
    }
}
