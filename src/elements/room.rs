//! What memory there is where a model would go.

use crate::elements::checkpoints::best_probe;
use crate::infer::cuda;
use crate::memory::models::{Place, Room};
use crate::memory::probes::Device;

/// Where models on `device` go, and what there is now; `None` where nothing can be measured.
pub(crate) fn on(device: Device) -> (Place, Option<Room>) {
    let device = match device {
        Device::Auto => cuda::own_device(),
        named => named,
    };
    let place = match device {
        Device::Cuda(_) => Place::Gpu,
        Device::Auto | Device::Cpu => Place::Host,
    };
    let room = best_probe(device).and_then(|probe| {
        let total = probe.read()?.total;
        // Not every probe knows what others use. Then the device's size has to do.
        let free = probe.free().unwrap_or(total);
        Some(Room { total, free })
    });
    (place, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_memory_has_room() {
        let (place, room) = on(Device::Cpu);
        let room = room.unwrap();
        assert_eq!(place, Place::Host);
        assert!(room.free > 0 && room.free < room.total, "{room:?}");
    }
}
