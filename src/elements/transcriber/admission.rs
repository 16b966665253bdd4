//! Asks for the model's memory before it is loaded: by its file's own header, against what the device has free.

use std::path::PathBuf;

use super::settings::OnOom;
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

/// Asks for the memory of the model in `config`, so that no more than `percent` of the device are in use with it. Where
/// there is no room and `on_oom` allows it, changes the model to a smaller one, and gives the text of a WARNING.
///
/// # Errors
/// The file is no model, or there is no room: the text says what is needed, what is there and what to do.
pub(super) fn ask(
    config: &mut WhisperConfig,
    percent: u32,
    on_oom: OnOom,
) -> Result<(Admission, Option<String>), LoadError> {
    let mut warning = None;
    // Somebody else may take the room of the smaller one meanwhile, but not more often than there are models.
    for _ in models::names() {
        let refused = match ask_once(config, percent)? {
            Ok(admission) => return Ok((admission, warning)),
            Err(refused) => refused,
        };
        let beside = beside(config, refused.usable).filter(|_| on_oom == OnOom::SmallerModel);
        let Some(file) = beside else {
            return Err(LoadError::NoMemory(refused.error(config, percent)));
        };
        let text = format!(
            "{}. The model {} is used in its place, as on-oom=smaller-model asks",
            refused.text,
            file.display()
        );
        warning.get_or_insert(text);
        config.model = ModelSource::File(file);
    }
    let text = "out of memory: others take it as fast as it is asked for. Try again when they are done";
    Err(LoadError::NoMemory(text.to_owned()))
}

/// Whisper runs in ordinary memory: its context is made so.
pub(super) const DEVICE: Device = Device::Cpu;
const PLACE: Place = Place::Host;

/// Why there is no room, and how much there is.
struct Refused {
    text: String,
    usable: u64,
}

fn ask_once(config: &WhisperConfig, percent: u32) -> Result<Result<Admission, Refused>, LoadError> {
    let need = whisper::need(config, PLACE)?;
    let probe = best_probe(DEVICE);
    let name = probe.as_ref().map_or("host", |probe| probe.device());
    let room = || probe.as_deref().and_then(room::of);
    let reserved = Desk::of_process().reserve(name, need.total(), percent, room);
    Ok(match reserved {
        Ok(reservation) => Ok(Admission {
            reservation,
            later: need.later,
        }),
        Err(shortage) => Err(Refused {
            text: explain(&config.model, percent, &need, &shortage, probe.as_deref()),
            usable: shortage.usable,
        }),
    })
}

/// Says what is needed and what is there.
fn explain(
    model: &ModelSource,
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
            format!(
                "; {} (process {}) holds {} MiB",
                holder.name,
                holder.pid,
                mib(holder.bytes)
            )
        })
        .collect();
    format!(
        "out of memory: the model {model} needs {} MiB (weights {}, caches {}, work {}, overhead {}); {} of {} MiB are free \
         on {}, of which memory-fraction={percent} lets {} MiB be used{promised}{held}",
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

impl Refused {
    /// With what would do.
    fn error(&self, config: &WhisperConfig, percent: u32) -> String {
        let beside = beside(config, self.usable).map(|file| file.display().to_string());
        let known = || {
            let names: Vec<&str> = models::names().collect();
            let known = best(&names, config, self.usable, |name| models::need(name, PLACE))?;
            Some(format!("{known} (scripts/get-model {known})"))
        };
        let advice = beside.or_else(known).map_or_else(
            || "No model is known that would fit: free memory".to_owned(),
            |model| format!("The largest model that would fit is {model}: use it, free memory"),
        );
        let raise = if percent < 100 {
            ", or raise memory-fraction"
        } else {
            ""
        };
        format!("{}. {advice}{raise}", self.text)
    }
}

/// The best of the models in the folder of the given file that takes no more than `usable`.
fn beside(config: &WhisperConfig, usable: u64) -> Option<PathBuf> {
    let ModelSource::File(path) = &config.model else {
        return None;
    };
    let folder = path.parent()?;
    let file = |name: &str| folder.join(format!("ggml-{name}.bin"));
    let names: Vec<&str> = models::names().filter(|name| file(name).is_file()).collect();
    let decoders = whisper::decoders(config);
    let need = |name: &str| whisper::need_of(&ModelSource::File(file(name)), decoders, PLACE).ok();
    best(&names, config, usable, |name| Some(need(name)?.total())).map(file)
}

/// The best of `names` that knows the language and takes no more than `usable`.
fn best(
    names: &[&str],
    config: &WhisperConfig,
    usable: u64,
    need: impl Fn(&str) -> Option<u64>,
) -> Option<&'static str> {
    let speech = match config.translate {
        true => Speech::Foreign,
        false => Speech::of(config.language.as_deref()),
    };
    let room = Room {
        total: usable,
        free: usable,
    };
    models::largest_fitting(names, speech, room, 100, need)
}
