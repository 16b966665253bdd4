//! `scribe-memory` as a program: what it takes, says and exits with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn scribe_memory(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scribe-memory"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_program_exits_by_what_it_finds() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let line = |label: &str, gb: &str| format!("[GPU Memory] {label}: Allocated: {gb}GB (1.0%)\n");
    let good = file(
        "good.log",
        (line("Before Whisper Cleanup", "7.23") + &line("After Whisper Cleanup", "0.18")).as_bytes(),
    );
    let leak = file(
        "leak.log",
        (line("Before Whisper Cleanup", "7.23") + &line("After Whisper Cleanup", "5.42")).as_bytes(),
    );
    let other = file("other.log", b"0:00:00.1 nothing \xff of the kind\n");
    let bad = file(
        "bad.log",
        b"[GPU Memory] Before Lunch: Allocated: 1.00GB (1.0%)\n",
    );
    let gone = folder.path().join("gone.log");
    let no_checkpoint = "no memory checkpoint in it. Run with GST_DEBUG=scribe-memory:4";
    for (arguments, code, says) in [
        (vec![&good], 0, ""),
        (vec![&leak], 1, ""),
        (vec![&good, &leak], 1, ""),
        (vec![&leak, &other], 2, no_checkpoint),
        (vec![&gone], 2, "gone.log: No such file or directory"),
        (
            vec![&bad],
            2,
            "bad.log: line 1: there is no checkpoint \"Before Lunch\"",
        ),
        (vec![], 2, "Usage: scribe-memory LOG..."),
        (vec![&PathBuf::from("--pie")], 2, "unknown option --pie"),
        (vec![&PathBuf::from("--help")], 0, ""),
    ] {
        let arguments: Vec<_> = arguments.into_iter().map(PathBuf::as_path).collect();
        let output = scribe_memory(&arguments);
        let errors = std::str::from_utf8(&output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
        assert_eq!(errors.is_empty(), says.is_empty(), "{arguments:?}: {errors}");
    }
}
