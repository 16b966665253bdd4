//! Where the program `scribe-worker` is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::infer::model::LoadError;
use crate::infer::own_file;

/// The program's name, also in `/proc/PID/comm`, by which the memory probes find it.
const NAME: &str = "scribe-worker";
/// A path to another one.
pub(super) const OVERRIDE: &str = "SCRIBE_WORKER";
/// Where `meson install` puts it, below the prefix.
const LIBEXEC: &str = "libexec/gst-plugin-scribe";
/// From the folder of the plugins to the prefix: `PREFIX/lib/ARCHITECTURE/gstreamer-1.0` at most.
const MOST_UP: usize = 3;

/// The worker that belongs to this library: what `SCRIBE_WORKER` names, else the one beside the library, else the one
/// in libexec.
///
/// # Errors
/// [`LoadError::NotFound`] says where it was looked for.
pub fn find() -> Result<PathBuf, LoadError> {
    choose(std::env::var_os(OVERRIDE), &own_file::folders())
}

fn choose(asked: Option<OsString>, own: &[PathBuf]) -> Result<PathBuf, LoadError> {
    if let Some(path) = asked.filter(|path| !path.is_empty()).map(PathBuf::from) {
        return match path.is_file() {
            true => Ok(path),
            false => Err(LoadError::NotFound(format!(
                "there is no scribe-worker at {}, which the environment variable {OVERRIDE} names. Correct or unset it",
                path.display()
            ))),
        };
    }
    let candidates: Vec<PathBuf> = own.iter().flat_map(|folder| candidates(folder)).collect();
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        LoadError::NotFound(format!(
            "isolation=process needs the program {NAME}, which is in none of the places where it belongs ({}). \
             Install it with the plugin, name it in the environment variable {OVERRIDE}, or set isolation=none",
            looked.join(", ")
        ))
    })
}

/// Only folders that whoever installed the library has written: no folder above is looked at for a bare program.
fn candidates(library: &Path) -> Vec<PathBuf> {
    let mut found = vec![library.join(NAME)];
    let named = |name: &str| library.file_name().is_some_and(|folder| folder == name);
    if named("deps") {
        // cargo puts tests and benches there, and programs one folder up.
        found.extend(library.parent().map(|folder| folder.join(NAME)));
    }
    if named("gstreamer-1.0") {
        let above = library.ancestors().skip(1).take(MOST_UP);
        found.extend(above.map(|folder| folder.join(LIBEXEC).join(NAME)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_beside_the_library_or_in_libexec() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let plugins = [root.path().join("usr/lib/x86_64-linux-gnu/gstreamer-1.0")];
        file("scribe-worker");
        file("usr/lib/scribe-worker");
        let error = choose(None, &plugins).unwrap_err().to_string();
        for text in [
            "isolation=process needs",
            "SCRIBE_WORKER",
            "usr/libexec/gst-plugin-scribe",
        ] {
            assert!(error.contains(text), "{error}");
        }
        let installed = file("usr/libexec/gst-plugin-scribe/scribe-worker");
        assert_eq!(choose(None, &plugins), Ok(installed));
        let beside = file("usr/lib/x86_64-linux-gnu/gstreamer-1.0/scribe-worker");
        assert_eq!(choose(None, &plugins), Ok(beside));
        let built = file("target/release/scribe-worker");
        assert_eq!(
            choose(None, &[root.path().join("target/release/deps")]),
            Ok(built.clone())
        );

        assert_eq!(choose(Some(built.clone().into()), &plugins), Ok(built));
        let error = choose(Some("/nowhere/worker".into()), &plugins).unwrap_err();
        assert!(error.to_string().contains("/nowhere/worker"), "{error}");
        assert!(choose(Some("".into()), &plugins).is_ok(), "empty is unset");
    }
}
