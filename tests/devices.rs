//! The device probes against stand-ins for NVIDIA's libraries.

#![cfg(target_os = "linux")] // LD_LIBRARY_PATH and the names of the libraries

#[path = "common/drivers.rs"]
#[allow(dead_code)] // each test file uses its part
mod drivers;

use gstscribe::{
    infer::cuda::CudaProbe,
    memory::probes::{NvmlProbe, Probe, Source},
};

use drivers::{state, with_drivers};

const GIB: u64 = 1 << 30;

#[test]
fn nvml_tells_what_this_process_holds() {
    with_drivers(&[("nvml.c", "libnvidia-ml.so.1")], "inner_nvml", &[]);
}

#[test]
fn cuda_tells_what_came_since_the_baseline() {
    with_drivers(&[("cuda.c", "libcuda.so.1")], "inner_cuda", &[]);
}

#[test]
fn inner_nvml() {
    let own = std::process::id();
    if !state(&format!("{own} {} {}", 2 * GIB, 7 * GIB)) {
        return;
    }
    assert!(NvmlProbe::new(1).is_none());
    let probe = NvmlProbe::new(0).unwrap();
    assert_eq!((probe.device(), probe.source()), ("Fake GPU", Source::Nvml));
    let held = || {
        probe
            .read()
            .map(|reading| (reading.allocated / GIB, reading.total / GIB))
    };
    assert_eq!(held(), Some((2, 24)));
    assert_eq!(probe.free(), Some(17 * GIB), "what nobody uses");
    // Gone from the list: nothing is held. What others took meanwhile is not ours.
    state(&format!("2 {GIB} {}", 9 * GIB));
    assert_eq!(held(), Some((0, 24)));
    // Listed without its amount: what came since the probe was made.
    state(&format!("{own} {} {}", u64::MAX, 10 * GIB));
    assert_eq!(held(), Some((3, 24)));
}

#[test]
fn inner_cuda() {
    if !state(&format!("0 {}", 5 * GIB)) {
        return;
    }
    assert!(CudaProbe::new(1).is_none());
    let probe = CudaProbe::new(0).unwrap();
    assert_eq!((probe.device(), probe.source()), ("Fake CUDA", Source::Cuda));
    let held = |probe: &CudaProbe| {
        probe
            .read()
            .map(|reading| (reading.allocated / GIB, reading.total / GIB))
    };
    assert_eq!(held(&probe), Some((0, 24)), "no context is made to measure");
    assert_eq!(probe.free(), None, "nor to know what is free");
    state(&format!("1 {}", 8 * GIB));
    assert_eq!(held(&probe), Some((8, 24)), "what others hold was not known");
    assert_eq!(probe.free(), Some(16 * GIB));
    let later = CudaProbe::new(0).unwrap();
    state(&format!("1 {}", 9 * GIB));
    assert_eq!(held(&later), Some((1, 24)), "less what was used before");
}
