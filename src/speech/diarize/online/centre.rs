//! How one voice sounds, as far as it has been heard: a bounded memory that cannot be led away.
//!
//! diart adds each embedding to the centre: after an hour nothing moves it any more, and what was added wrongly in
//! the beginning stays. A plain moving average follows anybody: five minutes of wrong assignments and the centre is
//! another person's. So a centre has two parts of equal weight, what the voice was in its first half minute and
//! what it was in the last five, and its direction lies between: it follows a voice half of the way, and forgets.
//!
//! Simulated with 256 dimensions, embeddings at 0.3 from their voice, two voices at 0.8 from each other, 0.5 s a
//! step; cosine distances from the centre to the voice that it should be (and to the other voice):
//!
//! | | diart's sum | average of 5 min | both parts |
//! |---|---|---|---|
//! | a steady voice, after 3 h | 0.000 | 0.000 | 0.002 |
//! | a voice that turned by 60° in 2 h | 0.13 | 0.00 | 0.14 |
//! | after 5 min of the other voice behind 30 s of its own | 0.71 (0.01) | 0.71 (0.01) | 0.20 (0.26) |
//! | after 5 min of it behind 5 min | 0.23 (0.23) | 0.38 (0.11) | 0.10 (0.40) |
//! | after 5 min of it behind 2 h | 0.00 (0.76) | 0.38 (0.11) | 0.10 (0.40) |

use crate::speech::diarize::direction::Direction;
use crate::time::seconds;

/// What the voice was at first is settled after this much time in which it was heard, in samples.
const FIRST: u64 = seconds(30.0);
/// What it was lately is what it was for about this long, in samples.
const RECENT: u64 = seconds(300.0);

/// How many embeddings make the parts of a centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    first: f32,
    recent: f32,
}

impl Memory {
    /// For an embedding every `step` samples.
    pub fn new(step: u64) -> Self {
        let count = |length: u64| (length / step.max(1)).max(1) as f32;
        Memory {
            first: count(FIRST),
            recent: count(RECENT),
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Centre {
    memory: Memory,
    /// Moving average of the embeddings, and the weight of what is in it, at most that of the memory.
    recent: Vec<f32>,
    weight: f32,
    /// The average as it was when it held as many as the first part takes.
    first: Option<Direction>,
    direction: Direction,
}

impl Centre {
    /// A voice heard once. `weight` is 1 for an embedding that is as good as later ones, else less.
    pub fn new(memory: Memory, voice: &Direction, weight: f32) -> Self {
        Centre {
            memory,
            recent: voice.values().to_vec(),
            weight: if weight.is_finite() {
                weight.clamp(0.01, 1.0)
            } else {
                1.0
            },
            first: None,
            direction: voice.clone(),
        }
    }

    /// The voice was heard again. An embedding of another model (with more or fewer values) is left out.
    pub fn add(&mut self, voice: &Direction) {
        if voice.values().len() != self.recent.len() {
            return;
        }
        self.weight = (self.weight + 1.0).min(self.memory.recent);
        for (mean, value) in self.recent.iter_mut().zip(voice.values()) {
            *mean += (value - *mean) / self.weight;
        }
        // Voices that cancel out leave no direction; the last one stays.
        let Some(recent) = Direction::of(&self.recent) else {
            return;
        };
        if self.first.is_none() && self.weight >= self.memory.first {
            self.first = Some(recent.clone());
        }
        let sum: Vec<f32> = match &self.first {
            Some(first) => (first.values().iter().zip(recent.values()))
                .map(|(a, b)| a + b)
                .collect(),
            None => recent.values().to_vec(),
        };
        if let Some(direction) = Direction::of(&sum) {
            self.direction = direction;
        }
    }

    /// How the voice sounds.
    pub fn direction(&self) -> &Direction {
        &self.direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::diarize::online::noise::Noise;

    const STEP: u64 = seconds(0.5);

    /// Heard for so many minutes, one after the other: voices and how long each.
    fn heard(voices: &[(&Direction, usize)], noise: &mut Noise) -> Centre {
        let mut centre = Centre::new(Memory::new(STEP), &noise.near(voices[0].0), 1.0);
        for (voice, minutes) in voices {
            for _ in 0..minutes * 120 {
                centre.add(&noise.near(voice));
            }
        }
        centre
    }

    #[test]
    fn a_steady_voice_stays_where_it_is_for_ten_hours() {
        let mut noise = Noise::new(1);
        let voice = noise.voice();
        let centre = heard(&[(&voice, 600)], &mut noise);
        let found = centre.direction().distance(&voice);
        assert!(found < 0.01, "{found}");
        assert_eq!(centre.weight, 600.0);
    }

    #[test]
    fn another_voice_cannot_take_it_over() {
        let mut noise = Noise::new(2);
        let (voice, other) = (noise.voice(), noise.voice());
        for minutes in [1, 5, 120] {
            let centre = heard(&[(&voice, minutes), (&other, 600)], &mut noise);
            let (own, foreign) = (
                centre.direction().distance(&voice),
                centre.direction().distance(&other),
            );
            assert!(
                own < 0.35,
                "{minutes} min: {own} from its own, {foreign} from the other"
            );
            let centre = heard(&[(&voice, minutes), (&other, 5), (&voice, 10)], &mut noise);
            let own = centre.direction().distance(&voice);
            assert!(own < 0.05, "it forgets: {own}");
        }
    }

    #[test]
    fn at_first_it_is_the_mean_of_all_as_in_diart() {
        let mut noise = Noise::new(3);
        let voice = noise.voice();
        let heard: Vec<Direction> = (0..20).map(|_| noise.near(&voice)).collect();
        let mut centre = Centre::new(Memory::new(STEP), &heard[0], 1.0);
        heard[1..].iter().for_each(|v| centre.add(v));
        let sum: Vec<f32> = (0..voice.values().len())
            .map(|i| heard.iter().map(|v| v.values()[i]).sum())
            .collect();
        let found = centre.direction().distance(&Direction::of(&sum).unwrap());
        assert!(found < 1e-5, "{found}");
    }

    #[test]
    fn a_first_embedding_of_little_weight_is_soon_corrected() {
        let mut noise = Noise::new(4);
        let (short, voice) = (noise.voice(), noise.voice());
        let mut centre = Centre::new(Memory::new(STEP), &short, 0.1);
        centre.add(&voice);
        assert!(centre.direction().distance(&voice) < 0.02);
    }

    #[test]
    fn odd_voices_change_nothing() {
        let direction = |v: &[f32]| Direction::of(v).unwrap();
        let mut centre = Centre::new(Memory::new(0), &direction(&[1.0, 0.0]), f32::NAN);
        centre.add(&direction(&[1.0]));
        centre.add(&direction(&[-1.0, 0.0]));
        assert_eq!(centre.direction().values(), [1.0, 0.0]);
    }
}
