//! Where the programs are: `scribe-worker`, and `scribe-worker-cuda` for models on a GPU.
//!
//! Two, because one that is linked to CUDA does not start where there is no driver.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::infer::model::LoadError;
use crate::infer::own_file;
use crate::memory::probes::Device;

/// One of the two programs.
#[derive(Clone, Copy)]
struct Program {
    /// Its first 15 letters are in `/proc/PID/comm`, by which the memory probes find it.
    name: &'static str,
    /// The environment variable that may name another one.
    variable: &'static str,
    /// Why it is looked for.
    why: &'static str,
    /// How to get it.
    get: &'static str,
    /// What else there is to do.
    otherwise: &'static str,
}

const PLAIN: Program = Program {
    name: "scribe-worker",
    variable: "SCRIBE_WORKER",
    why: "isolation=process needs",
    get: "Install it with the plugin",
    otherwise: "set isolation=none",
};
const CUDA: Program = Program {
    name: "scribe-worker-cuda",
    variable: "SCRIBE_WORKER_CUDA",
    why: "a model on a GPU lives in a process of its own, and that needs",
    get: "Build it on a machine with CUDA's compiler (docs/gpu.md) and put it there",
    otherwise: "use device=cpu",
};
/// Where `meson install` puts it, below the prefix.
const LIBEXEC: &str = "libexec/gst-plugin-scribe";
/// From the folder of the plugins to the prefix: `PREFIX/lib/ARCHITECTURE/gstreamer-1.0` at most.
const MOST_UP: usize = 3;

/// The worker of this library for models on `device`: what `SCRIBE_WORKER` names (on a GPU: `SCRIBE_WORKER_CUDA`), else
/// the one beside the library, else the one in libexec.
///
/// # Errors
/// [`LoadError::NotFound`] says where it was looked for.
pub fn find(device: Device) -> Result<PathBuf, LoadError> {
    let program = match device {
        Device::Cuda(_) => CUDA,
        Device::Auto | Device::Cpu => PLAIN,
    };
    choose(program, std::env::var_os(program.variable), &own_file::folders())
}

/// The same for a model that every worker can have there: ONNX Runtime brings CUDA itself.
///
/// # Errors
/// As [`find`].
pub fn find_for(device: Device) -> Result<PathBuf, LoadError> {
    find(device).or_else(|_| find(Device::Cpu))
}

fn choose(program: Program, asked: Option<OsString>, own: &[PathBuf]) -> Result<PathBuf, LoadError> {
    let Program {
        name,
        variable,
        why,
        get,
        otherwise,
    } = program;
    if let Some(path) = asked.filter(|path| !path.is_empty()).map(PathBuf::from) {
        return match path.is_file() {
            true => Ok(path),
            false => Err(LoadError::NotFound(format!(
                "there is no {name} at {}, which the environment variable {variable} names. Correct or unset it",
                path.display()
            ))),
        };
    }
    let candidates: Vec<PathBuf> = own.iter().flat_map(|folder| candidates(name, folder)).collect();
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        LoadError::NotFound(format!(
            "{why} the program {name}, which is in none of the places where it belongs ({}). {get}, name \
             it in the environment variable {variable}, or {otherwise}",
            looked.join(", ")
        ))
    })
}

/// Only folders that whoever installed the library has written: no folder above is looked at for a bare program.
fn candidates(name: &str, library: &Path) -> Vec<PathBuf> {
    let mut found = vec![library.join(name)];
    let ends_in = |part: &str| library.file_name().is_some_and(|folder| folder == part);
    if ends_in("deps") {
        // cargo puts tests and benches there, and programs one folder up.
        found.extend(library.parent().map(|folder| folder.join(name)));
    }
    if ends_in("gstreamer-1.0") {
        let above = library.ancestors().skip(1).take(MOST_UP);
        found.extend(above.map(|folder| folder.join(LIBEXEC).join(name)));
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
        let error = choose(PLAIN, None, &plugins).unwrap_err().to_string();
        for text in [
            "isolation=process needs",
            "SCRIBE_WORKER",
            "usr/libexec/gst-plugin-scribe",
        ] {
            assert!(error.contains(text), "{error}");
        }
        let installed = file("usr/libexec/gst-plugin-scribe/scribe-worker");
        assert_eq!(choose(PLAIN, None, &plugins), Ok(installed));
        let beside = file("usr/lib/x86_64-linux-gnu/gstreamer-1.0/scribe-worker");
        assert_eq!(choose(PLAIN, None, &plugins), Ok(beside));
        let built = file("target/release/scribe-worker");
        assert_eq!(
            choose(PLAIN, None, &[root.path().join("target/release/deps")]),
            Ok(built.clone())
        );

        assert_eq!(choose(PLAIN, Some(built.clone().into()), &plugins), Ok(built));
        let error = choose(PLAIN, Some("/nowhere/worker".into()), &plugins).unwrap_err();
        assert!(error.to_string().contains("/nowhere/worker"), "{error}");
        assert!(choose(PLAIN, Some("".into()), &plugins).is_ok(), "empty is unset");
    }

    #[test]
    fn the_one_for_gpus_is_another_program() {
        let root = tempfile::tempdir().unwrap();
        let own = [root.path().to_owned()];
        let plain = root.path().join(PLAIN.name);
        std::fs::write(&plain, "").unwrap();
        assert_eq!(choose(PLAIN, None, &own), Ok(plain));
        let error = choose(CUDA, None, &own).unwrap_err().to_string();
        for text in [
            "needs the program scribe-worker-cuda",
            "docs/gpu.md",
            "SCRIBE_WORKER_CUDA",
            "or use device=cpu",
        ] {
            assert!(error.contains(text), "{error}");
        }
        let cuda = root.path().join(CUDA.name);
        std::fs::write(&cuda, "").unwrap();
        assert_eq!(choose(CUDA, None, &own), Ok(cuda));
    }
}
