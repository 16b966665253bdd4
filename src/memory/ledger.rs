//! Readings in, verdicts out. Pure: time, threads and devices are the caller's.
//!
//! What a stage took is the growth between its Before checkpoint and its Before Cleanup; what is
//! freed is the share of that which is gone at After Cleanup. A reading is of the whole process,
//! so with several stages at once growth may be anybody's. The ledger then keeps it in a common
//! pool: it is charged to a stage as far as it goes away with that stage, and what is left of it
//! is owed by the last stage. So nobody is called a leak for what another still holds, and what
//! leaks is still found.

use super::checkpoint::{Label, Role, Stage};

/// A stage that took less gets no verdict: half of it, the bound of a leak, is within the error of
/// the kernel's counters, which lag by up to 64 pages on each core (4 MiB on 16), and CUDA
/// hands memory out in steps of 2 MiB.
pub const NEXT_TO_NOTHING: u64 = 8 << 20;

/// More than this share back is good (reference card).
const GOOD: f64 = 95.0;
/// Less than this share back is a leak (reference card).
const LEAK: f64 = 50.0;
/// From here on the share of the device deserves notice (reference card).
const NOTICE: f64 = 70.0;
/// Above this it is critical (reference card).
const CRITICAL: f64 = 85.0;

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

/// Who runs a stage: one number for each element, so that two of a kind are told apart.
pub type Owner = u64;

struct Account {
    owner: Owner,
    stage: Stage,
    /// Signed, because a stage may also hold less than when it began.
    took: i64,
    /// The reading at its Before Cleanup, once there.
    held: Option<u64>,
}

/// The accounts of the stages at work on one device.
#[derive(Default)]
pub struct Ledger {
    open: Vec<Account>,
    /// Growth that one of several open stages took.
    common: i64,
    /// Bases of the runs: what was held at Pipeline Initialization, and at Before Final Cleanup.
    runs: Vec<(Owner, u64, Option<u64>)>,
    last: Option<u64>,
}

impl Ledger {
    /// Books the reading `allocated` at `label`, and judges where the label ends a cleanup of a
    /// stage that took more than next to nothing.
    pub fn record(&mut self, owner: Owner, label: Label, allocated: u64) -> Option<Cleanup> {
        if label.stage() == Stage::Pipeline {
            self.grow(None, allocated);
            return self.record_run(owner, label, allocated);
        }
        let stage = label.stage();
        match label.role() {
            Role::Opens => {
                self.grow(None, allocated);
                self.close(owner, stage);
                self.open.push(Account {
                    owner,
                    stage,
                    took: 0,
                    held: None,
                });
                None
            }
            Role::Closes => {
                self.grow(None, allocated);
                // Work may be over before the release: an account that waits for it stays open.
                None
            }
            Role::CleanupBegins => {
                self.grow(None, allocated);
                if let Some(account) = self.account(owner, stage) {
                    account.held = Some(allocated);
                }
                None
            }
            Role::CleanupEnds => {
                self.last = Some(allocated);
                self.settle(owner, stage, allocated)
            }
        }
    }

    /// Books a reading right after `owner` took the bulk of what `stage` needs: growth since the
    /// last reading is that stage's own, however many others are open.
    pub fn taken(&mut self, owner: Owner, stage: Stage, allocated: u64) {
        self.grow(Some((owner, stage)), allocated);
    }

    /// Forgets what `owner` has open: it starts anew or is gone.
    pub fn forget(&mut self, owner: Owner) {
        self.open.retain(|account| account.owner != owner);
        self.runs.retain(|run| run.0 != owner);
        self.hand_over();
    }

    fn account(&mut self, owner: Owner, stage: Stage) -> Option<&mut Account> {
        self.open
            .iter_mut()
            .find(|a| a.owner == owner && a.stage == stage)
    }

    fn grow(&mut self, by: Option<(Owner, Stage)>, allocated: u64) {
        let growth = allocated as i64 - self.last.unwrap_or(allocated) as i64;
        self.last = Some(allocated);
        if self.open.iter().any(|account| account.held.is_some()) {
            return; // A release is going on: its own two readings judge it.
        }
        if let Some(account) = by.and_then(|(owner, stage)| self.account(owner, stage)) {
            account.took += growth;
            return;
        }
        match self.open.as_mut_slice() {
            [] => {}
            [only] => only.took += growth,
            _ => self.common += growth,
        }
    }

    fn settle(&mut self, owner: Owner, stage: Stage, now: u64) -> Option<Cleanup> {
        let at = self
            .open
            .iter()
            .position(|a| a.owner == owner && a.stage == stage)?;
        let account = self.open.remove(at);
        let back = account.held? as i64 - now as i64;
        let at_least = account.took.max(0);
        let at_most = at_least + self.common.max(0);
        let took = back.clamp(at_least, at_most);
        self.common -= took - at_least;
        self.hand_over();
        judge(took, back)
    }

    fn close(&mut self, owner: Owner, stage: Stage) {
        self.open.retain(|a| a.owner != owner || a.stage != stage);
        self.hand_over();
    }

    /// The last open stage owes the common pool.
    fn hand_over(&mut self) {
        match self.open.as_mut_slice() {
            [] => self.common = 0,
            [last] => last.took += std::mem::take(&mut self.common),
            _ => {}
        }
    }

    /// The whole run stands around its stages, so it has no part in their accounts.
    fn record_run(&mut self, owner: Owner, label: Label, allocated: u64) -> Option<Cleanup> {
        match label.role() {
            Role::Opens => {
                self.runs.retain(|run| run.0 != owner);
                self.runs.push((owner, allocated, None));
                None
            }
            Role::CleanupEnds => {
                let at = self.runs.iter().position(|run| run.0 == owner)?;
                let (_, base, held) = self.runs.remove(at);
                let held = held? as i64;
                judge(held - base as i64, held - allocated as i64)
            }
            Role::CleanupBegins | Role::Closes => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.0 == owner) {
                    run.2 = Some(allocated);
                }
                None
            }
        }
    }
}

/// The judgement on a stage that took `took` bytes, of which `back` are gone again.
pub(super) fn judge(took: i64, back: i64) -> Option<Cleanup> {
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
    use Label::*;

    const MIB: u64 = 1 << 20;

    /// Books each reading (in MiB) and compares the judgements, as (freed in whole per cent, verdict).
    #[track_caller]
    fn check(steps: &[(Owner, Label, u64)], judgements: &[(Label, u64, Verdict)]) {
        let mut ledger = Ledger::default();
        let judged: Vec<_> = steps
            .iter()
            .filter_map(|&(owner, label, mib)| {
                let cleanup = ledger.record(owner, label, mib * MIB)?;
                Some((label, cleanup.freed.round() as u64, cleanup.verdict))
            })
            .collect();
        assert_eq!(judged, judgements);
    }

    fn whisper(before: u64, held: u64, after: u64) -> [(Owner, Label, u64); 4] {
        [
            (1, BeforeTranscription, before),
            (1, BeforeWhisperCleanup, held),
            (1, AfterWhisperCleanup, after),
            (1, AfterTranscription, after),
        ]
    }

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
    fn a_cleanup_is_judged_by_what_the_stage_took() {
        for ((before, held, after), freed, verdict) in [
            ((0, 7400, 184), 98, Verdict::Good),
            ((0, 7400, 5550), 25, Verdict::Leak),
            // What was there before is not the stage's to give back.
            ((1000, 1100, 1002), 98, Verdict::Good),
            ((1000, 1100, 1030), 70, Verdict::Partial),
            // More gone than was taken, and more held than before the release.
            ((100, 200, 50), 100, Verdict::Good),
            ((100, 200, 250), 0, Verdict::Leak),
        ] {
            check(
                &whisper(before, held, after),
                &[(AfterWhisperCleanup, freed, verdict)],
            );
        }
    }

    #[test]
    fn next_to_nothing_is_no_leak() {
        let floor = NEXT_TO_NOTHING / MIB;
        check(&whisper(100, 100 + floor - 1, 100 + floor - 1), &[]);
        check(&whisper(100, 90, 90), &[]);
        check(
            &whisper(100, 100 + floor, 100 + floor),
            &[(AfterWhisperCleanup, 0, Verdict::Leak)],
        );
    }

    #[test]
    fn a_cleanup_without_its_before_is_not_judged() {
        check(
            &[(1, BeforeWhisperCleanup, 500), (1, AfterWhisperCleanup, 500)],
            &[],
        );
        check(&[(1, BeforeTranscription, 0), (1, AfterWhisperCleanup, 500)], &[]);
    }

    #[test]
    fn the_run_is_judged_around_its_stages() {
        check(
            &[
                (9, PipelineInitialization, 10),
                (1, BeforeTranscription, 10),
                (9, BeforeFinalCleanup, 210),
                (1, BeforeWhisperCleanup, 210),
                (1, AfterWhisperCleanup, 12),
                (1, AfterTranscription, 12),
                (9, AfterFinalCleanup, 11),
            ],
            &[
                (AfterWhisperCleanup, 99, Verdict::Good),
                (AfterFinalCleanup, 100, Verdict::Good),
            ],
        );
        // Stages that freed all they took leave the run nothing to free.
        check(
            &[
                (9, PipelineInitialization, 10),
                (9, BeforeFinalCleanup, 11),
                (9, AfterFinalCleanup, 11),
            ],
            &[],
        );
    }

    #[test]
    fn stages_at_the_same_time_are_not_charged_for_each_other() {
        // The resampler comes while the transcriber holds 150 and goes first: 86 more came in between.
        check(
            &[
                (1, BeforeTranscription, 40),
                (2, BeforeAudioPreprocessing, 190),
                (2, BeforeWaveformCleanup, 276),
                (2, AfterWaveformCleanup, 276),
                (1, BeforeWhisperCleanup, 276),
                (1, AfterWhisperCleanup, 41),
            ],
            &[(AfterWhisperCleanup, 100, Verdict::Good)],
        );
        // The same, the transcriber first. What is gone with it was its own.
        check(
            &[
                (1, BeforeTranscription, 40),
                (2, BeforeAudioPreprocessing, 190),
                (1, BeforeWhisperCleanup, 276),
                (1, AfterWhisperCleanup, 41),
                (2, BeforeWaveformCleanup, 41),
                (2, AfterWaveformCleanup, 41),
            ],
            &[(AfterWhisperCleanup, 100, Verdict::Good)],
        );
    }

    #[test]
    fn what_leaks_among_several_is_owed_by_the_last() {
        check(
            &[
                (2, BeforeAudioPreprocessing, 40),
                (1, BeforeTranscription, 40),
                (1, BeforeWhisperCleanup, 240),
                (1, AfterWhisperCleanup, 240),
                (2, BeforeWaveformCleanup, 240),
                (2, AfterWaveformCleanup, 240),
            ],
            &[(AfterWaveformCleanup, 0, Verdict::Leak)],
        );
    }

    #[test]
    fn what_is_said_to_be_taken_is_charged_to_the_taker() {
        let mut ledger = Ledger::default();
        ledger.record(2, BeforeAudioPreprocessing, 40 * MIB);
        ledger.record(1, BeforeTranscription, 40 * MIB);
        ledger.taken(1, Stage::Transcription, 240 * MIB);
        ledger.record(1, BeforeWhisperCleanup, 240 * MIB);
        let leak = ledger.record(1, AfterWhisperCleanup, 240 * MIB).unwrap();
        assert_eq!((leak.took, leak.verdict), (200 * MIB, Verdict::Leak));
        ledger.record(2, BeforeWaveformCleanup, 240 * MIB);
        assert_eq!(ledger.record(2, AfterWaveformCleanup, 240 * MIB), None);
    }

    #[test]
    fn who_starts_anew_leaves_nothing_to_others() {
        let mut ledger = Ledger::default();
        ledger.record(1, BeforeTranscription, 0);
        ledger.record(2, BeforeAudioPreprocessing, 0);
        ledger.forget(1);
        ledger.record(1, BeforeTranscription, 100 * MIB);
        ledger.record(1, BeforeWhisperCleanup, 300 * MIB);
        let good = ledger.record(1, AfterWhisperCleanup, 100 * MIB).unwrap();
        assert_eq!(good.verdict, Verdict::Good);
    }
}
