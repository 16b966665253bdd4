//! How much the device has, as far as a log tells.

use crate::memory::{
    probes::Source,
    report::{GB, Record},
    timeline::Run,
};

/// Half of the last place of a share in text.
const HALF_SHARE: f64 = 0.05;
/// Half of the last place of an amount in GB, in bytes.
const HALF_GB: f64 = 0.005 * GB;
/// Half of the last place of an amount in MiB, in bytes.
const HALF_MIB: f64 = 0.05 * (1 << 20) as f64;

/// Bytes that a device has, between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    low: f64,
    high: f64,
}

impl Total {
    /// What `run` tells: the JSON exactly; in text it follows from amounts and shares, which are rounded, so each
    /// line gives bounds.
    pub fn of(run: &Run) -> Option<Total> {
        if let Some(bytes) = run.total() {
            let bytes = bytes as f64;
            return (bytes > 0.0).then_some(Total {
                low: bytes,
                high: bytes,
            });
        }
        let all = run.entries.iter().filter_map(|entry| bounds(&entry.record));
        let common = all.clone().reduce(|a, b| Total {
            low: a.low.max(b.low),
            high: a.high.min(b.high),
        })?;
        if common.low <= common.high {
            return Some(common);
        }
        // Lines that contradict each other were made by hand or by several devices: the narrowest is the best.
        all.min_by(|a, b| (a.high / a.low).total_cmp(&(b.high / b.low)))
    }

    /// The best guess.
    pub fn bytes(&self) -> f64 {
        (self.low + self.high) / 2.0
    }

    /// In GiB, saying how sure that is.
    pub fn words(&self) -> String {
        self.share(100.0)
    }

    /// `percent` of it in GiB, saying how sure that is.
    pub fn share(&self, percent: f64) -> String {
        let gib = |bytes: f64| {
            let amount = bytes * percent / 100.0 / GB;
            format!("{amount:.*}", if amount < 1.0 { 2 } else { 1 })
        };
        if self.low == self.high {
            format!("{} GiB", gib(self.bytes()))
        } else if gib(self.low) == gib(self.high) || self.high / self.low < 1.05 {
            format!("≈ {} GiB", gib(self.bytes()))
        } else {
            format!("{} to {} GiB", gib(self.low), gib(self.high))
        }
    }
}

fn bounds(record: &Record) -> Option<Total> {
    let held = record.allocated as f64;
    let in_mib = record.source == Some(Source::Host) && held < GB;
    let half = if in_mib { HALF_MIB } else { HALF_GB };
    let bounds = Total {
        low: (held - half) * 100.0 / (record.percent + HALF_SHARE),
        high: (held + half) * 100.0 / (record.percent - HALF_SHARE),
    };
    (record.percent > HALF_SHARE && bounds.low > 0.0).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::timeline::read;

    #[track_caller]
    fn check(log: &str, words: Option<&str>) {
        let (runs, _) = read(log);
        let total = Total::of(&runs[0]).map(|total| total.words());
        assert_eq!(total.as_deref(), words, "{log}");
    }

    #[test]
    fn text_tells_as_much_as_its_roundings_allow() {
        let line = |label: &str, rest: &str| format!("[GPU Memory] {label}: Allocated: {rest}\n");
        let card = line("Before Whisper Cleanup", "7.23GB (30.1%)");
        let small = line("Before Transcription", "0.06GB (0.2%) | 60.0 MiB | host");
        check(&card, Some("≈ 24.0 GiB"));
        check(
            &(line("Before Transcription", "0.18GB (0.7%)") + &card),
            Some("≈ 24.0 GiB"),
        );
        check(&small, Some("23.4 to 39.1 GiB"));
        check(&line("Before Transcription", "0.00GB (0.0%)"), None);
        // A contradiction.
        check(
            &(line("Before Transcription", "1.00GB (90.0%)") + &card),
            Some("≈ 24.0 GiB"),
        );
    }

    #[test]
    fn json_is_exact() {
        check(
            r#"{"date":1.0,"monotonic":1,"pid":1,"element":"t","label":"Before Transcription","number":4,"stage":"transcription","allocated":1,"total":25769803776,"percent":0.0,"device":"X","level":"normal"}"#,
            Some("24.0 GiB"),
        );
    }
}
