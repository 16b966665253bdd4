//! A checkpoint as programs read it: a line of the `memory-log`, written and read back.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Label,
    probes::Source,
    report::{NotACheckpoint, Record},
    verdict::{Cleanup, Level, Verdict},
};

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

impl FromStr for JsonLine {
    type Err = NotACheckpoint;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let fields: Fields = serde_json::from_str(line).map_err(|e| NotACheckpoint::Json(e.to_string()))?;
        let label = Label::from_text(&fields.label)
            .ok_or_else(|| NotACheckpoint::Label(fields.label.clone().into_owned()))?;
        let cleanup = fields.freed_percent.zip(fields.verdict);
        Ok(JsonLine {
            date: fields.date,
            monotonic: fields.monotonic,
            pid: fields.pid,
            element: fields.element.into_owned(),
            record: Record {
                label,
                allocated: fields.allocated,
                total: fields.total,
                percent: fields.percent,
                level: fields.level,
                device: fields.device.into_owned(),
                source: fields.source,
                cleanup: cleanup.map(|(freed, verdict)| Cleanup {
                    took: fields.took.unwrap_or(0),
                    freed,
                    verdict,
                }),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::probes::Reading, *};

    fn line(cleanup: Option<Cleanup>) -> JsonLine {
        let reading = Reading {
            allocated: 193_273_528,
            total: 24 << 30,
        };
        JsonLine {
            date: 1_700_000_000.25,
            monotonic: 12_345_678_901,
            pid: 4711,
            element: "say \"hi\"".into(),
            record: Record::new(
                Label::AfterWhisperCleanup,
                reading,
                "NVIDIA H200",
                Source::Nvml,
                cleanup,
            ),
        }
    }

    #[test]
    fn lines_read_back_whole() {
        for cleanup in [
            None,
            Some(Cleanup {
                took: 7 << 30,
                freed: 97.5,
                verdict: Verdict::Good,
            }),
        ] {
            let text = line(cleanup).to_string();
            assert!(!text.contains('\n'));
            assert_eq!(text.parse::<JsonLine>(), Ok(line(cleanup)), "{text}");
        }
    }

    #[test]
    fn what_is_no_checkpoint_says_why() {
        let text = line(None).to_string();
        for (text, why) in [
            (
                text.replace("Whisper", "Lunch"),
                "there is no checkpoint \"After Lunch Cleanup\"",
            ),
            (text.replace("\"pid\":4711,", ""), "missing field `pid`"),
            ("{".into(), "EOF while parsing"),
        ] {
            let error = text.parse::<JsonLine>().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
