//! A probe and the ledger of its readings, behind one lock so that readings are booked in order.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{
    checkpoint::{Label, Stage},
    ledger::{Ledger, Owner},
    probes::Probe,
    report::Record,
};

/// One device's accounting, shared by all elements that use the device.
pub struct Meter {
    probe: Box<dyn Probe>,
    ledger: Mutex<Ledger>,
}

/// A number for somebody who books readings, never given twice.
pub fn new_owner() -> Owner {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Meter {
    /// A meter with an empty ledger.
    pub fn new(probe: Box<dyn Probe>) -> Arc<Self> {
        Arc::new(Self {
            probe,
            ledger: Mutex::default(),
        })
    }

    /// Reads the device at `label` and books it. `None` when the device does not answer.
    pub fn record(&self, owner: Owner, label: Label) -> Option<Record> {
        // Read under the lock: else a later reading could be booked before an earlier one.
        let (reading, cleanup) = self.with_ledger(|ledger| {
            let reading = self.probe.read()?;
            Some((reading, ledger.record(owner, label, reading.allocated)))
        })?;
        Some(Record::new(
            label,
            reading,
            self.probe.device(),
            self.probe.source(),
            cleanup,
        ))
    }

    /// See [`Ledger::taking`].
    pub fn taking(&self, owner: Owner, stage: Stage) {
        self.with_ledger(|ledger| {
            if let Some(reading) = self.probe.read() {
                ledger.taking(owner, stage, reading.allocated);
            }
        });
    }

    /// See [`Ledger::taken`].
    pub fn taken(&self, owner: Owner, stage: Stage) {
        self.with_ledger(|ledger| {
            if let Some(reading) = self.probe.read() {
                ledger.taken(owner, stage, reading.allocated);
            }
        });
    }

    /// See [`Ledger::lost`].
    pub fn lost(&self, owner: Owner, stage: Stage) {
        self.with_ledger(|ledger| {
            if let Some(reading) = self.probe.read() {
                ledger.lost(owner, stage, reading.allocated);
            }
        });
    }

    /// See [`Ledger::forget`].
    pub fn forget(&self, owner: Owner) {
        self.with_ledger(|ledger| ledger.forget(owner));
    }

    fn with_ledger<T>(&self, f: impl FnOnce(&mut Ledger) -> T) -> T {
        // A panic elsewhere must not end the accounting.
        f(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
