//! What `scripts/demo` refuses before it installs or builds anything. That it works, CI sees by running it.

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/demo"))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .output()
        .expect("scripts/demo runs")
}

#[track_caller]
fn check(arguments: &[&str], status: i32, said: &str) {
    let output = demo(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    assert!(error.contains(said), "{arguments:?}: {said:?} is not in {error}");
    assert!(output.stdout.is_empty(), "{arguments:?}: it began to work");
}

#[test]
fn wrong_arguments_are_refused() {
    let usage = "scripts/demo [FILE] [--model MODEL.bin]";
    check(&["--modle", "x.bin"], 2, usage);
    check(&["--model"], 2, usage);
    check(&["a.mp3", "b.mp3"], 2, usage);
}

#[test]
fn what_is_not_there_is_named() {
    check(&["nowhere.mp3"], 1, "there is no file nowhere.mp3");
    check(&["--model", "nowhere.bin"], 1, "there is no model nowhere.bin");
    check(&["/"], 1, "there is no file /");
}
