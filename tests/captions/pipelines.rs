//! With stock elements: encoders, muxers and what reads their files back.

use std::path::Path;

use gst::prelude::*;

use crate::common::*;

/// What is said: a sentence, silence, a sentence with markup characters in it.
pub const SENTENCES: [(&str, u64); 2] = [
    ("When the rain stopped, we all went back into the garden.", 1_000),
    ("Salt & pepper: 1 < 2.", 6_000),
];

/// A pipeline that goes to NULL whatever happens to the test.
pub struct Pipeline(pub gst::Pipeline);

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

impl Pipeline {
    /// Words come from `appsrc name=words`, where there is one.
    pub fn new(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line)
            .expect("the line is right")
            .downcast::<gst::Pipeline>();
        Self(pipeline.expect("several elements are a pipeline"))
    }

    pub fn run(&self) {
        self.0
            .set_state(gst::State::Playing)
            .expect("the pipeline starts");
        if let Some(words) = self.0.by_name("words").and_downcast::<gst_app::AppSrc>() {
            for buffer in SENTENCES
                .into_iter()
                .flat_map(|(text, start)| speech(text, start))
            {
                words.push_buffer(buffer).expect("a word is taken");
            }
            words.end_of_stream().expect("EOS is taken");
        }
        let bus = self.0.bus().expect("a pipeline has a bus");
        let timeout = gst::ClockTime::from_seconds(60);
        let message = bus.timed_pop_filtered(timeout, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Eos(_)) => {}
            Some(gst::MessageView::Error(e)) => panic!("{}: {:?}", e.error(), e.debug()),
            _ => panic!("no end within {timeout}"),
        }
    }
}

pub const WORDS: &str =
    "appsrc name=words format=time caps=text/x-raw,format=utf8 ! scribecaptions name=captions";

pub fn file_of(line: &str) -> String {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("out");
    Pipeline::new(&format!(
        "{WORDS} ! {line} ! filesink location={}",
        path.display()
    ))
    .run();
    std::fs::read_to_string(&path).expect("the file was written")
}

#[test]
fn webvttenc_gets_markup() {
    let expected = "WEBVTT\n\n\
        00:00:01.000 --> 00:00:04.300\nWhen the rain stopped,\nwe all went back into the garden.\n\n\
        00:00:06.000 --> 00:00:07.800\nSalt &amp; pepper: 1 &lt; 2.\n\n";
    assert_eq!(file_of("webvttenc"), expected);
    assert_eq!(
        file_of("application/x-subtitle-vtt"),
        expected,
        "and ours is the same"
    );
    assert_eq!(file_of("identity"), expected, "which is what a file gets unasked");
}

#[test]
fn srtenc_gets_markup() {
    let expected = "1\n00:00:01,000 --> 00:00:04,300\nWhen the rain stopped,\nwe all went back into the garden.\n\n\
        2\n00:00:06,000 --> 00:00:07,800\nSalt &amp; pepper: 1 &lt; 2.\n\n";
    assert_eq!(file_of("srtenc"), expected);
    let ours = expected.replace("&amp;", "&").replace("&lt;", "<");
    assert_eq!(
        file_of("application/x-subtitle"),
        ours,
        "which players show as it was said"
    );
}

#[test]
fn plain_text_in_a_file_has_lines() {
    assert_eq!(
        file_of("text/x-raw,format=utf8 ! queue"),
        "When the rain stopped,\nwe all went back into the garden.\nSalt & pepper: 1 < 2.\n"
    );
}

/// The captions of `path` as (milliseconds, text), demuxed by stock elements.
fn demuxed(path: &Path, demuxer: &str) -> Vec<(u64, u64, String)> {
    let line = format!(
        "filesrc location={} ! {demuxer} name=d  d. ! text/x-raw ! appsink name=out sync=false",
        path.display()
    );
    let pipeline = Pipeline::new(&line);
    let sink = pipeline
        .0
        .by_name("out")
        .and_downcast::<gst_app::AppSink>()
        .expect("an appsink");
    pipeline
        .0
        .set_state(gst::State::Playing)
        .expect("the pipeline starts");
    let mut found = Vec::new();
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(10)) {
        let buffer = sample.buffer().expect("a sample has a buffer");
        let text = content(buffer).trim_end_matches('\0').to_owned();
        // In running time: MP4 shifts a track by its edit list.
        let segment = sample
            .segment()
            .and_then(|s| s.downcast_ref::<gst::ClockTime>())
            .expect("a time segment");
        let start = segment.to_running_time(buffer.pts()).expect("a time").mseconds();
        if !text.trim().is_empty() {
            found.push((
                start,
                start + buffer.duration().expect("a duration").mseconds(),
                text,
            ));
        }
    }
    let error = pipeline
        .0
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    assert!(
        sink.is_eos(),
        "the file was not read to its end, only {found:?}: {error:?}"
    );
    found
}

#[track_caller]
fn check_round_trip(video: &str, muxer: &str, demuxer: &str, escaped: bool, between: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("out");
    Pipeline::new(&format!(
        "{WORDS} ! {between} mux.  videotestsrc num-buffers=100 ! video/x-raw,width=320,height=240,framerate=10/1 ! {video} ! mux. \
         {muxer} name=mux ! filesink location={}",
        path.display()
    ))
    .run();
    let second = if escaped {
        "Salt &amp; pepper: 1 &lt; 2."
    } else {
        "Salt & pepper: 1 < 2."
    };
    let expected = [
        (
            1_000,
            4_300,
            "When the rain stopped,\nwe all went back into the garden.".to_owned(),
        ),
        (6_000, 7_800, second.to_owned()),
    ];
    assert_eq!(demuxed(&path, demuxer), expected, "{muxer}");
}

#[test]
fn captions_survive_matroska() {
    check_round_trip("vp8enc deadline=1", "matroskamux", "matroskademux", true, "");
    check_round_trip("vp8enc deadline=1", "webmmux", "matroskademux", true, "queue !");
}

#[test]
fn captions_survive_mp4() {
    check_round_trip(
        "openh264enc ! h264parse",
        "mp4mux",
        "qtdemux",
        false,
        "text/x-raw,format=utf8 ! queue !",
    );
}

#[test]
fn silence_does_not_stall_a_muxer() {
    let pipeline = Pipeline::new(&format!(
        "{WORDS} ! mux.  videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48,framerate=10/1 ! \
         vp8enc deadline=1 ! mux.  matroskamux name=mux streamable=true ! appsink name=out sync=false"
    ));
    let words = pipeline
        .0
        .by_name("words")
        .and_downcast::<gst_app::AppSrc>()
        .expect("an appsrc");
    let sink = pipeline
        .0
        .by_name("out")
        .and_downcast::<gst_app::AppSink>()
        .expect("an appsink");
    pipeline
        .0
        .set_state(gst::State::Playing)
        .expect("the pipeline starts");
    for buffer in speech("One sentence and then nothing.", 0) {
        words.push_buffer(buffer).expect("a word is taken");
    }
    // Nobody speaks for five seconds, and the words have not ended.
    for second in 2..7 {
        let gap =
            gst::event::Gap::builder(gst::ClockTime::from_seconds(second)).duration(gst::ClockTime::SECOND);
        assert!(words.send_event(gap.build()), "a gap is taken");
    }
    let mut until = gst::ClockTime::ZERO;
    while until < gst::ClockTime::from_seconds(5) {
        let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(10));
        let sample = sample.unwrap_or_else(|| panic!("the muxer stalled at {until}"));
        until = sample.buffer().and_then(|b| b.pts()).unwrap_or(until).max(until);
    }
}
