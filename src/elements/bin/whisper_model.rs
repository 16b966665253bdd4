//! Which Whisper model the property `whisper-model` means.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::infer::model::{LoadError, ModelSource};
use crate::infer::whisper;
use crate::memory::admission::Room;
use crate::memory::estimate::Place;
use crate::memory::models::{self, Speech};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The demo model that this library brings.
    Bundled,
    /// A file.
    File(PathBuf),
}

/// The variables that say where models lie, in order of precedence.
const VARIABLES: [&str; 3] = ["SCRIBE_MODELS", "XDG_DATA_HOME", "HOME"];

/// What the choice depends on beside the property.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Where to look for models.
    pub folders: Vec<PathBuf>,
    /// The property `language-code`.
    pub language: Option<String>,
    /// Where the model will run.
    pub place: Place,
    /// What memory there is now, where that can be measured.
    pub room: Option<Room>,
    /// The property `memory-fraction`.
    pub percent: u32,
    /// Decoders that may work at once.
    pub decoders: u64,
}

/// The folders in which models are looked for: those of `SCRIBE_MODELS`, the user's, the system's. `variable` reads
/// an environment variable.
pub(crate) fn folders(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let [own, data, home] = VARIABLES.map(|name| variable(name).filter(|value| !value.is_empty()));
    let own = own.iter().flat_map(std::env::split_paths);
    let user = data
        .map(PathBuf::from)
        .filter(|path| path.is_absolute()) // others are to be ignored, says the XDG specification
        .or_else(|| home.map(|home| Path::new(&home).join(".local/share")));
    let system = ["/usr/share", "/usr/local/share"].map(PathBuf::from);
    own.filter(|folder| !folder.as_os_str().is_empty())
        .chain(
            user.into_iter()
                .chain(system)
                .map(|data| data.join("scribe/models")),
        )
        .collect()
}

/// Finds the model that `wish` means: `bundled`, `auto`, a size such as `large-v3`, or a path.
///
/// # Errors
/// There is no such model, or for `auto` none that fits: the text says where was looked and what to do.
pub(crate) fn choose(wish: &str, surroundings: &Surroundings) -> Result<Choice, LoadError> {
    match wish {
        "bundled" => Ok(Choice::Bundled),
        "auto" => largest(surroundings).map(Choice::File),
        _ if wish.contains('/') || wish.ends_with(".bin") || Path::new(wish).is_file() => file(wish),
        size => named(size, surroundings).map(Choice::File),
    }
}

/// The model at this path. Whether it is one is for the transcriber to say.
fn file(path: &str) -> Result<Choice, LoadError> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(Choice::File(path.into())),
        Err(error) => Err(LoadError::NotFound(format!(
            "whisper-model={path}: there is no such file ({error}). Give a ggml Whisper model, which scripts/get-model \
             downloads, or whisper-model=bundled for the small demo model"
        ))),
    }
}

/// The model of this size.
fn named(size: &str, surroundings: &Surroundings) -> Result<PathBuf, LoadError> {
    if let Some(path) = find(size, &surroundings.folders) {
        return Ok(path);
    }
    let known = models::names().any(|name| name == size);
    let advice = if known {
        format!("\"{}\" downloads it", download(size, surroundings))
    } else {
        "That is no size that is known: scripts/get-model --help lists those. Give a file with its path"
            .to_owned()
    };
    let there = present(&surroundings.folders);
    let there = if there.is_empty() {
        "no model".to_owned()
    } else {
        Vec::from_iter(there).join(", ")
    };
    Err(LoadError::NotFound(format!(
        "whisper-model={size}: there is no ggml-{size}.bin in {}, but {there}. {advice}; whisper-model=bundled takes \
         the small demo model",
        listed(&surroundings.folders)
    )))
}

/// The best model that is there and fits.
fn largest(surroundings: &Surroundings) -> Result<PathBuf, LoadError> {
    let speech = Speech::of(surroundings.language.as_deref());
    let there = present(&surroundings.folders);
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let need = |name: &str| need(name, surroundings);
    let Some(smallest) = models::smallest(&there, speech, need) else {
        let language = match speech {
            Speech::Foreign => format!(
                " for language-code={}",
                surroundings.language.as_deref().unwrap_or("")
            ),
            Speech::English | Speech::Unknown => String::new(),
        };
        return Err(LoadError::NotFound(format!(
            "whisper-model=auto: there is no model{language} in {}. \"{}\" downloads one; or set \
             whisper-model to a file, or to bundled for the small demo model",
            listed(&surroundings.folders),
            download("SIZE", surroundings)
        )));
    };
    // Where nothing can be measured nothing is known to be too large.
    let room = surroundings.room.unwrap_or(Room {
        total: u64::MAX,
        free: u64::MAX,
    });
    let found = models::largest_fitting(&there, speech, room, surroundings.percent, need)
        .and_then(|name| find(name, &surroundings.folders));
    found.ok_or_else(|| {
        let need = need(smallest).unwrap_or_default();
        LoadError::NoMemory(format!(
            "out of memory: whisper-model=auto finds no model that fits. The smallest there, {smallest}, needs {} MiB; \
             {} of {} MiB are free, and memory-fraction={} lets {} of these be used. {}, free memory, or set \
             whisper-model=bundled for the small demo model",
            need >> 20,
            room.free >> 20,
            room.total >> 20,
            surroundings.percent,
            room.usable(surroundings.percent) >> 20,
            smaller(smallest, surroundings),
        ))
    })
}

/// What the model of this name takes: by its file, or where that cannot be read, by its name. What is wrong with the file
/// the transcriber says when it is chosen.
fn need(name: &str, surroundings: &Surroundings) -> Option<u64> {
    let of_file = || {
        let source = ModelSource::File(find(name, &surroundings.folders)?);
        whisper::need_of(&source, surroundings.decoders, surroundings.place).ok()
    };
    let by_name = || models::need(name, surroundings.place);
    of_file().map(|need| need.total()).or_else(by_name)
}

/// How to get the model that is one smaller.
fn smaller(name: &str, surroundings: &Surroundings) -> String {
    match models::smaller_than(name) {
        Some(smaller) => format!("Get a smaller one with \"{}\"", download(smaller, surroundings)),
        None => "Use a device with more memory".to_owned(),
    }
}

/// The file of the model of this name: the first there is.
fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let paths = folders
        .iter()
        .map(|folder| folder.join(format!("ggml-{name}.bin")));
    paths.into_iter().find(|path| path.is_file())
}

/// The names of all models that are there.
fn present(folders: &[PathBuf]) -> BTreeSet<String> {
    let files = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file());
    files
        .filter_map(|entry| Some(models::name_of_file(entry.file_name().to_str()?)?.to_owned()))
        .collect()
}

fn listed(folders: &[PathBuf]) -> String {
    let shown: Vec<_> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    shown.join(", ")
}

/// The command that puts a model of this size into the first of the folders.
fn download(size: &str, surroundings: &Surroundings) -> String {
    let folder = surroundings
        .folders
        .first()
        .map_or(Path::new("FOLDER"), PathBuf::as_path);
    // The script makes no folders.
    let made = if folder.is_dir() {
        String::new()
    } else {
        format!("mkdir -p {} && ", folder.display())
    };
    format!("{made}scripts/get-model {size} {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::forged_model::Forged;

    const GB: u64 = 1 << 30;

    fn set<'a>(values: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| {
            values
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.into())
        }
    }

    #[test]
    fn models_are_looked_for_where_they_belong() {
        let system = ["/usr/share/scribe/models", "/usr/local/share/scribe/models"];
        for (variables, expected) in [
            (&[][..], &[][..]),
            (&[("HOME", "/home/u")], &["/home/u/.local/share/scribe/models"]),
            (
                &[("HOME", "/home/u"), ("XDG_DATA_HOME", "/data")],
                &["/data/scribe/models"],
            ),
            (
                &[("HOME", "/home/u"), ("XDG_DATA_HOME", "data")],
                &["/home/u/.local/share/scribe/models"],
            ),
            (
                &[
                    ("SCRIBE_MODELS", "/a:/b:"),
                    ("HOME", "/home/u"),
                    ("XDG_DATA_HOME", ""),
                ],
                &["/a", "/b", "/home/u/.local/share/scribe/models"],
            ),
            (&[("SCRIBE_MODELS", "")], &[]),
        ] {
            let expected: Vec<PathBuf> = expected.iter().chain(&system).map(PathBuf::from).collect();
            assert_eq!(folders(set(variables)), expected, "{variables:?}");
        }
    }

    /// Two folders; the second also has what the first has.
    fn surroundings(names: &[&str], free: u64) -> (tempfile::TempDir, Surroundings) {
        let root = tempfile::tempdir().unwrap();
        let folders = ["mine", "none", "system"]
            .map(|name| root.path().join(name))
            .to_vec();
        for (i, name) in names.iter().enumerate() {
            for folder in &folders[2 * (i % 2)..] {
                if !folder.ends_with("none") {
                    std::fs::create_dir_all(folder).unwrap();
                    std::fs::write(folder.join(format!("ggml-{name}.bin")), "").unwrap();
                }
            }
        }
        let surroundings = Surroundings {
            folders,
            language: None,
            place: Place::Host,
            room: Some(Room { total: 16 * GB, free }),
            percent: 85,
            decoders: models::DECODERS,
        };
        (root, surroundings)
    }

    #[test]
    fn a_path_is_a_path() {
        let (_root, s) = surroundings(&[], GB);
        for wish in ["./Cargo.toml", "Cargo.toml", "src/lib.rs"] {
            assert_eq!(choose(wish, &s), Ok(Choice::File(wish.into())), "{wish}");
        }
        for wish in ["/nowhere/x.bin", "./bundled", "model.bin", "models/base"] {
            let Err(LoadError::NotFound(text)) = choose(wish, &s) else {
                panic!("{wish} was found");
            };
            assert!(text.starts_with(&format!("whisper-model={wish}: ")), "{text}");
        }
        assert_eq!(choose("bundled", &s), Ok(Choice::Bundled));
    }

    #[test]
    fn a_size_is_the_first_file_of_that_name() {
        let (_root, s) = surroundings(&["base.en", "small-q5_1", "my-own"], GB);
        for (wish, folder) in [("base.en", 0), ("small-q5_1", 2), ("my-own", 0)] {
            let path = s.folders[folder].join(format!("ggml-{wish}.bin"));
            assert_eq!(choose(wish, &s), Ok(Choice::File(path)));
        }
    }

    #[test]
    fn a_size_that_is_not_there_says_what_is() {
        let (_root, s) = surroundings(&["small-q5_1", "base.en"], GB);
        let mine = s.folders[0].display().to_string();
        for (wish, parts) in [
            (
                "small",
                &[
                    "base.en, small-q5_1",
                    "ggml-small.bin",
                    "scripts/get-model small ",
                ][..],
            ),
            ("gigantic", &["no size that is known", "base.en, small-q5_1"]),
        ] {
            let Err(LoadError::NotFound(text)) = choose(wish, &s) else {
                panic!("{wish}")
            };
            for part in parts.iter().chain([&&*mine]) {
                assert!(text.contains(part), "{text:?} does not say {part:?}");
            }
        }
        let (_root, none) = surroundings(&[], GB);
        let text = choose("tiny", &none).unwrap_err().to_string();
        let made = format!(
            "\"mkdir -p {0} && scripts/get-model tiny {0}\"",
            none.folders[0].display()
        );
        assert!(text.contains("but no model") && text.contains(&made), "{text}");
    }

    #[test]
    fn auto_is_the_largest_that_fits() {
        let names = ["tiny", "base.en", "small", "large-v3-turbo"];
        for (free, language, expected) in [
            (16 * GB, None, "large-v3-turbo"),
            (5 * GB, Some("de"), "large-v3-turbo"),
            // 15 % of 16 GiB is 2.4 GiB, which stays free.
            (4 * GB, None, "small"),
            (3 * GB, Some("en-US"), "base.en"),
            (3 * GB, Some("de"), "tiny"),
        ] {
            let (_root, mut s) = surroundings(&names, free);
            s.language = language.map(Into::into);
            let Ok(Choice::File(path)) = choose("auto", &s) else {
                panic!("{free} {language:?}")
            };
            assert!(path.is_file());
            assert_eq!(
                path.file_name().unwrap().to_str().unwrap(),
                format!("ggml-{expected}.bin"),
                "{free} {language:?}"
            );
        }
    }

    /// The file's own header counts, not its name.
    #[test]
    fn auto_goes_by_what_is_in_the_files() {
        let (_root, s) = surroundings(&["tiny", "small"], 10 * GB);
        let file = std::fs::File::create(s.folders[2].join("ggml-small.bin")).unwrap();
        Forged::HUGE.write(&mut &file, 0, 128).unwrap();
        let Ok(Choice::File(path)) = choose("auto", &s) else {
            panic!()
        };
        assert!(path.ends_with("ggml-tiny.bin"), "{}", path.display());
    }

    #[test]
    fn auto_without_a_reading_takes_the_best() {
        let (_root, mut s) = surroundings(&["tiny", "large-v3"], 0);
        s.room = None;
        let Ok(Choice::File(path)) = choose("auto", &s) else {
            panic!()
        };
        assert!(path.ends_with("ggml-large-v3.bin"));
    }

    #[test]
    fn auto_says_why_there_is_none() {
        let (_root, s) = surroundings(&["small", "my-own"], GB);
        let Err(LoadError::NoMemory(text)) = choose("auto", &s) else {
            panic!()
        };
        for part in [
            "out of memory",
            "smallest there, small,",
            "1024 of 16384 MiB",
            "scripts/get-model small-q5_1 ",
            "whisper-model=bundled",
        ] {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
        for (names, language, part) in [
            (&[][..], None, "there is no model in"),
            (&["my-own"], None, "there is no model in"),
            (
                &["tiny.en"],
                Some("de"),
                "there is no model for language-code=de in",
            ),
        ] {
            let (_root, mut s) = surroundings(names, 16 * GB);
            s.language = language.map(Into::into);
            let Err(LoadError::NotFound(text)) = choose("auto", &s) else {
                panic!("{names:?}")
            };
            assert!(
                text.contains(part) && text.contains("scripts/get-model SIZE"),
                "{text}"
            );
            assert!(text.contains("bundled"), "{text}");
        }
    }
}
