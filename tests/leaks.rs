//! Whole `gst-launch-1.0` lines under GStreamer's leaks tracer: however a run ends, nothing is alive behind it.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::{demo_model, quoted, recording};

/// The folder of the plugin that was built with this test: `target/<profile>`.
fn plugin_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().to_owned()
}

fn launch(line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("exec timeout --signal=INT 60 gst-launch-1.0 {line}"),
        ])
        .env("GST_PLUGIN_PATH", plugin_folder())
        .env("GST_REGISTRY", folder.path().join("registry.bin"))
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1");
    command.output().unwrap()
}

/// The tracer declares its record before it writes any; that line has placeholders.
fn is_alive(line: &str) -> bool {
    line.contains("object-alive, ") && !line.contains("type-name=(string)%s")
}

#[track_caller]
fn nothing_is_alive_after(line: &str, succeeds: bool) {
    let output = launch(line);
    let log = String::from_utf8_lossy(&output.stderr);
    let alive: Vec<&str> = log.lines().filter(|l| is_alive(l)).collect();
    assert!(alive.is_empty(), "{line}:\n{}", alive.join("\n"));
    assert_eq!(output.status.success(), succeeds, "{line}:\n{log}");
    // The tracer was there at all.
    assert!(log.contains("object-alive.class"), "{log}");
}

fn transcriber() -> String {
    format!(
        "scriberesample ! scribetranscriber threads=1 model-path={}",
        quoted(demo_model().as_ref())
    )
}

fn source() -> String {
    format!(
        "filesrc location={} ! decodebin",
        quoted(&recording("conversation.flac"))
    )
}

#[test]
fn a_run_to_the_end() {
    for captions in [
        "text/x-raw,format=utf8",
        "application/x-subtitle-vtt",
        "application/x-json,format=transcript",
    ] {
        nothing_is_alive_after(
            &format!(
                "{} ! {} ! scribecaptions ! '{captions}' ! fakesink sync=false",
                source(),
                transcriber()
            ),
            true,
        );
    }
}

#[test]
fn a_model_that_is_missing() {
    nothing_is_alive_after(
        &format!(
            "{} ! scriberesample ! scribetranscriber model-path=/nowhere/none.bin ! fakesink",
            source()
        ),
        false,
    );
}

#[test]
fn an_error_in_the_middle_of_the_run() {
    nothing_is_alive_after(
        &format!(
            "{} ! identity error-after=5 ! {} ! scribecaptions ! fakesink sync=false",
            source(),
            transcriber()
        ),
        false,
    );
}

#[test]
fn a_sink_that_refuses() {
    nothing_is_alive_after(
        &format!(
            "{} ! {} ! filesink location=/nowhere/out.txt",
            source(),
            transcriber()
        ),
        false,
    );
}

#[test]
fn a_run_of_the_diarizer() {
    for (mode, turns) in [
        ("offline", "application/x-rttm"),
        ("online", "application/x-json"),
    ] {
        nothing_is_alive_after(
            &format!(
                "{} ! scriberesample ! scribediarizer threads=1 mode={mode} ! {turns} ! fakesink sync=false",
                source()
            ),
            true,
        );
    }
}

#[test]
fn a_run_of_the_bin() {
    for properties in ["residency=sequential", "residency=concurrent", "diarize=false"] {
        nothing_is_alive_after(
            &format!(
                "{} ! scribebin threads=1 whisper-model=bundled {properties} ! fakesink sync=false",
                source()
            ),
            true,
        );
    }
}

#[test]
fn a_run_of_the_bin_that_fails() {
    for (before, properties) in [
        ("identity error-after=5 !", "whisper-model=bundled"),
        ("", "whisper-model=/nowhere/none.bin"),
        ("", "whisper-model=bundled embedding-model=/nowhere/none.onnx"),
    ] {
        nothing_is_alive_after(
            &format!(
                "{} ! {before} scribebin threads=1 {properties} ! fakesink sync=false",
                source()
            ),
            false,
        );
    }
}
