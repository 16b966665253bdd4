//! 16 kHz samples ↔ [`gst::ClockTime`]: the only rounding rule of the crate.

/// Samples per second of all audio behind `scriberesample`, in Hz. Whisper and the diarization
/// models are trained at this rate.
pub const SAMPLE_RATE: u32 = 16_000;

/// Nanoseconds of one sample: a whole number, so samples → time is exact.
const SAMPLE_NS: u64 = 1_000_000_000 / SAMPLE_RATE as u64;

/// The time at which sample `n` begins. Exact.
pub fn samples_to_time(n: u64) -> gst::ClockTime {
    // The last nanosecond is GStreamer's "no time".
    gst::ClockTime::from_nseconds(n.saturating_mul(SAMPLE_NS).min(u64::MAX - 1))
}

/// The sample nearest to `time`; a time halfway between two samples goes to the later one.
pub fn time_to_samples(time: gst::ClockTime) -> u64 {
    (time.nseconds().saturating_add(SAMPLE_NS / 2)) / SAMPLE_NS
}

/// Seconds as samples, for constants and settings that papers give in seconds.
pub const fn seconds(s: f64) -> u64 {
    (s * SAMPLE_RATE as f64) as u64
}

/// Samples as seconds, for reports.
pub fn samples_to_seconds(n: u64) -> f64 {
    n as f64 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_round_trip() {
        for n in [0, 1, 2, 15_999, 16_000, 16_001, 3_600 * 16_000 + 7] {
            assert_eq!(time_to_samples(samples_to_time(n)), n);
        }
    }

    #[test]
    fn times_go_to_the_nearest_sample() {
        for (ns, expected) in [
            (0, 0),
            (31_249, 0),
            (31_250, 1),
            (62_500, 1),
            (93_749, 1),
            (93_750, 2),
        ] {
            assert_eq!(
                time_to_samples(gst::ClockTime::from_nseconds(ns)),
                expected,
                "{ns} ns"
            );
        }
    }
}
