//! The reference card's thresholds: how full a device is, and what a cleanup came to.

/// A stage that took less gets no verdict: what the process around it took in the meantime may be
/// as much. The first use of libav's AAC decoder leaves 10.4 MiB for good (docs/adr/0003), and the
/// kernel's counters lag by up to 64 pages on each core.
pub const NEXT_TO_NOTHING: u64 = 16 << 20;

/// More than this share back is good (reference card).
const GOOD: f64 = 95.0;
/// Less than this share back is a leak (reference card).
const LEAK: f64 = 50.0;
/// From here on the share of the device, in per cent, deserves notice (reference card).
pub const NOTICE: f64 = 70.0;
/// Above this share of the device, in per cent, it is critical (reference card).
pub const CRITICAL: f64 = 85.0;

/// How full the device is by what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Under 70 %.
    Normal,
    /// 70 to 85 %.
    Notice,
    /// Over 85 %.
    Critical,
}

impl Level {
    /// The level at `percent` of the device.
    pub fn of(percent: f64) -> Level {
        match percent {
            p if p > CRITICAL => Level::Critical,
            p if p >= NOTICE => Level::Notice,
            _ => Level::Normal,
        }
    }

    /// The name in lines, messages and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::Notice => "notice",
            Level::Critical => "critical",
        }
    }
}

/// What a cleanup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Over 95 % is back.
    Good,
    /// 50 to 95 % is back.
    Partial,
    /// Under 50 % is back.
    Leak,
}

impl Verdict {
    /// The verdict on `freed` per cent.
    pub fn of(freed: f64) -> Verdict {
        match freed {
            f if f > GOOD => Verdict::Good,
            f if f < LEAK => Verdict::Leak,
            _ => Verdict::Partial,
        }
    }

    /// The name in lines, messages and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Partial => "partial",
            Verdict::Leak => "leak",
        }
    }
}

/// The judgement of one cleanup.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanup {
    /// Bytes that the stage took.
    pub took: u64,
    /// Per cent of them that are back.
    pub freed: f64,
    /// What to make of it.
    pub verdict: Verdict,
}

/// The judgement on a stage that took `took` bytes, of which `back` are gone again.
pub fn judge(took: i64, back: i64) -> Option<Cleanup> {
    if took < NEXT_TO_NOTHING as i64 {
        return None;
    }
    let freed = (back as f64 * 100.0 / took as f64).clamp(0.0, 100.0);
    Some(Cleanup {
        took: took as u64,
        freed,
        verdict: Verdict::of(freed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_cards() {
        for (percent, level) in [
            (0.0, Level::Normal),
            (69.99, Level::Normal),
            (70.0, Level::Notice),
            (85.0, Level::Notice),
            (85.01, Level::Critical),
            (130.0, Level::Critical),
        ] {
            assert_eq!(Level::of(percent), level, "{percent}");
        }
    }

    #[test]
    fn verdicts_are_the_cards() {
        for (freed, verdict) in [
            (100.0, Verdict::Good),
            (95.01, Verdict::Good),
            (95.0, Verdict::Partial),
            (50.0, Verdict::Partial),
            (49.99, Verdict::Leak),
            (0.0, Verdict::Leak),
        ] {
            assert_eq!(Verdict::of(freed), verdict, "{freed}");
        }
    }

    #[test]
    fn a_share_is_never_under_none_or_over_all() {
        for (took, back, freed) in [(100, -50, 0.0), (100, 150, 100.0), (100, 40, 40.0)] {
            assert_eq!(judge(took << 20, back << 20).map(|c| c.freed), Some(freed));
        }
        assert_eq!(judge(NEXT_TO_NOTHING as i64 - 1, 0), None);
        assert_eq!(judge(-1, 0), None);
    }
}
