//! Asks for the model's memory before it is loaded: by its file's own header, against what the device has free.

use std::path::Path;

use crate::elements::checkpoints::best_probe;
use crate::elements::room;
use crate::infer::model::{LoadError, ModelSource};
use crate::infer::whisper::{self, WhisperConfig};
use crate::memory::admission::{Room, Shortage};
use crate::memory::estimate::{Estimate, Place};
use crate::memory::models::{self, Speech};
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

/// Asks for the memory of the model in `config`, so that no more than `percent` of the device are in use with it.
///
/// # Errors
/// The file is no model, or there is no room: the text says what is needed, what is there and what to do.
pub(super) fn ask(config: &WhisperConfig, percent: u32) -> Result<Admission, LoadError> {
    // Whisper runs in ordinary memory: its context is made so.
    let (device, place) = (Device::Cpu, Place::Host);
    let need = whisper::need(config, place)?;
    let probe = best_probe(device);
    let name = probe.as_ref().map_or("host", |probe| probe.device());
    let room = || probe.as_deref().and_then(room::of);
    let reserved = Desk::of_process().reserve(name, need.total(), percent, room);
    match reserved {
        Ok(reservation) => Ok(Admission {
            reservation,
            later: need.later,
        }),
        Err(shortage) => Err(LoadError::NoMemory(refusal(
            config,
            percent,
            place,
            &need,
            &shortage,
            probe.as_deref(),
        ))),
    }
}

/// Says why not, and what would do.
fn refusal(
    config: &WhisperConfig,
    percent: u32,
    place: Place,
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
    let held: Vec<String> = holders
        .iter()
        .map(|holder| {
            format!(
                "{} (process {}) holds {} MiB",
                holder.name,
                holder.pid,
                mib(holder.bytes)
            )
        })
        .collect();
    let held = if held.is_empty() {
        String::new()
    } else {
        format!(". There, {}", held.join(", "))
    };
    let advice = largest(config, place, shortage.usable).map_or_else(
        || "No model is known that would fit: free memory".to_owned(),
        |model| format!("The largest model that would fit is {model}: use it, free memory"),
    );
    format!(
        "out of memory: the model {} needs {} MiB (weights {}, caches {}, work {}, overhead {}); {} of {} MiB are free on \
         {}, of which memory-fraction={percent} lets {} MiB be used{promised}{held}. {advice}, or raise memory-fraction",
        config.model,
        mib(need.total()),
        mib(need.weights),
        mib(need.kv),
        mib(need.compute),
        mib(need.overhead),
        mib(free),
        mib(total),
        probe.map_or("the host", Probe::device),
        mib(shortage.usable),
    )
}

/// The best model that takes no more than `usable`: one that lies beside the given file, else one that is known by name.
fn largest(config: &WhisperConfig, place: Place, usable: u64) -> Option<String> {
    let speech = match (&config.language, config.translate) {
        (_, true) => Speech::Foreign,
        (code, false) => Speech::of(code.as_deref()),
    };
    let room = Room {
        total: usable,
        free: usable,
    };
    let choose = |names: &[&str], need: &dyn Fn(&str) -> Option<u64>| {
        models::largest_fitting(names, speech, room, 100, need)
    };
    let names: Vec<&str> = models::names().collect();
    let folder = match &config.model {
        ModelSource::Bundled => None,
        ModelSource::File(path) => path.parent(),
    };
    let beside = folder.and_then(|folder| {
        let decoders = whisper::decoders(config);
        let file = |name: &str| ModelSource::File(folder.join(format!("ggml-{name}.bin")));
        let need = |name: &str| Some(whisper::need_of(&file(name), decoders, place).ok()?.total());
        choose(&names, &need).map(|name| file(name).to_string())
    });
    beside.or_else(|| {
        let known = choose(&names, &|name| models::need(name, place))?;
        Some(format!("{known} (scripts/get-model {known})"))
    })
}

/// The name of the next smaller model than the file's.
pub(super) fn smaller(model: &str) -> Option<(&str, &'static str)> {
    let name = models::name_of_file(Path::new(model).file_name()?.to_str()?)?;
    Some((name, models::smaller_than(name)?))
}
