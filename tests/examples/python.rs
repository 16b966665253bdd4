//! That in Python, with Debian's PyGObject.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::common::{RATE, decode, recording, root, write_wav};
use crate::*;

/// A Python that has GStreamer. `None`, with a printed reason, where there is none: not in CI.
fn python() -> Option<&'static str> {
    let knows_gstreamer = |python: &&&str| {
        let import = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst";
        let output = Command::new(python).args(["-c", import]).output();
        output.is_ok_and(|output| output.status.success())
    };
    // The first one on the path may be somebody's own, without Debian's packages.
    let found = ["/usr/bin/python3", "python3"]
        .iter()
        .find(knows_gstreamer)
        .copied();
    if found.is_none() {
        let reason = "no Python here has GStreamer (apt-get install python3-gi gir1.2-gstreamer-1.0)";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
        println!("skipped: {reason}");
    }
    found
}

fn captions(place: &Place, python: &str) -> Command {
    // Ctrl-C is ignored by what a shell starts in the background, and what that starts.
    let mut command = place.command("env");
    command
        .arg("--default-signal=INT")
        .arg(python)
        .arg(root().join("examples/python/captions.py"));
    command
}

/// Numbers of the lines such as "[memory]  1  Pipeline Initialization     12.4 MiB".
fn checkpoints(told: &str) -> Vec<u32> {
    let behind = told.lines().filter_map(|line| line.strip_prefix("[memory]"));
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    behind.filter_map(number).collect()
}

#[test]
fn captions_progress_and_memory_come_from_python() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let output = run(captions(&place, python).arg(recording("conversation.flac")));
    check_captions(&text(&output.stdout));
    let told = text(&output.stderr);
    assert!(told.lines().any(|line| line == "Found 2 speakers"), "{told}");
    check_checkpoints(checkpoints(&told));
    let whisper = told
        .lines()
        .find(|line| line.contains("After Whisper Cleanup"))
        .expect("that line");
    assert!(whisper.ends_with("% freed: good"), "{whisper}");
}

#[test]
fn what_is_wrong_is_said_in_python() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let notes = place.write("notes.txt", "no sound at all\n".repeat(20));
    check_refuses(&mut captions(&place, python), 2, "usage: captions.py ");
    check_refuses(
        captions(&place, python).arg("nowhere.flac"),
        1,
        "nowhere.flac: No such file",
    );
    check_refuses(captions(&place, python).arg(&notes), 1, "captions.py: ");
    let mut command = captions(&place, python);
    command
        .env("GST_PLUGIN_PATH", "")
        .env("GST_REGISTRY", place.folder.path().join("none.bin"));
    check_refuses(command.arg(&notes), 1, "GST_PLUGIN_PATH");
}

#[test]
fn ctrl_c_ends_python_cleanly() {
    let Some(python) = python() else { return };
    let place = Place::new();
    // So long that it cannot be over before the signal.
    let samples = decode(&recording("conversation.flac")).repeat(15);
    assert!(samples.len() as u64 > 800 * RATE);
    let long = place.folder.path().join("long.wav");
    write_wav(&long, &samples);

    let mut command = captions(&place, python);
    let mut child = command
        .arg(&long)
        .stderr(Stdio::piped())
        .spawn()
        .expect("env runs");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut told = String::new();
    while !told.ends_with("Transcribing\n") {
        assert!(
            stderr.read_line(&mut told).expect("text") > 0,
            "it ended early:\n{told}"
        );
    }
    let killed = Command::new("kill")
        .arg("-INT")
        .arg(child.id().to_string())
        .status();
    assert!(killed.expect("kill runs").success());
    stderr.read_to_string(&mut told).expect("text");
    let status = child.wait().expect("its exit status");
    assert_eq!(status.code(), Some(130), "{told}");
    assert!(!told.contains("Traceback"), "{told}");
    assert!(!told.contains("Transcribed"), "it ran to its end:\n{told}");
    check_checkpoints(checkpoints(&told));
}
