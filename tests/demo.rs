//! `scripts/demo` on what is built already, and what it refuses. That it installs and builds, CI sees by running it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

const USAGE: &str = "scripts/demo [FILE] [--model MODEL.bin] [--no-build]";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs it in `folder`.
fn demo(folder: &TempDir, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(3).expect("TARGET/release/deps/TEST");
    Command::new(root().join("scripts/demo"))
        .args(arguments)
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", target)
        .env("GST_REGISTRY", folder.path().join("registry.bin"))
        .output()
        .expect("scripts/demo runs")
}

/// It ends with `status` and one line that holds `said`, and leaves no captions.
#[track_caller]
fn check_refuses(folder: &TempDir, arguments: &[&str], said: &str) {
    let output = demo(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    assert!(
        error.starts_with("demo: ") && error.lines().count() == 1,
        "{arguments:?}: {error}"
    );
    assert!(error.contains(said), "{arguments:?}: {said:?} is not in {error}");
    assert!(!folder.path().join("demo.vtt").exists(), "{arguments:?}");
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [&["--modle", "x.bin"][..], &["--model"], &["a.mp3", "b.mp3"]] {
        let output = demo(&folder(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(USAGE),
            "{arguments:?}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}: it began to work");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let folder = folder();
    check_refuses(&folder, &["nowhere.mp3"], "there is no file nowhere.mp3");
    check_refuses(
        &folder,
        &["--model", "nowhere.bin"],
        "there is no model nowhere.bin",
    );
    check_refuses(&folder, &["/"], "there is no file /");
}

#[test]
fn what_cannot_be_transcribed_is_named() {
    let folder = folder();
    let file = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("a file");
    file("empty.mp3", b"");
    file("notes.txt", "no sound at all\n".repeat(20).as_bytes());
    let model = fs::read(root().join("models/ggml-scribe-demo.en-q5_0.bin")).expect("the model");
    file("short.bin", &model[..model.len() / 2]);
    let made = Command::new("gst-launch-1.0")
        .args([
            "-q",
            "videotestsrc",
            "num-buffers=20",
            "!",
            "jpegenc",
            "!",
            "matroskamux",
            "!",
            "filesink",
        ])
        .arg("location=video.mkv")
        .current_dir(folder.path())
        .status();
    assert!(made.expect("gst-launch-1.0 runs").success());

    let unknown = "is no audio or video file that GStreamer knows";
    check_refuses(
        &folder,
        &["--no-build", "empty.mp3"],
        &format!("empty.mp3 {unknown}"),
    );
    check_refuses(
        &folder,
        &["--no-build", "notes.txt"],
        &format!("notes.txt {unknown}"),
    );
    check_refuses(
        &folder,
        &["--no-build", "video.mkv"],
        "there is no sound in video.mkv",
    );
    check_refuses(
        &folder,
        &["--no-build", "--model", "short.bin"],
        "short.bin is cut short",
    );
    check_refuses(
        &folder,
        &["--no-build", "--model", "notes.txt"],
        "is not a ggml Whisper model",
    );
}

#[test]
fn who_speaks_what_is_held_and_the_verdict_are_shown() {
    let folder = folder();
    let output = demo(&folder, &["--no-build"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let captions: Vec<&str> = shown.lines().filter(|line| line.contains(" → ")).collect();
    for speaker in ["  SPEAKER_00: ", "  SPEAKER_01: "] {
        let theirs = captions.iter().filter(|line| line.contains(speaker)).count();
        assert!(
            theirs * 4 >= captions.len(),
            "{speaker} says {theirs} of {}",
            captions.len()
        );
    }
    assert_eq!(shown.matches("[GPU Memory] ").count(), 19, "{shown}");
    for stage in [
        "Whisper Cleanup: ",
        "Diarization Model Cleanup: ",
        "Final Cleanup: ",
    ] {
        let verdict = shown.lines().find(|line| line.starts_with(stage)).expect(stage);
        assert!(verdict.contains("✅"), "{verdict}");
    }
    let written = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    assert_eq!(written("demo.vtt").matches(" --> ").count(), captions.len());
    let chart = written("demo-memory.svg");
    roxmltree::Document::parse(&chart).unwrap_or_else(|e| panic!("{e}: {chart}"));
}
