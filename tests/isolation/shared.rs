//! One worker a device, for all models of the process that are there.

use std::sync::mpsc;

use gstscribe::infer::model::{Cancel, LoadError, ModelSource, RunError};
use gstscribe::infer::onnx::SpeakersConfig;
use gstscribe::infer::protocol::Load;
use gstscribe::infer::recognizer::Recognizer;
use gstscribe::infer::speaker_models::{Decode, SpeakerModels};
use gstscribe::infer::whisper::WhisperConfig;
use gstscribe::infer::worker::{Health, RemoteModel};
use gstscribe::memory::probes::Device;
use gstscribe::speech::diarize;
use gstscribe::speech::transcribe::{Context, Window};

use crate::common::{self, RATE};
use crate::rig::*;

fn whisper() -> Load {
    Load::Whisper(WhisperConfig {
        model: ModelSource::Bundled,
        ..common::whisper_config("")
    })
}

fn speakers() -> Load {
    Load::Speakers(SpeakersConfig {
        device: Device::Cpu,
        ..SpeakersConfig::default()
    })
}

fn load(load: Load) -> RemoteModel {
    load_as(load, &Health::default())
}

fn load_as(load: Load, health: &Health) -> RemoteModel {
    RemoteModel::load(load, health, &mut |_| {}).unwrap()
}

fn own_workers() -> Vec<u32> {
    workers(std::process::id())
}

/// Five seconds of the recording.
fn speech() -> Window {
    Window {
        start: 0,
        samples: conversation(1)[..5 * RATE as usize].to_vec(),
        before: Vec::new(),
        context: Context::Start,
        history: Vec::new(),
        language: None,
    }
}

/// How many words there are in them.
fn tokens(model: &mut RemoteModel) -> usize {
    let hypothesis = model.recognize(&speech(), &Cancel::default()).unwrap();
    hypothesis
        .segments
        .iter()
        .map(|segment| segment.tokens.len())
        .sum()
}

fn voices(model: &mut RemoteModel) -> usize {
    let samples = conversation(1)[..10 * RATE as usize].to_vec();
    let window = diarize::Window {
        start: 0,
        samples,
        focus: None,
    };
    let analyses = model
        .analyse(&[window], Decode::Hard, &Cancel::default())
        .unwrap();
    analyses[0].embeddings.iter().flatten().count()
}

/// Anonymous memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn models_share_a_process_that_the_last_one_ends() {
    let mut hears = load(whisper());
    let mut knows = load(speakers());
    let mut hears_too = load(whisper());
    let [pid] = own_workers()[..] else {
        panic!("one worker: {:?}", own_workers());
    };
    assert!(tokens(&mut hears) > 5);
    assert!(voices(&mut knows) > 0);
    assert_eq!(tokens(&mut hears_too), tokens(&mut hears));
    let with_three = resident(pid);
    drop(hears);
    let with_two = resident(pid);
    // Weights and state of the demo model, some 40 MB: back at once, though the process is not.
    assert!(
        with_two + 20_000 < with_three,
        "{with_two} KiB after {with_three} KiB"
    );
    assert!(tokens(&mut hears_too) > 5);
    drop(hears_too);
    assert!(voices(&mut knows) > 0);
    assert_eq!(own_workers(), [pid]);
    drop(knows);
    assert_eq!(children(std::process::id()), [0; 0]);
    assert!(!is_alive(pid), "reaped, too");
}

#[test]
fn they_work_side_by_side() {
    let (mut hears, mut knows) = (load(whisper()), load(speakers()));
    let (done, order) = mpsc::channel();
    std::thread::scope(|scope| {
        let first = done.clone();
        scope.spawn(move || {
            let cancel = Cancel::default();
            let begun = std::time::Instant::now();
            // A second of work at least: five windows, one behind the other.
            for _ in 0..5 {
                hears.recognize(&speech(), &cancel).unwrap();
            }
            first.send(("words", begun.elapsed())).unwrap();
        });
        scope.spawn(move || {
            let begun = std::time::Instant::now();
            voices(&mut knows);
            done.send(("voices", begun.elapsed())).unwrap();
        });
    });
    let order: Vec<&str> = order.iter().map(|(who, _)| who).collect();
    assert_eq!(
        order,
        ["voices", "words"],
        "one request does not wait for another model's"
    );
}

/// The kernel ends a process whose PR_SET_PDEATHSIG is set when the thread that started it ends.
#[test]
fn it_outlives_the_thread_that_loaded_first() {
    let first = std::thread::spawn(|| load(whisper())).join().unwrap();
    let mut second = load(speakers());
    let pids = own_workers();
    drop(first);
    assert!(voices(&mut second) > 0);
    assert_eq!(own_workers(), pids);
}

#[test]
fn a_model_that_cannot_be_loaded_harms_no_other() {
    let mut hears = load(whisper());
    let health = Health::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.onnx");
    std::fs::write(&path, "not a model").unwrap();
    let wrong = Load::Speakers(SpeakersConfig {
        embedding: ModelSource::File(path),
        device: Device::Cpu,
        ..SpeakersConfig::default()
    });
    let error = RemoteModel::load(wrong, &health, &mut |_| {}).err();
    assert!(
        matches!(&error, Some(LoadError::WrongFile(text)) if text.contains("text.onnx")),
        "{error:?}"
    );
    assert!(tokens(&mut hears) > 5);
    assert!(!health.has_died());
}

#[test]
fn its_death_is_that_of_all_and_the_first_to_come_replaces_it() {
    let (here, there) = (Health::default(), Health::default());
    let (mut hears, mut knows) = (load_as(whisper(), &here), load_as(speakers(), &there));
    let pid = own_workers()[0];
    assert!(!here.has_died() && !there.has_died());
    assert!(signal(pid, "KILL"));
    eventually("it is reaped, though nobody asks for it", || {
        (!is_alive(pid)).then_some(())
    });
    assert!(here.has_died() && there.has_died());
    let cancel = Cancel::default();
    let error = hears.recognize(&speech(), &cancel).unwrap_err();
    let RunError::DeadBefore(how) = error else {
        panic!("it had not begun: {error:?}");
    };
    assert!(how.contains(&pid.to_string()) && how.contains("SIGKILL"), "{how}");
    let window = diarize::Window {
        start: 0,
        samples: vec![0.0; 160_000],
        focus: None,
    };
    let error = knows.analyse(&[window], Decode::Hard, &cancel).unwrap_err();
    assert_eq!(error, RunError::DeadBefore(how), "both hear the same");
    hears = load_as(whisper(), &here);
    knows = load_as(speakers(), &there);
    assert_eq!(own_workers().len(), 1);
    assert!(tokens(&mut hears) > 5 && voices(&mut knows) > 0);
    assert!(!here.has_died() && !there.has_died());
}

#[test]
fn who_dies_over_a_request_dies_of_it() {
    let mut hears = load(whisper());
    let pid = own_workers()[0];
    let ticks = user_ticks(pid);
    let killer = std::thread::spawn(move || {
        eventually("it works", || (user_ticks(pid) > ticks + 5).then_some(()));
        signal(pid, "ABRT")
    });
    let mut window = speech();
    window.samples = conversation(1)[..30 * RATE as usize].to_vec();
    let error = hears.recognize(&window, &Cancel::default()).unwrap_err();
    assert!(killer.join().unwrap());
    assert!(
        matches!(&error, RunError::Dead(how) if how.contains("SIGABRT")),
        "{error:?}"
    );
}

/// What one of them does not want any more goes on for the other.
#[test]
fn a_cancel_stops_its_own_model_only() {
    let (mut hears, mut hears_too) = (load(whisper()), load(whisper()));
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        let stop = cancel.clone();
        let other = scope.spawn(|| tokens(&mut hears_too));
        scope.spawn(move || stop.set());
        let mut window = speech();
        window.samples.resize(30 * RATE as usize, 0.0);
        assert_eq!(hears.recognize(&window, &cancel), Err(RunError::Cancelled));
        assert!(other.join().unwrap() > 5);
    });
    cancel.clear();
    assert!(tokens(&mut hears) > 5, "and is of use again");
}
