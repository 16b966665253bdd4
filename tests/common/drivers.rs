//! Stand-ins for NVIDIA's libraries, so that what talks to them is tested where there is no GPU. A library is found by the
//! loader's path, which a process has from its start: each test starts its own program again with the stand-in on that path.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Set in the process that has the stand-ins: the file with the device's state.
pub const STATE: &str = "FAKE_GPU";

/// Runs `inner`, a test of this program, with `tests/drivers/SOURCE` built as a library, for each pair of these in
/// `drivers`, and with `variables` set.
pub fn with_drivers(drivers: &[(&str, &str)], inner: &str, variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    for (source, library) in drivers {
        build(source, &folder.path().join(library));
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", inner])
        .env("LD_LIBRARY_PATH", folder.path())
        .env(STATE, folder.path().join("state"))
        .env_remove("CUDA_VISIBLE_DEVICES")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{errors}"
    );
}

fn build(source: &str, library: &Path) {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/drivers")
        .join(source);
    let compiler = match source.extension() {
        Some(end) if end == "cpp" => "c++",
        _ => "cc",
    };
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([library, &source])
        .status()
        .expect("a compiler of C and C++, which whisper.cpp needs as well");
    assert!(built.success());
}

/// Sets the state of the stand-in; `false` in a process without one.
pub fn state(text: &str) -> bool {
    env::var_os(STATE).is_some_and(|path| fs::write(path, text).is_ok())
}

/// Whether this process has a stand-in.
pub fn is_inner() -> bool {
    env::var_os(STATE).is_some()
}
