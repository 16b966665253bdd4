//! What a process holds on an NVIDIA device, by the management library. Loaded at run time, needs no
//! CUDA context.

use std::{fs, sync::Mutex};

use nvml_wrapper::{
    Nvml, enums::device::UsedGpuMemory, error::NvmlError, struct_wrappers::device::MemoryInfo,
};

use super::{Holder, Probe, Reading, Source, workers};

/// Names of the library: the first is what a driver installs, the second what `nvml-wrapper`
/// expects, which only development packages bring.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// Inode of the first process-id namespace (`PROC_PID_INIT_INO` of Linux): in it NVML's process
/// ids are ours, in a container they may be the host's.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// So many processes are named: what there is to close.
const MOST_HOLDERS: usize = 3;

/// One device of NVML.
pub struct NvmlProbe {
    nvml: Nvml,
    name: String,
    uuid: String,
    total: u64,
    /// Used by all when the probe was made: what others hold, should per-process use be hidden.
    baseline: u64,
    pids: Mutex<Pids>,
}

/// Whether the process ids that NVML gives can be ours.
#[derive(Clone, Copy, PartialEq)]
enum Pids {
    Ours,
    Unknown,
}

impl NvmlProbe {
    /// CUDA device `index`; `None` without the library, the driver or the device.
    pub fn new(index: u32) -> Option<Self> {
        let nvml = LIBRARIES
            .iter()
            .find_map(|name| Nvml::builder().lib_path(name.as_ref()).init().ok())?;
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let (name, uuid, memory) = {
            let device = match select(index, visible.as_deref())? {
                Selector::Index(n) => nvml.device_by_index(n),
                Selector::Uuid(uuid) => nvml.device_by_uuid(uuid),
            }
            .ok()?;
            (
                device.name().ok()?,
                device.uuid().ok()?,
                device.memory_info().ok()?,
            )
        };
        let ours = fs::read_link("/proc/self/ns/pid").is_ok_and(|ns| ns.as_os_str() == FIRST_PID_NAMESPACE);
        let pids = Mutex::new(if ours { Pids::Ours } else { Pids::Unknown });
        Some(Self {
            nvml,
            name,
            uuid,
            total: memory.total,
            baseline: memory.used,
            pids,
        })
    }

    /// What `pids` hold; `None` when the library does not tell.
    fn used_by(&self, pids: &[u32]) -> Result<Option<u64>, NvmlError> {
        let device = self.nvml.device_by_uuid(self.uuid.as_str())?;
        let mut found = None;
        for process in device.running_compute_processes()? {
            if pids.contains(&process.pid) {
                match process.used_gpu_memory {
                    UsedGpuMemory::Used(bytes) => *found.get_or_insert(0) += bytes,
                    UsedGpuMemory::Unavailable => return Ok(None),
                }
            }
        }
        let mut known = self
            .pids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if found.is_some() {
            *known = Pids::Ours;
        }
        Ok(match *known {
            Pids::Ours => Some(found.unwrap_or(0)),
            Pids::Unknown => None,
        })
    }

    /// The program of a process, without its folders.
    fn name_of(&self, pid: u32) -> String {
        let path = self.nvml.sys_process_name(pid, 256).unwrap_or_default();
        let name = path.rsplit('/').next().filter(|name| !name.is_empty());
        name.unwrap_or("a program").to_owned()
    }

    /// What all processes use and leave.
    fn memory(&self) -> Result<MemoryInfo, NvmlError> {
        self.nvml.device_by_uuid(self.uuid.as_str())?.memory_info()
    }
}

impl Probe for NvmlProbe {
    fn device(&self) -> &str {
        &self.name
    }

    fn source(&self) -> Source {
        Source::Nvml
    }

    fn read(&self) -> Option<Reading> {
        let mut pids = workers::pids();
        pids.push(std::process::id());
        let allocated = match self.used_by(&pids).ok().flatten() {
            Some(bytes) => bytes,
            // Per-process use is hidden (containers, WSL): what came since the baseline is ours.
            None => self.memory().ok()?.used.saturating_sub(self.baseline),
        };
        Some(Reading {
            allocated,
            total: self.total,
        })
    }

    fn free(&self) -> Option<u64> {
        self.memory().ok().map(|memory| memory.free)
    }

    fn holders(&self) -> Vec<Holder> {
        let device = self.nvml.device_by_uuid(self.uuid.as_str());
        let processes = device.and_then(|device| device.running_compute_processes());
        let mut holders: Vec<Holder> = processes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|process| match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some((process.pid, bytes)),
                UsedGpuMemory::Unavailable => None,
            })
            .map(|(pid, bytes)| Holder {
                pid,
                name: self.name_of(pid),
                bytes,
            })
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.bytes));
        holders.truncate(MOST_HOLDERS);
        holders
    }
}

/// How NVML is asked for a device.
#[derive(Debug, PartialEq)]
enum Selector<'a> {
    Index(u32),
    Uuid(&'a str),
}

/// NVML's name for what CUDA calls device `index`, which `CUDA_VISIBLE_DEVICES` renumbers.
fn select(index: u32, visible: Option<&str>) -> Option<Selector<'_>> {
    let Some(list) = visible else {
        return Some(Selector::Index(index));
    };
    let entry = list.split(',').map(str::trim).nth(index as usize)?;
    match entry.parse::<u32>() {
        Ok(n) => Some(Selector::Index(n)),
        Err(_) if entry.starts_with("GPU-") || entry.starts_with("MIG-") => Some(Selector::Uuid(entry)),
        Err(_) => None, // CUDA hides everything from here on: an empty entry, -1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_counted_as_cuda_counts() {
        for (index, visible, selected) in [
            (0, None, Some(Selector::Index(0))),
            (3, None, Some(Selector::Index(3))),
            (0, Some("2, 1"), Some(Selector::Index(2))),
            (1, Some("2, 1"), Some(Selector::Index(1))),
            (2, Some("2, 1"), None),
            (0, Some("GPU-8f2a"), Some(Selector::Uuid("GPU-8f2a"))),
            (0, Some(""), None),
            (0, Some("-1"), None),
        ] {
            assert_eq!(select(index, visible), selected, "{index} of {visible:?}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_no_probe() {
        assert!(NvmlProbe::new(999).is_none());
    }
}
