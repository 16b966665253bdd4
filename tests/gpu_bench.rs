//! `benches/gpu/run.sh` from end to end, with stand-ins for the card and for what only a GPU has: that what it runs is
//! read right, that what goes wrong is told, and that the tables are whole. What it measures here means nothing.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with a fake card, a fake worker that can be asked for its memory, a fake filler, and what a run writes.
struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let rig = Rig {
            folder: tempfile::tempdir().unwrap(),
        };
        // As nvidia-smi answers, a line for the fields asked for.
        rig.program(
            "nvidia-smi",
            "case $1 in *memory.total*) echo 'Fake H200, 143771, 580.1' ;; *) echo 1024 ;; esac",
        );
        rig.program(
            "inside",
            r#"echo '{"before": 0, "loaded": 90, "ran": 209715200, "freed": 104857600, "estimate": {"weights": 104857600,
 "kv": 20971520, "compute": 83886080, "overhead": 524288000, "later": 20971520, "total": 734003200}}' | tr -d '\n'"#,
        );
        rig.program("fill", "echo ready; echo filled 1; cat >/dev/null");
        fs::create_dir(rig.path("plugins")).unwrap();
        let library = std::env::current_exe().unwrap().with_file_name("libgstscribe.so");
        std::os::unix::fs::symlink(library, rig.path("plugins").join("libgstscribe.so")).unwrap();
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, body: &str) {
        fs::write(self.path(name), format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script on the CPU with the bundled model and 3 s of its recording.
    fn run(&self, more: &str, stages: &[&str]) -> Output {
        let audio = self.path("speech.wav");
        if !audio.exists() {
            speech(&audio);
        }
        let path = format!(
            "{}:{}",
            self.folder.path().display(),
            std::env::var("PATH").unwrap()
        );
        Command::new(root().join("benches/gpu/run.sh"))
            .args(stages)
            .env("PATH", path)
            .env("DEVICE", "cpu")
            .env("MODELS", "bundled")
            .env("AUDIO", audio)
            .env("OUT", self.path("results"))
            .env("WORK", self.path("work"))
            .env("SCRIBE_PLUGINS", self.path("plugins"))
            .env("SCRIBE_WORKER", env!("CARGO_BIN_EXE_scribe-worker"))
            .env("GST_REGISTRY", self.path("registry.bin"))
            .env(
                "ARGUMENTS",
                format!("--streams 1 2 --cycles 4 --repeat 1 2 --properties threads=1 {more}"),
            )
            .output()
            .unwrap()
    }

    fn results(&self) -> String {
        fs::read_to_string(self.path("results/results.md")).unwrap()
    }
}

/// The first 2 s of the bundled recording, as 16-bit WAV: Python reads no other.
fn speech(to: &Path) {
    let samples = common::decode(&common::recording("conversation.flac"));
    let samples = &samples[..2 * common::RATE as usize];
    let (rate, data) = (common::RATE as u32, samples.len() as u32 * 2);
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(
        [16, 1 | 1 << 16, rate, rate * 2, 2 | 16 << 16]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()));
    fs::write(to, bytes).unwrap();
}

#[track_caller]
fn text_of(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_stage_has_its_table() {
    let rig = Rig::new();
    let worker = rig.path("inside");
    let fill = rig.path("fill");
    let more = format!("--inside {} --fill {}", worker.display(), fill.display());
    let output = rig.run(&more, &["checkpoints", "cleanup", "streams", "oom", "cycles"]);
    let (said, results) = (text_of(&output), rig.results());
    assert!(output.status.success(), "{said}\n{results}");
    for row in [
        "# cpu: Fake H200, 143771 MiB, driver 580.1",
        "## Memory at each checkpoint, MiB",
        "## What a cleanup gives back",
        // Half of 200 MiB, of the stand-in.
        "| 50.0 | 100 | 200 | 700 |",
        "## Streams",
        "| bundled | 2 |",
        "## Out of memory",
        "| bundled | weights | 550 | before the ask | it ran |",
        "| bundled | growth of the cache | 710 | behind the check | it ran |",
        "## Cycles",
        "| bundled | 4 |",
        "| bundled | behind all |  |  |  | 0 MiB left on the card |",
    ] {
        assert!(results.contains(row), "no {row:?} in\n{results}");
    }
    assert!(results.contains(" | good |"), "{results}");
    assert!(!results.contains("Not as it should be"), "{results}");
    let json = fs::read_to_string(rig.path("results/results.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stages"].as_object().unwrap().len(), 5);
}

#[test]
fn what_goes_wrong_is_told_and_the_rest_is_measured() {
    let rig = Rig::new();
    let more = format!("--model missing={}", rig.path("none.bin").display());
    let output = rig.run(&more, &["checkpoints", "oom"]);
    let results = rig.results();
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
    assert!(results.contains("| bundled |"), "{results}");
    assert!(results.contains("## Not as it should be"), "{results}");
    assert!(
        results.contains("- checkpoints of missing: ") && results.contains("none.bin"),
        "{results}"
    );
    assert!(results.contains("no program that fills the card"), "{results}");
    assert_eq!(rig.run("", &["nonsense"]).status.code(), Some(2));
}

#[test]
fn a_card_that_does_not_answer_is_no_number() {
    let rig = Rig::new();
    rig.program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
    let output = rig.run("", &["checkpoints"]);
    assert!(output.status.success(), "{}", text_of(&output));
    assert!(rig.results().starts_with("# cpu: no card"), "{}", rig.results());
}

/// Numbers come back to half a step, and what is written is a model again.
#[test]
fn quantized_models_are_models() {
    let numpy = Command::new("python3").args(["-c", "import numpy"]).output();
    if !numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 has no NumPy");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("f16.bin"), folder.path().join("q5_0.bin"));
    common::forged_model::Forged::SMALL
        .write(&mut fs::File::create(&from).unwrap(), 0, 128)
        .unwrap();
    let gpu = root().join("benches/gpu");
    let python = |arguments: &[&str]| {
        let output = Command::new("python3")
            .args(arguments)
            .env("PYTHONPATH", &gpu)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
    };
    let script = gpu.join("quantize.py");
    python(&[
        script.to_str().unwrap(),
        from.to_str().unwrap(),
        to.to_str().unwrap(),
    ]);
    let [before, after] = [&from, &to].map(|path| gstscribe::infer::model_file::check(path).unwrap());
    assert_eq!(after.ftype, 2008);
    assert_eq!(
        (before.n_text_state, before.n_vocab),
        (after.n_text_state, after.n_vocab)
    );
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(size(&to) < size(&from) / 3, "{} of {}", size(&to), size(&from));
    python(&["-c", BACK_AND_FORTH]);
}

/// ggml's own way back (`dequantize_row_q5_0`).
const BACK_AND_FORTH: &str = r#"
import numpy as np
from quantize import q5_0
values = np.random.default_rng(1).normal(size=(4, 64)).astype("f4")
blocks = np.frombuffer(q5_0(values), [("d", "<f2"), ("qh", "<u4"), ("qs", "u1", 16)])
for block, row in zip(blocks, values.reshape(-1, 32)):
    low = [int(q) & 15 for q in block["qs"]] + [int(q) >> 4 for q in block["qs"]]
    steps = [q | (int(block["qh"]) >> i & 1) << 4 for i, q in enumerate(low)]
    back = np.array([(q - 16) * float(block["d"]) for q in steps])
    # The step at the other end from the largest value is cut off.
    assert np.abs(back - row).max() <= abs(float(block["d"])) * 1.01, (back, row)
"#;
