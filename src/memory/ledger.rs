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
    runs::Runs,
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

/// The accounts of the stages at work on one device.
#[derive(Default)]
pub struct Ledger {
    open: Vec<Account>,
    /// Growth that may be anybody's.
    common: i64,
    runs: Runs,
    last: Option<u64>,
}

impl Ledger {
    /// Books the reading `allocated` at `label`, and judges where the label ends a cleanup of a
    /// stage that took more than next to nothing.
    pub fn record(&mut self, owner: Owner, label: Label, allocated: u64) -> Option<Cleanup> {
        if label.stage() == Stage::Pipeline {
            self.grow(None, allocated);
            return self.runs.record(owner, label, allocated);
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
        self.runs.forget(owner);
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
        self.runs.settle(took, back.clamp(0, took));
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
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
