//! `scripts/get-model`, with a folder in place of the models' home and the checksum of what lies there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// SHA-1 of [`MODEL`], by `sha1sum`.
const CHECKSUM: &str = "8c17bee2cba55ad92eea5620cfc3257573eacb22";
const MODEL: &str = "not really a model, but it is what tiny is here\n";

/// A home with a model, a folder to load it into, and the script with that model's checksum as tiny's.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(model: &str) -> Self {
        let home = Home {
            folder: TempDir::new().expect("a temporary folder"),
        };
        fs::create_dir_all(home.path("home")).expect("a folder");
        fs::create_dir_all(home.path("models")).expect("a folder");
        fs::write(home.path("home/ggml-tiny.bin"), model).expect("the model");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/get-model");
        let script = fs::read_to_string(script).expect("the script");
        let published = "bd577a113a864445d4c299885e0cb97d4ba92b5f";
        assert!(script.contains(published), "tiny's published checksum");
        fs::write(home.path("get-model"), script.replace(published, CHECKSUM)).expect("the script");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn get(&self, arguments: &[&str]) -> Output {
        Command::new("bash")
            .arg(self.path("get-model"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env(
                "GET_MODEL_FROM",
                format!("file://{}", self.path("home").display()),
            )
            .output()
            .expect("bash")
    }

    /// Loads tiny, and looks at the exit status and at what is said.
    #[track_caller]
    fn check(&self, status: i32, said: &str) {
        let output = self.get(&["tiny", "models"]);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(said), "{said:?} is not in {text}");
    }

    fn loaded(&self) -> Option<String> {
        fs::read_to_string(self.path("models/ggml-tiny.bin")).ok()
    }
}

#[test]
fn a_model_is_loaded_once() {
    let home = Home::new(MODEL);
    home.check(0, "is ready");
    assert_eq!(home.loaded().as_deref(), Some(MODEL));
    fs::remove_dir_all(home.path("home")).expect("removed");
    home.check(0, "is there already");
    assert_eq!(
        fs::read_dir(home.path("models")).expect("the folder").count(),
        1,
        "something is left over"
    );
}

#[test]
fn a_download_goes_on_where_it_was() {
    let home = Home::new(&MODEL.replace("not", "NOT"));
    fs::write(home.path("models/ggml-tiny.bin.part"), &MODEL[..10]).expect("a part");
    home.check(0, "is ready");
    assert_eq!(
        home.loaded().as_deref(),
        Some(MODEL),
        "the beginning was loaded again"
    );
}

#[test]
fn a_whole_part_needs_no_download() {
    let home = Home::new("gone");
    fs::write(home.path("models/ggml-tiny.bin.part"), MODEL).expect("a part");
    home.check(0, "is ready");
    assert_eq!(home.loaded().as_deref(), Some(MODEL));
}

#[test]
fn what_is_wrong_gets_no_name() {
    let home = Home::new("something else");
    home.check(1, "is not tiny: its SHA-1 is not");
    assert_eq!(home.loaded(), None);
    assert!(
        !home.path("models/ggml-tiny.bin.part").exists(),
        "the wrong part is still there"
    );
}

#[test]
fn what_cannot_be_had_is_said() {
    let home = Home::new(MODEL);
    fs::remove_file(home.path("home/ggml-tiny.bin")).expect("removed");
    home.check(1, "the download failed");
    assert_eq!(home.loaded(), None);
    fs::write(home.path("models/ggml-tiny.bin"), "an old one").expect("a file");
    home.check(1, "is there, but its checksum is wrong");
    for (arguments, status) in [
        (&[][..], 2),
        (&["huge"], 2),
        (&["--help"], 0),
        (&["tiny", "nowhere"], 1),
    ] {
        let output = home.get(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
    }
}
