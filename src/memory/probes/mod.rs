//! Where readings come from: the device when a model can be on it, else the host.

mod host;
mod nvml;
mod workers;

use std::{fmt, str::FromStr};

pub use host::HostProbe;
pub use nvml::NvmlProbe;

/// What one look at a device gives, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What this process and its workers hold.
    pub allocated: u64,
    /// What the device has.
    pub total: u64,
}

impl Reading {
    /// `allocated` in per cent of `total`.
    pub fn percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.allocated as f64 * 100.0 / total as f64,
        }
    }
}

/// Who made a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// NVIDIA's management library: no CUDA context needed.
    Nvml,
    /// The CUDA driver's free and total memory.
    Cuda,
    /// The operating system, about ordinary memory.
    Host,
}

impl Source {
    /// The name in messages and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Source::Nvml => "nvml",
            Source::Cuda => "cuda",
            Source::Host => "host",
        }
    }
}

/// Something that can say how much memory is held. Reading is cheap and never fails loudly.
pub trait Probe: Send + Sync {
    /// The name of the device, as people know it.
    fn device(&self) -> &str;
    /// Who makes the readings.
    fn source(&self) -> Source;
    /// A reading of now; `None` when the device does not answer.
    fn read(&self) -> Option<Reading>;
    /// Bytes that nobody uses now, so that they can be taken. `None` when that is not known.
    fn free(&self) -> Option<u64> {
        None
    }
    /// Who holds most of it, the greatest first. Empty where that is not told.
    fn holders(&self) -> Vec<Holder> {
        Vec::new()
    }
}

/// A process that holds memory of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its program.
    pub name: String,
    /// What it holds.
    pub bytes: u64,
}

/// The values of the `device` properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Device {
    /// Where the models of this process go by themselves.
    #[default]
    Auto,
    /// Ordinary memory.
    Cpu,
    /// CUDA device N, counted as CUDA counts.
    Cuda(u32),
}

/// A text that is none of `auto`, `cpu` and `cuda:N`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no device: use auto, cpu or cuda:N")]
pub struct UnknownDevice(String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Device::Cuda)
                .ok_or_else(|| UnknownDevice(text.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, device) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:11", Device::Cuda(11)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:x", "cuda:-1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
