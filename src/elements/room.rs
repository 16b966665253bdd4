//! What memory there is where a model would go.

use super::checkpoints::best_probe;
use crate::infer::cuda;
use crate::memory::admission::Room;
use crate::memory::estimate::Place;
use crate::memory::probes::{Device, Probe};

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
    (place, best_probe(device).as_deref().and_then(of))
}

/// What a probe's device has now.
pub(crate) fn of(probe: &dyn Probe) -> Option<Room> {
    let total = probe.read()?.total;
    // Not every probe knows what others use. Then the device's size has to do.
    let free = probe.free().unwrap_or(total);
    Some(Room { total, free })
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
