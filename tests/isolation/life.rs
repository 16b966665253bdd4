//! A worker lives as long as its element is above READY and its process is there, and leaves nothing.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use gst::prelude::*;

use crate::common::{self, quoted};
use crate::rig::*;

/// `gst-launch-1.0` with the plugin that was built with this test, transcribing the bundled recording.
fn launch(source: &str, environment: &[(&str, &str)]) -> (Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    // Alone in a folder: beside it lie libraries that GStreamer would try as plugins.
    let library = std::env::current_exe().unwrap().with_file_name("libgstscribe.so");
    std::os::unix::fs::symlink(library, folder.path().join("libgstscribe.so")).unwrap();
    let recording = quoted(&common::recording("conversation.flac"));
    let line = format!(
        "exec gst-launch-1.0 {source} location={recording} ! decodebin ! scriberesample ! scribetranscriber threads=1 \
         model-path=bundled isolation=process ! fakesink sync=false 2>&1"
    );
    let child = Command::new("sh")
        .args(["-c", &line])
        .env("GST_PLUGIN_PATH", folder.path())
        .env("GST_REGISTRY", folder.path().join("registry.bin"))
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    (child, folder)
}

/// Whether it succeeded, and all that it wrote.
fn end_of(mut parent: Child) -> (bool, String) {
    let mut said = String::new();
    let mut output = parent.stdout.take().unwrap();
    output.read_to_string(&mut said).unwrap();
    (parent.wait().unwrap().success(), said)
}

fn worker_of(parent: &Child) -> u32 {
    eventually("a worker", || workers(parent.id()).pop())
}

#[test]
fn it_ends_with_its_parent_however_that_ends() {
    for name in ["KILL", "ABRT", "TERM"] {
        for stopped in [false, true] {
            let (mut parent, _folder) = launch("multifilesrc loop=true", &[]);
            let worker = worker_of(&parent);
            if stopped {
                assert!(signal(worker, "STOP"));
            }
            assert!(signal(parent.id(), name));
            parent.wait().unwrap();
            eventually("the worker is gone", || (!is_alive(worker)).then_some(()));
        }
    }
}

/// gst-launch is a program in C: it does not ignore SIGPIPE as programs in Rust do.
#[test]
fn a_program_in_c_survives_its_worker() {
    let (parent, _folder) = launch("filesrc", &[]);
    let worker = worker_of(&parent);
    // A window takes half a second, loading the model a tenth of that.
    eventually("it has worked for 0.2 s", || {
        (user_ticks(worker) > 20).then_some(())
    });
    assert!(signal(worker, "KILL"));
    let (success, said) = end_of(parent);
    assert!(success, "{said}");
    assert!(said.contains("SIGKILL"), "{said}");
}

#[test]
fn a_worker_that_is_missing_is_an_error_that_says_where_it_belongs() {
    let (parent, _folder) = launch("filesrc", &[("SCRIBE_WORKER", "/nowhere/worker")]);
    let (success, said) = end_of(parent);
    assert!(!success, "{said}");
    assert!(
        said.contains("/nowhere/worker") && said.contains("SCRIBE_WORKER"),
        "{said}"
    );
}

/// A program that answers nothing right is told from one that works.
#[test]
fn a_program_that_is_no_worker_is_an_error() {
    let (parent, _folder) = launch("filesrc", &[("SCRIBE_WORKER", "/bin/cat")]);
    let (success, said) = end_of(parent);
    assert!(!success, "{said}");
    assert!(said.contains("while the model was loaded"), "{said}");
}

#[test]
fn a_model_that_cannot_be_loaded_is_the_workers_word() {
    common::init();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.bin");
    let mut bytes = std::fs::read(common::demo_model()).unwrap();
    // Whole and with a good header, but a tensor's name is not: whisper.cpp alone sees that.
    let name = b"decoder.positional_embedding";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap();
    bytes[at] = b'x';
    std::fs::write(&path, bytes).unwrap();
    let element = gst::ElementFactory::make("scribetranscriber")
        .property("model-path", path.to_str().unwrap())
        .property_from_str("isolation", "process")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    let text = error.error().message().to_owned();
    assert!(text.contains("damaged.bin"), "{text}");
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(children(std::process::id()), [0; 0]);
}

/// Descriptors, threads and children of this process.
fn held() -> (usize, usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    (
        count("/proc/self/fd"),
        count("/proc/self/task"),
        children(std::process::id()).len(),
    )
}

/// `cargo bench --bench cycles` makes a thousand of each.
#[test]
fn fifty_cycles_leave_nothing() {
    common::init();
    for (name, isolation, expected) in [
        ("scribetranscriber", "process", 1),
        ("scribetranscriber", "none", 0),
        ("scribediarizer", "process", 1),
        ("scribediarizer", "none", 0),
    ] {
        let element = gst::ElementFactory::make(name)
            .property_from_str("isolation", isolation)
            .build()
            .unwrap();
        if name == "scribetranscriber" {
            element.set_property("model-path", "bundled");
        }
        let cycle = || {
            element.set_state(gst::State::Paused).unwrap();
            assert_eq!(workers(std::process::id()).len(), expected);
            element.set_state(gst::State::Ready).unwrap();
        };
        cycle(); // what is made once
        let (before, resident) = (held(), common::resident());
        for _ in 0..50 {
            cycle();
        }
        assert_eq!(held(), before, "{name} isolation={isolation}");
        assert_eq!(before.2, 0);
        let grown = common::resident().saturating_sub(resident);
        // A cycle that kept anything of a model would show: the smallest has 3 MB.
        assert!(
            grown < 8 << 20,
            "{name} isolation={isolation}: {grown} bytes more after 50 cycles"
        );
        element.set_state(gst::State::Null).unwrap();
    }
}

/// What a worker gave up shows in what the kernel says of it; what that means is tested beside the code.
#[test]
fn a_worker_has_no_more_than_it_needs() {
    common::init();
    for name in ["scribetranscriber model-path=bundled", "scribediarizer"] {
        let element = gst::parse::launch(&format!("{name} isolation=process")).unwrap();
        element.set_state(gst::State::Paused).unwrap();
        let pid = workers(std::process::id())[0];
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} in {status}"))
                .trim()
                .to_owned()
        };
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("Seccomp:"), "2", "a filter");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        assert_eq!(core.unwrap().split_whitespace().nth(4), Some("0"), "{limits}");
        element.set_state(gst::State::Null).unwrap();
    }
}
