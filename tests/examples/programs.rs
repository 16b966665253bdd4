//! Those in Rust.

use std::collections::BTreeSet;
use std::fs;

use crate::common::recording;
use crate::*;

const ALL: [&str; 4] = ["transcribe_file", "speaker_turns", "batch", "memory_watch"];

fn example(place: &Place, name: &str) -> Command {
    let mut command = place.command(built("examples").join(name));
    // The plugin is in the program.
    command.env_remove("GST_PLUGIN_PATH");
    command
}

#[test]
fn a_file_is_transcribed_with_speakers() {
    let place = Place::new();
    let output = run(example(&place, "transcribe_file").arg(recording("conversation.flac")));
    check_captions(&text(&output.stdout));
    let told = text(&output.stderr);
    for step in ["Transcribing", "Transcribed", "Found 2 speakers"] {
        assert!(told.lines().any(|line| line == step), "{step:?} is not in {told}");
    }
    // This is no terminal.
    assert!(!told.contains('\x1b') && !told.contains('%'), "{told}");
}

/// A program that looks for the plugin in a folder and has it built in, too.
#[test]
fn an_installed_plugin_is_not_in_the_way() {
    let place = Place::new();
    let mut command = place.command(built("examples/speaker_turns"));
    let output = run(command.arg(recording("conversation.flac")));
    assert!(text(&output.stdout).starts_with("SPEAKER conversation 1 "));
}

#[test]
fn speaker_turns_are_rttm() {
    let place = Place::new();
    let output = run(example(&place, "speaker_turns").arg(recording("conversation.flac")));
    let rttm = text(&output.stdout);
    let turns = gstscribe::speech::rttm::read(&rttm).unwrap_or_else(|e| panic!("{e}: {rttm}"));
    assert!(turns.len() >= 10, "the conversation has more turns:\n{rttm}");
    let speakers: BTreeSet<_> = turns.iter().map(|turn| &turn.turn.speaker[..]).collect();
    assert_eq!(Vec::from_iter(speakers), ["SPEAKER_00", "SPEAKER_01"]);
}

#[test]
fn many_files_go_through_one_pipeline() {
    let place = Place::new();
    let conversation = fs::read(recording("conversation.flac")).expect("the recording");
    let first = place.write("first.flac", &conversation);
    let text_file = place.write("notes.txt", "no sound at all\n".repeat(20));
    let last = place.write("last.flac", &conversation);
    let mut command = example(&place, "batch");
    // glibc's own default. Without it the heap keeps what it may need again (docs/memory.md).
    command.env("MALLOC_TRIM_THRESHOLD_", "131072");
    command.arg(&text_file).arg("nowhere.flac").arg(&first);
    command
        .arg(recording("silence-and-noise.flac"))
        .arg(&last)
        .arg(&first);
    let output = command.output().expect("batch runs");
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{printed}{told}");
    for said in [
        "notes.txt: ",
        "nowhere.flac: No such file",
        "first.flac: first.vtt is that of another file",
        "batch: 3 failed",
    ] {
        assert!(told.contains(said), "{said:?} is not in {told}");
    }

    let read = |name: &str| fs::read_to_string(place.folder.path().join(name)).expect(name);
    let captions = read("first.vtt");
    assert!(captions.starts_with("WEBVTT\n"), "{captions}");
    assert!(captions.matches("<v SPEAKER_0").count() > 15, "{captions}");
    assert_eq!(read("last.vtt"), captions, "what was before must not matter");
    assert_eq!(read("silence-and-noise.vtt").matches("-->").count(), 0);

    let held: Vec<f64> = printed
        .lines()
        .filter_map(|line| line.split_once(" s, ")?.1.split_once(" MiB held")?.0.parse().ok())
        .collect();
    assert_eq!(held.len(), 3, "{printed}");
    // The models of a run take 130 MiB.
    assert!(held[2] < held[0] + 4.0, "{held:?} MiB");
}

#[test]
fn the_memory_is_watched() {
    let place = Place::new();
    let output = run(example(&place, "memory_watch").arg(recording("conversation.flac")));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    check_checkpoints(lines.iter().filter_map(|line| number(line)).collect());
    for label in ["After Whisper Cleanup ", "After Diarization Model Cleanup "] {
        let line = lines.iter().find(|line| line.contains(label)).expect(label);
        assert!(line.ends_with("% freed: good"), "{line}");
    }
    let bars = lines.iter().filter(|line| line.contains('█')).count();
    assert!(bars > 10, "{printed}");
}

#[test]
fn what_is_wrong_is_said() {
    let place = Place::new();
    let notes = place.write("notes.txt", "no sound at all\n".repeat(20));
    let broken = place.write("broken.bin", "this is no model");
    for name in ALL {
        check_refuses(&mut example(&place, name), 1, &format!("usage: {name} "));
        let missing = "nowhere.flac: No such file or directory";
        check_refuses(example(&place, name).arg("nowhere.flac"), 1, missing);
    }
    for name in ["transcribe_file", "speaker_turns"] {
        check_refuses(example(&place, name).arg(&notes), 1, &format!("{name}: "));
    }
    let mut command = example(&place, "transcribe_file");
    check_refuses(
        command.arg(recording("conversation.flac")).arg(&broken),
        1,
        "broken.bin",
    );
    let mut command = example(&place, "batch");
    command
        .arg("--model")
        .arg(&broken)
        .arg(recording("conversation.flac"));
    check_refuses(&mut command, 1, "broken.bin");
}
