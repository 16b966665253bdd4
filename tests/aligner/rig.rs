//! The element between two inputs and a record of everything that comes out, in order.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst_check::Harness;
use gstscribe::elements::{turn_caps, word, word_caps};
use gstscribe::speech::Word;
use gstscribe::speech::diarize::{Turn, to_json};

use crate::common;

/// A hung element fails instead of waiting for the runner's limit.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn ms(time: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(time)
}

/// A word from `start` to `end`, in milliseconds.
pub fn word(text: &str, start: u64, end: u64) -> gst::Buffer {
    word::to_buffer(&Word {
        text: text.into(),
        start: start * 16,
        end: end * 16,
        confidence: 0.5,
        segment: 3,
        speaker: None,
        language: Some("en".into()),
    })
}

/// A turn as the diarizer writes it.
pub fn turn(speaker: &str, start: u64, end: u64) -> gst::Buffer {
    let text = to_json(&Turn {
        speaker: speaker.into(),
        start: start * 16,
        end: end * 16,
        confidence: 0.9,
    });
    let mut buffer = gst::Buffer::from_slice(text.into_bytes());
    let writable = buffer.get_mut().expect("a new buffer is writable");
    writable.set_pts(ms(start));
    writable.set_duration(ms(end - start));
    buffer
}

pub fn segment(start: u64, base: u64) -> gst::Event {
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(ms(start));
    segment.set_time(ms(start));
    segment.set_base(ms(base));
    gst::event::Segment::new(&segment)
}

/// A GAP on either input.
pub fn gap(from: u64, until: u64) -> gst::Event {
    gst::event::Gap::builder(ms(from))
        .duration(ms(until - from))
        .build()
}

pub fn custom(name: &str) -> gst::Event {
    gst::event::CustomDownstream::new(gst::Structure::new_empty(name))
}

/// A bus that hears all that an element says, from the beginning.
pub fn bus_of(element: &gst::Element) -> gst::Bus {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    bus
}

#[derive(Default)]
struct Record {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// The element between the pads of harnesses.
pub struct Rig {
    pub element: gst::Element,
    pub words: Harness,
    pub turns: Option<Harness>,
    pub bus: gst::Bus,
    record: Arc<Record>,
}

impl Rig {
    /// Nothing is live. Properties as `name=value`, separated by spaces.
    pub fn new(properties: &str) -> Self {
        let mut rig = Self::made(properties, false);
        rig.link_turns(false);
        rig
    }

    /// Both inputs are live, there is a clock that a test moves, and each is late by so many milliseconds.
    pub fn live(properties: &str, words: u64, turns: u64) -> Self {
        let mut rig = Self::made(properties, true);
        rig.link_turns(true);
        rig.words.use_testclock();
        rig.words.set_upstream_latency(ms(words));
        rig.turns.as_mut().unwrap().set_upstream_latency(ms(turns));
        rig.words.push_event(segment(0, 0)); // now that the latencies are set
        rig.forget_until("segment 0");
        rig
    }

    /// Nothing is linked to the turns.
    pub fn alone(properties: &str) -> Self {
        Self::made(properties, false)
    }

    fn made(properties: &str, live: bool) -> Self {
        common::init();
        let element = gst::ElementFactory::make("scribealigner").build().unwrap();
        for pair in properties.split_whitespace() {
            let (name, value) = pair.split_once('=').expect("name=value");
            element.set_property_from_str(name, value);
        }
        let bus = bus_of(&element);
        let mut words = Harness::with_element(&element, Some("words"), Some("src"));
        words.set_live(live);
        let record = Arc::new(Record::default());
        let taken = record.clone();
        let mask =
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        let sink = words.sinkpad().expect("the harness has a sink pad");
        sink.add_probe(mask, move |_, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => taken.add(show_buffer(buffer)),
                Some(gst::PadProbeData::Event(event)) => taken.add(show_event(event)),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
        words.set_src_caps(word_caps());
        let rig = Self {
            element,
            words,
            turns: None,
            bus,
            record,
        };
        rig.forget_until("segment 0");
        rig
    }

    pub fn link_turns(&mut self, live: bool) {
        let mut turns = Harness::with_element(&self.element, Some("turns"), None);
        turns.set_live(live);
        turns.set_src_caps(turn_caps());
        self.turns = Some(turns);
    }

    pub fn word(&mut self, text: &str, start: u64, end: u64) {
        self.words.push(word(text, start, end)).expect("a word is taken");
    }

    /// Words of 400 ms, 500 ms from start to start.
    pub fn say(&mut self, text: &str, start: u64) {
        for (i, text) in (0..).zip(text.split(' ')) {
            self.word(text, start + 500 * i, start + 500 * i + 400);
        }
    }

    pub fn event(&mut self, event: gst::Event) {
        assert!(self.words.push_event(event), "an event is taken");
    }

    pub fn eos(&mut self) {
        self.event(gst::event::Eos::new());
    }

    pub fn turn(&mut self, speaker: &str, start: u64, end: u64) {
        let turns = self.turns.as_mut().expect("linked");
        turns.push(turn(speaker, start, end)).expect("a turn is taken");
    }

    pub fn turns_event(&mut self, event: gst::Event) {
        let turns = self.turns.as_mut().expect("linked");
        assert!(turns.push_event(event), "an event is taken");
    }

    pub fn turns_eos(&mut self) {
        self.turns_event(gst::event::Eos::new());
    }

    pub fn flush_words(&mut self) {
        self.event(gst::event::FlushStart::new());
        self.event(gst::event::FlushStop::new(true));
    }

    pub fn flush_turns(&mut self) {
        self.turns_event(gst::event::FlushStart::new());
        self.turns_event(gst::event::FlushStop::new(true));
    }

    /// Everything up to the first line that is `last`, which is waited for, and nothing of it any more. Words are
    /// `FROM-UNTIL TEXT/SPEAKER`, GAPs `FROM-UNTIL gap`, joined where they adjoin; `A:` is a change to A, `|` the end of a
    /// sentence; other events by name.
    #[track_caller]
    pub fn until(&self, last: &str) -> Vec<String> {
        let mut lines = self.record.lines.lock().unwrap();
        loop {
            if let Some(at) = lines.iter().position(|line| line == last) {
                return lines.drain(..=at).collect();
            }
            let (again, waited) = self.record.more.wait_timeout(lines, PATIENCE).unwrap();
            lines = again;
            assert!(!waited.timed_out(), "{last:?} has not come: {lines:#?}");
        }
    }

    /// What comes until the last line of `expected` is `expected`.
    #[track_caller]
    pub fn check(&self, expected: &[&str]) {
        let last = expected.last().expect("something is expected");
        assert_eq!(self.until(last), expected);
    }

    #[track_caller]
    pub fn forget_until(&self, last: &str) {
        self.until(last);
    }

    pub fn latency(&self) -> (bool, u64, Option<u64>) {
        let mut query = gst::query::Latency::new();
        assert!(self.element.static_pad("src").unwrap().query(&mut query));
        let (live, min, max) = query.result();
        (live, min.mseconds(), max.map(|max| max.mseconds()))
    }

    /// Texts of the ERRORs and WARNINGs so far.
    pub fn complaints(&self) -> Vec<String> {
        let types = [gst::MessageType::Error, gst::MessageType::Warning];
        std::iter::from_fn(|| self.bus.pop_filtered(&types))
            .map(|m| match m.view() {
                gst::MessageView::Error(e) => e.error().to_string(),
                gst::MessageView::Warning(w) => w.error().to_string(),
                _ => unreachable!("filtered"),
            })
            .collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.element.set_bus(None);
    }
}

impl Record {
    fn add(&self, line: String) {
        let mut lines = self.lines.lock().unwrap();
        let joined = lines.last().and_then(|last| join(last, &line));
        match (joined, lines.last_mut()) {
            (Some(joined), Some(last)) => *last = joined,
            _ => lines.push(line),
        }
        self.more.notify_all();
    }
}

/// How many GAPs a stretch is made of depends on when the task looks.
fn join(last: &str, line: &str) -> Option<String> {
    let (from, at) = last.strip_suffix(" gap")?.split_once('-')?;
    let (start, until) = line.strip_suffix(" gap")?.split_once('-')?;
    (at == start).then(|| format!("{from}-{until} gap"))
}

fn range(start: Option<gst::ClockTime>, duration: Option<gst::ClockTime>) -> String {
    match (start, duration) {
        (Some(start), Some(duration)) => format!("{}-{}", start.mseconds(), (start + duration).mseconds()),
        _ => "no time".into(),
    }
}

fn show_buffer(buffer: &gst::BufferRef) -> String {
    let range = range(buffer.pts(), buffer.duration());
    let word = word::from_buffer(buffer).expect("a word");
    assert_eq!(
        (word.confidence, word.segment, word.language.as_deref()),
        (0.5, 3, Some("en"))
    );
    format!("{range} {}/{}", word.text, word.speaker.as_deref().unwrap_or("-"))
}

fn show_event(event: &gst::EventRef) -> String {
    match event.view() {
        gst::EventView::Segment(e) => match e.segment().downcast_ref::<gst::ClockTime>() {
            Some(segment) => format!("segment {}", segment.start().unwrap_or_default().mseconds()),
            None => "segment not in time".into(),
        },
        gst::EventView::Gap(e) => {
            let (start, duration) = e.get();
            format!("{} gap", range(Some(start), duration))
        }
        gst::EventView::CustomDownstream(e) => {
            let fields = e.structure().expect("named");
            match fields.name().as_str() {
                "rstranscribe/speaker-change" => format!("{}:", fields.get::<&str>("speaker").unwrap()),
                "rstranscribe/final-transcript" => "|".into(),
                other => other.into(),
            }
        }
        _ => event.type_().name().to_string(),
    }
}
