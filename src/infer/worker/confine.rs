//! What a worker does without, and that it ends with its parent.
#![allow(unsafe_code)] // prctl, setrlimit and _exit are C functions

use libc::{c_int, c_ulong};

use super::fence;
use crate::memory::probes::Device;

/// Binds this process to the life of `parent` and drops what it does not need for models on `device`. Before any other
/// thread is started.
///
/// # Errors
/// A sentence that says what failed; the process must not go on then.
pub(super) fn confine(parent: u32, device: Device) -> Result<(), String> {
    // The kernel ends this process when the thread that started it does, however that comes: also when the whole
    // parent is killed, and also while this process is stopped. That thread is there for nothing else.
    set(
        libc::PR_SET_PDEATHSIG,
        libc::SIGKILL as c_ulong,
        "PR_SET_PDEATHSIG",
    )?;
    // It may have ended before.
    if std::os::unix::process::parent_id() != parent {
        return Err(format!("the process {parent} that started this one is gone"));
    }
    no_new_privileges()?;
    // Somebody's voice is in this memory: no core dump, neither as a file nor through a pipe, which ignores the limit.
    set(libc::PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE")?;
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: reads the struct.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } != 0 {
        return Err(failed("setrlimit(RLIMIT_CORE)"));
    }
    // CUDA's driver keeps compiled kernels in files, and maps memory through devices that it opens for writing.
    let may_write = device != Device::Cpu;
    if let Err(error) = fence::put_up(may_write) {
        // It is a second wall: a kernel without it is no reason to go without a model.
        eprintln!("scribe-worker: networks and files are not closed off: {error}");
    }
    Ok(())
}

/// No program that this thread or its children start has more rights than they.
pub(super) fn no_new_privileges() -> Result<(), String> {
    set(libc::PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")
}

fn set(option: c_int, value: c_ulong, name: &str) -> Result<(), String> {
    let nothing: c_ulong = 0;
    // SAFETY: none of the options used here takes a pointer.
    match unsafe { libc::prctl(option, value, nothing, nothing, nothing) } {
        0 => Ok(()),
        _ => Err(failed(&format!("prctl({name})"))),
    }
}

fn failed(what: &str) -> String {
    format!("{what} failed: {}", std::io::Error::last_os_error())
}

/// Ends the process at once, whatever its other threads do. It has nothing to save, and the kernel takes back all that
/// it holds; running destructors beside a model at work would crash.
pub(super) fn leave(status: c_int) -> ! {
    // SAFETY: returns to nobody.
    unsafe { libc::_exit(status) }
}
