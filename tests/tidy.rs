//! The invariants of `ARCHITECTURE.md` that the compiler does not keep, as tests on the source text.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code (no blank ones, no comments) above which a file holds more than one idea.
const MOST_LINES: usize = 470;

struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Lines with their numbers, comments cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line.split("//").next().unwrap_or_default()))
            .filter(|(_, line)| !line.trim().is_empty())
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` whose name ends in one of `ends`, sorted.
fn files(folder: &str, ends: &[&str]) -> Vec<Source> {
    fn walk(dir: &Path, ends: &[&str], found: &mut Vec<Source>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, ends, found);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                let name = path.strip_prefix(root()).expect("below the root");
                found.push(Source {
                    path: name.to_string_lossy().into_owned(),
                    text: fs::read_to_string(&path).expect("a text file"),
                });
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ends, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn sources() -> Vec<Source> {
    let found = files("src", &[".rs"]);
    assert!(found.len() > 20, "found only {} source files", found.len());
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Is `word` in `line` as a word of its own?
fn names(line: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_a_word) && !line[at + word.len()..].starts_with(part_of_a_word)
    })
}

/// No code line of `sources` names one of `words`.
#[track_caller]
fn check_absent<'a>(rule: &str, sources: impl IntoIterator<Item = &'a Source>, words: &[&str]) {
    let mut found = Vec::new();
    for source in sources {
        for (n, line) in source.code() {
            for word in words.iter().filter(|word| names(line, word)) {
                found.push(format!("{}:{n}: {word}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn speech_is_pure() {
    let all = sources();
    check_absent(
        "ring 1 knows no GStreamer, file, thread, clock or outer ring",
        all.iter().filter(|s| s.is_in("src/speech")),
        &[
            "gst",
            "gst_audio",
            "gst_base",
            "glib",
            "std::fs",
            "std::net",
            "std::thread",
            "std::time",
            "Instant",
            "SystemTime",
            "crate::infer",
            "crate::elements",
            "crate::memory",
            "whisper_rs",
        ],
    );
}

#[test]
fn dependencies_point_inwards() {
    let all = sources();
    check_absent(
        "ring 2 does not know the elements",
        all.iter().filter(|s| s.is_in("src/infer")),
        &["crate::elements"],
    );
    check_absent(
        "the accounting knows neither the elements nor the models",
        all.iter().filter(|s| s.is_in("src/memory")),
        &["crate::elements", "crate::infer", "crate::speech"],
    );
}

#[test]
fn model_runtimes_and_unsafe_code_are_in_infer() {
    let all = sources();
    check_absent(
        "only ring 2 names a model runtime or the CUDA driver, and only it has unsafe code",
        all.iter().filter(|s| !s.is_in("src/infer")),
        &["whisper_rs", "ort", "cudarc", "unsafe", "unsafe_code"],
    );
}

#[test]
fn no_lock_crosses_a_function_border() {
    let mut found = Vec::new();
    for source in sources() {
        let code: Vec<_> = source.code().collect();
        for (i, (n, line)) in code.iter().enumerate() {
            if !names(line, "fn") {
                continue;
            }
            let mut signature = String::new();
            for (_, line) in &code[i..] {
                signature.push_str(line);
                if line.contains(['{', ';']) {
                    break;
                }
            }
            if signature.contains("Guard<") {
                found.push(format!("{}:{n}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "a lock's guard in a signature:\n{}",
        found.join("\n")
    );
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ];
    let mut found = Vec::new();
    for folder in [
        "src",
        "tests",
        "examples",
        "benches",
        "scripts",
        "gst-launch-recipes",
    ] {
        for source in files(folder, &["rs", "py", "sh", "md"]) {
            for (n, line) in source.text.lines().enumerate() {
                if marks.iter().any(|mark| line.contains(mark)) {
                    found.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "unfinished work:\n{}", found.join("\n"));
}

#[test]
fn tests_do_not_sleep() {
    let mut all = files("tests", &[".rs"]);
    all.extend(sources());
    all.retain(|source| source.path != "tests/tidy.rs");
    check_absent(
        "wait for what is expected, not for time to pass",
        &all,
        &["thread::sleep"],
    );
}

#[test]
fn a_file_is_one_idea() {
    let mut all = sources();
    for folder in ["tests", "examples", "benches"] {
        all.extend(files(folder, &[".rs"]));
    }
    let long: Vec<_> = all
        .iter()
        .map(|source| (source.code().count(), &source.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "split these up: {long:?}");
}

#[test]
fn every_decision_has_one_number_and_is_listed() {
    let index = read("docs/adr/README.md");
    let mut numbers = Vec::new();
    for decision in files("docs/adr", &[".md"]) {
        let name = decision.path.rsplit('/').next().expect("a file name");
        if name == "README.md" {
            continue;
        }
        let number = &name[..4.min(name.len())];
        assert!(number.bytes().all(|b| b.is_ascii_digit()), "{name} has no number");
        assert!(
            !numbers.contains(&number.to_owned()),
            "two decisions have the number {number}"
        );
        assert!(
            index.contains(&format!("({name})")),
            "docs/adr/README.md does not link {name}"
        );
        numbers.push(number.to_owned());
    }
    assert!(!numbers.is_empty(), "no decision in docs/adr");
}

#[test]
fn every_element_is_documented_with_a_line_that_runs() {
    let register = read("src/elements/mod.rs");
    let mut elements = 0;
    for source in sources().iter().filter(|s| s.is_in("src/elements")) {
        let Some((_, call)) = source.text.split_once("gst::Element::register(") else {
            continue;
        };
        let name = call.split('"').nth(1).expect("the name of the element");
        let path = &source.path;
        elements += 1;
        for needed in [
            format!("SECTION:element-{name}\n"),
            "gst-launch-1.0 ".into(),
            format!("{name} "),
            "Since: ".into(),
        ] {
            assert!(
                source.text.contains(&needed),
                "{path}: {needed:?} is missing in the element's documentation"
            );
        }
        let folder = path.split('/').nth(2).expect("src/elements/FOLDER/mod.rs");
        assert!(
            register.contains(&format!("{folder}::register(plugin)")),
            "src/elements/mod.rs does not register {name}"
        );
        assert!(
            read("README.md").contains(&format!("`{name}`")),
            "README.md does not tell of {name}"
        );
    }
    assert!(elements > 0, "no element found");
}

#[test]
fn every_recipe_is_shown() {
    let readme = read("README.md");
    let recipes = read("gst-launch-recipes/README.md");
    let tests = read("tests/recipes.rs");
    let all = files("gst-launch-recipes", &[".sh"]);
    for recipe in &all {
        let name = recipe.path.rsplit('/').next().expect("a file name");
        assert!(readme.contains(name), "README.md does not mention {name}");
        assert!(
            recipes.contains(name),
            "gst-launch-recipes/README.md does not mention {name}"
        );
        if !name.starts_with("lib") {
            assert!(tests.contains(name), "tests/recipes.rs does not run {name}");
        }
    }
    assert!(all.len() >= 4, "found only {} recipes", all.len());
}

#[test]
fn meson_installs_what_cargo_builds() {
    let meson = read("meson.build");
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        meson.contains(&format!("version: '{version}'")),
        "meson.build has another version than {version}"
    );
    for program in files("src/bin", &[".rs"]) {
        let name = program
            .path
            .trim_start_matches("src/bin/")
            .trim_end_matches(".rs");
        assert!(
            meson.contains(&format!("'{name}'")),
            "meson.build does not install {name}"
        );
    }
}
