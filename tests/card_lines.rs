//! The lines of `docs/memory.md` that read a log: each is run, and prints what the page says.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the reference card has under "Memory Log Parsing", and so must be told of.
const CARD: [&str; 3] = [
    "grep \"GPU Memory\" performance_log.txt | awk '{print $4, $6}'",
    "grep \"GPU Memory\" performance_log.txt | awk '{print $6}' | sort -n | tail -1",
    "grep \"After.*Cleanup\" performance_log.txt",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The page's section of the card's lines.
fn section() -> String {
    let page = fs::read_to_string(root().join("docs/memory.md")).expect("docs/memory.md");
    let (_, after) = page
        .split_once("## The reference card's lines\n")
        .expect("the section of the lines");
    after.split("\n## ").next().expect("its text").to_owned()
}

/// Commands and what they print, out of the page's ```console blocks.
fn commands(section: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let blocks = section.split("```console\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines()) {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("{line:?} is printed by no command"),
        }
    }
    found
}

/// What `command` prints beside the logs.
fn run(command: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_scribe-memory"))
        .parent()
        .expect("a folder of programs");
    let path = env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(root().join("tests/data/memory"))
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", format!("{}:{path}", programs.display()))
        .output()
        .expect("bash");
    assert!(output.stderr.is_empty(), "{command}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_line_prints_what_the_page_says() {
    let commands = commands(&section());
    for (command, printed) in &commands {
        assert_eq!(&run(command), printed, "{command}");
    }
    for line in CARD {
        assert!(
            commands.iter().any(|(command, _)| command == line),
            "the page does not run {line}"
        );
    }
    assert!(
        commands
            .iter()
            .any(|(command, _)| command.starts_with("scribe-memory "))
    );
}

/// The page's own lines, on colours and on the checkpoints with the longest labels.
#[test]
fn the_lines_for_the_timeline_and_the_peak_stand_colours_and_all_labels() {
    use gstscribe::memory::Label;
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = String::new();
    let mut expected = String::new();
    for label in Label::all() {
        let amount = format!("{}.50GB ({}.0%)", label.number(), label.number());
        log += &format!(
            "0:00:00.1 \u{1b}[331m  29089\u{1b}[00m 0x55f056091460 \u{1b}[36mINFO   \u{1b}[00m \u{1b}[00m  scribe-memory \
             src/elements/checkpoints.rs:1:write:<e0>\u{1b}[00m [GPU Memory] {label}: Allocated: {amount}\n"
        );
        expected += &format!("{label}: {amount}\n");
    }
    fs::write(folder.path().join("run.log"), log).expect("a log");
    let commands = commands(&section());
    let own = |part: &str| {
        let found = commands
            .iter()
            .find(|(line, _)| line.contains(part) && line.contains("run.log"));
        let (line, _) = found.unwrap_or_else(|| panic!("no line with {part} on the page"));
        run(&format!("cd '{}' && {line}", folder.path().display()))
    };
    assert_eq!(own("awk -F"), expected);
    assert_eq!(own("| sed"), "19.50GB (19.0%)\n");
    assert_eq!(own("sed -n"), "19.50GB (19.0%) After Alignment Tensors Cleanup\n");
}
