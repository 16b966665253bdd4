//! Checkpoints out of logs: any text that has the lines in it, and the JSON of `memory-log`.

use super::{
    checkpoint::{Label, Role, Stage},
    json::JsonLine,
    report::{MARK, NotACheckpoint, Record},
    verdict::{Cleanup, Verdict, judge},
};

/// One checkpoint of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it says.
    pub record: Record,
    /// Seconds on a clock that all entries of a run share, where the log tells.
    pub seconds: Option<f64>,
    /// Seconds since 1970, where the log tells.
    pub date: Option<f64>,
    /// Whose line it is: tells runs apart.
    writer: Writer,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Writer {
    json: bool,
    pid: Option<u32>,
    element: Option<String>,
}

impl Entry {
    /// Name of the element that wrote it, where the log tells.
    pub fn element(&self) -> Option<&str> {
        self.writer.element.as_deref()
    }
}

/// One stage of a run, as one element ran it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane<'a> {
    /// The stage.
    pub stage: Stage,
    /// Who ran it, where the log tells.
    pub element: Option<&'a str>,
    /// What became of its cleanup; `None` when all that is there is that its work is over.
    pub outcome: Option<Outcome>,
}

/// The checkpoints of one READY→PAUSED→READY, in the order of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Never empty.
    pub entries: Vec<Entry>,
}

/// What the log says of one stage's cleanup.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Judged: the share that is back.
    Judged(Cleanup),
    /// Done, but the stage took too little to judge.
    NextToNothing,
    /// Begun and never ended: the run died in it.
    Unfinished,
    /// The stage began and no cleanup is in the log.
    Missing,
}

/// A line that should be a checkpoint, and why it is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: NotACheckpoint,
}

/// All runs in `log`, in the order in which they begin, and the lines that could not be read.
pub fn read(log: &str) -> (Vec<Run>, Vec<BadLine>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in log.lines().enumerate() {
        match entry(&without_colours(line)) {
            None => {}
            Some(Err(why)) => bad.push(BadLine { line: index + 1, why }),
            Some(Ok(entry)) => match runs.iter_mut().rev().find(|run| run.is_of(&entry.writer)) {
                Some(run) if !run.is_over_before(&entry) => run.entries.push(entry),
                _ => runs.push(Run { entries: vec![entry] }),
            },
        }
    }
    (runs, bad)
}

impl Run {
    /// The media process, where the log tells.
    pub fn pid(&self) -> Option<u32> {
        self.entries[0].writer.pid
    }

    /// Name of the device; empty when no line tells.
    pub fn device(&self) -> &str {
        let mut devices = self.entries.iter().map(|entry| entry.record.device.as_str());
        devices.find(|device| !device.is_empty()).unwrap_or("")
    }

    /// Bytes that the device has; only the JSON tells, shares in text are rounded.
    pub fn total(&self) -> Option<u64> {
        self.entries[0]
            .writer
            .json
            .then_some(self.entries[0].record.total)
    }

    /// The entry that holds most.
    pub fn peak(&self) -> &Entry {
        // The first of equals is where it was reached.
        let most = self
            .entries
            .iter()
            .rev()
            .max_by_key(|entry| entry.record.allocated);
        most.unwrap_or(&self.entries[0])
    }

    /// Whether amounts are to the byte, as the JSON has them; text is rounded.
    pub fn is_exact(&self) -> bool {
        self.entries[0].writer.json
    }

    /// What ran, in the order of the stages: one for each element, as there may be two of a kind.
    pub fn lanes(&self) -> Vec<Lane<'_>> {
        use Stage::*;
        let mut lanes = Vec::new();
        for stage in [
            AudioPreprocessing,
            Transcription,
            Diarization,
            SpeakerAlignment,
            Pipeline,
        ] {
            let mut elements: Vec<_> = self.of(stage).map(Entry::element).collect();
            elements.sort_unstable();
            elements.dedup();
            lanes.extend(elements.into_iter().map(|element| Lane {
                stage,
                element,
                outcome: self.outcome(stage, element),
            }));
        }
        lanes
    }

    /// What became of each stage's cleanup, in the order of the stages.
    pub fn cleanups(&self) -> Vec<(Stage, Outcome)> {
        let lanes = self.lanes().into_iter();
        lanes
            .filter_map(|lane| Some((lane.stage, lane.outcome?)))
            .collect()
    }

    /// Whether a cleanup gave back too little.
    pub fn leaks(&self) -> bool {
        self.cleanups()
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Judged(c) if c.verdict == Verdict::Leak))
    }

    fn of(&self, stage: Stage) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.record.label.stage() == stage)
    }

    fn outcome(&self, stage: Stage, element: Option<&str>) -> Option<Outcome> {
        let at = |role| {
            self.of(stage)
                .filter(|entry| entry.element() == element)
                .find(|entry| entry.record.label.role() == role)
                .map(|entry| &entry.record)
        };
        let (opens, begins) = (at(Role::Opens), at(Role::CleanupBegins));
        match (at(Role::CleanupEnds), begins) {
            (Some(end), begins) => {
                let judged = end.cleanup.or_else(|| match begins {
                    Some(begins) if self.is_bare() => judge_bare(opens, begins, end),
                    _ => None,
                });
                Some(judged.map_or(Outcome::NextToNothing, Outcome::Judged))
            }
            (None, Some(_)) => Some(Outcome::Unfinished),
            (None, None) => opens.map(|_| Outcome::Missing),
        }
    }

    /// Whether the lines have only the reference card's part: then nobody has judged them yet.
    fn is_bare(&self) -> bool {
        self.entries.iter().all(|entry| {
            entry.record.cleanup.is_none() && entry.record.source.is_none() && entry.record.device.is_empty()
        })
    }

    fn is_of(&self, writer: &Writer) -> bool {
        let own = &self.entries[0].writer;
        (own.json, own.pid) == (writer.json, writer.pid)
    }

    /// A checkpoint stands once in a run, so seeing it again means that the next one began.
    fn is_over_before(&self, entry: &Entry) -> bool {
        entry.record.label == Label::PipelineInitialization
            || self.entries.iter().any(|seen| {
                seen.record.label == entry.record.label && seen.writer.element == entry.writer.element
            })
    }
}

fn judge_bare(opens: Option<&Record>, begins: &Record, end: &Record) -> Option<Cleanup> {
    // Without its Before checkpoint the stage answers for all, as on the card.
    let base = opens.map_or(0, |record| record.allocated) as i64;
    judge(
        begins.allocated as i64 - base,
        begins.allocated as i64 - end.allocated as i64,
    )
}

/// The checkpoint in a line; `None` when the line is about something else.
fn entry(line: &str) -> Option<Result<Entry, NotACheckpoint>> {
    if let Some((before, text)) = line.split_once(MARK) {
        return Some(text.trim_end().parse().map(|record| Entry {
            record,
            seconds: debug_time(before),
            date: None,
            writer: Writer {
                json: false,
                pid: debug_pid(before),
                element: debug_element(before),
            },
        }));
    }
    let line = line.trim();
    if !(line.starts_with('{') && line.contains("\"label\"")) {
        return None;
    }
    Some(line.parse::<JsonLine>().map(|json| Entry {
        record: json.record,
        seconds: Some(json.monotonic as f64 / 1e9),
        date: Some(json.date),
        writer: Writer {
            json: true,
            pid: Some(json.pid),
            element: Some(json.element),
        },
    }))
}

/// `0:00:01.234567890` at the start of a line of GST_DEBUG.
fn debug_time(before: &str) -> Option<f64> {
    let mut parts = before.split_whitespace().next()?.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole =
        f64::from(hours.parse::<u32>().ok()?) * 3600.0 + f64::from(minutes.parse::<u32>().ok()?) * 60.0;
    Some(whole + seconds.parse::<f64>().ok().filter(|s| (0.0..=60.0).contains(s))?)
}

/// The process id is the second field of GST_DEBUG.
fn debug_pid(before: &str) -> Option<u32> {
    debug_time(before)?;
    before.split_whitespace().nth(1)?.parse().ok()
}

/// `...:write:<transcriber0> ` is the end of what GST_DEBUG puts before the text.
fn debug_element(before: &str) -> Option<String> {
    let (_, name) = before.trim_end().strip_suffix('>')?.rsplit_once(":<")?;
    Some(name.to_owned())
}

/// GST_DEBUG colours its output even into a file, unless told not to.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or("").to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
[GPU Memory] Before Whisper Cleanup: Allocated: 7.23GB (30.1%)
[GPU Memory] After Whisper Cleanup:  Allocated: 0.18GB (0.7%)   ✅
";
    const LEAK: &str = "\
some other line
[GPU Memory] Before Whisper Cleanup: Allocated: 7.23GB (30.1%)
[GPU Memory] After Whisper Cleanup:  Allocated: 5.42GB (22.6%)
";

    /// A line of GST_DEBUG as gst-launch-1.0 writes it into a pipe.
    fn debug(pid: u32, element: &str, text: &str) -> String {
        format!(
            "0:01:02.500000000 \u{1b}[33m{pid}\u{1b}[00m 0x5636 \u{1b}[36mINFO   \u{1b}[00m \u{1b}[00m       \
             scribe-memory src/elements/checkpoints.rs:1:write:<{element}>\u{1b}[00m {MARK}{text}\n"
        )
    }

    fn only(log: &str) -> Run {
        let (mut runs, bad) = read(log);
        assert_eq!((runs.len(), bad), (1, vec![]), "{log}");
        runs.remove(0)
    }

    #[test]
    fn the_cards_samples_are_judged_as_the_card_judges() {
        for (log, freed, verdict) in [(GOOD, 98, Verdict::Good), (LEAK, 25, Verdict::Leak)] {
            let run = only(log);
            assert_eq!(run.leaks(), verdict == Verdict::Leak);
            match run.cleanups()[..] {
                [(Stage::Transcription, Outcome::Judged(c))] => {
                    assert_eq!((c.freed.round() as u64, c.verdict), (freed, verdict));
                }
                ref other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_base_counts_where_the_card_format_has_one() {
        let run = only(&format!(
            "{MARK}Before Transcription: Allocated: 5.00GB (20.0%)\n{LEAK}"
        ));
        let [(_, Outcome::Judged(c))] = run.cleanups()[..] else {
            panic!()
        };
        assert_eq!((c.freed.round() as u64, c.verdict), (81, Verdict::Partial));
    }

    #[test]
    fn debug_lines_tell_time_process_and_element() {
        let run = only(&debug(
            42,
            "t0",
            "Before Transcription: Allocated: 0.04GB (0.3%) | 40.0 MiB | host",
        ));
        let entry = &run.entries[0];
        assert_eq!(
            (run.pid(), run.device(), entry.seconds),
            (Some(42), "host", Some(62.5))
        );
        assert_eq!(entry.writer.element.as_deref(), Some("t0"));
        assert_eq!(run.cleanups(), [(Stage::Transcription, Outcome::Missing)]);
    }

    #[test]
    fn our_own_lines_without_a_verdict_are_not_judged_again() {
        let log = ["Before Waveform Cleanup", "After Waveform Cleanup"]
            .map(|label| {
                debug(
                    1,
                    "r",
                    &format!("{label}: Allocated: 0.20GB (1.0%) | 200.0 MiB | host"),
                )
            })
            .concat();
        assert_eq!(
            only(&log).cleanups(),
            [(Stage::AudioPreprocessing, Outcome::NextToNothing)]
        );
    }

    #[test]
    fn runs_are_told_apart() {
        let line =
            |pid, element, label: &str| debug(pid, element, &format!("{label}: Allocated: 1.00GB (4.0%)"));
        for (log, lengths) in [
            // The same checkpoint again: a new cycle.
            (format!("{GOOD}{GOOD}"), vec![2, 2]),
            // Two elements of a kind in one run.
            (
                line(1, "a", "Before Transcription") + &line(1, "b", "Before Transcription"),
                vec![2],
            ),
            // Two processes writing at the same time.
            (
                line(1, "a", "Before Transcription")
                    + &line(2, "a", "Before Transcription")
                    + &line(1, "a", "Before Whisper Cleanup"),
                vec![2, 1],
            ),
            (
                line(1, "a", "Before Final Cleanup") + &line(1, "a", "Pipeline Initialization"),
                vec![1, 1],
            ),
        ] {
            let (runs, _) = read(&log);
            assert_eq!(
                runs.iter().map(|run| run.entries.len()).collect::<Vec<_>>(),
                lengths,
                "{log}"
            );
        }
    }

    #[test]
    fn two_elements_of_a_kind_are_two_cleanups() {
        let log: String = [("a", "good"), ("b", "leak")]
            .map(|(element, verdict)| {
                let text =
                    format!("After Whisper Cleanup: Allocated: 1.00GB (4.0%) | freed 9.0% | X | {verdict}");
                debug(1, element, &text)
            })
            .concat();
        let run = only(&log);
        assert_eq!(run.cleanups().len(), 2);
        assert!(run.leaks());
    }

    #[test]
    fn bad_lines_are_counted_and_do_not_stop_the_reading() {
        let (runs, bad) = read(&format!(
            "x\n{MARK}Before Lunch: Allocated: 1.00GB (1.0%)\n{{\"label\": 1}}\n{GOOD}"
        ));
        assert_eq!(runs.len(), 1);
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(
            bad[0].to_string(),
            "line 2: there is no checkpoint \"Before Lunch\""
        );
        assert_eq!(read("nothing here\n"), (vec![], vec![]));
    }

    #[test]
    fn the_peak_is_where_it_was_reached_first() {
        let line = |label: &str, gb| format!("{MARK}{label}: Allocated: {gb}GB (1.0%)\n");
        let log = line("Before Transcription", 0.5)
            + &line("Before Whisper Cleanup", 7.5)
            + &line("Before Diarization", 7.5);
        assert_eq!(only(&log).peak().record.label, Label::BeforeWhisperCleanup);
    }

    #[test]
    fn a_run_that_died_in_its_cleanup_is_unfinished() {
        let log = GOOD.lines().next().unwrap();
        assert_eq!(
            only(log).cleanups(),
            [(Stage::Transcription, Outcome::Unfinished)]
        );
    }
}
