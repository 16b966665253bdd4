//! A worker process: started, listened to, ended and reaped.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::ending;
use crate::infer::model::LoadError;
use crate::infer::note;

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
    child: Child,
    log: Option<JoinHandle<()>>,
    last_line: Arc<Mutex<String>>,
    reaped: bool,
}

impl Process {
    /// Starts `program`, and returns this side's end of the socket pair whose other end is its standard input. The
    /// calling thread must live as long as the process: the kernel ends it with the thread.
    pub fn start(program: &Path) -> Result<(Self, UnixStream), LoadError> {
        let failed = |e: io::Error| {
            LoadError::Failed(format!(
                "cannot start the worker process {}: {e}. Check that it may be executed, or set isolation=none",
                program.display()
            ))
        };
        // Both ends are closed at exec, so no other child of the application gets them.
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut child = Command::new(program)
            .arg(std::process::id().to_string())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_kept(&name.to_string_lossy())))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is the application's: with gst-launch -e the model is needed until the last word is out.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let last_line = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take();
        let mut process = Process {
            child,
            log: None,
            last_line,
            reaped: false,
        };
        if let Some(stderr) = stderr {
            let (pid, last) = (process.child.id(), process.last_line.clone());
            let thread = std::thread::Builder::new()
                .name("worker-log".into())
                .spawn(move || pass_on(pid, stderr, &last));
            process.log = Some(thread.map_err(failed)?);
        }
        Ok((process, ours))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it unless it has ended, reaps it, and says how it ended.
    pub fn end(&mut self) -> String {
        self.reaped = true;
        let _ = self.child.kill(); // an error means that it has ended
        // An application that waits for all children itself (or ignores SIGCHLD) may have been faster.
        let status = self.child.wait().ok();
        if let Some(log) = self.log.take() {
            let _ = log.join(); // ends with the pipe
        }
        let mut text = ending::describe(status);
        let said = self.last_line.lock().clone();
        if status.is_some_and(by_itself) && !said.is_empty() {
            text.push_str(&format!("; its last words were {said:?}"));
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.end();
        }
    }
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

fn pass_on(pid: u32, stderr: ChildStderr, last: &Mutex<String>) {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        note(false, &format!("scribe-worker {pid}: {text}"));
        *last.lock() = text;
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
        let Err(error) = Process::start(Path::new("/nowhere/scribe-worker")) else {
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
        let (mut process, mut socket) = Process::start(&program).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "it ends");
        let text = process.end();
        assert!(text.starts_with("it exited with status 1"), "{text}");
        assert!(text.contains("No such file"), "{text}");
    }
}
