//! Elements that want the same model share it: the weights are there once, and the last one frees them.

mod common;

use std::time::Duration;

use common::RATE;
use gst::prelude::*;
use gstscribe::elements::{speech_audio_caps, word};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// Threads of this process that own a model of this kind.
fn models(thread: &str) -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let owns = |path: &std::path::Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim_end() == thread)
    };
    let paths = threads.map(|thread| thread.path());
    let mut found: Vec<String> = paths
        .filter(|path| owns(path))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

fn workers() -> Vec<u32> {
    common::workers(std::process::id())
}

fn whispers() -> Vec<String> {
    models("scribe-whisper")
}

struct Stream {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
}

impl Stream {
    fn new(properties: &str) -> Self {
        common::init();
        let line = format!(
            "appsrc name=src format=time ! scribetranscriber name=t model-path=bundled threads=1 {properties} ! \
             appsink name=sink sync=false async=false wait-on-eos=false"
        );
        let pipeline = gst::parse::launch(&line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let source = pipeline
            .by_name("src")
            .unwrap()
            .downcast::<gst_app::AppSrc>()
            .unwrap();
        source.set_caps(Some(&speech_audio_caps()));
        let sink = pipeline.by_name("sink").unwrap().downcast().unwrap();
        Stream {
            pipeline,
            source,
            sink,
        }
    }

    fn set(&self, state: gst::State) {
        self.pipeline.set_state(state).unwrap();
        let (reached, ..) = self.pipeline.state(PATIENCE);
        reached.unwrap();
    }

    /// All of `samples` and their end.
    fn feed(&self, samples: &[f32]) {
        for (second, piece) in (0_u64..).zip(samples.chunks(RATE as usize)) {
            let bytes: Vec<u8> = piece.iter().flat_map(|s| s.to_le_bytes()).collect();
            let mut buffer = gst::Buffer::from_slice(bytes);
            buffer
                .get_mut()
                .unwrap()
                .set_pts(gst::ClockTime::from_seconds(second));
            self.source.push_buffer(buffer).unwrap();
        }
        self.source.end_of_stream().unwrap();
    }

    /// The words, up to the end.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(sample) = self.sink.try_pull_sample(PATIENCE) {
            let buffer = sample.buffer_owned().unwrap();
            words.push(word::from_buffer(&buffer).unwrap().text);
        }
        assert!(self.sink.is_eos(), "no end came: {:?}", self.problems());
        words
    }

    fn problems(&self) -> Vec<String> {
        let bus = self.pipeline.bus().unwrap();
        let messages = std::iter::from_fn(|| bus.pop());
        messages
            .filter_map(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error.error().to_string()),
                gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
                _ => None,
            })
            .collect()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn half_a_minute() -> Vec<f32> {
    let mut samples = common::decode(&common::recording("conversation.flac"));
    samples.truncate(30 * RATE as usize);
    samples
}

#[test]
fn eight_streams_are_one_model_and_each_has_its_own_text() {
    let conversation = common::decode(&common::recording("conversation.flac"));
    // Each hears another part, so that a text context of another stream would be noticed.
    let parts: Vec<Vec<f32>> = (0..8)
        .map(|n| conversation[n * 3 * RATE as usize..][..35 * RATE as usize].to_vec())
        .collect();
    let alone: Vec<Vec<String>> = parts
        .iter()
        .map(|part| {
            let stream = Stream::new("");
            stream.set(gst::State::Playing);
            stream.feed(part);
            stream.words()
        })
        .collect();
    let streams: Vec<Stream> = parts.iter().map(|_| Stream::new("")).collect();
    streams.iter().for_each(|stream| stream.set(gst::State::Playing));
    assert_eq!(whispers().len(), 1);
    std::thread::scope(|scope| {
        for (stream, part) in streams.iter().zip(&parts) {
            scope.spawn(|| stream.feed(part));
        }
        for (n, (stream, alone)) in streams.iter().zip(&alone).enumerate() {
            assert_eq!(stream.words(), *alone, "stream {n}");
        }
    });
    for stream in &streams {
        assert_eq!(whispers().len(), 1);
        stream.set(gst::State::Ready);
        assert_eq!(stream.problems(), [""; 0], "what others use is no leak");
    }
    assert_eq!(whispers(), [""; 0]);
}

#[test]
fn other_parameters_are_another_model() {
    let streams = ["", "beam-size=2", "max-context=0", ""].map(Stream::new);
    streams.iter().for_each(|stream| stream.set(gst::State::Paused));
    assert_eq!(whispers().len(), 3);
}

#[test]
fn all_that_come_at_once_wait_for_one_load() {
    let streams: Vec<Stream> = (0..8).map(|_| Stream::new("")).collect();
    std::thread::scope(|scope| {
        for stream in &streams {
            scope.spawn(|| stream.set(gst::State::Paused));
        }
    });
    assert_eq!(whispers().len(), 1);
}

#[test]
fn a_model_that_is_kept_is_there_for_the_next() {
    let stream = Stream::new("keep-alive=600000");
    stream.set(gst::State::Paused);
    let first = whispers();
    stream.set(gst::State::Ready);
    assert_eq!(whispers(), first);
    assert_eq!(stream.problems(), [""; 0], "what is kept is no leak");
    let other = Stream::new("");
    other.set(gst::State::Paused);
    assert_eq!(whispers(), first);
    other.set(gst::State::Ready);
    assert_eq!(whispers(), [""; 0], "the last one decides");
}

#[test]
fn a_stream_that_stops_takes_nothing_from_another() {
    let samples = half_a_minute();
    let [stops, stays] = ["", ""].map(Stream::new);
    for stream in [&stops, &stays] {
        stream.set(gst::State::Playing);
        stream.feed(&samples);
    }
    stops.set(gst::State::Ready);
    assert_eq!(whispers().len(), 1);
    assert!(stays.words().len() > 10);
}

#[test]
fn a_shared_worker_that_dies_is_replaced_once_for_all() {
    let samples = half_a_minute();
    let streams = [(); 3].map(|()| Stream::new("isolation=process"));
    streams.iter().for_each(|stream| stream.set(gst::State::Playing));
    let worker = workers();
    assert_eq!(worker.len(), 1);
    let kill = std::process::Command::new("kill")
        .args(["-KILL", &worker[0].to_string()])
        .status();
    assert!(kill.unwrap().success());
    for stream in &streams {
        stream.feed(&samples);
    }
    let texts: Vec<Vec<String>> = streams.iter().map(Stream::words).collect();
    assert!(
        texts[0].len() > 10 && texts.iter().all(|text| *text == texts[0]),
        "{texts:?}"
    );
    let after = workers();
    assert!(after.len() == 1 && after != worker, "{after:?}");
    for stream in &streams {
        assert!(
            stream.problems().len() <= 1,
            "each tells of the death once at most"
        );
        stream.set(gst::State::Ready);
    }
    assert_eq!(workers(), [0; 0]);
}

#[test]
fn diarizers_share_too() {
    common::init();
    let lines = [(); 3].map(|()| {
        let line =
            "audiotestsrc num-buffers=1 ! scriberesample ! scribediarizer threads=1 ! fakesink async=false";
        gst::parse::launch(line).unwrap()
    });
    for line in &lines {
        line.set_state(gst::State::Paused).unwrap();
        line.state(PATIENCE).0.unwrap();
    }
    assert_eq!(models("scribe-speakers").len(), 1);
    for line in &lines {
        line.set_state(gst::State::Null).unwrap();
    }
    assert_eq!(models("scribe-speakers"), [""; 0]);
}

#[test]
fn a_keeper_frees_what_nobody_comes_back_for() {
    let stream = Stream::new("keep-alive=1");
    stream.set(gst::State::Paused);
    stream.set(gst::State::Ready);
    let begin = std::time::Instant::now();
    while !whispers().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it is still there");
        std::thread::yield_now();
    }
}
