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
        (vec![], 2, "Usage: scribe-memory [--chart FILE] LOG..."),
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

/// A log of one cleanup that leaves `left` GB of 7.23.
fn cleanup(left: &str) -> String {
    format!(
        "[GPU Memory] Before Whisper Cleanup: Allocated: 7.23GB (30.1%)\n\
         [GPU Memory] After Whisper Cleanup: Allocated: {left}GB (1.0%)\n"
    )
}

#[test]
fn a_chart_is_written_beside_the_text_also_of_a_leak() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("good.log"), cleanup("0.18")).unwrap();
    fs::write(at("leak.log"), cleanup("5.42")).unwrap();
    fs::write(at("other.log"), "nothing of the kind\n").unwrap();
    for (chart, logs, code, has) in [
        ("good.svg", vec!["good.log"], 0, "Every cleanup is good"),
        ("leak.svg", vec!["leak.log"], 1, "Leak: Whisper Cleanup"),
        ("page.HTML", vec!["good.log", "leak.log"], 1, "Memory of 2 runs"),
        // What could be read is drawn.
        (
            "part.svg",
            vec!["other.log", "good.log"],
            2,
            "Every cleanup is good",
        ),
    ] {
        for joined in [false, true] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_scribe-memory"));
            command.current_dir(folder.path()).args(&logs);
            match joined {
                true => command.arg(format!("--chart={chart}")),
                false => command.args(["--chart", chart]),
            };
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{chart}: {output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(
                text.contains("Whisper Cleanup:"),
                "{chart}: the text is missing: {text}"
            );
            let file = fs::read_to_string(at(chart)).unwrap();
            assert!(file.contains(has), "{chart}: {has:?} is not in {file}");
            roxmltree::Document::parse(file.trim_start_matches("<!DOCTYPE html>\n")).unwrap();
            fs::remove_file(at(chart)).unwrap();
        }
    }
}

#[test]
fn a_chart_that_cannot_be_made_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.log");
    let other = folder.path().join("other.log");
    fs::write(&good, cleanup("0.18")).unwrap();
    fs::write(&other, "nothing of the kind\n").unwrap();
    let png = folder.path().join("chart.png");
    let bare = folder.path().join("chart");
    let nowhere = folder.path().join("no-such-folder/chart.svg");
    let unused = folder.path().join("unused.svg");
    let option = Path::new("--chart");
    let either = "is neither .svg nor .html";
    for (arguments, says) in [
        (vec![option, &png, &good], either),
        (vec![option, &bare, &good], either),
        (
            vec![option, &nowhere, &good],
            "chart.svg: No such file or directory",
        ),
        (vec![&good, option], "--chart needs the name of a file"),
        (vec![option, &unused], "Usage: scribe-memory"),
        (vec![option, &unused, &other], "no memory checkpoint in it"),
    ] {
        let output = scribe_memory(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
    for path in [&png, &bare, &unused] {
        assert!(!path.exists(), "{path:?} was written");
    }
}
