//! The voice detector: audio → how probable speech is, frame by frame, into a [`SpeechMap`].
//!
//! [Earshot](https://crates.io/crates/earshot), a recurrent network of 40 KiB in pure Rust; why
//! this one, with figures: `docs/adr/0004-voice-activity.md`.

use earshot::Detector;

use crate::speech::transcribe::speech_map::SpeechMap;

/// Samples of one frame: 16 ms at 16 kHz, fixed by the network.
pub const FRAME: usize = 256;

/// Frames that the network hears before its answers count: 0.4 s. From its blank state it takes
/// the onset of any noise for a voice, for up to 15 frames (ADR 0004).
const WARM_UP_FRAMES: usize = 25;

/// One step of 16 bit. A frame that never passes it is silence without asking the network, which
/// never learned digital silence: after some, it takes even steady noise for a voice, for seconds.
const STEP: f32 = 1.0 / 32_768.0;

/// Hears speech in 16 kHz mono audio, as it comes. About 10 KiB, and 25 KiB more until it is warm.
pub struct VoiceDetector {
    network: Box<Detector>,
    /// Samples that wait for a whole frame.
    pending: Vec<f32>,
    /// The first frames with sound, while they are too few to warm up with.
    opening: Vec<f32>,
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
            pending: Vec::with_capacity(FRAME),
            opening: Vec::new(),
            warm: false,
        }
    }

    /// Hears `samples` (16 kHz, mono, −1 to 1; what is not finite is taken for 0) and writes the
    /// probability of each whole frame to `map`, which must follow the same line from its start.
    /// The map lags by up to a frame, and by up to 0.4 s after the first sound.
    pub fn push(&mut self, samples: &[f32], map: &mut SpeechMap) {
        let mut rest = samples;
        if !self.pending.is_empty() {
            let wanted = (FRAME - self.pending.len()).min(rest.len());
            self.pending.extend_from_slice(&rest[..wanted]);
            rest = &rest[wanted..];
            if self.pending.len() < FRAME {
                return;
            }
            self.hear_pending(map);
        }
        let frames = rest.chunks_exact(FRAME);
        self.pending.extend_from_slice(frames.remainder());
        frames.for_each(|frame| self.hear(frame, map));
    }

    /// The line ends: hears what is left, a part of a frame filled up with silence, and settles
    /// the map.
    pub fn finish(&mut self, map: &mut SpeechMap) {
        if !self.pending.is_empty() {
            self.hear_pending(map);
        }
        if !self.opening.is_empty() {
            self.warm_up(map);
        }
        map.finish();
    }

    /// Forgets all, map included: what comes next is another line that begins at `at_sample`.
    pub fn reset(&mut self, at_sample: u64, map: &mut SpeechMap) {
        self.network.reset();
        self.pending.clear();
        self.opening = Vec::new();
        self.warm = false;
        map.reset(at_sample);
    }

    fn hear_pending(&mut self, map: &mut SpeechMap) {
        let frame = std::mem::take(&mut self.pending);
        self.hear(&frame, map);
        self.pending = frame;
        self.pending.clear();
    }

    fn hear(&mut self, frame: &[f32], map: &mut SpeechMap) {
        let silent = is_digital_silence(frame);
        let in_opening = !self.warm && (!silent || !self.opening.is_empty());
        if in_opening {
            self.opening.extend_from_slice(frame);
            if self.opening.len() >= WARM_UP_FRAMES * FRAME {
                self.warm_up(map);
            }
            return;
        }
        let probability = if silent { 0.0 } else { self.probability(frame) };
        map.push(frame.len() as u64, probability);
    }

    /// Plays the opening to the network once for its state alone, again and again where it is
    /// shorter than the warm-up, then in earnest.
    fn warm_up(&mut self, map: &mut SpeechMap) {
        let opening = std::mem::take(&mut self.opening);
        let sounds = opening.chunks(FRAME).filter(|frame| !is_digital_silence(frame));
        for frame in sounds.cycle().take(WARM_UP_FRAMES) {
            self.probability(frame);
        }
        self.warm = true;
        opening.chunks(FRAME).for_each(|frame| self.hear(frame, map));
    }

    /// Of speech in up to [`FRAME`] samples; 0 to 1.
    fn probability(&mut self, samples: &[f32]) -> f32 {
        let mut frame = [0.0; FRAME];
        for (i, out) in frame.iter_mut().enumerate() {
            // One infinity would stay in the recurrent state for ever.
            let sample = samples.get(i).copied().filter(|s| s.is_finite()).unwrap_or(0.0);
            *out = sample.clamp(-1.0, 1.0);
        }
        self.network.predict_f32(&frame)
    }
}

fn is_digital_silence(frame: &[f32]) -> bool {
    frame.iter().all(|s| s.abs() <= STEP)
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
        for buffer in [1, 160, 255, 256, 257, 6_399, 6_401, 50_000] {
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
        for len in [0, 1, 255, 256, 257, 5_000, 6_399, 6_400, 6_401, 6_656] {
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
