//! Asks for the model's memory before it is loaded: by its file's own header, against what the device has free.

use std::path::PathBuf;

use super::settings::OnOom;
use crate::elements::admission::{self, Admission, Refused};
use crate::infer::model::{Cancel, LoadError, ModelSource, RunError};
use crate::infer::recognizer::Recognizer;
use crate::infer::whisper::{self, WhisperConfig};
use crate::memory::admission::Room;
use crate::memory::models::{self, Speech};
use crate::speech::transcribe::{Hypothesis, Window};

/// A model with the promise that it was loaded under.
pub(super) struct Admitted {
    model: Box<dyn Recognizer>,
    /// `None` once it has taken all that it will: with its first answer.
    admission: Option<Admission>,
}

impl Admitted {
    /// A model that has just been loaded.
    pub fn new(model: Box<dyn Recognizer>, admission: Admission) -> Self {
        admission.loaded();
        Admitted {
            model,
            admission: Some(admission),
        }
    }
}

impl Recognizer for Admitted {
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        let answer = self.model.recognize(window, cancel);
        if answer.is_ok() {
            self.admission = None;
        }
        answer
    }
}

/// Asks for the memory of the model in `config`, so that no more than `percent` of the device are in use with it. Where
/// there is no room and `on_oom` allows it, changes the model to a smaller one, or the device to the CPU, and gives the
/// text of a WARNING.
///
/// # Errors
/// The file is no model, or there is no room: the text says what is needed, what is there and what to do.
pub(super) fn ask(
    config: &mut WhisperConfig,
    percent: u32,
    on_oom: OnOom,
) -> Result<(Admission, Option<String>), LoadError> {
    ask_of(config, percent, on_oom, |config| ask_once(config, percent))
}

/// [`ask`] of `once`, which is let in, refused, or finds no model.
fn ask_of<T>(
    config: &mut WhisperConfig,
    percent: u32,
    on_oom: OnOom,
    once: impl Fn(&WhisperConfig) -> Result<Result<T, Refused>, LoadError>,
) -> Result<(T, Option<String>), LoadError> {
    let mut warning: Option<String> = None;
    // Somebody else may take the room of the smaller one meanwhile, but not more often than there are models.
    for _ in models::names() {
        let refused = match once(config)? {
            Ok(admission) => return Ok((admission, warning)),
            Err(refused) => refused,
        };
        let Some(instead) = instead(config, on_oom, refused.usable) else {
            let text = error(&refused, config, percent, on_oom);
            return Err(LoadError::NoMemory(
                match warning.filter(|_| on_oom == OnOom::Cpu) {
                    Some(before) => format!("{before}, but there: {text}"),
                    None => text,
                },
            ));
        };
        let text = format!("{}. {}", refused.text, instead.announcement(&config.model));
        warning.get_or_insert(text);
        *config = instead.apply(config.clone());
    }
    let text = "out of memory: others take it as fast as it is asked for. Try again when they are done";
    Err(LoadError::NoMemory(text.to_owned()))
}

/// What `on_oom` has loaded in place of the model in `config`, for which there was no room though it was let in: others may
/// have taken it meanwhile. With the text of a WARNING behind `why`.
pub(super) fn after_failure(
    config: &WhisperConfig,
    on_oom: OnOom,
    why: &str,
) -> Option<(WhisperConfig, String)> {
    let need = whisper::need(config, config.place()).ok()?.total();
    let instead = instead(config, on_oom, need.saturating_sub(1))?;
    let warning = format!("{why}. {}", instead.announcement(&config.model));
    Some((instead.apply(config.clone()), warning))
}

/// What to try where there is no room.
#[derive(Debug, PartialEq, Eq)]
enum Instead {
    /// This file, on the same device.
    Model(PathBuf),
    /// The same model in ordinary memory.
    Cpu,
}

/// What `on_oom` allows for `config`, whose device has `usable` bytes to give.
fn instead(config: &WhisperConfig, on_oom: OnOom, usable: u64) -> Option<Instead> {
    match on_oom {
        OnOom::Fail => None,
        OnOom::SmallerModel => beside(config, usable).map(Instead::Model),
        OnOom::Cpu => config.cuda_device.map(|_| Instead::Cpu),
    }
}

impl Instead {
    fn apply(self, mut config: WhisperConfig) -> WhisperConfig {
        match self {
            Instead::Model(file) => config.model = ModelSource::File(file),
            Instead::Cpu => config.cuda_device = None,
        }
        config
    }

    fn announcement(&self, model: &ModelSource) -> String {
        match self {
            Instead::Model(file) => format!(
                "The model {} is used in its place, as on-oom=smaller-model asks",
                file.display()
            ),
            Instead::Cpu => format!("The model {model} runs on the CPU, as on-oom=cpu asks"),
        }
    }
}

fn ask_once(config: &WhisperConfig, percent: u32) -> Result<Result<Admission, Refused>, LoadError> {
    let need = whisper::need(config, config.place())?;
    let what = format!("the model {}", config.model);
    Ok(admission::ask(&what, &need, config.device(), percent))
}

/// With what would do.
fn error(refused: &Refused, config: &WhisperConfig, percent: u32, on_oom: OnOom) -> String {
    let beside = beside(config, refused.usable).map(|file| file.display().to_string());
    let known = || {
        let names: Vec<&str> = models::names().collect();
        let known = best(&names, config, refused.usable, |name| {
            models::need(name, config.place())
        })?;
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
    let cpu = match config.cuda_device.filter(|_| on_oom == OnOom::Fail) {
        Some(_) => ", or let it run on the CPU then (on-oom=cpu)",
        None => "",
    };
    format!("{}. {advice}{raise}{cpu}", refused.text)
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
    let need = |name: &str| whisper::need_of(&ModelSource::File(file(name)), decoders, config.place()).ok();
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::elements::transcriber::settings::Settings;
    use crate::infer::forged_model::Forged;
    use crate::memory::probes::Device;

    fn config(cuda_device: Option<u32>) -> WhisperConfig {
        let settings = Settings {
            model_path: Some("/nowhere/ggml-large-v3.bin".into()),
            ..Settings::default()
        };
        WhisperConfig {
            cuda_device,
            ..settings.config().unwrap().whisper
        }
    }

    /// Asks where the devices of `full` have no room. What was asked for in turn, and the outcome.
    fn ask_where(
        full: &[Device],
        start: Option<u32>,
        on_oom: OnOom,
    ) -> (Vec<Device>, Result<String, String>) {
        let asked = RefCell::default();
        let once = |config: &WhisperConfig| {
            RefCell::<Vec<Device>>::borrow_mut(&asked).push(config.device());
            Ok(match full.contains(&config.device()) {
                true => Err(Refused {
                    text: format!("out of memory: no room on {}", config.device()),
                    usable: 0,
                }),
                false => Ok(()),
            })
        };
        let outcome = ask_of(&mut config(start), 85, on_oom, once);
        let outcome = outcome.map(|((), warning)| warning.unwrap_or_default());
        (asked.into_inner(), outcome.map_err(|error| error.to_string()))
    }

    #[test]
    fn a_model_that_ran_out_of_memory_makes_way_for_a_smaller_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(format!("ggml-{name}.bin"));
        for name in ["large-v3", "medium"] {
            let mut huge = std::fs::File::create(file(name)).unwrap();
            Forged::HUGE.write(&mut huge, 0, 128).unwrap();
        }
        let huge = WhisperConfig {
            model: ModelSource::File(file("large-v3")),
            language: Some("en".into()),
            ..config(Some(1))
        };
        let after = |config: &WhisperConfig, on_oom| after_failure(config, on_oom, "out of memory: it died");
        assert!(
            after(&huge, OnOom::SmallerModel).is_none(),
            "the other one is as large"
        );
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ggml-scribe-demo.en-q5_0.bin");
        std::fs::copy(demo, file("tiny.en")).unwrap();
        let (smaller, warning) = after(&huge, OnOom::SmallerModel).unwrap();
        assert_eq!(smaller.model, ModelSource::File(file("tiny.en")));
        assert!(
            warning.starts_with("out of memory: it died. The model ") && warning.contains("ggml-tiny.en.bin"),
            "{warning}"
        );
        assert!(
            after(&smaller, OnOom::SmallerModel).is_none(),
            "nothing is smaller"
        );
        let (on_cpu, _) = after(&huge, OnOom::Cpu).unwrap();
        assert_eq!((on_cpu.cuda_device, &on_cpu.model), (None, &huge.model));
        assert!(after(&on_cpu, OnOom::Cpu).is_none());
        assert!(after(&huge, OnOom::Fail).is_none());
    }

    #[test]
    fn on_oom_cpu_moves_the_model_and_says_so() {
        let gpu = Device::Cuda(1);
        let (asked, outcome) = ask_where(&[gpu], Some(1), OnOom::Cpu);
        assert_eq!(asked, [gpu, Device::Cpu]);
        let warning = outcome.unwrap();
        for part in ["no room on cuda:1", "runs on the CPU", "on-oom=cpu"] {
            assert!(warning.contains(part), "{warning}");
        }
        // Where there is room, nobody is told of anything.
        assert_eq!(
            ask_where(&[], Some(1), OnOom::Cpu),
            (vec![gpu], Ok(String::new()))
        );
    }

    #[test]
    fn without_room_anywhere_it_is_an_error_that_tells_of_both() {
        let gpu = Device::Cuda(0);
        let (asked, outcome) = ask_where(&[gpu, Device::Cpu], Some(0), OnOom::Cpu);
        assert_eq!(asked, [gpu, Device::Cpu], "once each");
        let error = outcome.unwrap_err();
        for part in ["no room on cuda:0", "but there: ", "no room on cpu"] {
            assert!(error.contains(part), "{error}");
        }
        // On a CPU there is nowhere to go.
        let (asked, outcome) = ask_where(&[Device::Cpu], None, OnOom::Cpu);
        assert_eq!((asked.len(), outcome.is_err()), (1, true));
    }

    #[test]
    fn the_cpu_is_taken_where_it_was_asked_for_only() {
        let gpu = Device::Cuda(0);
        for on_oom in [OnOom::Fail, OnOom::SmallerModel] {
            let (asked, outcome) = ask_where(&[gpu], Some(0), on_oom);
            let error = outcome.unwrap_err();
            assert_eq!(asked, [gpu], "{error}");
            assert_eq!(error.contains("(on-oom=cpu)"), on_oom == OnOom::Fail, "{error}");
        }
    }
}
