//! What is written in the picture.

use crate::memory::{
    checkpoint::Stage,
    report::{GB, Record},
    timeline::{Outcome, Run},
    verdict::Verdict,
};

const MIB: f64 = (1u64 << 20) as f64;
/// Seconds of a day.
const DAY: u64 = 86_400;
/// 9999-12-31 23:59:59: the last date that has four digits for the year.
const LAST_DATE: f64 = 253_402_300_799.0;

/// What amounts are written in; one for all of a run, so that they compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 2^20 bytes.
    MiB,
    /// 2^30 bytes: the "GB" of the log.
    GiB,
}

impl Unit {
    /// The unit of an axis that ends at `most` bytes.
    pub fn of(most: f64) -> Unit {
        if most < GB { Unit::MiB } else { Unit::GiB }
    }

    /// Its bytes.
    pub fn bytes(self) -> f64 {
        match self {
            Unit::MiB => MIB,
            Unit::GiB => GB,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Unit::MiB => "MiB",
            Unit::GiB => "GiB",
        }
    }

    /// `bytes` with as many decimals as the log has.
    pub fn amount(self, bytes: u64) -> String {
        let amount = bytes as f64 / self.bytes();
        match self {
            Unit::MiB => format!("{amount:.1} MiB"),
            Unit::GiB => format!("{amount:.2} GiB"),
        }
    }
}

/// The name of a stage.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Pipeline => "Pipeline",
        Stage::AudioPreprocessing => "Audio preprocessing",
        Stage::Transcription => "Transcription",
        Stage::Diarization => "Diarization",
        Stage::SpeakerAlignment => "Speaker alignment",
    }
}

/// What became of a cleanup, in the room beside its lane.
pub fn outcome(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Judged(cleanup)) => format!("{:.1} % freed, {}", cleanup.freed, cleanup.verdict.id()),
        Some(Outcome::NextToNothing) => "took next to nothing".into(),
        Some(Outcome::Unfinished) => "cleanup did not end".into(),
        Some(Outcome::Missing) => "no cleanup in the log".into(),
        None => "only its end in the log".into(),
    }
}

/// The verdict on all of a run, and the worst of its cleanups.
pub fn summary(run: &Run) -> (String, Option<Verdict>) {
    let of = |verdict: Verdict| {
        let found = run
            .cleanups()
            .into_iter()
            .filter_map(move |(stage, outcome)| match outcome {
                Outcome::Judged(cleanup) if cleanup.verdict == verdict => Some(stage.cleanup()),
                _ => None,
            });
        found.collect::<Vec<_>>().join(", ")
    };
    let [leaks, partial, good] = [Verdict::Leak, Verdict::Partial, Verdict::Good].map(of);
    let cut = run
        .cleanups()
        .iter()
        .any(|(_, outcome)| matches!(outcome, Outcome::Missing | Outcome::Unfinished));
    if !leaks.is_empty() {
        (format!("Leak: {leaks}"), Some(Verdict::Leak))
    } else if cut {
        ("The log ends before the run does".into(), None)
    } else if !partial.is_empty() {
        (format!("Partial: {partial}"), Some(Verdict::Partial))
    } else if !good.is_empty() {
        ("Every cleanup is good".into(), Some(Verdict::Good))
    } else {
        ("No cleanup to judge".into(), None)
    }
}

/// The card's share of the device.
pub fn share(record: &Record) -> String {
    format!("{:.1} %", record.percent)
}

/// Since the first checkpoint; nothing when the log has no times.
pub fn seconds(seconds: Option<f64>) -> String {
    seconds
        .map(|seconds| format!("{seconds:.2} s"))
        .unwrap_or_default()
}

/// `bytes` with its digits in groups of three.
pub fn grouped(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}'); // a narrow space that does not break
        }
        text.push(digit);
    }
    text
}

/// Seconds since 1970 as a date in UTC; `None` when that is no date of these millennia.
pub fn date(seconds: f64) -> Option<String> {
    if !(0.0..=LAST_DATE).contains(&seconds) {
        return None;
    }
    let seconds = seconds as u64;
    let (day, time) = (seconds / DAY, seconds % DAY);
    // Years of 365 or 366 days, then months: at most 8,029 and 11 steps.
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, day);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if rest < days {
            break;
        }
        rest -= days;
        month += 1;
    }
    Some(format!(
        "{year}-{month:02}-{:02} {:02}:{:02}:{:02} UTC",
        rest + 1,
        time / 3600,
        time / 60 % 60,
        time % 60
    ))
}

/// At most `most` letters of `text`, the rest cut out of the middle: names differ at their ends.
pub fn short(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = (most / 3, most - most / 3 - 1);
    let head = letters[..head].iter();
    head.chain(&['…'])
        .chain(&letters[letters.len() - tail..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        for (seconds, text) in [
            (0.0, Some("1970-01-01 00:00:00 UTC")),
            (951_782_400.9, Some("2000-02-29 00:00:00 UTC")),
            (1_700_000_000.25, Some("2023-11-14 22:13:20 UTC")),
            (1_735_689_599.0, Some("2024-12-31 23:59:59 UTC")),
            (LAST_DATE, Some("9999-12-31 23:59:59 UTC")),
            (-1.0, None),
            (1e300, None),
            (f64::NAN, None),
        ] {
            assert_eq!(date(seconds).as_deref(), text, "{seconds}");
        }
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("run.log", 7), "run.log");
        assert_eq!(short("a-very-long-name.log", 10), "a-v…me.log");
        assert_eq!(short("ééééé", 4), "é…éé");
    }

    #[test]
    fn digits_come_in_threes() {
        for (bytes, text) in [
            (7, "7"),
            (123, "123"),
            (1234, "1\u{202f}234"),
            (1_234_567, "1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(grouped(bytes), text);
        }
    }
}
