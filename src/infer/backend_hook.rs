//! Lets a cancel reach into a running encoder.
//!
//! whisper.cpp asks its abort callback only between graphs, and one encoder graph of a large model takes
//! seconds on a CPU. ggml's CPU backend can stop between two nodes of a graph, but whisper.cpp keeps its
//! backends private. So the CPU *device* is asked instead: its `init_backend` entry is replaced by one that
//! calls the original and remembers, for the calling thread, which backend it made.

#![allow(unsafe_code)] // the C interface of ggml

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

use whisper_rs::whisper_rs_sys as sys;

type InitBackend = unsafe extern "C" fn(sys::ggml_backend_dev_t, *const c_char) -> sys::ggml_backend_t;

/// The head of ggml's `ggml_backend_device_i` (ggml-backend-impl.h of whisper.cpp 1.8.3, which
/// `whisper-rs-sys = 0.15.0` pins; `the_cpu_backend_is_seen` fails when the layout changes).
#[repr(C)]
struct DeviceInterface {
    get_name: unsafe extern "C" fn(sys::ggml_backend_dev_t) -> *const c_char,
    get_description: *const c_void,
    get_memory: *const c_void,
    get_type: *const c_void,
    get_props: *const c_void,
    init_backend: InitBackend,
}

thread_local! {
    static LAST_MADE: Cell<sys::ggml_backend_t> = const { Cell::new(std::ptr::null_mut()) };
}

static ORIGINAL: OnceLock<Option<InitBackend>> = OnceLock::new();

unsafe extern "C" fn init_and_remember(
    device: sys::ggml_backend_dev_t,
    parameters: *const c_char,
) -> sys::ggml_backend_t {
    let Some(original) = ORIGINAL.get().copied().flatten() else {
        return std::ptr::null_mut();
    };
    // SAFETY: the function that ggml put there, with the arguments that it was called with.
    let backend = unsafe { original(device, parameters) };
    LAST_MADE.set(backend);
    backend
}

fn install() {
    ORIGINAL.get_or_init(|| {
        let cpu = sys::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_CPU;
        // SAFETY: the device is a static of ggml that lives as long as the process and is not written by
        // anybody else; its first field is the interface above. `get_or_init` makes this run once, before
        // any model of this process is loaded through this module.
        unsafe {
            let device = sys::ggml_backend_dev_by_type(cpu);
            if device.is_null() {
                return None;
            }
            let interface = device.cast::<DeviceInterface>();
            if ((*interface).get_name)(device) != sys::ggml_backend_dev_name(device) {
                return None; // not the layout that we know: do without
            }
            let original = (*interface).init_backend;
            (*interface).init_backend = init_and_remember;
            Some(original)
        }
    });
}

/// Runs `make`, which creates a CPU backend on this thread, and lets `abort(data)` stop that backend's
/// graphs from then on. Returns what `make` returned.
///
/// # Safety
/// `data` must stay valid for `abort` for as long as the backend lives.
pub(super) unsafe fn with_abort<T>(
    make: impl FnOnce() -> T,
    abort: unsafe extern "C" fn(*mut c_void) -> bool,
    data: *mut c_void,
) -> T {
    install();
    LAST_MADE.set(std::ptr::null_mut());
    let made = make();
    let backend = LAST_MADE.replace(std::ptr::null_mut());
    if !backend.is_null() {
        // SAFETY: a CPU backend that is alive: `made` holds it. `data` is the caller's promise.
        unsafe { sys::ggml_backend_cpu_set_abort_callback(backend, Some(abort), data) };
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_backend_is_seen() {
        install();
        LAST_MADE.set(std::ptr::null_mut());
        let cpu = sys::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_CPU;
        // SAFETY: makes a backend and frees it.
        unsafe {
            let backend = sys::ggml_backend_init_by_type(cpu, std::ptr::null());
            assert!(!backend.is_null());
            assert_eq!(LAST_MADE.get(), backend);
            sys::ggml_backend_free(backend);
        }
    }
}
