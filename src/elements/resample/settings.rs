//! Properties of `scriberesample`.

use crate::memory::probes::Device;

/// What a user can set.
#[derive(Debug, Default, Clone)]
pub struct Settings {
    /// Where the filter works: `cpu` or `cuda:N`.
    pub device: Option<String>,
    /// File for the memory checkpoints, as JSON lines; none without it.
    pub memory_log: Option<String>,
}

impl Settings {
    /// # Errors
    /// A sentence for the user. There is no `auto`: which one is faster nobody can say beforehand.
    pub fn device(&self) -> Result<Device, String> {
        let text = self.device.as_deref().unwrap_or("cpu");
        match text.parse() {
            Ok(device @ (Device::Cpu | Device::Cuda(_))) => Ok(device),
            Ok(Device::Auto) | Err(_) => Err(format!(
                "device={text:?} is no device that audio is resampled on. Set it to \"cpu\", or to \"cuda:0\" or another \
                 number"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named() {
        for (text, device) in [
            (None, Some(Device::Cpu)),
            (Some("cpu"), Some(Device::Cpu)),
            (Some("cuda:3"), Some(Device::Cuda(3))),
            (Some("auto"), None),
            (Some("gpu"), None),
            (Some(""), None),
        ] {
            let settings = Settings {
                device: text.map(str::to_owned),
                ..Settings::default()
            };
            assert_eq!(settings.device().ok(), device, "{text:?}");
        }
    }
}
