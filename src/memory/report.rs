//! A checkpoint as people read it: the line, written and read back.

use std::{fmt, str::FromStr};

use super::{
    checkpoint::Label,
    probes::{Reading, Source},
    verdict::{Cleanup, Level, Verdict},
};

/// What each line begins with, and what users grep.
pub const MARK: &str = "[GPU Memory] ";

/// Bytes of one "GB" in a line: as PyTorch prints it and as the reference card has it, 1024³.
pub const GB: f64 = (1u64 << 30) as f64;

/// Below this many bytes a host line adds MiB: a process of tens of megabytes shows nothing in two
/// decimals of a GB. A device line needs no such help, as a CUDA context alone has hundreds.
const SMALL: u64 = 1 << 30;
const MIB: f64 = (1u64 << 20) as f64;

/// One checkpoint of one run, with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which checkpoint.
    pub label: Label,
    /// Bytes held by this process and its workers.
    pub allocated: u64,
    /// Bytes that the device has; 0 when a line does not tell.
    pub total: u64,
    /// `allocated` in per cent of the device.
    pub percent: f64,
    /// How full that is.
    pub level: Level,
    /// Name of the device; empty when a line does not tell.
    pub device: String,
    /// Who measured; unknown when a line does not tell.
    pub source: Option<Source>,
    /// What the cleanup that ends here came to.
    pub cleanup: Option<Cleanup>,
}

impl Record {
    /// A record of a reading just made.
    pub fn new(
        label: Label,
        reading: Reading,
        device: &str,
        source: Source,
        cleanup: Option<Cleanup>,
    ) -> Self {
        let percent = reading.percent();
        Self {
            label,
            allocated: reading.allocated,
            total: reading.total,
            percent,
            level: Level::of(percent),
            device: device.to_owned(),
            source: Some(source),
            cleanup,
        }
    }
}

/// The line. Behind the card's part, each after ` | ` and only when there is something to say: the
/// amount in MiB when it is small and the host's, `freed N%`, the level unless normal, the device of a verdict,
/// the verdict; on the host `host` is last on every line.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gb = self.allocated as f64 / GB;
        write!(
            f,
            "{MARK}{}: Allocated: {gb:.2}GB ({:.1}%)",
            self.label, self.percent
        )?;
        let host = self.source == Some(Source::Host);
        if host && self.allocated < SMALL {
            write!(f, " | {:.1} MiB", self.allocated as f64 / MIB)?;
        }
        if let Some(cleanup) = &self.cleanup {
            write!(f, " | freed {:.1}%", cleanup.freed)?;
        }
        if self.level != Level::Normal {
            write!(f, " | {}", self.level.id())?;
        }
        if let Some(cleanup) = &self.cleanup {
            if !host && !self.device.is_empty() {
                write!(f, " | {}", self.device)?;
            }
            write!(f, " | {}", cleanup.verdict.id())?;
        }
        if host {
            write!(f, " | host")?;
        }
        Ok(())
    }
}

/// A line that is meant to be a checkpoint and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACheckpoint {
    /// Neither of the 19.
    #[error("there is no checkpoint \"{0}\"")]
    Label(String),
    /// The line does not have the form.
    #[error("expected \"LABEL: Allocated: 1.23GB (4.5%)\", found \"{0}\"")]
    Form(String),
    /// A field is missing or of another type.
    #[error("{0}")]
    Json(String),
}

/// What stands behind the [`MARK`]. Read as far as a line tells: amounts are rounded, `total` and
/// `took` follow from shares, and are 0 where those are.
impl FromStr for Record {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || NotACheckpoint::Form(text.to_owned());
        let (label, rest) = text.split_once(':').ok_or_else(form)?;
        let label = Label::from_text(label.trim()).ok_or_else(|| NotACheckpoint::Label(label.to_owned()))?;
        let mut parts = rest.split('|').map(str::trim);
        let (allocated, percent) = parts.next().and_then(amount).ok_or_else(form)?;
        let mut record = Record {
            label,
            allocated,
            total: 0,
            percent,
            level: Level::of(percent),
            device: String::new(),
            source: None,
            cleanup: None,
        };
        let (mut freed, mut verdict) = (None, None);
        for part in parts {
            if let Some(mib) = part.strip_suffix(" MiB").and_then(number) {
                record.allocated = (mib * MIB) as u64;
            } else if let Some(share) = part.strip_prefix("freed ").and_then(percentage) {
                freed = Some(share);
            } else if let Some(word) = VERDICTS.into_iter().find(|v| v.id() == part) {
                verdict = Some(word);
            } else if part == HOST {
                record.source = Some(Source::Host);
                record.device = part.to_owned();
            } else if LEVELS.iter().all(|level| level.id() != part) {
                record.device = part.to_owned();
            }
        }
        if percent > 0.0 {
            record.total = (record.allocated as f64 * 100.0 / percent) as u64;
        }
        record.cleanup = freed.zip(verdict).map(|(freed, verdict)| Cleanup {
            took: 0,
            freed,
            verdict,
        });
        Ok(record)
    }
}

const HOST: &str = "host";
const LEVELS: [Level; 3] = [Level::Normal, Level::Notice, Level::Critical];
const VERDICTS: [Verdict; 3] = [Verdict::Good, Verdict::Partial, Verdict::Leak];

/// `Allocated: 7.23GB (30.1%)`, and whatever follows, as bytes and per cent.
fn amount(text: &str) -> Option<(u64, f64)> {
    let (gb, rest) = text.strip_prefix("Allocated:")?.split_once("GB")?;
    let gb = number(gb)?;
    let (percent, _) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    Some(((gb * GB) as u64, percentage(percent)?))
}

fn percentage(text: &str) -> Option<f64> {
    number(text.strip_suffix('%')?)
}

/// Rust reads "nan" and "inf" as numbers; no amount is one of these.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(allocated: u64, total: u64, source: Source, cleanup: Option<Cleanup>) -> Record {
        let device = if source == Source::Host {
            HOST
        } else {
            "NVIDIA H200"
        };
        let label = match cleanup {
            Some(_) => Label::AfterWhisperCleanup,
            None => Label::BeforeWhisperCleanup,
        };
        Record::new(label, Reading { allocated, total }, device, source, cleanup)
    }

    fn cleanup(freed: f64) -> Option<Cleanup> {
        Some(Cleanup {
            took: 0,
            freed,
            verdict: Verdict::of(freed),
        })
    }

    fn gb(amount: f64) -> u64 {
        (amount * GB) as u64
    }

    #[test]
    fn lines_are_the_cards_and_read_back() {
        use Source::*;
        for (record, line) in [
            (
                record(gb(7.23), gb(24.0), Nvml, None),
                "[GPU Memory] Before Whisper Cleanup: Allocated: 7.23GB (30.1%)",
            ),
            (
                record(gb(0.18), gb(24.0), Nvml, cleanup(97.5)),
                "[GPU Memory] After Whisper Cleanup: Allocated: 0.18GB (0.7%) | freed 97.5% | NVIDIA H200 | good",
            ),
            (
                record(gb(5.42), gb(24.0), Cuda, cleanup(25.0)),
                "[GPU Memory] After Whisper Cleanup: Allocated: 5.42GB (22.6%) | freed 25.0% | NVIDIA H200 | leak",
            ),
            (
                record(43 << 20, gb(16.0), Host, None),
                "[GPU Memory] Before Whisper Cleanup: Allocated: 0.04GB (0.3%) | 43.0 MiB | host",
            ),
            (
                record(11 << 20, gb(16.0), Host, cleanup(80.0)),
                "[GPU Memory] After Whisper Cleanup: Allocated: 0.01GB (0.1%) | 11.0 MiB | freed 80.0% | partial | host",
            ),
            (
                record(gb(21.6), gb(24.0), Nvml, None),
                "[GPU Memory] Before Whisper Cleanup: Allocated: 21.60GB (90.0%) | critical",
            ),
        ] {
            assert_eq!(record.to_string(), line);
            let read: Record = line.strip_prefix(MARK).unwrap().parse().unwrap();
            assert_eq!(read.to_string(), line, "again");
            assert_eq!(
                (read.label, read.cleanup, read.level),
                (record.label, record.cleanup, record.level)
            );
        }
    }

    #[test]
    fn the_cards_own_spacing_and_marks_are_read() {
        let record: Record = "After Whisper Cleanup:  Allocated: 0.18GB (0.7%)   ✅"
            .parse()
            .unwrap();
        assert_eq!((record.allocated, record.percent), (gb(0.18), 0.7));
        assert_eq!(record.cleanup, None);
    }

    #[test]
    fn what_is_no_checkpoint_says_why() {
        for (text, why) in [
            (
                "Before Lunch: Allocated: 1.00GB (1.0%)",
                "there is no checkpoint \"Before Lunch\"",
            ),
            (
                "Before Whisper Cleanup: 7.23GB",
                "expected \"LABEL: Allocated: 1.23GB (4.5%)\", found \"Before Whisper Cleanup: 7.23GB\"",
            ),
            (
                "Before Whisper Cleanup: Allocated: nanGB (inf%)",
                "expected \"LABEL: Allocated: 1.23GB (4.5%)\", found \"Before Whisper Cleanup: Allocated: nanGB (inf%)\"",
            ),
            (
                "cut",
                "expected \"LABEL: Allocated: 1.23GB (4.5%)\", found \"cut\"",
            ),
        ] {
            assert_eq!(text.parse::<Record>().unwrap_err().to_string(), why);
        }
    }
}
