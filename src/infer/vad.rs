//! The voice detector: audio → how probable speech is, frame by frame, into a [`SpeechMap`].
//!
//! [Earshot](https://crates.io/crates/earshot), a recurrent network of 40 KiB in pure Rust; why
//! this one, with figures: `docs/adr/0004-voice-activity.md`.

use earshot::Detector;

use crate::speech::transcribe::speech_map::SpeechMap;

/// Samples of one frame: 16 ms at 16 kHz, fixed by the network.
pub const FRAME: usize = 256;

/// Frames that the network hears before its answers count: 0.5 s. From its blank state it takes
/// the onset of any noise for a voice, for up to 15 frames (ADR 0004).
const WARM_UP_FRAMES: usize = 32;

/// Root mean square of the noise that every frame is given: one step of 16 bit, as Kaldi's
/// `dither=1.0`. The network never saw digital silence: after some, it takes even steady noise
/// for a voice, for seconds (ADR 0004).
const DITHER_RMS: f32 = 1.0 / 32_768.0;

/// Hears speech in 16 kHz mono audio, as it comes. About 10 KiB, and 33 KiB more until it is warm.
pub struct VoiceDetector {
    network: Box<Detector>,
    dither: Dither,
    /// Samples that wait for a whole frame, or for the warm-up.
    pending: Vec<f32>,
    warm: bool,
}

impl Default for VoiceDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl VoiceDetector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            network: Detector::default_boxed(),
            dither: Dither::new(),
            pending: Vec::new(),
            warm: false,
        }
    }

    /// Hears `samples` (16 kHz, mono, −1 to 1; what is not finite is taken for 0) and writes the
    /// probability of each whole frame to `map`, which must follow the same line from its start.
    /// The map lags by up to a frame, and by up to half a second at the start of the line.
    pub fn push(&mut self, samples: &[f32], map: &mut SpeechMap) {
        let mut rest = samples;
        if !self.warm {
            let wanted = (WARM_UP_FRAMES * FRAME - self.pending.len()).min(rest.len());
            self.pending.extend_from_slice(&rest[..wanted]);
            rest = &rest[wanted..];
            if self.pending.len() < WARM_UP_FRAMES * FRAME {
                return;
            }
            self.warm_up(map);
        }
        if !self.pending.is_empty() {
            let wanted = (FRAME - self.pending.len()).min(rest.len());
            self.pending.extend_from_slice(&rest[..wanted]);
            rest = &rest[wanted..];
            if self.pending.len() < FRAME {
                return;
            }
            let frame = std::mem::take(&mut self.pending);
            self.hear(&frame, map);
        }
        let frames = rest.chunks_exact(FRAME);
        self.pending.extend_from_slice(frames.remainder());
        frames.for_each(|frame| self.hear(frame, map));
    }

    /// The line ends: hears what is left, a part of a frame filled up with silence, and settles
    /// the map.
    pub fn finish(&mut self, map: &mut SpeechMap) {
        if !self.warm && !self.pending.is_empty() {
            self.warm_up(map);
        }
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.hear(&rest, map);
        }
        map.finish();
    }

    /// Forgets all, map included: what comes next is another line that begins at `at_sample`.
    pub fn reset(&mut self, at_sample: u64, map: &mut SpeechMap) {
        self.network.reset();
        self.dither = Dither::new();
        self.pending = Vec::new();
        self.warm = false;
        map.reset(at_sample);
    }

    /// Plays the first audio to the network once for its state alone, again and again where it is
    /// shorter than the warm-up, then in earnest.
    fn warm_up(&mut self, map: &mut SpeechMap) {
        let start = std::mem::take(&mut self.pending);
        for frame in start.chunks(FRAME).cycle().take(WARM_UP_FRAMES) {
            self.probability(frame);
        }
        self.warm = true;
        self.push(&start, map);
    }

    fn hear(&mut self, frame: &[f32], map: &mut SpeechMap) {
        let probability = self.probability(frame);
        map.push(frame.len() as u64, probability);
    }

    /// Of speech in up to [`FRAME`] samples; 0 to 1.
    fn probability(&mut self, samples: &[f32]) -> f32 {
        let mut frame = [0.0; FRAME];
        for (i, out) in frame.iter_mut().enumerate() {
            // One infinity would stay in the recurrent state for ever.
            let sample = samples.get(i).copied().filter(|s| s.is_finite()).unwrap_or(0.0);
            *out = (sample + self.dither.next()).clamp(-1.0, 1.0);
        }
        self.network.predict_f32(&frame)
    }
}

/// Evenly distributed noise of [`DITHER_RMS`], the same in every run (xorshift32; Marsaglia, 2003).
struct Dither(u32);

impl Dither {
    fn new() -> Self {
        Self(0x2545_F491)
    }

    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let even = self.0 as f32 / 2f32.powi(31) - 1.0; // −1 to 1: root mean square 1/√3
        even * DITHER_RMS * 3f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcribe::speech_map::{Answer, SpeechRule};

    fn new_map() -> SpeechMap {
        SpeechMap::new(SpeechRule::default(), 0)
    }

    /// Vowel-like: a buzz of 120 Hz through two wandering resonances, in syllables of 0.25 s, from
    /// 2 s to 4 s of 6 s.
    fn babble() -> Vec<f32> {
        let syllables = |n: usize| {
            let t = n as f32 / 16_000.0;
            let formants = [500.0 + 200.0 * (t * 9.0).sin(), 1_500.0 + 400.0 * (t * 7.0).cos()];
            let voice: f32 = (1..30u8)
                .map(|k| {
                    let f = 120.0 * f32::from(k);
                    let gain: f32 = formants.iter().map(|c| (-((f - c) / 150.0).powi(2)).exp()).sum();
                    (gain + 0.02) * (std::f32::consts::TAU * f * t).sin()
                })
                .sum();
            let syllable = (std::f32::consts::PI * (t * 4.0).fract()).sin();
            if (2.0..4.0).contains(&t) {
                0.1 * syllable * voice
            } else {
                0.0
            }
        };
        (0..96_000).map(syllables).collect()
    }

    fn listen(audio: &[f32], buffer: usize) -> SpeechMap {
        let (mut detector, mut map) = (VoiceDetector::new(), new_map());
        audio.chunks(buffer).for_each(|b| detector.push(b, &mut map));
        detector.finish(&mut map);
        map
    }

    #[test]
    fn a_voice_is_heard_where_it_is_whatever_the_buffers() {
        let audio = babble();
        let whole = listen(&audio, audio.len());
        let Answer::Speech {
            start,
            end: Some(end),
        } = whole.next_speech_at_or_after(0)
        else {
            panic!("no speech: {whole:?}")
        };
        assert!((24_000..=32_000).contains(&start), "{start}");
        assert!((62_000..=80_000).contains(&end), "{end}");
        for buffer in [1, 160, 255, 256, 257, 8_191, 8_193, 50_000] {
            let map = listen(&audio, buffer);
            assert_eq!(
                map.next_speech_at_or_after(0),
                whole.next_speech_at_or_after(0),
                "{buffer}"
            );
            assert_eq!(map.known_until(), 96_000, "{buffer}");
        }
    }

    #[test]
    fn every_sample_is_accounted_for_however_short_the_line() {
        for len in [0, 1, 255, 256, 257, 5_000, 8_191, 8_192, 8_193, 8_448] {
            let map = listen(&vec![0.0; len], 100);
            assert_eq!(map.heard_until(), len as u64);
            assert!(map.is_silent(0..len as u64), "{len}");
        }
    }

    #[test]
    fn what_is_not_finite_does_no_lasting_harm() {
        let mut audio = vec![0.0; 8_000];
        audio.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30]);
        audio.resize(32_000, 0.0);
        audio.extend(babble());
        let map = listen(&audio, 512);
        assert!(map.speech_overlap(64_000..96_000) > 28_000, "{map:?}");
        assert!(map.is_silent(12_000..48_000), "{map:?}");
    }

    #[test]
    fn after_a_reset_it_is_as_new() {
        let (mut detector, mut map) = (VoiceDetector::new(), new_map());
        detector.push(&babble()[30_000..50_123], &mut map);
        detector.reset(0, &mut map);
        detector.push(&babble(), &mut map);
        detector.finish(&mut map);
        assert_eq!(
            map.next_speech_at_or_after(0),
            listen(&babble(), 96_000).next_speech_at_or_after(0)
        );
    }
}
