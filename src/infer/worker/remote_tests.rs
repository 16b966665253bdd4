//! Workers that do not do what they should, as scripts that say what was prepared for them.

use std::path::{Path, PathBuf};

use super::*;
use crate::infer::model::ModelSource;
use crate::infer::onnx::SpeakersConfig;
use crate::infer::own_file;
use crate::infer::protocol::{FromWorker, software};
use crate::memory::probes::Device;

/// A script that waits to be asked for a model, writes `first` to its socket, then beats five times a second, for ever.
fn beating(folder: &Path, first: &[FromWorker]) -> PathBuf {
    let write = |name: &str, messages: &[FromWorker]| {
        let frames = messages.iter().flat_map(|m| encode(m, &[]).unwrap());
        std::fs::write(folder.join(name), frames.collect::<Vec<u8>>()).unwrap();
    };
    write("first", first);
    write("beat", &[FromWorker::Heartbeat]);
    let hello = ToWorker::Hello {
        software: software(),
        folders: own_file::folders(),
    };
    // What it says to a model that nobody has asked for yet would not be heard.
    let greeting = encode(&hello, &[]).unwrap().len();
    let script = format!(
        "#!/bin/sh\ncd '{}'\ndd bs=1 count={} <&0 >/dev/null 2>&1\ncat first >&0\nwhile cat beat >&0; do sleep 0.2; done\n",
        folder.display(),
        greeting + 1
    );
    let program = folder.join("worker");
    std::fs::write(&program, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    program
}

fn about(news: News) -> FromWorker {
    FromWorker::Model { model: 1, news }
}

fn hello() -> FromWorker {
    FromWorker::Hello { software: software() }
}

fn any_load() -> Load {
    Load::Speakers(SpeakersConfig {
        embedding: ModelSource::Bundled,
        ..SpeakersConfig::default()
    })
}

fn loaded(folder: &Path, then: &[News]) -> RemoteModel {
    let mut first = vec![hello(), about(News::Loaded(Facts::Recognizer))];
    first.extend(then.iter().cloned().map(about));
    let worker = Worker::start(&beating(folder, &first), Device::Cpu).unwrap();
    RemoteModel::load_in(worker, any_load(), &mut |_| {}).unwrap()
}

fn window() -> Window {
    Window {
        start: 0,
        samples: vec![0.0; 16_000],
        before: Vec::new(),
        context: crate::speech::transcribe::Context::Start,
        history: Vec::new(),
        language: None,
    }
}

#[test]
fn who_beats_and_never_answers_is_ended_at_the_deadline() {
    for (then, over_it) in [(vec![News::Begun { id: 1 }], true), (vec![], false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut model = loaded(folder.path(), &then);
        model.budget = |_| Duration::from_secs(1);
        model.grace = Duration::from_secs(1);
        let pid = model.worker.as_ref().unwrap().pid();
        let error = model.recognize(&window(), &Cancel::default()).unwrap_err();
        let (RunError::Dead(how) | RunError::DeadBefore(how)) = &error else {
            panic!("{error:?}");
        };
        assert!(how.contains("for 2 s"), "{how}");
        assert_eq!(matches!(error, RunError::Dead(_)), over_it, "{error:?}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "ended and reaped");
        let again = model.recognize(&window(), &Cancel::default());
        assert_eq!(again, Err(RunError::DeadBefore(how.clone())));
    }
}

#[test]
fn a_cancel_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = loaded(folder.path(), &[]);
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let stopper = std::thread::spawn(move || stop.set());
    let answer = model.recognize(&window(), &cancel);
    assert_eq!(answer, Err(RunError::Cancelled));
    stopper.join().unwrap();
}

#[test]
fn who_is_not_what_was_asked_for_is_told_so() {
    let foreign = FromWorker::Hello {
        software: "gst-plugin-scribe 0.0.1".into(),
    };
    for (first, says) in [
        (foreign, "Install both from the same release"),
        (about(News::Unloaded), "was not expected"),
        (
            about(News::Answer {
                id: 1,
                reply: Reply::Voice(None),
            }),
            "was not expected",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::start(&beating(folder.path(), &[first]), Device::Cpu).unwrap();
        let error = RemoteModel::load_in(worker, any_load(), &mut |_| {})
            .err()
            .unwrap();
        assert!(
            matches!(&error, LoadError::Died(text) if text.contains(says)),
            "{error:?}"
        );
    }
}

#[test]
fn an_answer_to_another_question_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let reply = Reply::Voice(None);
    let mut model = loaded(
        folder.path(),
        &[News::Begun { id: 1 }, News::Answer { id: 1, reply }],
    );
    let error = model.recognize(&window(), &Cancel::default()).unwrap_err();
    assert!(
        matches!(&error, RunError::Failed(text) if text.contains("another question")),
        "{error:?}"
    );
}
