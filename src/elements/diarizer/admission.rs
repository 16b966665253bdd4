//! What the diarizer asks for, by the size of its model files, and what may take its place.

use super::settings::OnOom;
use crate::elements::admission::Wish;
use crate::infer::model::LoadError;
use crate::infer::onnx::{self, SpeakersConfig};
use crate::memory::estimate::Estimate;
use crate::memory::probes::Device;

impl Wish for SpeakersConfig {
    type OnOom = OnOom;

    fn need(&self) -> Result<(Estimate, Device), LoadError> {
        onnx::need(self)
    }

    fn name(&self) -> String {
        format!(
            "the pair of the segmentation model {} and the embedding model {}",
            self.segmentation, self.embedding
        )
    }

    fn instead(&self, on_oom: OnOom, _: u64) -> Option<(Self, String)> {
        let is_elsewhere = || onnx::need(self).is_ok_and(|(_, device)| device != Device::Cpu);
        (on_oom == OnOom::Cpu && is_elsewhere()).then(|| {
            let text = "The speaker models run on the CPU, as on-oom=cpu asks".to_owned();
            (self.on_cpu(), text)
        })
    }

    fn advice(&self, usable: u64, percent: u32, on_oom: OnOom) -> String {
        let raise = if percent < 100 {
            ", raise memory-fraction"
        } else {
            ""
        };
        let smaller = need_of_bundled()
            .filter(|need| *need <= usable)
            .map_or_else(String::new, |need| {
                format!(", or use the bundled models, which need {} MiB", need >> 20)
            });
        let cpu = match (on_oom, self.device) {
            (OnOom::Fail, Device::Cuda(_)) => ", or let them run on the CPU then (on-oom=cpu)",
            _ => "",
        };
        format!("Free memory{raise}{smaller}{cpu}")
    }
}

fn need_of_bundled() -> Option<u64> {
    let need = onnx::need(&SpeakersConfig::default());
    need.ok().map(|(need, _)| need.total())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::admission::{Admitted, Refused, after_failure, ask_of};

    fn on(device: Device) -> SpeakersConfig {
        SpeakersConfig {
            device,
            batch_size: 8,
            ..SpeakersConfig::default()
        }
    }

    /// Asks where no GPU has room: the device that was taken and the WARNING, or the ERROR.
    fn ask(device: Device, on_oom: OnOom) -> Result<(SpeakersConfig, Option<String>), String> {
        let once = |config: &SpeakersConfig| {
            Ok(match config.device {
                Device::Cpu => Ok(()),
                full => Err(Refused {
                    text: format!("out of memory: no room on {full}"),
                    usable: 0,
                }),
            })
        };
        let outcome = ask_of(on(device), 85, on_oom, once);
        let outcome = outcome.map(|Admitted { wish, warning, .. }| (wish, warning));
        outcome.map_err(|error| error.to_string())
    }

    #[test]
    fn the_cpu_takes_what_a_gpu_has_no_room_for() {
        let gpu = Device::Cuda(1);
        let (taken, warning) = ask(gpu, OnOom::Cpu).unwrap();
        assert_eq!((taken.device, taken.batch_size), (Device::Cpu, 1));
        let warning = warning.unwrap();
        for part in ["no room on cuda:1", "run on the CPU", "on-oom=cpu"] {
            assert!(warning.contains(part), "{warning}");
        }
        let error = ask(gpu, OnOom::Fail).unwrap_err();
        for part in ["no room on cuda:1", "Free memory", "(on-oom=cpu)"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(ask(Device::Cpu, OnOom::Cpu).unwrap().1, None);
    }

    #[test]
    fn at_work_it_is_the_same_and_on_a_cpu_there_is_nothing_else() {
        let (other, _) = after_failure(&on(Device::Cuda(0)), OnOom::Cpu).unwrap();
        assert_eq!(other, on(Device::Cuda(0)).on_cpu());
        assert!(after_failure(&other, OnOom::Cpu).is_none());
        assert!(after_failure(&on(Device::Cuda(0)), OnOom::Fail).is_none());
    }
}
