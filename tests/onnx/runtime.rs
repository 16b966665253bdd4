//! ONNX Runtime itself: found, or an error that says what to do.

use std::path::Path;
use std::process::Command;

use gstscribe::infer::model::LoadError;
use gstscribe::infer::onnx::runtime;

use super::common;

/// Runs in its own process, too: see below.
#[test]
fn it_is_found_or_the_error_says_why() {
    let asked_for = std::env::var("ORT_DYLIB_PATH").unwrap_or_default();
    let name = Path::new(&asked_for)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    match runtime() {
        Ok(runtime) => {
            assert!(
                asked_for.is_empty() || name.contains("onnxruntime"),
                "{asked_for}"
            );
            println!(
                "ONNX Runtime {} from {}",
                runtime.version(),
                runtime.path().display()
            );
            assert!(runtime.path().is_file());
        }
        Err(LoadError::NotFound(text)) => {
            assert!(!asked_for.is_empty(), "run scripts/setup first: {text}");
            for part in [
                asked_for.as_str(),
                "scripts/setup",
                "pip install onnxruntime",
                "ORT_DYLIB_PATH",
            ] {
                assert!(text.contains(part), "{text:?} does not say {part:?}");
            }
            if name.contains("1.16") {
                assert!(
                    text.contains("is ONNX Runtime 1.16.3, and 1.17 or later is needed"),
                    "{text}"
                );
            }
            assert!(runtime().is_err(), "and it says so again");
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// `ort` by itself hangs or panics there, so each is tried in a process of its own.
#[test]
fn what_cannot_be_loaded_neither_hangs_nor_panics() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    let old = folder.path().join("libonnxruntime.so.1.16.3");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&old)
        .arg(common::root().join("tests/drivers/old_onnxruntime.c"))
        .status()
        .expect("a C compiler, which whisper.cpp needs as well");
    assert!(built.success());
    for path in [
        &old,
        Path::new("/nowhere/none.so"),
        Path::new("libc.so.6"),
        folder.path(),
        &text,
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runtime::it_is_found_or_the_error_says_why"])
            .env("ORT_DYLIB_PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", path.display());
        assert!(said.contains("1 passed"), "{said}");
    }
}
