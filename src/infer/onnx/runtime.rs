//! Finds ONNX Runtime, looks whether it will do, and loads it once for the process.
//!
//! `ort` waits for ever or panics when the library is absent or too old (its issue 560, and `setup_api`), so nothing of it
//! is called before the library was opened and asked here.

#![allow(unsafe_code)] // a C library, found at run time

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::os::unix::{Library, Symbol};
use ort::environment::Environment;
use ort::logging::LogLevel;
use parking_lot::Mutex;

use super::CAT;
use crate::infer::model::LoadError;
use crate::infer::{has_gstreamer, own_file};

/// Names for the library, with it or as it for the rest of the path.
const ORT_DYLIB_PATH: &str = "ORT_DYLIB_PATH";
/// Where it lies, seen from the folder of the plugin or the program. Beside that folder, not in it: GStreamer
/// tries every library that lies with plugins. The first two fit `target/release` and `target/release/deps` too.
const FOLDERS: [&str; 3] = ["../onnxruntime", "../../onnxruntime", "../gst-plugin-scribe"];
/// What the system's loader may know it as.
const NAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];
/// How to get it.
const GET_IT: &str = "Get it with scripts/setup, or with \"pip install onnxruntime\" and ORT_DYLIB_PATH set to its \
                      onnxruntime/capi/libonnxruntime.so.1.*";

/// ONNX Runtime, loaded.
pub struct Runtime {
    environment: Environment,
    version: String,
    path: PathBuf,
}

impl Runtime {
    /// Such as "1.31.1".
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What sessions are opened in; also for measuring them by themselves.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Loads ONNX Runtime, or returns what was loaded before. It stays for as long as the process: it cannot be loaded
/// twice, and holds no more than its code and some 10 MB while no model is open.
///
/// # Errors
/// [`LoadError::NotFound`] says where it was looked for, what was wrong with what was found, and how to get it.
pub fn runtime() -> Result<&'static Runtime, LoadError> {
    static LOADED: Mutex<Option<&'static Runtime>> = Mutex::new(None);
    let mut loaded = LOADED.lock();
    if let Some(runtime) = *loaded {
        return Ok(runtime);
    }
    let asked_for = std::env::var_os(ORT_DYLIB_PATH).filter(|path| !path.is_empty());
    let found = find(&candidates(
        asked_for.as_deref().map(Path::new),
        &own_file::folders(),
    ))?;
    let environment = environment(&found)?;
    gst::info!(
        CAT,
        "ONNX Runtime {} from {}",
        found.version,
        found.path.display()
    );
    // Never dropped, as `ort` allows one for each process.
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime {
        environment,
        version: found.version,
        path: found.path,
    }));
    *loaded = Some(runtime);
    Ok(runtime)
}

/// Where to look, in this order. What the user asked for is the only one then.
fn candidates(asked_for: Option<&Path>, own_folders: &[PathBuf]) -> Vec<PathBuf> {
    if let Some(path) = asked_for {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for own in own_folders {
        for folder in FOLDERS {
            found.extend(newest_in(&own.join(folder)));
        }
    }
    found.extend(NAMES.map(PathBuf::from));
    found
}

/// The library with the highest version in `folder`.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let version = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix("libonnxruntime.so")?;
        Some(
            rest.split('.')
                .filter_map(|n| n.parse::<u32>().ok())
                .collect::<Vec<_>>(),
        )
    };
    let libraries = entries.flatten().map(|entry| entry.path());
    libraries
        .filter_map(|path| version(&path).map(|version| (version, path)))
        .max()
        .map(|(_, path)| path)
}

/// A library that will do.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    version: String,
}

fn find(candidates: &[PathBuf]) -> Result<Found, LoadError> {
    let mut problems = Vec::new();
    for path in candidates {
        match probe(path) {
            Ok(found) => return Ok(found),
            Err(problem) => problems.push(problem),
        }
    }
    Err(LoadError::NotFound(format!(
        "cannot load ONNX Runtime, which the speaker models run on: {}. {GET_IT}",
        problems.join("; ")
    )))
}

/// The head of `OrtApiBase` (onnxruntime_c_api.h): all that there is in every version.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const c_void,
    version: unsafe extern "C" fn() -> *const c_char,
}

fn probe(path: &Path) -> Result<Found, String> {
    let shown = path.display();
    // SAFETY: runs the library's constructors: that is what the user asked for, or what the name promises.
    let library = unsafe { Library::open(Some(path), libc::RTLD_NOW | libc::RTLD_LOCAL) }
        .map_err(|e| format!("{shown} cannot be loaded ({})", cause(&e)))?;
    // SAFETY: the signature that the name stands for in onnxruntime_c_api.h.
    let base: Result<Symbol<unsafe extern "C" fn() -> *const ApiBase>, _> =
        unsafe { library.get(c"OrtGetApiBase".to_bytes_with_nul()) };
    let Ok(base) = base else {
        return Err(format!("{shown} is another library: it has no OrtGetApiBase"));
    };
    // It stays loaded: `ort` opens it again, and a runtime that was closed leaves threads' destructors behind.
    std::mem::forget(library);
    let origin = own_file::file_of(*base as *const c_void);
    // SAFETY: as above; the struct is a static of the library.
    let base = unsafe { base().as_ref() };
    let Some(base) = base else {
        return Err(format!("{shown} gives no interface"));
    };
    // SAFETY: the functions of a library that stays loaded; the version is a static string.
    let version = unsafe { CStr::from_ptr((base.version)()) }
        .to_string_lossy()
        .into_owned();
    if !is_new_enough(&version) {
        return Err(format!(
            "{shown} is ONNX Runtime {version}, and 1.{} or later is needed",
            ort::MINOR_VERSION
        ));
    }
    // SAFETY: as above.
    if unsafe { (base.get_api)(ort::MINOR_VERSION) }.is_null() {
        return Err(format!(
            "{shown}, ONNX Runtime {version}, no longer has the interface of 1.{}",
            ort::MINOR_VERSION
        ));
    }
    // With its folder, where the providers lie, also when the system's loader found it.
    let path = origin
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| path.to_owned());
    Ok(Found { path, version })
}

/// What the loader says, without what libloading puts around it.
fn cause(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|n| n.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= (1, ort::MINOR_VERSION)
}

/// Hands the library to `ort`. Its log goes to the debug category `scribe-onnx`; it sends nothing anywhere.
fn environment(found: &Found) -> Result<Environment, LoadError> {
    let cannot = |e: String| {
        LoadError::Failed(format!(
            "ONNX Runtime {} from {} does not start: {e}. {GET_IT}",
            found.version,
            found.path.display()
        ))
    };
    let builder = ort::init_from(&found.path).map_err(|e| cannot(e.to_string()))?;
    let environment = builder
        .with_name("scribe")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, _, text| log(level, category, text)))
        .build()
        .map_err(|e| cannot(e.to_string()))?;
    environment.set_log_level(log_level());
    Ok(environment)
}

/// What ONNX Runtime shall tell: writing lines that nobody reads takes time.
pub(super) fn log_level() -> LogLevel {
    match CAT.threshold() {
        level if level >= gst::DebugLevel::Trace => LogLevel::Verbose,
        level if level >= gst::DebugLevel::Debug => LogLevel::Info,
        _ => LogLevel::Warning,
    }
}

/// Its warnings are hints on a graph that users cannot change, so they are GStreamer's info; what is an error to it
/// comes back as one from the call, and is said by who called.
fn log(level: LogLevel, category: &str, text: &str) {
    if !has_gstreamer() {
        return eprintln!("ONNX Runtime: {category}: {text}");
    }
    match level {
        LogLevel::Fatal | LogLevel::Error => gst::warning!(CAT, "{category}: {text}"),
        LogLevel::Warning => gst::info!(CAT, "{category}: {text}"),
        LogLevel::Info => gst::debug!(CAT, "{category}: {text}"),
        LogLevel::Verbose => gst::trace!(CAT, "{category}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn problem(path: &Path) -> String {
        match find(&[path.to_owned()]) {
            Err(LoadError::NotFound(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_runtime_is_said_and_how_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("libonnxruntime.so");
        std::fs::write(&text, "not a library").unwrap();
        for (path, expected) in [
            (folder.path().join("none.so"), "cannot be loaded"),
            (text, "cannot be loaded"),
            (PathBuf::from("libc.so.6"), "is another library"),
        ] {
            let said = problem(&path);
            for part in [
                expected,
                &path.display().to_string(),
                "scripts/setup",
                "ORT_DYLIB_PATH",
            ] {
                assert!(said.contains(part), "{said:?} does not say {part:?}");
            }
        }
    }

    #[test]
    fn versions_are_numbers_and_not_text() {
        for (version, expected) in [
            ("1.17.0", true),
            ("1.31.1", true),
            ("1.9.0", false),
            ("1.16.3", false),
            ("2.0.0", true),
            ("0.99", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn it_is_looked_for_beside_the_plugins_folder_and_never_in_it() {
        let root = tempfile::tempdir().unwrap();
        // Two folders up from the plugins' is looked at too, and must be ours.
        let plugins = root.path().join("lib/gstreamer-1.0");
        let beside = root.path().join("lib/gst-plugin-scribe");
        for folder in [&plugins, &beside] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime_providers_shared.so",
        ] {
            std::fs::write(beside.join(name), "").unwrap();
        }
        std::fs::write(plugins.join("libonnxruntime.so.1"), "").unwrap();
        let own = [plugins];
        let names: Vec<_> = candidates(None, &own)
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "libonnxruntime.so.1.31.1",
                "libonnxruntime.so.1",
                "libonnxruntime.so"
            ]
        );
        let asked = Path::new("/some/libonnxruntime.so");
        assert_eq!(candidates(Some(asked), &own), [asked]);
    }
}
