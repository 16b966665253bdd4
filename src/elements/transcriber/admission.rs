//! What the transcriber asks for, by the model file's own header, and what may take its place.

use std::path::PathBuf;

use super::settings::OnOom;
use crate::elements::admission::Wish;
use crate::infer::model::{LoadError, ModelSource};
use crate::infer::whisper::{self, WhisperConfig};
use crate::memory::admission::Room;
use crate::memory::estimate::Estimate;
use crate::memory::models::{self, Speech};
use crate::memory::probes::Device;

impl Wish for WhisperConfig {
    type OnOom = OnOom;

    fn need(&self) -> Result<(Estimate, Device), LoadError> {
        Ok((whisper::need(self, self.place())?, self.device()))
    }

    fn name(&self) -> String {
        format!("the model {}", self.model)
    }

    fn instead(&self, on_oom: OnOom, usable: u64) -> Option<(Self, String)> {
        match on_oom {
            OnOom::Fail => None,
            OnOom::SmallerModel => {
                let file = beside(self, usable)?;
                let text = format!(
                    "The model {} is used in its place, as on-oom=smaller-model asks",
                    file.display()
                );
                let model = ModelSource::File(file);
                Some((
                    WhisperConfig {
                        model,
                        ..self.clone()
                    },
                    text,
                ))
            }
            OnOom::Cpu => {
                self.cuda_device?;
                let text = format!("The model {} runs on the CPU, as on-oom=cpu asks", self.model);
                let cuda_device = None;
                Some((
                    WhisperConfig {
                        cuda_device,
                        ..self.clone()
                    },
                    text,
                ))
            }
        }
    }

    /// With what would do.
    fn advice(&self, usable: u64, percent: u32, on_oom: OnOom) -> String {
        let beside = beside(self, usable).map(|file| file.display().to_string());
        let known = || {
            let names: Vec<&str> = models::names().collect();
            let known = best(&names, self, usable, |name| models::need(name, self.place()))?;
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
        let cpu = match self.cuda_device.filter(|_| on_oom == OnOom::Fail) {
            Some(_) => ", or let it run on the CPU then (on-oom=cpu)",
            None => "",
        };
        format!("{advice}{raise}{cpu}")
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
    use crate::elements::admission::{Admitted, Refused, after_failure, ask_of};
    use crate::elements::transcriber::settings::Settings;
    use crate::infer::forged_model::Forged;

    fn config(cuda_device: Option<u32>) -> WhisperConfig {
        let settings = Settings {
            model_path: Some("/nowhere/ggml-large-v3.bin".into()),
            ..Settings::default()
        };
        WhisperConfig {
            cuda_device,
            ..settings.config().unwrap()
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
        let outcome = ask_of(config(start), 85, on_oom, once);
        let outcome = outcome.map(|Admitted { warning, .. }| warning.unwrap_or_default());
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
        assert!(
            after_failure(&huge, OnOom::SmallerModel).is_none(),
            "the other one is as large"
        );
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ggml-scribe-demo.en-q5_0.bin");
        std::fs::copy(demo, file("tiny.en")).unwrap();
        let (smaller, warning) = after_failure(&huge, OnOom::SmallerModel).unwrap();
        assert_eq!(smaller.model, ModelSource::File(file("tiny.en")));
        assert!(
            warning.starts_with("The model ") && warning.contains("ggml-tiny.en.bin"),
            "{warning}"
        );
        assert!(
            after_failure(&smaller, OnOom::SmallerModel).is_none(),
            "nothing is smaller"
        );
        let (on_cpu, _) = after_failure(&huge, OnOom::Cpu).unwrap();
        assert_eq!((on_cpu.cuda_device, &on_cpu.model), (None, &huge.model));
        assert!(after_failure(&on_cpu, OnOom::Cpu).is_none());
        assert!(after_failure(&huge, OnOom::Fail).is_none());
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
        for part in ["no room on cuda:0", "but then: ", "no room on cpu"] {
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
