//! What the plugin library shows to the process that loads it, and what it wants from it.
//!
//! Another plugin in the same process may bring its own ggml: if ours were visible, one of the two would run
//! the other's code. And a library that is linked to CUDA does not load where there is none.

use std::path::PathBuf;
use std::process::Command;

/// Beside this test: cargo makes the library and what the tests link of it in one go.
fn library() -> PathBuf {
    let path = std::env::current_exe()
        .expect("the path of this test")
        .with_file_name("libgstscribe.so");
    assert!(path.exists(), "{} is not built", path.display());
    path
}

fn lines_of(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(library())
        .output()
        .unwrap_or_else(|e| panic!("{program} (package binutils): {e}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn only_the_plugin_is_exported() {
    let symbols = lines_of("nm", &["-D", "--defined-only"]);
    let names: Vec<_> = symbols
        .iter()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert!(
        names.contains(&"gst_plugin_scribe_get_desc"),
        "found only {names:?}"
    );
    let others: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with("gst_plugin_scribe_"))
        .collect();
    assert!(others.is_empty(), "also exported: {others:?}");
}

#[test]
fn no_gpu_library_is_linked() {
    let needed: Vec<_> = lines_of("readelf", &["-d"])
        .into_iter()
        .filter(|line| line.contains("(NEEDED)"))
        .collect();
    assert!(
        needed.iter().any(|line| line.contains("libgstreamer-1.0")),
        "found only {needed:?}"
    );
    for library in ["cuda", "nvidia", "cublas", "onnxruntime", "libgomp"] {
        let found = needed.iter().find(|line| line.contains(library));
        assert!(found.is_none(), "linked to {library}: {found:?}");
    }
}

/// What would link it to CUDA is a feature that no package here has: `cuda/` is a workspace of its own.
#[test]
fn no_feature_brings_cuda_into_the_library() {
    let read = |path: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let manifest = read("Cargo.toml");
    assert!(!manifest.contains("whisper-rs/cuda") && !manifest.contains("[workspace]"));
    let whisper = manifest.lines().find(|line| line.starts_with("whisper-rs "));
    assert!(whisper.is_some_and(|line| !line.contains("cuda")), "{whisper:?}");
    assert!(read("cuda/Cargo.toml").contains("cuda = [\"whisper-rs/cuda\"]"));

    // Both sides of the protocol are built from the same versions.
    let packages = |lock: &str| -> std::collections::BTreeSet<String> {
        let entries = lock.split("[[package]]").skip(1);
        let value = |entry: &str, key: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches(['"', ' ', '=']).to_owned()
        };
        entries
            .map(|entry| format!("{} {}", value(entry, "name"), value(entry, "version")))
            .collect()
    };
    let (ours, theirs) = (packages(&read("Cargo.lock")), packages(&read("cuda/Cargo.lock")));
    let strange: Vec<_> = theirs.difference(&ours).collect();
    assert_eq!(
        strange,
        ["scribe-worker-cuda 0.1.0"],
        "copy Cargo.lock to cuda/ and build there"
    );
}
