//! Memory runs out in the worker, in each of the places where whisper.cpp ends its process or loses its state: the
//! application lives, is told what happened, and loads the next model.
//!
//! A library that is preloaded into the worker makes allocations fail. The worker's program is named in the environment,
//! which a process has from its start: so the test starts this program again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, smaller_model::without_last_layer};
use crate::rig::*;

/// Set in the process whose workers can be given full memory: the folder of what it takes.
const FOLDER: &str = "FULL_MEMORY";

/// Builds the library.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("full_memory.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(common::root().join("tests/drivers/full_memory.c"))
        .status()
        .expect("a C compiler, which whisper.cpp needs as well");
    assert!(built.success());
    library
}

/// A worker around the real one, which has the library when the file `armed` says by which variables.
fn prepare(folder: &Path) -> PathBuf {
    let library = library(folder);
    let real = gstscribe::infer::worker::find(gstscribe::memory::probes::Device::Cpu).unwrap();
    let script = format!(
        "#!/bin/sh\ncd '{}' || exit 1\nif mv armed used 2>/dev/null; then\n  exec env LD_PRELOAD='{}' $(cat used) '{2}' \"$@\"\nfi\nexec '{2}' \"$@\"\n",
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

/// This program again, for `test` alone, with what `prepare` gives it in its environment. How often it has `tried: ` something.
fn again(test: &str, folder: &Path, prepare: impl FnOnce(&mut Command)) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder);
    prepare(&mut command);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text.matches("tried: ").count()
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn ten_seconds() -> Vec<f32> {
    conversation(1)[..10 * common::RATE as usize].to_vec()
}

#[test]
fn the_application_survives_full_memory_wherever_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let tried = again("full_memory::inner", folder.path(), |command| {
        command.env("SCRIBE_WORKER", prepare(folder.path()));
    });
    assert_eq!(tried, PLACES.len());
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
    let Some(folder) = folder() else {
        return;
    };
    let run = |properties: &str| {
        let line = format!("isolation=process temperature-increment=0 {properties}");
        transcribe(ten_seconds(), &line, |_| {})
    };
    let healthy = run("");
    assert_eq!((&healthy.error, healthy.warnings.len()), (&None, 0));
    for (place, from, properties, seen) in PLACES {
        std::fs::write(folder.join("armed"), format!("FULL_FROM={from}")).unwrap();
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

/// Two models in a folder, the second a little smaller, and a run with the first.
struct Two {
    folder: PathBuf,
    properties: String,
}

impl Two {
    fn new(folder: PathBuf, properties: &str) -> Self {
        let whole = std::fs::read(common::demo_model()).unwrap();
        std::fs::write(folder.join("ggml-base.en.bin"), &whole).unwrap();
        std::fs::write(folder.join("ggml-tiny.en.bin"), without_last_layer(&whole)).unwrap();
        Two {
            folder,
            properties: format!("temperature-increment=0 {properties}"),
        }
    }

    /// With a model-path behind the rig's own, which counts.
    fn run(&self, model: &str, more: &str) -> Run {
        let model = self.folder.join(format!("ggml-{model}.bin"));
        let line = format!("model-path={} {} {more}", common::quoted(&model), self.properties);
        transcribe(ten_seconds(), &line, |_| {})
    }

    /// The stream went on with the smaller model, and one WARNING said so.
    fn check(&self, hurt: &Run, texts: &[&str]) {
        assert_eq!(
            (hurt.warnings.len(), &hurt.error),
            (1, &None),
            "{:#?}",
            hurt.warnings
        );
        let smaller = self.folder.join("ggml-tiny.en.bin");
        for text in [
            "out of memory",
            "on-oom=smaller-model",
            "The window at 0:00:00.000000000 is asked again",
            smaller.to_str().unwrap(),
        ]
        .iter()
        .chain(texts)
        {
            assert!(hurt.warnings[0].contains(text), "{}", hurt.warnings[0]);
        }
        let alone = self.run("tiny.en", "");
        assert_eq!((&alone.error, alone.warnings.len()), (&None, 0));
        assert!(!alone.words.is_empty() || !alone.gaps.is_empty());
        assert_eq!((&hurt.words, &hurt.gaps), (&alone.words, &alone.gaps));
    }
}

#[test]
fn on_oom_acts_in_the_middle_of_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let tried = again("full_memory::inner_on_oom", folder.path(), |command| {
        command.env("SCRIBE_WORKER", prepare(folder.path()));
    });
    assert_eq!(tried, 3);
}

#[test]
fn inner_on_oom() {
    let Some(folder) = folder() else {
        return;
    };
    let armed = folder.join("armed");
    let arm = |variables: &str| std::fs::write(&armed, variables).unwrap();
    let greedy = Two::new(folder.clone(), "isolation=process");
    let larger = greedy.run("base.en", "");
    assert_eq!(larger.error, None);
    assert_ne!(larger.words, greedy.run("tiny.en", "").words, "the models differ");
    // The process dies of it.
    arm("FULL_FROM=9");
    greedy.check(
        &greedy.run("base.en", "on-oom=smaller-model"),
        &["SIGABRT", "a new worker is started (1 of 3, see restart-limit)"],
    );
    // The model says so and its process lives on: with whom it shares that is not harmed.
    let beams = Two::new(folder, "isolation=process beam-size=5");
    arm("FULL_FROM=9 FULL_COUNT=1");
    let hurt = beams.run("base.en", "on-oom=smaller-model restart-limit=0");
    beams.check(&hurt, &["several decoders"]);
    assert!(!hurt.warnings[0].contains("restart-limit"), "{:?}", hurt.warnings);
    assert!(!armed.exists());
    (0..2).for_each(|_| println!("tried: "));
    // Nothing is smaller than this.
    arm("FULL_FROM=9 FULL_COUNT=1");
    let error = beams.run("tiny.en", "on-oom=smaller-model").error.unwrap();
    assert!(error.contains("out of memory"), "{error}");
    assert_eq!(children(std::process::id()), [0; 0]);
    println!("tried: ");
}

#[test]
fn in_this_process_what_can_be_caught_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (on_oom, tried) in [("smaller-model", 1), ("fail", 1)] {
        let library = library(folder.path());
        let found = again("full_memory::inner_in_this_process", folder.path(), |command| {
            command
                .env("LD_PRELOAD", library)
                .env("FULL_FROM", "9")
                .env("FULL_COUNT", "1")
                .env("ON_OOM", on_oom);
        });
        assert_eq!(found, tried, "{on_oom}");
    }
}

#[test]
fn inner_in_this_process() {
    let (Some(folder), Ok(on_oom)) = (folder(), std::env::var("ON_OOM")) else {
        return;
    };
    let beams = Two::new(folder, "isolation=none beam-size=5");
    let hurt = beams.run("base.en", &format!("on-oom={on_oom}"));
    if on_oom == "fail" {
        let error = hurt.error.unwrap();
        assert!(
            error.contains("out of memory") && error.contains("beam-size=1"),
            "{error}"
        );
        assert_eq!(hurt.warnings, [""; 0]);
    } else {
        beams.check(&hurt, &["several decoders"]);
    }
    println!("tried: ");
}

/// ONNX Runtime says it instead of ending the process: while it loads a model, tries it, and is at work.
#[test]
fn the_speaker_models_say_that_memory_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    for from in ["1", "60", "200"] {
        let tried = again("full_memory::inner_speaker_models", folder.path(), |command| {
            command.env("LD_PRELOAD", &library).env("FULL_FROM", from);
        });
        assert_eq!(tried, 1, "from the block {from} on");
    }
}

#[test]
fn inner_speaker_models() {
    if folder().is_none() {
        return;
    }
    let (_, error) = common::try_run(&format!(
        "filesrc location={} ! decodebin ! scriberesample ! scribediarizer threads=1 isolation=none ! fakesink",
        common::quoted(&common::recording("conversation.flac"))
    ));
    let error = error.expect("an ERROR");
    for text in ["out of memory: ONNX Runtime", "bad_alloc", "free memory"] {
        assert!(error.contains(text), "{error}");
    }
    println!("tried: ");
}
