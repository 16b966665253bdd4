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
