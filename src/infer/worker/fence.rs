//! What the kernel refuses a worker: it reads a model and talks over one socket, whatever the model's file makes of it.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Other programs, other processes' memory, and io_uring, which is a way around all that is refused here.
const NEVER: [c_long; 6] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_io_uring_setup,
];
/// What changes files, or their names, in any way but by opening them. `openat2` hides its flags; the C library opens with
/// `openat` where it is refused.
const CHANGES: [c_long; 14] = [
    libc::SYS_openat2,
    libc::SYS_truncate,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmodat,
    libc::SYS_fchmod,
    libc::SYS_fchownat,
    libc::SYS_fchown,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
];
/// The same by their old names, which not every architecture has.
#[cfg(target_arch = "x86_64")]
const OLD_CHANGES: [c_long; 12] = [
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
];
#[cfg(target_arch = "aarch64")]
const OLD_CHANGES: [c_long; 1] = [libc::SYS_renameat];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLD_CHANGES: [c_long; 0] = [];
/// Calls that open files, and which of their arguments has the flags.
#[cfg(target_arch = "x86_64")]
const OPENS: [(c_long, u8); 2] = [(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: [(c_long, u8); 1] = [(libc::SYS_openat, 2)];
/// Flags that open a file for more than reading.
const FOR_WRITING: [c_int; 4] = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];

/// Refuses this thread, and all that it will start, networks, other programs and other processes, for good; and changes
/// to files unless `may_write`.
///
/// # Errors
/// The kernel or this architecture has no such filters.
pub(super) fn put_up(may_write: bool) -> Result<(), String> {
    let program = filter(may_write).map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| e.to_string())
}

fn filter(may_write: bool) -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    #[allow(clippy::useless_conversion)] // a c_long has 32 bits on other processors
    let mut refuse = |call: c_long, conditions: Vec<SeccompCondition>| -> Result<(), Error> {
        let rules = rules.entry(i64::from(call)).or_default();
        // No rule: in any case.
        if !conditions.is_empty() {
            rules.push(SeccompRule::new(conditions)?);
        }
        Ok(())
    };
    for call in NEVER {
        refuse(call, Vec::new())?;
    }
    // Of sockets, those to other processes of the machine are left: CUDA's services are reached so.
    refuse(
        libc::SYS_socket,
        vec![argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?],
    )?;
    if !may_write {
        for call in CHANGES.into_iter().chain(OLD_CHANGES) {
            refuse(call, Vec::new())?;
        }
        for (call, flags) in OPENS {
            for flag in FOR_WRITING {
                refuse(
                    call,
                    vec![argument(flags, SeccompCmpOp::MaskedEq(flag as u64), flag)?],
                )?;
            }
        }
    }
    let refused = SeccompAction::Errno(libc::EACCES as u32);
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?;
    Ok(filter.try_into()?)
}

fn argument(index: u8, comparison: SeccompCmpOp, value: c_int) -> Result<SeccompCondition, Error> {
    Ok(SeccompCondition::new(
        index,
        SeccompCmpArgLen::Dword,
        comparison,
        value as u64, // all values are small and positive
    )?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;
    use crate::infer::worker::confine;

    /// Behind the fence, which is a thread's own.
    fn fenced<T: Send + 'static>(may_write: bool, run: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(move || {
            confine::no_new_privileges().unwrap();
            put_up(may_write).unwrap();
            run()
        });
        thread.join().unwrap()
    }

    #[test]
    fn networks_programs_and_changes_are_refused_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "a model").unwrap();
        let kinds = fenced(false, move || {
            assert_eq!(fs::read_to_string(&old).unwrap(), "a model");
            UnixStream::pair().unwrap();
            std::thread::spawn(|| {}).join().unwrap();
            [
                ("TCP", TcpListener::bind("127.0.0.1:0").err()),
                ("UDP", UdpSocket::bind("127.0.0.1:0").err()),
                ("a program", Command::new("/bin/true").status().err()),
                ("a new file", fs::write(&new, "x").err()),
                (
                    "more of a file",
                    fs::OpenOptions::new().append(true).open(&old).err(),
                ),
                ("less of a file", fs::File::create(&old).err()),
                ("a folder", fs::create_dir(&new).err()),
                ("another name", fs::rename(&old, &new).err()),
                ("a link", std::os::unix::fs::symlink(&old, &new).err()),
                ("an end", fs::remove_file(&old).err()),
            ]
            .map(|(what, error)| (what, error.map(|e| e.kind())))
        });
        for (what, kind) in kinds {
            assert_eq!(kind, Some(PermissionDenied), "{what}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn caches_can_be_written_where_they_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache");
        let (written, network) = fenced(true, move || {
            (
                fs::write(&file, "kernels").is_ok(),
                UdpSocket::bind("127.0.0.1:0"),
            )
        });
        assert!(written);
        assert_eq!(network.unwrap_err().kind(), PermissionDenied);
    }

    #[test]
    fn the_whole_process_of_a_test_is_not_fenced() {
        fenced(false, || {});
        UdpSocket::bind("127.0.0.1:0").unwrap();
    }
}
