//! Readings in, verdicts out. Pure: time, threads and devices are the caller's.
//!
//! What a stage took is the growth between its Before checkpoint and its Before Cleanup; what is
//! freed is the share of that which is gone at After Cleanup. But a reading is of the whole
//! process, and growth may be another stage's, a decoder's or the application's. So a stage can say
//! what is surely its own ([`Ledger::taken`]), and growth that may be anybody's goes to a common
//! pool. The pool is charged to a stage as far as it goes away with that stage; what is left is
//! owed by the last stage that did not say what its own is. So nobody is called a leak for what
//! another holds, such as a video decoder its frames.

use super::{
    checkpoint::{Label, Role, Stage},
    verdict::{Cleanup, judge},
};

/// Who runs a stage: one number for each element, so that two of a kind are told apart.
pub type Owner = u64;

struct Account {
    owner: Owner,
    stage: Stage,
    /// Signed, because a stage may also hold less than when it began.
    took: i64,
    /// Whether the stage said what it took: other growth is then not surely its own.
    told: bool,
    /// The reading at its Before Cleanup, once there.
    held: Option<u64>,
}

/// A whole run, around its stages.
struct Run {
    owner: Owner,
    /// The reading at Pipeline Initialization.
    base: u64,
    /// The reading at Before Final Cleanup, once there.
    held: Option<u64>,
    /// What the stages that ended meanwhile took, and what of it is back. Of all pipelines on the device, since a stage
    /// is not known to be this one's.
    took: i64,
    back: i64,
}

/// The accounts of the stages at work on one device.
#[derive(Default)]
pub struct Ledger {
    open: Vec<Account>,
    /// Growth that may be anybody's.
    common: i64,
    runs: Vec<Run>,
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
                    told: false,
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

    /// Books a reading right before `stage` takes something: growth up to here is not its own.
    pub fn taking(&mut self, owner: Owner, stage: Stage, allocated: u64) {
        self.grow(None, allocated);
        self.tells(owner, stage);
    }

    /// Books a reading right after `owner` took something for `stage`: growth since the last reading
    /// is that stage's own, however many others are open.
    pub fn taken(&mut self, owner: Owner, stage: Stage, allocated: u64) {
        self.tells(owner, stage);
        self.grow(Some((owner, stage)), allocated);
    }

    /// Books a reading right after what `stage` had taken went by itself, as with a process that died: no cleanup
    /// can give it back any more.
    pub fn lost(&mut self, owner: Owner, stage: Stage, allocated: u64) {
        self.tells(owner, stage);
        self.last = Some(allocated);
        if let Some(account) = self.account(owner, stage) {
            account.took = 0;
        }
    }

    /// What was put on a stage before it began to tell may be anybody's after all.
    fn tells(&mut self, owner: Owner, stage: Stage) {
        let Some(account) = self.account(owner, stage).filter(|account| !account.told) else {
            return;
        };
        account.told = true;
        let took = std::mem::take(&mut account.took);
        self.common += took;
    }

    /// Forgets what `owner` has open: it starts anew or is gone.
    pub fn forget(&mut self, owner: Owner) {
        self.open.retain(|account| account.owner != owner);
        self.runs.retain(|run| run.owner != owner);
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
            [only] if !only.told => only.took += growth,
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
        let own = account.took.max(0);
        let pool = self.common.max(0);
        let returned = (back - own).clamp(0, pool);
        // Others may hold the rest: other stages, or the process around a stage that told its own.
        let excused = account.told || !self.open.is_empty();
        let charged = if excused { returned } else { pool };
        self.common -= charged;
        self.hand_over();
        let took = own + charged;
        for run in &mut self.runs {
            run.took += took;
            run.back += back.clamp(0, took);
        }
        judge(took, back)
    }

    fn close(&mut self, owner: Owner, stage: Stage) {
        self.open.retain(|a| a.owner != owner || a.stage != stage);
        self.hand_over();
    }

    /// The last open stage owes the common pool; one that told its own is asked at its cleanup.
    fn hand_over(&mut self) {
        match self.open.as_mut_slice() {
            [] => self.common = 0,
            [last] if !last.told => last.took += std::mem::take(&mut self.common),
            _ => {}
        }
    }

    /// The whole run stands around its stages, so it has no part in their accounts. It is judged by what its stages
    /// took: what else the process holds at the end, such as decoders, is not the run's to give back. A run without a
    /// stage to judge answers for all.
    fn record_run(&mut self, owner: Owner, label: Label, allocated: u64) -> Option<Cleanup> {
        match label.role() {
            Role::Opens => {
                self.runs.retain(|run| run.owner != owner);
                self.runs.push(Run {
                    owner,
                    base: allocated,
                    held: None,
                    took: 0,
                    back: 0,
                });
                None
            }
            Role::CleanupEnds => {
                let at = self.runs.iter().position(|run| run.owner == owner)?;
                let run = self.runs.remove(at);
                let held = run.held? as i64;
                if run.took > 0 {
                    return judge(run.took, run.back);
                }
                judge(held - run.base as i64, held - allocated as i64)
            }
            Role::CleanupBegins | Role::Closes => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.owner == owner) {
                    run.held = Some(allocated);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::verdict::{NEXT_TO_NOTHING, Verdict},
        *,
    };
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
                (AfterFinalCleanup, 99, Verdict::Good),
            ],
        );
        // The process around the run holds 100 MiB at its end, and the run none of it.
        check(
            &[
                (9, PipelineInitialization, 10),
                (1, BeforeTranscription, 110),
                (1, BeforeWhisperCleanup, 310),
                (1, AfterWhisperCleanup, 120),
                (9, BeforeFinalCleanup, 120),
                (9, AfterFinalCleanup, 120),
            ],
            &[
                (AfterWhisperCleanup, 95, Verdict::Partial),
                (AfterFinalCleanup, 95, Verdict::Partial),
            ],
        );
        // Without a stage, it answers for all.
        check(
            &[
                (9, PipelineInitialization, 10),
                (9, BeforeFinalCleanup, 110),
                (9, AfterFinalCleanup, 90),
            ],
            &[(AfterFinalCleanup, 20, Verdict::Leak)],
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
    fn who_told_its_own_is_not_charged_for_what_others_keep() {
        // (held before the cleanup, after it) → judgement: 200 were told, then it grew to `held`.
        for (held, after, freed, verdict) in [
            (240, 40, 100, Verdict::Good),
            (250, 50, 100, Verdict::Good),  // a decoder keeps 10
            (640, 440, 100, Verdict::Good), // or its frames
            (326, 40, 100, Verdict::Good),  // working memory, gone with the model
            (726, 440, 100, Verdict::Good), // both
            (240, 140, 50, Verdict::Partial),
            (726, 626, 50, Verdict::Partial),
            (250, 250, 0, Verdict::Leak),
        ] {
            let mut ledger = Ledger::default();
            ledger.record(1, BeforeTranscription, 40 * MIB);
            ledger.taken(1, Stage::Transcription, 240 * MIB);
            ledger.record(1, BeforeWhisperCleanup, held * MIB);
            let cleanup = ledger.record(1, AfterWhisperCleanup, after * MIB).unwrap();
            assert_eq!(
                (cleanup.freed.round() as u64, cleanup.verdict),
                (freed, verdict),
                "{held} → {after}"
            );
        }
    }

    #[test]
    fn what_came_before_a_stage_takes_something_is_not_its_own() {
        let mut ledger = Ledger::default();
        ledger.record(1, BeforeAudioPreprocessing, 40 * MIB);
        ledger.taking(1, Stage::AudioPreprocessing, 140 * MIB); // decoders came up meanwhile
        ledger.taken(1, Stage::AudioPreprocessing, 141 * MIB);
        ledger.record(1, BeforeWaveformCleanup, 150 * MIB);
        assert_eq!(ledger.record(1, AfterWaveformCleanup, 149 * MIB), None);
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

    #[test]
    fn what_died_is_nobodys_leak() {
        let mut ledger = Ledger::default();
        ledger.record(1, BeforeTranscription, 10 * MIB);
        ledger.taken(1, Stage::Transcription, 110 * MIB);
        ledger.lost(1, Stage::Transcription, 12 * MIB);
        assert_eq!(ledger.record(1, BeforeWhisperCleanup, 12 * MIB), None);
        assert_eq!(ledger.record(1, AfterWhisperCleanup, 12 * MIB), None);
        // What took its place is the stage's again.
        ledger.record(1, BeforeTranscription, 10 * MIB);
        ledger.taken(1, Stage::Transcription, 110 * MIB);
        ledger.lost(1, Stage::Transcription, 12 * MIB);
        ledger.taken(1, Stage::Transcription, 112 * MIB);
        ledger.record(1, BeforeWhisperCleanup, 112 * MIB);
        let cleanup = ledger.record(1, AfterWhisperCleanup, 111 * MIB).unwrap();
        assert_eq!(cleanup.verdict, Verdict::Leak);
    }
}
