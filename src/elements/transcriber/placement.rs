//! Where the model goes: on which device, and in which process.

use super::settings::Settings;
use crate::elements::isolation::Isolation;
use crate::infer::model::LoadError;
use crate::infer::{cuda, whisper, worker};
use crate::memory::probes::Device;

/// The answer, from `device` and `isolation`. `on-oom=cpu` may move the model to the CPU later; it stays in the kind of
/// process that is said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// `None` is the CPU.
    pub cuda_device: Option<u32>,
    /// In a worker.
    pub is_process: bool,
}

impl Placement {
    /// # Errors
    /// A device that was asked for by its number and cannot be had is never the CPU instead.
    pub fn of(settings: &Settings) -> Result<Self, PlacementError> {
        let device = settings.device().map_err(PlacementError::Settings)?;
        Ok(choose(device, settings.isolation, &Machine)?)
    }

    /// What memory is measured on.
    pub fn device(self) -> Device {
        self.cuda_device.map_or(Device::Cpu, Device::Cuda)
    }
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum PlacementError {
    /// The property is wrong.
    Settings(String),
    /// The device or the program cannot be had.
    Load(LoadError),
}

impl From<LoadError> for PlacementError {
    fn from(error: LoadError) -> Self {
        PlacementError::Load(error)
    }
}

/// What the choice depends on beside the properties.
trait Surroundings {
    /// Whether the driver knows this device; else why not.
    fn device(&self, index: u32) -> Result<(), String>;
    /// Whether the worker for this device is installed.
    fn worker(&self, device: Device) -> Result<(), LoadError>;
    /// CUDA devices of the inference code in this very process.
    fn own_devices(&self) -> u32;
}

/// This one.
struct Machine;

impl Surroundings for Machine {
    fn device(&self, index: u32) -> Result<(), String> {
        cuda::check(index)
    }

    fn worker(&self, device: Device) -> Result<(), LoadError> {
        worker::find(device).map(drop)
    }

    fn own_devices(&self) -> u32 {
        whisper::cuda_devices()
    }
}

fn choose(device: Device, isolation: Isolation, around: &impl Surroundings) -> Result<Placement, LoadError> {
    let cuda_device = match device {
        Device::Cpu => None,
        Device::Cuda(index) => {
            on_gpu(index, isolation, around)?;
            Some(index)
        }
        Device::Auto => on_gpu(0, isolation, around).is_ok().then_some(0),
    };
    let is_process = isolation.is_process(cuda_device.map_or(Device::Cpu, Device::Cuda));
    if is_process && cuda_device.is_none() {
        around.worker(Device::Cpu)?;
    }
    Ok(Placement {
        cuda_device,
        is_process,
    })
}

/// Whether a model can be on CUDA device `index`.
fn on_gpu(index: u32, isolation: Isolation, around: &impl Surroundings) -> Result<(), LoadError> {
    around.device(index).map_err(LoadError::NotFound)?;
    if isolation.is_process(Device::Cuda(index)) {
        return around.worker(Device::Cuda(index));
    }
    if index < around.own_devices() {
        return Ok(());
    }
    Err(LoadError::NotFound(format!(
        "device=cuda:{index} with isolation=none: the whisper.cpp in this process has no such device, as the plugin is \
         built without CUDA so that it loads everywhere. Leave isolation at auto, or use device=cpu"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices of the driver, of this process, and whether both workers are installed.
    struct Fake(u32, u32, bool);

    impl Surroundings for Fake {
        fn device(&self, index: u32) -> Result<(), String> {
            (index < self.0).then_some(()).ok_or("no such device".into())
        }

        fn worker(&self, device: Device) -> Result<(), LoadError> {
            let missing = || LoadError::NotFound(format!("no worker for {device}"));
            self.2.then_some(()).ok_or_else(missing)
        }

        fn own_devices(&self) -> u32 {
            self.1
        }
    }

    /// A plugin with both workers beside it, on a machine with one GPU.
    const USUAL: Fake = Fake(1, 0, true);

    #[track_caller]
    fn check(asked: (&str, Isolation), around: &Fake, expected: Result<(Option<u32>, bool), &str>) {
        let found = choose(asked.0.parse().unwrap(), asked.1, around);
        match (found, expected) {
            (Err(LoadError::NotFound(said)), Err(part)) => assert!(said.contains(part), "{said}"),
            (found, expected) => {
                let found = found.ok().map(|p| (p.cuda_device, p.is_process));
                assert_eq!(found, expected.ok(), "{asked:?}");
            }
        }
    }

    #[test]
    fn a_model_on_a_gpu_is_in_a_worker_and_one_on_a_cpu_is_not() {
        use Isolation::{Auto, None as Here, Process};
        check(("cpu", Auto), &USUAL, Ok((None, false)));
        check(("cpu", Process), &USUAL, Ok((None, true)));
        check(("cuda:0", Auto), &USUAL, Ok((Some(0), true)));
        check(("cuda:0", Process), &USUAL, Ok((Some(0), true)));
        check(("auto", Auto), &USUAL, Ok((Some(0), true)));
        check(("auto", Here), &USUAL, Ok((None, false)));
        // A program that has brought a whisper.cpp with CUDA itself.
        check(("auto", Here), &Fake(2, 2, false), Ok((Some(0), false)));
        check(("cuda:1", Here), &Fake(2, 2, false), Ok((Some(1), false)));
    }

    #[test]
    fn what_cannot_be_had_is_an_error_and_only_auto_is_the_cpu_then() {
        use Isolation::{Auto, None as Here, Process};
        check(("cuda:1", Auto), &USUAL, Err("no such device"));
        check(("cuda:0", Here), &USUAL, Err("isolation=none"));
        check(("cuda:0", Auto), &Fake(1, 0, false), Err("no worker for cuda:0"));
        check(("cpu", Process), &Fake(1, 0, false), Err("no worker for cpu"));
        check(("auto", Auto), &Fake(1, 0, false), Ok((None, false)));
        check(("auto", Auto), &Fake(0, 0, true), Ok((None, false)));
        check(("auto", Process), &Fake(0, 0, true), Ok((None, true)));
    }
}
