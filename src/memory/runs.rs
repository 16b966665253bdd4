//! The accounts of whole runs, each around its stages. A part of the [ledger](super::ledger), and as pure.

use super::{
    checkpoint::{Label, Role},
    ledger::Owner,
    verdict::{Cleanup, judge},
};

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

/// Those at work on one device.
#[derive(Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// A run stands around its stages, so it has no part in their accounts. It is judged by what its stages took: what
    /// else the process holds at the end, such as decoders, is not the run's to give back. A run without a stage to judge
    /// answers for all.
    pub fn record(&mut self, owner: Owner, label: Label, allocated: u64) -> Option<Cleanup> {
        match label.role() {
            Role::Opens => {
                self.forget(owner);
                self.0.push(Run {
                    owner,
                    base: allocated,
                    held: None,
                    took: 0,
                    back: 0,
                });
                None
            }
            Role::CleanupEnds => {
                let at = self.0.iter().position(|run| run.owner == owner)?;
                let run = self.0.remove(at);
                let held = run.held? as i64;
                if run.took > 0 {
                    return judge(run.took, run.back);
                }
                judge(held - run.base as i64, held - allocated as i64)
            }
            Role::CleanupBegins | Role::Closes => {
                if let Some(run) = self.0.iter_mut().find(|run| run.owner == owner) {
                    run.held = Some(allocated);
                }
                None
            }
        }
    }

    /// A stage has ended that took so much, of which so much is back.
    pub fn settle(&mut self, took: i64, back: i64) {
        for run in &mut self.0 {
            run.took += took;
            run.back += back;
        }
    }

    /// `owner` starts anew or is gone.
    pub fn forget(&mut self, owner: Owner) {
        self.0.retain(|run| run.owner != owner);
    }
}
