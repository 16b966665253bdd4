//! Words to push and a record of everything that comes out, in order.

use std::sync::{Arc, Mutex, Once};

use gst::prelude::*;
use gst_check::Harness;
use gstscribe::{elements::word, speech::Word};

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer starts");
        gstscribe::plugin_register_static().expect("the plugin registers");
    });
}

/// A word from `start` to `end`, in milliseconds.
pub fn word(text: &str, start: u64, end: u64) -> Word {
    Word {
        text: text.into(),
        start: start * 16,
        end: end * 16,
        confidence: 0.5,
        segment: 0,
        speaker: None,
        language: None,
    }
}

/// Words that follow each other without pause, 300 ms each, as buffers.
pub fn speech(text: &str, start: u64) -> Vec<gst::Buffer> {
    let at = |i: usize| start + i as u64 * 300;
    text.split(' ')
        .enumerate()
        .map(|(i, t)| word::to_buffer(&word(t, at(i), at(i + 1))))
        .collect()
}

/// The element between a harness' pads.
pub struct Captions {
    pub harness: Harness,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Captions {
    /// Downstream takes `caps`. Properties as `name=value`, separated by spaces.
    pub fn new(caps: &str, properties: &str) -> Self {
        init();
        let mut harness = Harness::new_parse(&format!("scribecaptions {properties}"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let mask =
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        harness
            .sinkpad()
            .expect("the harness has a sink pad")
            .add_probe(mask, move |_, info| {
                let line = match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => Some(show_buffer(buffer)),
                    Some(gst::PadProbeData::Event(event)) => show_event(event),
                    _ => None,
                };
                record.lock().unwrap().extend(line);
                gst::PadProbeReturn::Ok
            });
        harness.set_sink_caps_str(caps);
        harness.set_src_caps_str("text/x-raw, format=utf8");
        Self { harness, seen }
    }

    pub fn push(&mut self, words: impl IntoIterator<Item = gst::Buffer>) {
        for buffer in words {
            self.harness.push(buffer).expect("a word is taken");
        }
    }

    pub fn say(&mut self, text: &str, start: u64) {
        self.push(speech(text, start));
    }

    pub fn event(&mut self, event: gst::Event) {
        assert!(self.harness.push_event(event), "an event is taken");
    }

    /// Nobody speaks, in milliseconds.
    pub fn gap(&mut self, from: u64, until: u64) {
        let (from, until) = (
            gst::ClockTime::from_mseconds(from),
            gst::ClockTime::from_mseconds(until),
        );
        self.event(gst::event::Gap::builder(from).duration(until - from).build());
    }

    pub fn custom(&mut self, fields: gst::Structure) {
        self.event(gst::event::CustomDownstream::new(fields));
    }

    pub fn eos(&mut self) {
        self.event(gst::event::Eos::new());
    }

    /// What came out since the last call: `caps NAME`, `segment START`, `gap FROM-UNTIL`, `FROM-UNTIL
    /// TEXT`, other events by name; in milliseconds.
    #[track_caller]
    pub fn check(&self, expected: &[&str]) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!(seen, expected);
    }

    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// All buffers, put together as a file would have them.
    pub fn text(&mut self) -> String {
        let mut text = String::new();
        while let Some(buffer) = self.harness.try_pull() {
            text.push_str(&content(&buffer));
        }
        text
    }
}

pub fn content(buffer: &gst::BufferRef) -> String {
    let map = buffer.map_readable().expect("a buffer is readable");
    String::from_utf8(map.to_vec()).expect("captions are UTF-8")
}

fn range(start: Option<gst::ClockTime>, duration: Option<gst::ClockTime>) -> String {
    match (start, duration) {
        (Some(start), Some(duration)) => format!("{}-{}", start.mseconds(), (start + duration).mseconds()),
        _ => "no time".into(),
    }
}

fn show_buffer(buffer: &gst::BufferRef) -> String {
    let header = if buffer.flags().contains(gst::BufferFlags::HEADER) {
        "header "
    } else {
        ""
    };
    format!(
        "{header}{} {}",
        range(buffer.pts(), buffer.duration()),
        content(buffer)
    )
}

fn show_event(event: &gst::EventRef) -> Option<String> {
    Some(match event.view() {
        gst::EventView::StreamStart(_) => return None,
        gst::EventView::Caps(e) => format!("caps {}", e.caps()),
        gst::EventView::Segment(e) => match e.segment().downcast_ref::<gst::ClockTime>() {
            Some(segment) => format!("segment {}", segment.start().unwrap_or_default().mseconds()),
            None => "segment not in time".into(),
        },
        gst::EventView::Gap(e) => {
            let (start, duration) = e.get();
            format!("gap {}", range(Some(start), duration))
        }
        gst::EventView::CustomDownstream(e) => e.structure()?.name().to_string(),
        _ => format!("{:?}", event.type_()),
    })
}
