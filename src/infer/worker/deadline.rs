//! How long a request may take. The worker is told, and gives up by itself; one that does not is held to hang although it beats.

use std::time::Duration;

use super::HEARTBEAT;
use crate::infer::protocol::{Packed, Question};
use crate::time::SAMPLE_RATE;

/// So long, whatever is asked. Whisper encodes a full window of 30 s for the shortest audio: with large-v3 on two slow cores, and
/// ten processes that want them, too, that takes minutes.
const FLOOR: Duration = Duration::from_secs(300);
/// And so much for each second of audio. Each window may be decoded six times over (temperatures 0 to 1 in steps of 0.2), five candidates
/// at a time: a machine on which the first decode takes twice as long as the audio takes 60 times as long then.
const PER_SECOND: u32 = 60;
/// The speaker models do the same work for every window: a hundredth of the audio's length on one core (README), so this
/// is a thousand times as long as they take.
const PER_SECOND_OF_VOICES: u32 = 10;

/// What `packed` may take.
pub(super) fn budget(packed: &Packed<'_>) -> Duration {
    let audio = Duration::from_secs(packed.samples() as u64 / u64::from(SAMPLE_RATE));
    let factor = match packed.question {
        Question::Window(_) => PER_SECOND,
        Question::Windows { .. } | Question::Voice => PER_SECOND_OF_VOICES,
    };
    FLOOR + audio * factor
}

/// The same as it travels, in milliseconds.
pub(super) fn told(budget: Duration) -> u32 {
    u32::try_from(budget.as_millis()).unwrap_or(u32::MAX)
}

/// The same in waits, one at least.
pub(super) fn waits(budget: Duration) -> u32 {
    let waits = budget.as_millis().div_ceil(HEARTBEAT.as_millis());
    u32::try_from(waits).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::protocol::{pack_voice, pack_window};
    use crate::speech::transcribe::{Context, Window};

    #[test]
    fn a_window_gets_half_an_hour_and_a_voice_minutes() {
        let samples = vec![0.0; 31 * SAMPLE_RATE as usize];
        assert_eq!(budget(&pack_voice(&samples)), Duration::from_secs(300 + 310));
        let window = Window {
            start: 0,
            samples,
            before: Vec::new(),
            context: Context::Start,
            history: Vec::new(),
            language: None,
        };
        assert_eq!(budget(&pack_window(&window)), Duration::from_secs(300 + 31 * 60));
        assert_eq!(waits(Duration::ZERO), 1);
        assert_eq!(waits(HEARTBEAT * 3 / 2), 2);
    }
}
