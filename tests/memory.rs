//! Checkpoints on a real element with a bus, and `scribe-memory` on what they leave.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gstscribe::{
    elements::checkpoints::{Checkpoints, MESSAGE},
    infer::heap,
    memory::{
        Label::{self, *},
        Stage,
        probes::{Device, HostProbe, Probe, Reading, Source},
        timeline,
    },
};

const MIB: u64 = 1 << 20;

/// Gives what it is told, of 1000 MiB.
#[derive(Clone)]
struct Fake(Arc<Mutex<Option<u64>>>);

impl Fake {
    fn holds(&self, mib: u64) {
        *self.0.lock().unwrap() = Some(mib * MIB);
    }
}

impl Probe for Fake {
    fn device(&self) -> &str {
        "Fake 1000"
    }

    fn source(&self) -> Source {
        Source::Nvml
    }

    fn read(&self) -> Option<Reading> {
        let allocated = (*self.0.lock().unwrap())?;
        Some(Reading {
            allocated,
            total: 1000 * MIB,
        })
    }
}

/// An element with a bus and a fake device.
struct Bench {
    bus: gst::Bus,
    element: gst::Element,
    device: Fake,
}

impl Bench {
    fn new() -> Self {
        gst::init().unwrap();
        let bus = gst::Bus::new();
        let element = gst::ElementFactory::make("identity")
            .name("under-test")
            .build()
            .unwrap();
        element.set_bus(Some(&bus));
        Self {
            bus,
            element,
            device: Fake(Arc::default()),
        }
    }

    fn checkpoints(&self, log: Option<&Path>) -> Checkpoints {
        Checkpoints::with_probe(&self.element, log.map(PathBuf::from), self.device.clone())
    }

    fn write(&self, checkpoints: &Checkpoints, steps: &[(Label, u64)]) {
        for &(label, mib) in steps {
            self.device.holds(mib);
            checkpoints.write(label);
        }
    }

    /// The structures of the checkpoint messages on the bus, and the texts of the warnings.
    fn messages(&self) -> (Vec<gst::Structure>, Vec<String>) {
        let (mut checkpoints, mut warnings) = (Vec::new(), Vec::new());
        while let Some(message) = self.bus.pop() {
            assert_eq!(message.src(), Some(self.element.upcast_ref()));
            match message.view() {
                gst::MessageView::Element(m) => checkpoints.push(m.structure().unwrap().to_owned()),
                gst::MessageView::Warning(m) => warnings.push(m.error().to_string()),
                other => panic!("{other:?}"),
            }
        }
        (checkpoints, warnings)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.element.set_bus(None);
    }
}

const GOOD_RUN: [(Label, u64); 4] = [
    (BeforeTranscription, 100),
    (BeforeWhisperCleanup, 500),
    (AfterWhisperCleanup, 110),
    (AfterTranscription, 110),
];

#[test]
fn a_checkpoint_is_a_message_with_typed_fields() {
    let bench = Bench::new();
    bench.write(&bench.checkpoints(None), &GOOD_RUN);
    let (messages, warnings) = bench.messages();
    assert_eq!((messages.len(), warnings.len()), (4, 0));
    let before = &messages[1];
    assert_eq!(before.name(), MESSAGE);
    assert_eq!(before.get::<&str>("label"), Ok("Before Whisper Cleanup"));
    assert_eq!(before.get::<u32>("number"), Ok(12));
    assert_eq!(before.get::<&str>("stage"), Ok("transcription"));
    assert_eq!(before.get::<u64>("allocated"), Ok(500 * MIB));
    assert_eq!(before.get::<u64>("total"), Ok(1000 * MIB));
    assert_eq!(before.get::<f64>("percent"), Ok(50.0));
    assert_eq!(before.get::<&str>("device"), Ok("Fake 1000"));
    assert_eq!(before.get::<&str>("source"), Ok("nvml"));
    assert_eq!(before.get::<&str>("level"), Ok("normal"));
    assert!(!before.has_field("verdict"));
    let times: Vec<_> = messages
        .iter()
        .map(|m| m.get::<gst::ClockTime>("monotonic").unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let after = &messages[2];
    assert_eq!(after.get::<f64>("freed-percent"), Ok(97.5));
    assert_eq!(after.get::<&str>("verdict"), Ok("good"));
    assert_eq!(after.get::<u64>("took"), Ok(400 * MIB));
}

#[test]
fn a_label_is_written_once_a_cycle() {
    let bench = Bench::new();
    let checkpoints = bench.checkpoints(None);
    let count = || bench.messages().0.len();
    bench.write(&checkpoints, &GOOD_RUN);
    bench.write(&checkpoints, &GOOD_RUN);
    assert_eq!(count(), 4);
    checkpoints.begin_cycle();
    bench.write(&checkpoints, &GOOD_RUN);
    assert_eq!(count(), 4);
}

#[test]
fn all_nineteen_are_written_whoever_asks() {
    let bench = Bench::new();
    bench.device.holds(100);
    let checkpoints = bench.checkpoints(None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Label::all().for_each(|label| checkpoints.write(label)));
        }
    });
    let mut numbers: Vec<u32> = bench
        .messages()
        .0
        .iter()
        .map(|m| m.get("number").unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=19).collect::<Vec<_>>());
}

#[test]
fn a_leak_is_a_warning_that_names_it() {
    let bench = Bench::new();
    bench.write(
        &bench.checkpoints(None),
        &[
            (BeforeTranscription, 100),
            (BeforeWhisperCleanup, 500),
            (AfterWhisperCleanup, 400),
        ],
    );
    let (messages, warnings) = bench.messages();
    assert_eq!(messages[2].get::<&str>("verdict"), Ok("leak"));
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.starts_with(
            "Memory leak: the Whisper Cleanup gave back only 25.0% of the 400 MiB that it took on Fake 1000."
        ),
        "{warning}"
    );
}

#[test]
fn the_critical_level_is_one_warning_that_says_what_to_do() {
    let bench = Bench::new();
    let full = [
        (BeforeTranscription, 0),
        (BeforeWhisperCleanup, 860),
        (BeforeFinalCleanup, 870),
    ];
    for (hint, says) in [
        (
            None,
            "86.0% of the memory of Fake 1000 is in use: use a smaller model or split the file",
        ),
        (
            Some("base fits"),
            "86.0% of the memory of Fake 1000 is in use: base fits",
        ),
    ] {
        let checkpoints = bench.checkpoints(None).hint(move || hint.map(str::to_owned));
        bench.write(&checkpoints, &full);
        let (messages, warnings) = bench.messages();
        assert_eq!(messages[1].get::<&str>("level"), Ok("critical"));
        assert_eq!(warnings, [says]);
    }
}

#[test]
fn the_log_is_json_lines_that_grow_with_each_cycle() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("memory.jsonl");
    for cycles in 1..=2 {
        bench.write(&bench.checkpoints(Some(&log)), &GOOD_RUN);
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 4 * cycles);
        let (runs, bad) = timeline::read(&text);
        assert_eq!((runs.len(), bad.len()), (cycles, 0));
    }
    let text = fs::read_to_string(&log).unwrap();
    let after: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(after["label"], "After Whisper Cleanup");
    assert_eq!(after["element"], "under-test");
    assert_eq!(after["freed_percent"], 97.5);
    assert_eq!(after["verdict"], "good");
    assert_eq!(after["pid"], std::process::id());
}

#[test]
fn a_log_that_cannot_be_written_is_one_warning_and_no_failure() {
    let bench = Bench::new();
    bench.write(
        &bench.checkpoints(Some(Path::new("/nowhere/memory.jsonl"))),
        &GOOD_RUN,
    );
    let (messages, warnings) = bench.messages();
    assert_eq!(messages.len(), 4);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.starts_with("Cannot write the memory log /nowhere/memory.jsonl: "),
        "{warning}"
    );
}

#[test]
fn the_line_goes_to_the_debug_category() {
    let bench = Bench::new();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    gst::log::set_threshold_for_name("scribe-memory", gst::DebugLevel::Info);
    let logger = gst::log::add_log_function(move |category, level, _, _, _, object, message| {
        // Tests run side by side in one process: only this element's lines.
        let own = object.is_some_and(|object| object.to_string().contains("logged"));
        if category.name() == "scribe-memory" && level == gst::DebugLevel::Info && own {
            seen.lock().unwrap().push(message.get().unwrap().to_string());
        }
    });
    bench.element.set_property("name", "logged");
    bench.write(&bench.checkpoints(None), &GOOD_RUN);
    gst::log::remove_log_function(logger);
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "[GPU Memory] Before Transcription: Allocated: 0.10GB (10.0%)",
            "[GPU Memory] Before Whisper Cleanup: Allocated: 0.49GB (50.0%)",
            "[GPU Memory] After Whisper Cleanup: Allocated: 0.11GB (11.0%) | freed 97.5% | Fake 1000 | good",
            "[GPU Memory] After Transcription (post-cleanup): Allocated: 0.11GB (11.0%)",
        ]
    );
}

#[test]
fn neither_a_silent_device_nor_a_gone_element_nor_a_missing_bus_is_a_failure() {
    let bench = Bench::new();
    bench.checkpoints(None).write(BeforeTranscription);
    assert!(bench.messages().0.is_empty(), "the device gave no reading");
    let element = gst::ElementFactory::make("identity").build().unwrap();
    let orphan = Checkpoints::with_probe(&element, None, bench.device.clone());
    bench.device.holds(1);
    orphan.write(BeforeTranscription);
    drop(element);
    orphan.write(AfterTranscription);
}

/// How far the kernel's counters may lag (64 pages a core), with room for the tests at its side.
const LAG: u64 = 8 * MIB;

/// One test, as it measures the process: nothing else of this file takes so much.
#[test]
fn the_host_reading_follows_what_is_taken_and_given_back() {
    let probe = HostProbe::new().unwrap();
    let held = || probe.read().unwrap().allocated;
    // Small pieces: glibc hands big ones back by itself, but keeps these.
    let take = || (0..64 * 256).map(|i| vec![i as u8; 4096]).collect::<Vec<_>>();
    let before = held();
    let memory = take();
    let full = held();
    assert!(full >= before + 64 * MIB - LAG, "{before} → {full}");
    drop(memory);
    heap::give_back();
    let after = held();
    assert!(after <= before + LAG, "{before} → {full} → {after}");

    let bench = Bench::new();
    // GStreamer may just have rebuilt its registry: what that freed must not be what is taken next.
    heap::give_back();
    let checkpoints = Checkpoints::on_device(&bench.element, None, Device::Cpu);
    checkpoints.write(BeforeTranscription);
    let memory = checkpoints.taking(Stage::Transcription, take);
    checkpoints.write(BeforeWhisperCleanup);
    drop(memory);
    heap::give_back();
    checkpoints.write(AfterWhisperCleanup);
    let (messages, warnings) = bench.messages();
    let after = &messages[2];
    assert_eq!(after.get::<&str>("verdict"), Ok("good"), "{after}");
    assert_eq!((after.get::<&str>("source"), warnings.len()), (Ok("host"), 0));
}

#[test]
fn the_device_is_found_without_being_named() {
    let bench = Bench::new();
    let checkpoints = Checkpoints::new(&bench.element, None);
    checkpoints.write(BeforeTranscription);
    let (messages, _) = bench.messages();
    let reading = &messages[0];
    let (allocated, total) = (
        reading.get::<u64>("allocated").unwrap(),
        reading.get::<u64>("total").unwrap(),
    );
    assert!(allocated < total, "{reading}");
}

fn scribe_memory(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scribe-memory"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_program_judges_what_elements_wrote() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("memory.jsonl");
    bench.write(&bench.checkpoints(Some(&log)), &GOOD_RUN);
    let output = scribe_memory(&[&log]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let drawn = text(&output.stdout);
    for part in [
        "run 1 of 1: Fake 1000, 0.98 GB, process ",
        "  Before Whisper Cleanup                    0.49 GB  █████████████━━━━━━━━━━━━\n",
        "  After Whisper Cleanup                     0.11 GB  ███━━━━━━━━━━━━━━━━━━━━━━  ✅ 98% freed\n",
        "\nPeak: 0.49 GB (50.0%), normal, at Before Whisper Cleanup. No action needed.\n",
        "\nWhisper Cleanup:           ✅ 97.5% freed, good\n",
    ] {
        assert!(drawn.contains(part), "{part:?} is not in\n{drawn}");
    }
    let leak = [
        (BeforeTranscription, 100),
        (BeforeWhisperCleanup, 500),
        (AfterWhisperCleanup, 400),
    ];
    bench.write(&bench.checkpoints(Some(&log)), &leak);
    let output = scribe_memory(&[&log]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("run 2 of 2: "),
        "{}",
        text(&output.stdout)
    );
}
