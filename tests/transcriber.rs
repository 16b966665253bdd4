//! `scribetranscriber` as an element, around a recognizer that says one word a second.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::RATE;
use gst::prelude::*;
use gst_check::Harness;
use gstscribe::elements::transcriber::{LoaderFactory, Transcriber};
use gstscribe::elements::{speech_audio_caps, word};
use gstscribe::infer::recognizer::{Cancel, LoadError, Loader, RecognizeError, Recognizer};
use gstscribe::speech::transcribe::{Context, Hypothesis, Segment, Token, Window};
use proptest::prelude::*;

/// Says "w7" from 7.2 to 7.6 s, for every second of the stream. Remembers what it was asked.
#[derive(Default)]
struct Clock {
    asked: Mutex<Vec<(u64, usize, Context)>>,
    loaded: AtomicUsize,
    alive: AtomicUsize,
}

struct Saying(Arc<Clock>);

impl Drop for Saying {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Recognizer for Saying {
    fn recognize(&mut self, window: &Window, _: &Cancel) -> Result<Hypothesis, RecognizeError> {
        self.0
            .asked
            .lock()
            .unwrap()
            .push((window.start, window.samples.len(), window.context));
        let end = (window.start + window.samples.len() as u64).min(window.start + 30 * RATE);
        let mut segments = Vec::new();
        for second in window.start / RATE.. {
            let (start, stop) = (second * RATE + RATE / 5, second * RATE + RATE * 3 / 5);
            if stop > end {
                break;
            }
            if start >= window.start {
                let (start, stop) = (start - window.start, stop - window.start);
                let bytes = format!(" w{second}").into_bytes();
                let token = Token {
                    bytes,
                    probability: 0.5,
                    start,
                    end: stop,
                };
                segments.push(Segment {
                    start,
                    end: stop,
                    tokens: vec![token],
                });
            }
        }
        // At the end of a recording Whisper says that nothing follows; inside it stops at its last timestamp.
        let inside = window.samples.len() as u64 == 31 * RATE;
        let next = segments
            .last()
            .filter(|_| inside)
            .map_or(end - window.start, |s| s.end);
        Ok(Hypothesis {
            segments,
            language: Some("en".into()),
            next,
        })
    }
}

fn saying(clock: &Arc<Clock>) -> LoaderFactory {
    let clock = clock.clone();
    Arc::new(move || {
        let clock = clock.clone();
        let loader: Loader = Box::new(move |_| {
            clock.loaded.fetch_add(1, Ordering::SeqCst);
            clock.alive.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Saying(clock)))
        });
        loader
    })
}

fn element(factory: LoaderFactory) -> Transcriber {
    common::init();
    let element = gst::ElementFactory::make("scribetranscriber")
        .property("silence-gate", false)
        .build()
        .unwrap();
    let transcriber: Transcriber = element.downcast().unwrap();
    transcriber.set_recognizer(factory);
    transcriber
}

fn harness(factory: LoaderFactory) -> Harness {
    harness_of(&element(factory))
}

fn harness_of(transcriber: &Transcriber) -> Harness {
    let mut h = Harness::with_element(transcriber, Some("sink"), Some("src"));
    h.set_src_caps(speech_audio_caps());
    h
}

/// `seconds` of a quiet tone from `at` seconds on.
fn audio(at: f64, seconds: f64) -> gst::Buffer {
    samples(at, (seconds * RATE as f64) as usize)
}

fn samples(at: f64, n: usize) -> gst::Buffer {
    let bytes: Vec<u8> = (0..n)
        .flat_map(|i| ((i as f32 * 0.1).sin() * 0.1).to_le_bytes())
        .collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_nseconds((at * 1e9) as u64));
    writable.set_duration(gst::ClockTime::from_nseconds(n as u64 * 62_500));
    buffer
}

fn words(h: &mut Harness) -> Vec<String> {
    std::iter::from_fn(|| h.try_pull())
        .map(|b| word::from_buffer(&b).unwrap().text)
        .collect()
}

fn numbered(seconds: std::ops::Range<u32>) -> Vec<String> {
    seconds.map(|s| format!("w{s}")).collect()
}

#[test]
fn words_come_once_in_order_with_their_times() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    for second in 0..70 {
        assert_eq!(h.push(audio(f64::from(second), 1.0)), Ok(gst::FlowSuccess::Ok));
    }
    h.push_event(gst::event::Eos::new());
    let buffers: Vec<gst::Buffer> = std::iter::from_fn(|| h.try_pull()).collect();
    assert_eq!(buffers.len(), 70);
    for (second, buffer) in (0..).zip(&buffers) {
        let word = word::from_buffer(buffer).unwrap();
        assert_eq!(word.text, format!("w{second}"));
        assert_eq!(buffer.pts().unwrap().mseconds(), second * 1000 + 200);
        assert_eq!(buffer.duration().unwrap().mseconds(), 400);
        assert_eq!((word.confidence, word.language.as_deref()), (0.5, Some("en")));
    }
    let asked = clock.asked.lock().unwrap();
    assert_eq!(asked[0], (0, 31 * RATE as usize, Context::Start));
    assert_eq!(asked[1].2, Context::Carry);
    assert!(
        asked.iter().all(|(_, n, _)| *n <= 31 * RATE as usize),
        "a window is never longer"
    );
}

#[test]
fn gaps_and_words_cover_the_line_without_a_hole() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    let sink = h.element().unwrap().static_pad("src").unwrap();
    let line: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let seen = line.clone();
    sink.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
        move |_, info| {
            let stretch = match &info.data {
                Some(gst::PadProbeData::Buffer(b)) => Some((b.pts().unwrap(), b.duration().unwrap())),
                Some(gst::PadProbeData::Event(e)) => match e.view() {
                    gst::EventView::Gap(gap) => Some((gap.get().0, gap.get().1.unwrap())),
                    _ => None,
                },
                _ => None,
            };
            if let Some((start, duration)) = stretch {
                seen.lock()
                    .unwrap()
                    .push((start.nseconds(), (start + duration).nseconds()));
            }
            gst::PadProbeReturn::Ok
        },
    );
    for second in 0..40 {
        h.push(audio(f64::from(second), 1.0)).unwrap();
    }
    h.push_event(gst::event::Eos::new());
    let line = line.lock().unwrap();
    assert_eq!(line[0].0, 0);
    assert_eq!(line.last().unwrap().1, 40_000_000_000);
    for pair in line.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{pair:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_words_do_not_depend_on_the_buffers(sizes in prop::collection::vec(1_usize..60_000, 8..40)) {
        let mut h = harness(saying(&Arc::default()));
        h.play();
        let mut at = 0_usize;
        for n in &sizes {
            h.push(samples(at as f64 / RATE as f64, *n)).unwrap();
            at += n;
        }
        h.push_event(gst::event::Eos::new());
        let whole = ((at as f64 / RATE as f64) - 0.6 + 1.0).floor() as u32;
        prop_assert_eq!(words(&mut h), numbered(0..whole));
    }
}

/// Blocks in every window until it is cancelled, and tells that it has begun.
struct Blocking(mpsc::Sender<u64>);

impl Recognizer for Blocking {
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RecognizeError> {
        self.0.send(window.start).unwrap();
        while !cancel.is_set() {
            std::thread::yield_now();
        }
        Err(RecognizeError::Cancelled)
    }
}

fn blocking() -> (LoaderFactory, mpsc::Receiver<u64>) {
    let (begun, begins) = mpsc::channel();
    let factory: LoaderFactory = Arc::new(move || {
        let begun = begun.clone();
        Box::new(move |_| Ok(Box::new(Blocking(begun)) as Box<dyn Recognizer>))
    });
    (factory, begins)
}

#[test]
fn a_flush_cancels_the_inference_and_the_element_works_on() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    for round in 0..3 {
        h.push(audio(100.0 * f64::from(round), 31.5)).unwrap();
        assert_eq!(begins.recv().unwrap(), 100 * round as u64 * RATE);
        assert!(h.push_event(gst::event::FlushStart::new()));
        assert!(h.push_event(gst::event::FlushStop::new(true)));
        assert!(h.push_event(gst::event::Segment::new(
            &gst::FormattedSegment::<gst::ClockTime>::new()
        )));
    }
}

#[test]
fn a_full_element_blocks_its_producer_and_a_flush_lets_it_go() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    let pad = h.element().unwrap().static_pad("sink").unwrap();
    let producer = std::thread::spawn(move || {
        (0..)
            .map(|i| pad.chain(audio(f64::from(i) * 10.0, 10.0)))
            .find_map(|r| r.err().map(|e| e))
    });
    begins.recv().unwrap();
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert_eq!(producer.join().unwrap(), Some(gst::FlowError::Flushing));
}

#[test]
fn going_to_ready_ends_a_running_inference() {
    let (factory, begins) = blocking();
    let mut h = harness(factory);
    h.play();
    h.push(audio(0.0, 31.5)).unwrap();
    begins.recv().unwrap();
    assert_eq!(
        h.element().unwrap().set_state(gst::State::Null),
        Ok(gst::StateChangeSuccess::Success)
    );
}

#[test]
fn after_a_seek_the_times_follow_and_the_text_before_is_forgotten() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 32.0)).unwrap();
    h.push_event(gst::event::FlushStart::new());
    h.push_event(gst::event::FlushStop::new(true));
    words(&mut h);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(500));
    h.push_event(gst::event::Segment::new(&segment));
    h.push(audio(500.0, 3.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(500..503));
    let asked = clock.asked.lock().unwrap();
    let last = asked.last().unwrap();
    assert_eq!((last.0, last.1), (500 * RATE, 3 * RATE as usize));
    assert_ne!(last.2, Context::Carry);
}

#[test]
fn a_jump_in_time_drains_what_came_before() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 4.0)).unwrap();
    h.push(audio(100.0, 2.0)).unwrap();
    assert_eq!(words(&mut h), numbered(0..4), "out before the jump");
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(100..102));
    assert_eq!(
        clock.asked.lock().unwrap()[1],
        (100 * RATE, 2 * RATE as usize, Context::Reset)
    );
}

#[test]
fn small_holes_are_silence_and_jitter_is_nothing() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 2.0)).unwrap();
    h.push(audio(2.01, 2.0)).unwrap(); // 10 ms late: rounding
    h.push(audio(4.5, 1.5)).unwrap(); // half a second missing
    h.push_event(gst::event::Eos::new());
    assert_eq!(
        clock.asked.lock().unwrap().as_slice(),
        [(0, 6 * RATE as usize, Context::Start)]
    );
}

#[test]
fn gap_events_and_gap_buffers_are_silence() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 2.0)).unwrap();
    h.push_event(
        gst::event::Gap::builder(gst::ClockTime::from_seconds(2))
            .duration(gst::ClockTime::from_seconds(5))
            .build(),
    );
    let mut buffer = audio(7.0, 1.0);
    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    h.push(buffer).unwrap();
    h.push_event(
        gst::event::Gap::builder(gst::ClockTime::from_seconds(8))
            .duration(gst::ClockTime::from_seconds(3600))
            .build(),
    );
    h.push(audio(3608.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    let asked = clock.asked.lock().unwrap();
    let positions: Vec<_> = asked
        .iter()
        .map(|(start, n, _)| (start / RATE, *n as u64 / RATE))
        .collect();
    assert_eq!(positions, [(0, 8), (3608, 1)], "an hour of nothing is not held");
}

#[test]
fn with_the_gate_silence_asks_nothing_and_says_nothing() {
    let clock = Arc::new(Clock::default());
    let transcriber = element(saying(&clock));
    transcriber.set_property("silence-gate", true);
    let mut h = harness_of(&transcriber);
    h.play();
    for second in 0..50 {
        let mut buffer = gst::Buffer::from_slice(vec![0_u8; RATE as usize * 4]);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_seconds(second));
        h.push(buffer).unwrap();
    }
    h.push_event(gst::event::Eos::new());
    assert_eq!(clock.asked.lock().unwrap().len(), 0);
    assert_eq!(words(&mut h), numbered(0..0));
}

#[test]
fn each_stream_starts_anew_and_its_language_is_announced() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::StreamStart::new("second"));
    h.push_event(gst::event::Caps::new(&speech_audio_caps()));
    h.push_event(gst::event::Segment::new(
        &gst::FormattedSegment::<gst::ClockTime>::new(),
    ));
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    let contexts: Vec<_> = clock.asked.lock().unwrap().iter().map(|a| a.2).collect();
    assert_eq!(contexts, [Context::Start, Context::Start]);
    let languages: Vec<String> = std::iter::from_fn(|| h.try_pull_event())
        .filter_map(|e| match e.view() {
            gst::EventView::Tag(tag) => tag
                .tag()
                .get::<gst::tags::LanguageCode>()
                .map(|l| l.get().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(languages, ["en", "en"]);
}

#[test]
fn caps_may_come_again() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    h.push(audio(0.0, 1.0)).unwrap();
    h.push_event(gst::event::Caps::new(&speech_audio_caps()));
    h.push(audio(1.0, 1.0)).unwrap();
    h.push_event(gst::event::Eos::new());
    assert_eq!(words(&mut h), numbered(0..2));
    let pad = h.element().unwrap().static_pad("src").unwrap();
    assert_eq!(
        pad.current_caps().unwrap().to_string(),
        "text/x-raw, format=(string)utf8"
    );
}

#[test]
fn an_empty_stream_ends() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    h.push_event(gst::event::Eos::new());
    assert!(std::iter::from_fn(|| h.try_pull_event()).any(|e| e.type_() == gst::EventType::Eos));
}

#[test]
fn the_model_lives_from_paused_to_ready_cycle_by_cycle() {
    let clock = Arc::new(Clock::default());
    let transcriber = element(saying(&clock));
    for cycle in 1..=3 {
        assert_eq!(clock.alive.load(Ordering::SeqCst), 0);
        let mut h = harness_of(&transcriber);
        h.play();
        assert_eq!(clock.loaded.load(Ordering::SeqCst), cycle);
        assert_eq!(clock.alive.load(Ordering::SeqCst), 1);
        h.push(audio(0.0, 2.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        assert_eq!(words(&mut h), numbered(0..2));
        transcriber.set_state(gst::State::Ready).unwrap();
        assert_eq!(clock.alive.load(Ordering::SeqCst), 0, "freed at READY");
    }
}

#[track_caller]
fn first_error(bus: &gst::Bus) -> (gst::glib::Error, String) {
    let message = bus
        .pop_filtered(&[gst::MessageType::Error])
        .expect("an ERROR is on the bus");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        bus.pop_filtered(&[gst::MessageType::Error]).is_none(),
        "one ERROR, not two"
    );
    (error.error(), error.debug().unwrap_or_default().to_string())
}

#[test]
fn a_failed_load_fails_the_state_change_and_may_be_tried_again() {
    common::init();
    let fails: LoaderFactory =
        Arc::new(|| Box::new(|_| Err(LoadError::NoMemory("out of memory: no room".into()))));
    let transcriber = element(fails);
    let bus = gst::Bus::new();
    transcriber.set_bus(Some(&bus));
    assert!(transcriber.set_state(gst::State::Paused).is_err());
    let (error, _) = first_error(&bus);
    assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
    assert!(error.message().contains("out of memory"));
    transcriber.set_state(gst::State::Null).unwrap();
    transcriber.set_recognizer(saying(&Arc::default()));
    transcriber.set_state(gst::State::Paused).unwrap();
    transcriber.set_state(gst::State::Null).unwrap();
}

struct Failing(bool);

impl Recognizer for Failing {
    fn recognize(&mut self, _: &Window, _: &Cancel) -> Result<Hypothesis, RecognizeError> {
        assert!(!self.0, "a bug in a recognizer");
        Err(RecognizeError::Failed("the model said no".into()))
    }
}

#[test]
fn a_failure_while_running_is_one_error_and_a_flow_error() {
    for (panics, text) in [(false, "the model said no"), (true, "a bug in a recognizer")] {
        let factory: LoaderFactory =
            Arc::new(move || Box::new(move |_| Ok(Box::new(Failing(panics)) as Box<dyn Recognizer>)));
        let transcriber = element(factory);
        let mut h = harness_of(&transcriber);
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        h.play();
        h.push(audio(0.0, 32.0)).unwrap();
        h.push_event(gst::event::Eos::new());
        let (error, debug) = first_error(&bus);
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text), "{said}");
        assert_eq!(h.push(audio(32.0, 1.0)), Err(gst::FlowError::Eos));
    }
}

#[test]
fn the_latency_is_the_window_and_the_allowance() {
    common::init();
    let transcriber = element(saying(&Arc::default()));
    transcriber.set_property("latency", 500_u32);
    let mut h = harness_of(&transcriber);
    h.set_upstream_latency(gst::ClockTime::from_mseconds(20));
    h.play();
    let latency = h.query_latency().unwrap();
    assert_eq!(latency.mseconds(), 20 + 31_000 + 500);
}

/// What is wrong with a model file is said before anything is loaded.
#[test]
fn wrong_model_files_are_told_apart() {
    common::init();
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(common::demo_model()).unwrap();
    let mut corrupted = whole.clone();
    corrupted[40..44].copy_from_slice(&(-5_i32).to_le_bytes());
    for (name, contents, text) in [
        ("missing.bin", None, "cannot open"),
        ("empty.bin", Some(&[][..]), "is empty"),
        (
            "truncated.bin",
            Some(&whole[..whole.len() - 1000]),
            "is cut short",
        ),
        (
            "foreign.bin",
            Some(&b"GGUF\x03\0\0\0................"[..]),
            "a GGUF file",
        ),
        ("speech.bin", Some(&b"RIFF....WAVE"[..]), "is a recording"),
        (
            "corrupted.bin",
            Some(&corrupted[..]),
            "another architecture, or damaged",
        ),
    ] {
        let path = folder.path().join(name);
        if let Some(contents) = contents {
            std::fs::write(&path, contents).unwrap();
        }
        let transcriber = gst::ElementFactory::make("scribetranscriber")
            .property("model-path", path.to_str().unwrap())
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        assert!(transcriber.set_state(gst::State::Paused).is_err(), "{name}");
        let (error, debug) = first_error(&bus);
        assert!(error.is::<gst::ResourceError>(), "{error}");
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text) && said.contains(name), "{name}: {said}");
        transcriber.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn wrong_settings_are_told() {
    common::init();
    let model = common::demo_model();
    for (property, value, text) in [
        ("model-path", "", "no model is set"),
        ("language-code", "klingon!", "no BCP-47 code"),
        ("language-code", "tlh", "knows no language"),
        ("language-code", "de", "knows English only"),
    ] {
        let transcriber = gst::ElementFactory::make("scribetranscriber")
            .property("model-path", &model)
            .build()
            .unwrap();
        transcriber.set_property(property, value);
        let bus = gst::Bus::new();
        transcriber.set_bus(Some(&bus));
        assert!(
            transcriber.set_state(gst::State::Paused).is_err(),
            "{property}={value}"
        );
        let (error, debug) = first_error(&bus);
        let said = format!("{} {debug}", error.message());
        assert!(said.contains(text), "{property}={value}: {said}");
        transcriber.set_state(gst::State::Null).unwrap();
    }
}
