//! Asks for a model's memory before it is loaded, against what the device has free and others were promised.

use super::checkpoints::best_probe;
use super::room;
use crate::memory::admission::{Room, Shortage};
use crate::memory::estimate::Estimate;
use crate::memory::probes::{Device, Probe};
use crate::memory::reservations::{Desk, Reservation};

/// A promise of memory, and how much of it is not taken by loading.
pub(super) struct Admission {
    reservation: Reservation,
    later: u64,
}

impl Admission {
    /// The model is loaded, and the probes see what it has taken.
    pub fn loaded(&self) {
        self.reservation.settle(self.later);
    }
}

/// Why there is no room, and how much there is.
pub(super) struct Refused {
    pub text: String,
    pub usable: u64,
}

/// Asks for `need` on `device`, so that no more than `percent` of it are in use then. `what` is "the model X".
pub(super) fn ask(what: &str, need: &Estimate, device: Device, percent: u32) -> Result<Admission, Refused> {
    let probe = best_probe(device);
    let name = probe.as_ref().map_or("host", |probe| probe.device());
    // Two devices of one kind have one name.
    let name = match device {
        Device::Cuda(_) => format!("{device} {name}"),
        Device::Auto | Device::Cpu => name.to_owned(),
    };
    let room = || probe.as_deref().and_then(room::of);
    match Desk::of_process().reserve(&name, need.total(), percent, room) {
        Ok(reservation) => Ok(Admission {
            reservation,
            later: need.later,
        }),
        Err(shortage) => Err(Refused {
            text: explain(what, percent, need, &shortage, probe.as_deref()),
            usable: shortage.usable,
        }),
    }
}

/// Says what is needed and what is there.
fn explain(
    what: &str,
    percent: u32,
    need: &Estimate,
    shortage: &Shortage,
    probe: Option<&dyn Probe>,
) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let Room { total, free } = shortage.room;
    let promised = match shortage.promised {
        0 => String::new(),
        bytes => format!(" ({} MiB are promised to others)", mib(bytes)),
    };
    let holders = probe.map(Probe::holders).unwrap_or_default();
    let held: String = holders
        .iter()
        .map(|holder| {
            let held = mib(holder.bytes);
            format!("; {} (process {}) holds {held} MiB", holder.name, holder.pid)
        })
        .collect();
    format!(
        "out of memory: {what} needs {} MiB (weights {}, caches {}, work {}, overhead {}); {} of {} MiB are free on {}, of \
         which memory-fraction={percent} lets {} MiB be used{promised}{held}",
        mib(need.total()),
        mib(need.weights),
        mib(need.kv),
        mib(need.compute),
        mib(need.overhead),
        mib(free),
        mib(total),
        probe.map_or("host", Probe::device),
        mib(shortage.usable),
    )
}
