//! Memory runs out in the worker, in each of the places where whisper.cpp ends its process or loses its state: the
//! application lives, is told what happened, and loads the next model.
//!
//! A library that is preloaded into the worker makes allocations fail. The worker's program is named in the environment,
//! which a process has from its start: so the test starts this program again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common;
use crate::rig::*;

/// Set in the process whose workers can be given full memory: the folder of what it takes.
const FOLDER: &str = "FULL_MEMORY";

/// Builds the library and a worker around the real one, which has it when the file `armed` says from which block on.
fn prepare(folder: &Path) -> PathBuf {
    let library = folder.join("full_memory.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(common::root().join("tests/drivers/full_memory.c"))
        .status()
        .expect("a C compiler, which whisper.cpp needs as well");
    assert!(built.success());
    let real = gstscribe::infer::worker::find(gstscribe::memory::probes::Device::Cpu).unwrap();
    let script = format!(
        "#!/bin/sh\ncd '{}' || exit 1\nif mv armed used 2>/dev/null; then\n  exec env LD_PRELOAD='{}' FULL_FROM=\"$(cat used)\" '{2}' \"$@\"\nfi\nexec '{2}' \"$@\"\n",
        folder.display(),
        library.display(),
        real.display()
    );
    let worker = folder.join("worker");
    std::fs::write(&worker, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&worker, executable).unwrap();
    worker
}

#[test]
fn the_application_survives_full_memory_wherever_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "full_memory::inner", "--nocapture"])
        .env("SCRIBE_WORKER", prepare(folder.path()))
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(text.matches("tried: ").count(), PLACES.len(), "{text}");
}

/// What the user sees.
enum Seen {
    /// No model, and an ERROR with these texts.
    NotLoaded(&'static [&'static str]),
    /// A WARNING with these, and all the words.
    Restarted(&'static [&'static str]),
    /// An ERROR with these: what was heard before it stays.
    Ended(&'static [&'static str]),
}
use Seen::*;

/// From which of ggml's large blocks on memory is full, with which properties, and what comes of it. The order of the blocks
/// is whisper.cpp's: weights; the caches of the decoder, of what it hears and a padding; the buffers to compute in for
/// convolution, encoder, cross-attention and decoder; and what comes while it works.
const PLACES: [(&str, u32, &str, Seen); 7] = [
    (
        "weights",
        1,
        "",
        NotLoaded(&["out of memory", "while the model was loaded", "smaller model"]),
    ),
    ("decoder's cache", 2, "", NotLoaded(&["out of memory", "SIGSEGV"])),
    (
        "cache of what it hears",
        3,
        "",
        NotLoaded(&["out of memory", "SIGSEGV"]),
    ),
    ("first buffer", 5, "", NotLoaded(&["out of memory", "SIGSEGV"])),
    ("last buffer", 8, "", NotLoaded(&["out of memory", "SIGSEGV"])),
    (
        "a graph at work",
        9,
        "",
        Restarted(&["out of memory", "SIGABRT", "is asked again"]),
    ),
    (
        "a cache that grows for five beams",
        9,
        "beam-size=5",
        Ended(&["out of memory", "beam-size=1", "smaller model"]),
    ),
];

#[test]
fn inner() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let run = |properties: &str| {
        let line = format!("isolation=process temperature-increment=0 {properties}");
        let ten_seconds = conversation(1)[..10 * common::RATE as usize].to_vec();
        transcribe(ten_seconds, &line, |_| {})
    };
    let healthy = run("");
    assert_eq!((&healthy.error, healthy.warnings.len()), (&None, 0));
    for (place, from, properties, seen) in PLACES {
        std::fs::write(folder.join("armed"), from.to_string()).unwrap();
        let hurt = run(properties);
        assert!(!folder.join("armed").exists(), "{place}: a worker was started");
        let error = hurt.error.clone().unwrap_or_default();
        let (told, texts, words) = match seen {
            NotLoaded(texts) | Ended(texts) => (error, texts, 0),
            Restarted(texts) => (hurt.warnings.join("\n"), texts, healthy.words.len()),
        };
        for text in texts {
            assert!(told.contains(text), "{place}: {told:?} does not say {text:?}");
        }
        assert_eq!(hurt.words.len(), words, "{place}");
        let next = run("");
        assert_eq!(
            (next.error, next.warnings.len()),
            (None, 0),
            "{place}: the next one"
        );
        assert_eq!(next.words, healthy.words, "{place}: the next one");
        assert_eq!(children(std::process::id()), [0; 0], "{place}");
        println!("tried: {place}");
    }
}
