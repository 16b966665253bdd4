//! Properties of `scribealigner`, and what is made of them at READY→PAUSED.

use crate::speech::align::AlignConfig;
use crate::time::time_to_samples;

/// The property values as they were set. Times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub max_gap: u32,
    pub sentence_smoothing: bool,
    pub latency: u32,
    pub memory_log: Option<String>,
}

/// Longest `max-gap` and `latency` in ms: ten minutes, beyond which a word is no neighbour and captions are not live.
pub(super) const LONGEST: u32 = 600_000;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_gap: 500, // that of `AlignConfig::default`
            sentence_smoothing: true,
            // A sentence of ten words at 2.5 words a second, the pace of calm speech: most are judged as a whole.
            latency: 4_000,
            memory_log: None,
        }
    }
}

impl Settings {
    /// How long after its end a word may wait, in a live stream, beyond what upstream promises.
    pub fn own_latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(self.latency.into())
    }

    /// For a stream that is not live, until upstream says that it is.
    pub fn config(&self) -> AlignConfig {
        AlignConfig {
            max_gap: time_to_samples(gst::ClockTime::from_mseconds(self.max_gap.into())),
            sentence_smoothing: self.sentence_smoothing,
            latency: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_core() {
        assert_eq!(Settings::default().config(), AlignConfig::default());
    }
}
