//! Where the code of this library was loaded from.
#![allow(unsafe_code)] // dladdr is a C function

use std::ffi::{CStr, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// See [`also`].
static ALSO: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Counts `folders` as this code's own, too: in a worker those of the library that started it. Only the first call
/// counts.
pub(super) fn also(folders: Vec<PathBuf>) {
    let _ = ALSO.set(folders);
}

/// The folders of the library that this code is in: as it was opened, and where its symbolic links lead to.
pub(super) fn folders() -> Vec<PathBuf> {
    let opened = file_of(folders as *const c_void)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::current_exe().ok());
    let real = opened.as_ref().and_then(|path| path.canonicalize().ok());
    let mut folders: Vec<PathBuf> = [opened, real]
        .into_iter()
        .flatten()
        .filter_map(|path| path.parent().map(Path::to_owned))
        .collect();
    folders.extend(ALSO.get().into_iter().flatten().cloned());
    folders.dedup();
    folders
}

/// The file that the code at `address` was loaded from.
pub(super) fn file_of(address: *const c_void) -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: fills the struct for any address, or returns 0.
    let known = unsafe { libc::dladdr(address, &mut info) } != 0;
    if !known || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's own string, which lives as long as the library: this very code for one, and a library
    // that is never closed for the other.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_code_knows_its_file() {
        let folders = folders();
        assert!(!folders.is_empty());
        assert!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");
    }
}
