//! Whether a model is in a process of its own: the same property for every element with a model.

use std::ffi::OsStr;

use gst::glib;

use crate::infer::cuda;
use crate::memory::probes::Device;

/// Where the model lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeIsolation")]
pub enum Isolation {
    /// In a `scribe-worker` on a GPU. In this process on a CPU: there memory seldom runs out.
    #[default]
    #[enum_value(
        name = "In a worker process on a GPU, in this process on a CPU",
        nick = "auto"
    )]
    Auto,
    /// In a `scribe-worker`.
    #[enum_value(name = "In a worker process, whose death is survived", nick = "process")]
    Process,
    /// In this process.
    #[enum_value(name = "In this process", nick = "none")]
    None,
}

/// What `auto` means where this is set: `process` or `none`, for all pipelines of a machine.
const VARIABLE: &str = "SCRIBE_ISOLATION";

impl Isolation {
    /// As the property says, or else the environment.
    pub(super) fn in_environment(self) -> Self {
        let said = std::env::var_os(VARIABLE);
        self.or_as_told(said.as_deref().and_then(OsStr::to_str).unwrap_or_default())
    }

    fn or_as_told(self, said: &str) -> Self {
        match (self, said) {
            (Isolation::Auto, "process") => Isolation::Process,
            (Isolation::Auto, "none") => Isolation::None,
            (named, _) => named,
        }
    }

    /// Whether a model on `device` goes to a worker.
    pub(super) fn is_process(self, device: Device) -> bool {
        match (self, device) {
            (Isolation::Process, _) | (Isolation::Auto, Device::Cuda(_)) => true,
            (Isolation::None, _) | (Isolation::Auto, Device::Cpu) => false,
            (Isolation::Auto, Device::Auto) => cuda::is_there(0),
        }
    }
}

/// How often a worker is replaced until READY unless told: the first death may be an accident; that it comes back four
/// times in one run is not.
pub(super) const RESTART_LIMIT: u32 = 3;

/// Where a model lives from READY→PAUSED to PAUSED→READY, and how often its worker was replaced.
pub(super) struct Home {
    /// In a process of its own.
    pub is_process: bool,
    limit: u32,
    done: u32,
}

impl Home {
    pub fn new(is_process: bool, restart_limit: u32) -> Self {
        Home {
            is_process,
            limit: restart_limit,
            done: 0,
        }
    }

    /// Takes one replacement: its number and how many there are. `Err` with the limit where none is left.
    pub fn replace(&mut self) -> Result<(u32, u32), u32> {
        if self.done == self.limit {
            return Err(self.limit);
        }
        self.done += 1;
        Ok((self.done, self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_on_a_gpu_have_a_process_by_themselves() {
        for (isolation, device, expected) in [
            (Isolation::Auto, Device::Cpu, false),
            (Isolation::Auto, Device::Cuda(3), true),
            (Isolation::None, Device::Cuda(3), false),
            (Isolation::Process, Device::Cpu, true),
        ] {
            assert_eq!(isolation.is_process(device), expected, "{isolation:?} {device}");
        }
    }

    #[test]
    fn the_environment_decides_what_auto_means() {
        use Isolation::{Auto, None, Process};
        for (property, said, expected) in [
            (Auto, "process", Process),
            (Auto, "none", None),
            (Auto, "", Auto),
            (Auto, "yes", Auto),
            (None, "process", None),
            (Process, "none", Process),
        ] {
            assert_eq!(property.or_as_told(said), expected, "{property:?} {said:?}");
        }
    }

    #[test]
    fn replacements_are_counted() {
        let mut home = Home::new(true, 2);
        assert_eq!(home.replace(), Ok((1, 2)));
        assert_eq!(home.replace(), Ok((2, 2)));
        assert_eq!(home.replace(), Err(2));
        assert_eq!(Home::new(true, 0).replace(), Err(0));
    }
}
