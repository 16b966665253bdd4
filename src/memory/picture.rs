//! A run as text: the reference card's bars, the peak, the cleanups.

use std::fmt::{self, Write};

use super::{
    checkpoint::Stage,
    probes::Source,
    report::{GB, Record},
    timeline::{Outcome, Run},
    verdict::{Level, Verdict},
};

/// Blocks of a bar: the reference card's.
const WIDTH: usize = 25;
/// The longest label has 38 letters.
const LABEL_WIDTH: usize = 38;

/// `run` as text, for a terminal of 100 columns.
pub fn draw(run: &Run) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut text, run);
    text
}

fn write(out: &mut String, run: &Run) -> fmt::Result {
    let peak = &run.peak().record;
    let scale = Scale::of(peak);
    heading(out, run)?;
    let s = if run.entries.len() == 1 { "" } else { "s" };
    writeln!(out, ", {} checkpoint{s}; {scale}", run.entries.len())?;
    let start = run.entries.iter().find_map(|entry| entry.seconds);
    for entry in &run.entries {
        let record = &entry.record;
        let time = match (entry.seconds, start) {
            (Some(now), Some(start)) => format!("{:8.2} s", now - start),
            _ => " ".repeat(10),
        };
        write!(
            out,
            "{time}  {:<LABEL_WIDTH$} {:>10}  {}",
            record.label.text(),
            held(record),
            scale.bar(record)
        )?;
        if let Some(cleanup) = record.cleanup {
            write!(out, "  {} {:.0}% freed", mark(cleanup.verdict), cleanup.freed)?;
        } else if record.level != Level::Normal {
            write!(out, "  {}", record.level.id())?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "Peak: {} ({:.1}%), {}, at {}. {}",
        held(peak),
        peak.percent,
        peak.level.id(),
        peak.label,
        advice(peak.level)
    )?;
    for (stage, outcome) in run.cleanups() {
        writeln!(
            out,
            "{:<26} {}",
            format!("{}:", stage.cleanup()),
            words(stage, outcome)
        )?;
    }
    Ok(())
}

fn heading(out: &mut String, run: &Run) -> fmt::Result {
    let device = Some(run.device())
        .filter(|name| !name.is_empty())
        .unwrap_or("unknown device");
    write!(out, "{device}")?;
    if let Some(total) = run.total() {
        write!(out, ", {:.2} GB", total as f64 / GB)?;
    }
    if let Some(pid) = run.pid() {
        write!(out, ", process {pid}")?;
    }
    Ok(())
}

/// What a whole bar stands for.
enum Scale<'a> {
    /// The device.
    Device,
    /// What is held here, as on a big device all bars would be empty.
    Peak(&'a Record),
}

impl Scale<'_> {
    fn of(peak: &Record) -> Scale<'_> {
        match peak.percent * (WIDTH as f64) < 100.0 && peak.allocated > 0 {
            true => Scale::Peak(peak),
            false => Scale::Device,
        }
    }

    fn bar(&self, record: &Record) -> String {
        let share = match self {
            Scale::Device => record.percent / 100.0,
            Scale::Peak(peak) => record.allocated as f64 / peak.allocated as f64,
        };
        let full = ((share * WIDTH as f64).round() as usize).min(WIDTH);
        "█".repeat(full) + &"━".repeat(WIDTH - full)
    }
}

impl fmt::Display for Scale<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scale::Device => f.write_str("a whole bar is the whole device"),
            Scale::Peak(peak) => write!(f, "a whole bar is the peak of {}", held(peak)),
        }
    }
}

/// In the units of the line, which are as exact as its reading.
fn held(record: &Record) -> String {
    match record.source {
        Some(Source::Host) if (record.allocated as f64) < GB => {
            format!("{:.1} MiB", record.allocated as f64 * 1024.0 / GB)
        }
        _ => format!("{:.2} GB", record.allocated as f64 / GB),
    }
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "✅",
        Verdict::Partial => "⚠️",
        Verdict::Leak => "🚨",
    }
}

/// The reference card's "Action Required".
pub(super) fn advice(level: Level) -> &'static str {
    match level {
        Level::Normal => "No action needed.",
        Level::Notice => "Monitor closely.",
        Level::Critical => "Use a smaller model or split the file.",
    }
}

fn words(stage: Stage, outcome: Outcome) -> String {
    match outcome {
        Outcome::Judged(cleanup) => {
            format!(
                "{} {:.1}% freed, {}",
                mark(cleanup.verdict),
                cleanup.freed,
                cleanup.verdict.id()
            )
        }
        Outcome::NextToNothing => "nothing to judge: next to nothing was taken".into(),
        Outcome::Unfinished => "begun and not finished".into(),
        Outcome::Missing if stage == Stage::Pipeline => "not in this log".into(),
        Outcome::Missing => "not in this log: the stage did not end, or the log is cut".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::timeline::read;

    fn drawn(log: &str) -> String {
        read(log).0.iter().map(draw).collect()
    }

    /// The reference card's expected pattern on 24 GB.
    #[test]
    fn bars_are_the_cards() {
        let log = "\
[GPU Memory] Pipeline Initialization: Allocated: 0.10GB (0.4%)
[GPU Memory] Before Transcription: Allocated: 0.20GB (0.8%)
[GPU Memory] Before Whisper Cleanup: Allocated: 7.50GB (31.2%)
[GPU Memory] After Whisper Cleanup: Allocated: 0.20GB (0.8%) | freed 100.0% | NVIDIA H200 | good
[GPU Memory] Before Diarization: Allocated: 0.20GB (0.8%)
[GPU Memory] Before Diarization Model Cleanup: Allocated: 5.80GB (24.2%)
[GPU Memory] After Diarization Model Cleanup: Allocated: 3.00GB (12.5%) | freed 49.0% | NVIDIA H200 | leak
[GPU Memory] Before Final Cleanup: Allocated: 3.00GB (12.5%)
";
        let text = "\
NVIDIA H200, 8 checkpoints; a whole bar is the whole device
            Pipeline Initialization                   0.10 GB  ━━━━━━━━━━━━━━━━━━━━━━━━━
            Before Transcription                      0.20 GB  ━━━━━━━━━━━━━━━━━━━━━━━━━
            Before Whisper Cleanup                    7.50 GB  ████████━━━━━━━━━━━━━━━━━
            After Whisper Cleanup                     0.20 GB  ━━━━━━━━━━━━━━━━━━━━━━━━━  ✅ 100% freed
            Before Diarization                        0.20 GB  ━━━━━━━━━━━━━━━━━━━━━━━━━
            Before Diarization Model Cleanup          5.80 GB  ██████━━━━━━━━━━━━━━━━━━━
            After Diarization Model Cleanup           3.00 GB  ███━━━━━━━━━━━━━━━━━━━━━━  🚨 49% freed
            Before Final Cleanup                      3.00 GB  ███━━━━━━━━━━━━━━━━━━━━━━
Peak: 7.50 GB (31.2%), normal, at Before Whisper Cleanup. No action needed.
Whisper Cleanup:           ✅ 100.0% freed, good
Diarization Model Cleanup: 🚨 49.0% freed, leak
Final Cleanup:             begun and not finished
";
        assert_eq!(drawn(log), text);
    }

    #[test]
    fn bars_of_little_are_of_the_peak_and_high_levels_are_named() {
        let small = drawn("[GPU Memory] Before Transcription: Allocated: 0.04GB (0.2%) | 40.0 MiB | host");
        assert!(
            small.starts_with("host, 1 checkpoint; a whole bar is the peak of 40.0 MiB\n"),
            "{small}"
        );
        assert!(small.contains(&"█".repeat(WIDTH)), "{small}");
        let full = drawn("[GPU Memory] Before Transcription: Allocated: 21.60GB (90.0%) | critical");
        assert!(full.contains("━  critical\n"), "{full}");
        assert!(full.contains("Use a smaller model or split the file."), "{full}");
    }

    #[test]
    fn an_empty_device_has_empty_bars() {
        let text = drawn("[GPU Memory] Before Transcription: Allocated: 0.00GB (0.0%)");
        assert!(text.contains(&"━".repeat(WIDTH)) && !text.contains('█'), "{text}");
    }
}
