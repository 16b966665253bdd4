//! Voices for the tests of this folder: embeddings by the dice, the same on every run.

use crate::speech::diarize::direction::Direction;

/// Values of an embedding, as WeSpeaker's ResNet34 has them.
const DIMENSION: usize = 256;

/// Normal deviates from a seed.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed)
    }

    /// The next of SplitMix64 (Steele, Lea and Flood, 2014), from 0 to 1.
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// The sum of 12 uniform deviates has variance 1, and is near enough to normal here.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    /// Somebody new.
    pub fn voice(&mut self) -> Direction {
        let v: Vec<f32> = (0..DIMENSION).map(|_| self.normal()).collect();
        Direction::of(&v).unwrap()
    }

    /// Somebody heard again: at about 0.3 from `voice`, and 0.5 from the next time.
    pub fn near(&mut self, voice: &Direction) -> Direction {
        let scale = 1.0 / (DIMENSION as f32).sqrt();
        let v: Vec<f32> = voice.values().iter().map(|x| x + scale * self.normal()).collect();
        Direction::of(&v).unwrap()
    }
}
