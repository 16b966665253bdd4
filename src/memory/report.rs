//! A checkpoint as people and programs read it: the line and the JSON, written and read back.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Label,
    ledger::{Cleanup, Level, Verdict},
    probes::{Reading, Source},
};

/// What each line begins with, and what users grep.
pub const MARK: &str = "[GPU Memory] ";

/// Bytes of one "GB" in a line: as PyTorch prints it and as the reference card has it, 1024³.
pub const GB: f64 = (1u64 << 30) as f64;

/// Below this many bytes the two decimals of a GB hide what matters, so the line adds MiB.
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
/// amount in MiB when it is small, `freed N%`, the level unless normal, the device of a verdict,
/// the verdict; on the host `host` is last on every line.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gb = self.allocated as f64 / GB;
        write!(
            f,
            "{MARK}{}: Allocated: {gb:.2}GB ({:.1}%)",
            self.label, self.percent
        )?;
        if self.allocated < SMALL {
            write!(f, " | {:.1} MiB", self.allocated as f64 / MIB)?;
        }
        if let Some(cleanup) = &self.cleanup {
            write!(f, " | freed {:.1}%", cleanup.freed)?;
        }
        if self.level != Level::Normal {
            write!(f, " | {}", self.level.id())?;
        }
        let host = self.source == Some(Source::Host);
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

/// A line of the `memory-log`.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonLine {
    /// Seconds since 1970.
    pub date: f64,
    /// Nanoseconds on the system's monotonic clock.
    pub monotonic: u64,
    /// The media process.
    pub pid: u32,
    /// Name of the element that wrote it.
    pub element: String,
    /// The checkpoint itself.
    pub record: Record,
}

/// The fields, in the order in which they stand in the file.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    date: f64,
    monotonic: u64,
    pid: u32,
    element: Cow<'a, str>,
    label: Cow<'a, str>,
    number: u32,
    stage: Cow<'a, str>,
    allocated: u64,
    total: u64,
    percent: f64,
    device: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<Source>,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    took: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    freed_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    verdict: Option<Verdict>,
}

impl fmt::Display for JsonLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = &self.record;
        let fields = Fields {
            date: self.date,
            monotonic: self.monotonic,
            pid: self.pid,
            element: self.element.as_str().into(),
            label: record.label.text().into(),
            number: record.label.number(),
            stage: record.label.stage().id().into(),
            allocated: record.allocated,
            total: record.total,
            percent: record.percent,
            device: record.device.as_str().into(),
            source: record.source,
            level: record.level,
            took: record.cleanup.map(|cleanup| cleanup.took),
            freed_percent: record.cleanup.map(|cleanup| cleanup.freed),
            verdict: record.cleanup.map(|cleanup| cleanup.verdict),
        };
        f.write_str(&serde_json::to_string(&fields).map_err(|_| fmt::Error)?)
    }
}
