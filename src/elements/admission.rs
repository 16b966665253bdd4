//! Asks for a model's memory before it is loaded, against what the device has free and others were promised.

use super::checkpoints::best_probe;
use super::room;
use crate::infer::model::LoadError;
use crate::memory::admission::{Room, Shortage};
use crate::memory::estimate::Estimate;
use crate::memory::models;
use crate::memory::probes::{Device, Probe};
use crate::memory::reservations::{Desk, Promise};

/// What is to be loaded, and what may take its place where there is no room for it.
pub(super) trait Wish: Clone + PartialEq {
    /// The property of the same name.
    type OnOom: Copy;

    /// What it takes, and where.
    ///
    /// # Errors
    /// A file is no model or cannot be read, or the device cannot be had.
    fn need(&self) -> Result<(Estimate, Device), LoadError>;

    /// "the model X", for errors.
    fn name(&self) -> String;

    /// What `on_oom` has in its place where `usable` bytes can be had, and a sentence that says so.
    fn instead(&self, on_oom: Self::OnOom, usable: u64) -> Option<(Self, String)>;

    /// What to do about a refusal: the rest of an ERROR.
    fn advice(&self, usable: u64, percent: u32, on_oom: Self::OnOom) -> String;
}

/// What was let in.
pub(super) struct Admitted<W, P = Promise> {
    pub promise: P,
    /// What was asked for, or what `on-oom` took in its place.
    pub wish: W,
    /// The text of a WARNING that tells of that.
    pub warning: Option<String>,
}

/// Asks for the memory of `wish`, so that no more than `percent` of the device are in use with it. Where there is no room,
/// asks for what `on_oom` allows in its place.
///
/// # Errors
/// The file is no model, or there is no room: the text says what is needed, what is there and what to do.
pub(super) fn ask<W: Wish>(wish: W, percent: u32, on_oom: W::OnOom) -> Result<Admitted<W>, LoadError> {
    ask_of(wish, percent, on_oom, |wish| ask_once(wish, percent))
}

/// [`ask`] of `once`, which lets in, refuses, or finds no model.
pub(super) fn ask_of<W: Wish, P>(
    mut wish: W,
    percent: u32,
    on_oom: W::OnOom,
    once: impl Fn(&W) -> Result<Result<P, Refused>, LoadError>,
) -> Result<Admitted<W, P>, LoadError> {
    let mut warning: Option<String> = None;
    // Somebody else may take the room of the smaller one meanwhile, but not more often than there are models.
    for _ in models::names() {
        let Refused { text, usable } = match once(&wish)? {
            Ok(promise) => {
                return Ok(Admitted {
                    promise,
                    wish,
                    warning,
                });
            }
            Err(refused) => refused,
        };
        let Some((other, announcement)) = wish.instead(on_oom, usable) else {
            let text = format!("{text}. {}", wish.advice(usable, percent, on_oom));
            return Err(LoadError::NoMemory(match warning {
                Some(before) => format!("{before}, but then: {text}"),
                None => text,
            }));
        };
        warning.get_or_insert(format!("{text}. {announcement}"));
        wish = other;
    }
    let text = "out of memory: others take it as fast as it is asked for. Try again when they are done";
    Err(LoadError::NoMemory(text.to_owned()))
}

/// What `on_oom` has in place of a model that was let in and for which memory ran out all the same, while it was loaded or
/// at work: others may have taken it meanwhile. With a sentence that says so.
pub(super) fn after_failure<W: Wish>(wish: &W, on_oom: W::OnOom) -> Option<(W, String)> {
    let need = wish.need().ok()?.0.total();
    wish.instead(on_oom, need.saturating_sub(1))
}

/// Why there is no room, and how much there is.
pub(super) struct Refused {
    pub text: String,
    pub usable: u64,
}

fn ask_once(wish: &impl Wish, percent: u32) -> Result<Result<Promise, Refused>, LoadError> {
    let (need, device) = wish.need()?;
    let probe = best_probe(device);
    let name = probe.as_ref().map_or("host", |probe| probe.device());
    // Two devices of one kind have one name.
    let name = match device {
        Device::Cuda(_) => format!("{device} {name}"),
        Device::Auto | Device::Cpu => name.to_owned(),
    };
    let room = || probe.as_deref().and_then(room::of);
    let reserved = Desk::of_process().reserve(&name, need.total(), percent, room);
    Ok(reserved
        .map(|reservation| Promise::new(reservation, need.later))
        .map_err(|shortage| Refused {
            text: explain(&wish.name(), percent, &need, &shortage, probe.as_deref()),
            usable: shortage.usable,
        }))
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
