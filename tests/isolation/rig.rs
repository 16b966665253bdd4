//! A transcriber over the bundled recording and model, and a hand on its workers.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstscribe::elements::{speech_audio_caps, word};
use gstscribe::speech::Word;

use crate::common::{self, RATE};
pub use crate::common::{children, workers};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `found` finds something.
#[track_caller]
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(2)); // nobody unparks it
    }
}

pub fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// User time of a process, in ticks: 100 a second on every Linux.
pub fn user_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(") ").next().unwrap();
    behind_name
        .split(' ')
        .nth(11)
        .map_or(0, |field| field.parse().unwrap())
}

/// Sends a signal ("KILL"). `false` when there is no such process any more.
pub fn signal(pid: u32, name: &str) -> bool {
    let status = Command::new("kill")
        .args([&format!("-{name}"), "--", &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
    status.unwrap().success()
}

/// What a run gave.
#[derive(Debug, Default)]
pub struct Run {
    pub words: Vec<Word>,
    /// GAP events: start and end in samples.
    pub gaps: Vec<(u64, u64)>,
    pub warnings: Vec<String>,
    pub error: Option<String>,
}

impl Run {
    pub fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }
}

/// The bundled recording, `times` times: a minute each.
pub fn conversation(times: usize) -> Vec<f32> {
    common::decode(&common::recording("conversation.flac")).repeat(times)
}

/// Transcribes `samples` with one thread; `beside` runs meanwhile, once the pipeline plays.
pub fn transcribe(samples: Vec<f32>, properties: &str, beside: impl FnOnce(&gst::Element) + Send) -> Run {
    let seconds: Vec<Vec<f32>> = samples.chunks(RATE as usize).map(<[f32]>::to_vec).collect();
    transcribe_stream(seconds.into_iter(), properties, beside)
}

/// The same of audio that is made while it is heard, a second a piece.
pub fn transcribe_stream(
    seconds: impl Iterator<Item = Vec<f32>> + Send,
    properties: &str,
    beside: impl FnOnce(&gst::Element) + Send,
) -> Run {
    common::init();
    let line = format!(
        "appsrc name=src format=time ! scribetranscriber name=t model-path=bundled threads=1 {properties} ! \
         appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let by_name = |name: &str| pipeline.by_name(name).unwrap();
    let source = by_name("src").downcast::<gst_app::AppSrc>().unwrap();
    let sink = by_name("sink").downcast::<gst_app::AppSink>().unwrap();
    source.set_caps(Some(&speech_audio_caps()));
    source.set_property("block", true);
    let gaps = note_gaps(&sink.static_pad("sink").unwrap());
    let started = pipeline.set_state(gst::State::Playing);
    let bus = pipeline.bus().unwrap();
    let transcriber = by_name("t");
    let mut run = Run::default();
    if started.is_err() {
        read(&bus, &mut run);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(run.error.is_some(), "a failure has its ERROR");
        return run;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&source, seconds));
        scope.spawn(|| beside(&transcriber));
        while run.error.is_none() && !sink.is_eos() {
            if let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(20)) {
                let buffer = sample.buffer_owned().unwrap();
                run.words.push(word::from_buffer(&buffer).unwrap());
            }
            read(&bus, &mut run);
        }
        pipeline.set_state(gst::State::Ready).unwrap(); // ends the feeder, too
    });
    read(&bus, &mut run);
    pipeline.set_state(gst::State::Null).unwrap();
    run.gaps = std::mem::take(&mut gaps.lock().unwrap());
    run
}

fn read(bus: &gst::Bus, run: &mut Run) {
    for message in std::iter::from_fn(|| bus.pop()) {
        match message.view() {
            gst::MessageView::Warning(warning) => {
                run.warnings.push(warning.error().message().to_owned());
            }
            gst::MessageView::Error(error) if run.error.is_none() => {
                run.error = Some(format!(
                    "{} ({})",
                    error.error(),
                    error.debug().unwrap_or_default()
                ));
            }
            _ => {}
        }
    }
}

fn note_gaps(pad: &gst::Pad) -> Arc<Mutex<Vec<(u64, u64)>>> {
    let gaps: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let seen = gaps.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Gap(gap) = event.view()
        {
            let (start, duration) = gap.get();
            let samples = |time: gst::ClockTime| (time.nseconds() * RATE + 500_000_000) / 1_000_000_000;
            seen.lock()
                .unwrap()
                .push((samples(start), samples(start + duration.unwrap())));
        }
        gst::PadProbeReturn::Ok
    });
    gaps
}

fn feed(source: &gst_app::AppSrc, seconds: impl Iterator<Item = Vec<f32>>) {
    for (second, piece) in (0_u64..).zip(seconds) {
        let bytes: Vec<u8> = piece.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_seconds(second));
        if source.push_buffer(buffer).is_err() {
            return; // the pipeline failed; its error is on the bus
        }
    }
    let _ = source.end_of_stream();
}
