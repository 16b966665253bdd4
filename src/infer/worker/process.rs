//! A worker process: started, listened to, ended and reaped, all by a thread of its own.
#![allow(unsafe_code)] // waitid and kill are C functions

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{GRACE, ending};
use crate::infer::model::LoadError;
use crate::infer::{full_memory, note};
use crate::memory::probes::Device;

/// Variables that a worker keeps: where libraries and devices are found, where temporary files go, the language of
/// messages. What else the application has in its environment (keys, tokens) is not the worker's business.
const KEPT: [&str; 11] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "ORT_DYLIB_PATH",
    "RUST_BACKTRACE",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "MALLOC_ARENA_MAX",
    "OMP_NUM_THREADS",
];
/// And those that begin so.
const KEPT_PREFIXES: [&str; 4] = ["CUDA_", "NVIDIA_", "GGML_", "LC_"];
/// Bytes of a line of its log, at most.
const LONGEST_LINE: u64 = 4_096;

/// A child process. Dropping it kills what is left and leaves no zombie.
pub(super) struct Process {
    pid: u32,
    fate: Arc<Fate>,
    /// Started the child, as the kernel ends it with the thread that did, and stays until it is reaped.
    keeper: Option<JoinHandle<()>>,
}

/// What is known of a process without holding it.
#[derive(Default)]
pub(super) struct Fate {
    /// It has ended, or is about to: nobody will hear of it any more.
    is_over: AtomicBool,
    /// And was asked to.
    is_dismissed: AtomicBool,
    /// It has written that there is no memory.
    lacks_memory: AtomicBool,
    /// How it ended, once it is reaped. Its number may be another process's from then on, so signals are sent under
    /// this lock.
    ending: Mutex<Option<String>>,
    reaped: Condvar,
}

impl Fate {
    /// It has ended, or is about to.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// It has ended though nobody asked it to.
    pub fn has_died(&self) -> bool {
        self.is_over() && !self.is_dismissed.load(Ordering::SeqCst)
    }

    /// It said that memory ran out. Known for sure once it is reaped.
    pub fn lacks_memory(&self) -> bool {
        self.lacks_memory.load(Ordering::SeqCst)
    }

    /// Its end, from now on, is as it should be.
    pub fn dismiss(&self) {
        self.is_dismissed.store(true, Ordering::SeqCst);
    }

    fn kill(&self, pid: u32) {
        let ending = self.ending.lock();
        if ending.is_none() {
            // SAFETY: takes numbers. The group is the worker's own, and is there as long as the worker is not reaped; a
            // worker that is a script may have children.
            unsafe { libc::kill(-(pid as libc::pid_t), libc::SIGKILL) };
        }
    }
}

impl Process {
    /// Starts `program` for models on `device`, and returns this side's end of the socket pair whose other end is its standard input.
    pub fn start(program: &Path, device: Device) -> Result<(Self, UnixStream), LoadError> {
        let failed = |e: io::Error| {
            LoadError::Failed(format!(
                "cannot start the worker process {}: {e}. Check that it may be executed, or set isolation=none",
                program.display()
            ))
        };
        // Both ends are closed at exec, so no other child of the application gets them.
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let fate = Arc::new(Fate::default());
        let (started, waits) = mpsc::channel();
        let (program, kept) = (program.to_owned(), fate.clone());
        let keeper = std::thread::Builder::new()
            .name("worker-keeper".into())
            .spawn(move || match spawn(&program, device, theirs) {
                Ok(child) => {
                    let _ = started.send(Ok(child.id())); // it is waited for below
                    keep(child, &kept);
                }
                Err(error) => drop(started.send(Err(error))),
            })
            .map_err(failed)?;
        let gone = || Err(io::Error::other("the thread that starts it panicked"));
        let pid = waits.recv().unwrap_or_else(|_| gone()).map_err(failed)?;
        let process = Process {
            pid,
            fate,
            keeper: Some(keeper),
        };
        Ok((process, ours))
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What outlives this handle.
    pub fn fate(&self) -> &Arc<Fate> {
        &self.fate
    }

    /// Waits at most `limit` for it to end by itself.
    pub fn await_end(&self, limit: Duration) {
        let mut ending = self.fate.ending.lock();
        let until = Instant::now() + limit;
        while ending.is_none() && !self.fate.reaped.wait_until(&mut ending, until).timed_out() {}
    }

    /// Kills it unless it has ended, waits until it is reaped, and says how it ended.
    pub fn end(&self) -> String {
        self.fate.kill(self.pid);
        let mut ending = self.fate.ending.lock();
        loop {
            if let Some(ending) = &*ending {
                return ending.clone();
            }
            self.fate.reaped.wait(&mut ending);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join(); // it has reaped, and has nothing else to do
        }
    }
}

fn spawn(program: &PathBuf, device: Device, stdin: UnixStream) -> io::Result<Child> {
    Command::new(program)
        .args([std::process::id().to_string(), device.to_string()])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_kept(&name.to_string_lossy())))
        // Where ggml gives up it would start a debugger, if there is one, and look at itself for seconds.
        .env("GGML_NO_BACKTRACE", "1")
        .stdin(OwnedFd::from(stdin))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C is the application's: with gst-launch -e the model is needed until the last word is out.
        .process_group(0)
        .spawn()
}

/// Passes on what it writes, until it ends; then reaps it. One that closes its log is at its end.
fn keep(mut child: Child, fate: &Fate) {
    let pid = child.id();
    let last_line = child.stderr.take().map(|stderr| pass_on(pid, stderr, fate));
    fate.is_over.store(true, Ordering::SeqCst);
    if !ends_within(pid, GRACE) {
        fate.kill(pid);
        ends_within(pid, Duration::MAX);
    }
    let mut ending = fate.ending.lock();
    // Returns at once. An application that waits for all children itself (or ignores SIGCHLD) may have been faster.
    let status = child.wait().ok();
    *ending = Some(describe(status, &last_line.unwrap_or_default()));
    fate.reaped.notify_all();
}

/// How often it is looked at while it ends.
const GLANCE: Duration = Duration::from_millis(2);

/// Waits for the end, at most so long, and leaves the zombie, so that its number stays its own.
fn ends_within(pid: u32, limit: Duration) -> bool {
    let begin = Instant::now();
    loop {
        // SAFETY: all zeros is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        // SAFETY: fills the struct.
        let result = unsafe { libc::waitid(libc::P_PID, pid, &mut info, options) };
        // SAFETY: filled above, or still zero: then it runs on.
        let runs = result == 0 && unsafe { info.si_pid() } == 0;
        let interrupted = || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if !runs && (result == 0 || !interrupted()) {
            return true; // or the application has reaped it
        }
        if begin.elapsed() >= limit {
            return false;
        }
        std::thread::park_timeout(GLANCE); // nobody unparks it
    }
}

fn describe(status: Option<ExitStatus>, last_line: &str) -> String {
    let mut text = ending::describe(status);
    if status.is_some_and(by_itself) && !last_line.is_empty() {
        text.push_str(&format!("; its last words were {last_line:?}"));
    }
    text
}

/// It failed, and was not ended by somebody else.
fn by_itself(status: ExitStatus) -> bool {
    match status.signal() {
        Some(signal) => ![libc::SIGKILL, libc::SIGTERM, libc::SIGINT].contains(&signal),
        None => true,
    }
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What a line says of full memory is about the end when at most so many came behind it: ggml says it once where it
/// fails, whisper.cpp and the abort a line or two each.
const LAST_WORDS: u32 = 8;
/// Until it is closed; returns the last line.
fn pass_on(pid: u32, stderr: ChildStderr, fate: &Fate) -> String {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut last = String::new();
    let mut since = LAST_WORDS;
    loop {
        line.clear();
        match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        last = String::from_utf8_lossy(&line).trim_end().to_owned();
        note(false, &format!("scribe-worker {pid}: {last}"));
        since = match full_memory::is_told_in(&last) {
            true => 0,
            false => since.saturating_add(1),
        };
        fate.lacks_memory.store(since < LAST_WORDS, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_of_the_environment_is_kept() {
        for (name, kept) in [
            ("LD_LIBRARY_PATH", true),
            ("CUDA_VISIBLE_DEVICES", true),
            ("LC_ALL", true),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("LD_PRELOAD", false),
            ("GST_DEBUG", false),
        ] {
            assert_eq!(is_kept(name), kept, "{name}");
        }
    }

    #[test]
    fn a_program_that_cannot_start_is_an_error() {
        let Err(error) = Process::start(Path::new("/nowhere/scribe-worker"), Device::Cpu) else {
            panic!("it started");
        };
        let text = error.to_string();
        assert!(
            text.contains("/nowhere/scribe-worker") && text.contains("isolation=none"),
            "{text}"
        );
    }

    #[test]
    fn what_it_said_last_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
        // cat gets a number as its file, which is not there.
        let (process, mut socket) = Process::start(&program, Device::Cpu).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "it ends");
        let text = process.end();
        assert!(text.starts_with("it exited with status 1"), "{text}");
        assert!(text.contains("No such file"), "{text}");
        assert!(process.fate().has_died());
    }

    #[test]
    fn who_is_dismissed_does_not_die() {
        let (process, _socket) = Process::start(Path::new("/bin/cat"), Device::Cpu).unwrap();
        let fate = process.fate().clone();
        fate.dismiss();
        process.end();
        assert!(!fate.has_died());
    }
}
