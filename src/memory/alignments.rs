//! What the alignment of words costs with each of OpenAI's models: a matter of the heads that follow the audio.
//!
//! The number of heads is that of whisper.cpp's tables `g_aheads_*`. The decoder's compute buffer depends on the layers
//! they are in, and on what ggml's allocator makes of that: the figures are its own, printed by whisper.cpp 1.8.3.

#![allow(missing_docs)] // named for the models

use super::estimate::Alignment;

pub const TINY: Alignment = of(6, 164_030);
pub const TINY_EN: Alignment = of(8, 134_230);
pub const BASE: Alignment = of(8, 140_290);
pub const BASE_EN: Alignment = of(5, 109_810);
pub const SMALL: Alignment = of(10, 167_920);
pub const SMALL_EN: Alignment = of(19, 200_180);
pub const MEDIUM: Alignment = of(6, 223_060);
pub const MEDIUM_EN: Alignment = of(18, 395_090);
pub const LARGE_V2: Alignment = of(23, 708_270);
pub const LARGE_V3: Alignment = of(10, 600_750);
pub const LARGE_V3_TURBO: Alignment = of(6, 136_120);
/// The demo model that this library brings.
pub const DEMO: Alignment = of(2, 100_360);

/// The buffer in kB.
const fn of(heads: u64, decoder: u64) -> Alignment {
    Alignment {
        heads,
        decoder: decoder * 1000,
    }
}
