//! Runs the programs of `examples/` on the bundled recording and models, as a reader would.

#[path = "../common/mod.rs"]
mod common;

mod programs;
mod python;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::{plain, recording, word_error_rate};
use tempfile::TempDir;

/// Folders to run in.
struct Place {
    /// Empty, and the current one.
    folder: TempDir,
    /// The plugin of this build, alone: beside it in target/ lie libraries that GStreamer would try as plugins.
    plugins: TempDir,
}

impl Place {
    fn new() -> Self {
        let plugins = TempDir::new().expect("a temporary folder");
        let library = built("libgstscribe.so");
        std::os::unix::fs::symlink(library, plugins.path().join("libgstscribe.so")).expect("a link");
        Place {
            folder: TempDir::new().expect("a temporary folder"),
            plugins,
        }
    }

    /// A program that is not started yet.
    fn command(&self, program: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(program.into());
        command
            .current_dir(self.folder.path())
            .env("GST_PLUGIN_PATH", self.plugins.path())
            .env("GST_REGISTRY", self.plugins.path().join("registry.bin"));
        command
    }

    /// The path of a file that holds `bytes`.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

/// What cargo has put beside the tests, such as `examples/batch`.
fn built(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the path of this test");
    let release = tests
        .parent()
        .and_then(|deps| deps.parent())
        .expect("two folders up");
    let path = [release.join("deps").join(name), release.join(name)]
        .into_iter()
        .find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{name} is not built: cargo build --release --lib --examples"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// It refuses to work, and says why in one sentence without any of it in the result.
#[track_caller]
fn check_refuses(command: &mut Command, status: i32, said: &str) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{command:?}: {error}");
    assert!(error.contains(said), "{command:?}: {said:?} is not in {error}");
    assert_eq!(text(&output.stdout), "", "{command:?}");
}

/// Lines such as "00:03.80  SPEAKER_01: Peter and David are in room four." hold the bundled conversation.
#[track_caller]
fn check_captions(printed: &str) {
    let mut heard = Vec::new();
    let mut speakers = Vec::new();
    let mut last = "";
    for line in printed.lines() {
        let parts = line.split_once("  ").zip(line.split_once(": "));
        let ((time, _), (head, words)) = parts.unwrap_or_else(|| panic!("no caption: {line}"));
        // Of one length, so their order is that of the text.
        assert!(last < time, "{time} after {last}");
        last = time;
        speakers.push(head.trim_start_matches(time).trim());
        heard.extend(plain(words));
    }
    speakers.sort_unstable();
    speakers.dedup();
    assert_eq!(speakers, ["SPEAKER_00", "SPEAKER_01"]);
    let truth = std::fs::read_to_string(recording("conversation.txt")).expect("the transcript");
    // Its lines begin with the names of the voices.
    let spoken = truth.lines().filter_map(|line| line.split_once(": "));
    let spoken: Vec<String> = spoken.flat_map(|(_, words)| plain(words)).collect();
    let errors = word_error_rate(&spoken, &heard);
    assert!(errors <= 0.1, "{errors:.3} of the words are wrong:\n{printed}");
}

/// Each of the 19 once.
#[track_caller]
fn check_checkpoints(mut numbers: Vec<u32>) {
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(1..=19));
}
