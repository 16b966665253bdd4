//! What flows between READY and the next: words and events in, buffers and events out. It owns no pad and
//! pushes nothing, so it can live behind a lock that is never held while something is pushed.

use std::sync::Arc;

use super::{negotiate, settings::Config};
use crate::{
    speech::{
        Word,
        captions::{Cue, CueBuilder, Format, Writer},
    },
    time,
};

/// Something to push downstream.
pub enum Output {
    Buffer(gst::Buffer),
    Event(gst::Event),
}

/// See the module. Every method appends what it leads to, in the order in which to push it.
pub struct Stream {
    config: Config,
    builder: CueBuilder,
    /// `None` until downstream's format is known.
    writer: Option<Writer>,
    /// A cue in plain text ends in a newline.
    newline: bool,
    header_due: bool,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// Downstream knows everything before this sample.
    position: u64,
    /// Events that belong behind a cue which is still held to see how much silence follows.
    held: Vec<gst::Event>,
}

impl Stream {
    pub fn new(config: Config) -> Self {
        Self {
            builder: CueBuilder::new(config.rules.clone()),
            config,
            writer: None,
            newline: false,
            header_due: false,
            segment: None,
            position: 0,
            held: Vec::new(),
        }
    }

    /// How long a cue may be held: from its first word to the last.
    pub fn latency(&self) -> gst::ClockTime {
        self.config.max_duration
    }

    pub fn format(&self) -> Option<Format> {
        self.writer.as_ref().map(Writer::format)
    }

    pub fn set_format(&mut self, format: Format, newline: bool, out: &mut Vec<Output>) {
        self.newline = newline;
        if self.format() == Some(format) {
            return;
        }
        self.finish(out);
        let writer = Writer::new(format, self.config.speaker_labels, self.config.speaker_colors);
        self.header_due = writer.header().is_some();
        self.writer = Some(writer);
        self.builder
            .set_labels(self.config.speaker_labels && format.has_labels());
        self.builder.gap(self.position);
        out.push(Output::Event(gst::event::Caps::new(&negotiate::caps(format))));
    }

    /// A new time line. Cues of the old one go out first.
    pub fn set_segment(&mut self, segment: gst::FormattedSegment<gst::ClockTime>, out: &mut Vec<Output>) {
        self.finish(out);
        self.position = time::time_to_samples(segment.start().unwrap_or_default());
        self.builder.gap(self.position);
        self.segment = Some(segment);
    }

    pub fn push(&mut self, word: Word, out: &mut Vec<Output>) {
        let (start, end) = (time::samples_to_time(word.start), time::samples_to_time(word.end));
        if self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.clip(start, end).is_some())
        {
            self.builder.push(word);
        } else {
            self.builder.gap(word.end.min(self.stop())); // outside: nothing of it is shown
        }
        self.drain(out);
    }

    /// No word before `until`.
    pub fn gap(&mut self, until: gst::ClockTime, out: &mut Vec<Output>) {
        self.builder.gap(time::time_to_samples(until));
        self.drain(out);
    }

    /// `event` says that the next word does not belong to the cue before it.
    pub fn close(&mut self, event: gst::Event, out: &mut Vec<Output>) {
        self.builder.close();
        self.drain(out);
        self.behind(event, out);
    }

    /// `event` says that `speaker` begins to speak.
    pub fn speaker_change(&mut self, speaker: Option<Arc<str>>, event: gst::Event, out: &mut Vec<Output>) {
        self.builder.speaker_change(speaker);
        self.drain(out);
        self.behind(event, out);
    }

    pub fn set_language(&mut self, language: Arc<str>) {
        self.builder.set_language(Some(language));
    }

    /// Everything that is held goes out: the words end here, or another time line begins.
    pub fn finish(&mut self, out: &mut Vec<Output>) {
        self.builder.finish();
        self.drain(out);
    }

    /// The end. A file without a cue is a file, too.
    pub fn end(&mut self, out: &mut Vec<Output>) {
        self.finish(out);
        if self.header_due && self.segment.is_none() {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            out.push(Output::Event(gst::event::Segment::new(&segment)));
            self.segment = Some(segment);
        }
        self.header(out);
    }

    /// After a flush downstream has nothing: a file begins anew.
    pub fn reset(&mut self) {
        let labels = self.format().is_some_and(Format::has_labels);
        self.builder = CueBuilder::new(self.config.rules.clone());
        self.builder.set_labels(self.config.speaker_labels && labels);
        self.segment = None;
        self.position = 0;
        self.held.clear();
        if let Some(writer) = &mut self.writer {
            writer.restart();
            self.header_due = writer.header().is_some();
        }
    }

    fn behind(&mut self, event: gst::Event, out: &mut Vec<Output>) {
        if self.builder.is_holding_closed() {
            self.held.push(event);
        } else {
            out.push(Output::Event(event));
        }
    }

    fn drain(&mut self, out: &mut Vec<Output>) {
        while let Some(cue) = self.builder.pop() {
            self.cue(cue, out);
            // The held cue is the first to come out, and these belong right behind it.
            out.extend(self.held.drain(..).map(Output::Event));
        }
        self.cover(self.builder.horizon(), out);
    }

    fn cue(&mut self, mut cue: Cue, out: &mut Vec<Output>) {
        self.cover(cue.start, out);
        self.header(out);
        let spoken = cue.words.last().map_or(cue.start, |w| w.end);
        cue.end = cue.end.min(self.stop().max(spoken).max(cue.start + 1));
        let (start, end) = (time::samples_to_time(cue.start), time::samples_to_time(cue.end));
        self.position = cue.end;
        let segment = self.segment.as_ref();
        let Some(writer) = &mut self.writer else { return };
        if writer.format().has_times() {
            cue = cue.retimed(|sample| running_sample(segment, sample));
        }
        let mut text = writer.write(&cue);
        if self.newline && writer.format() == Format::Utf8 {
            text.push('\n');
        }
        out.push(Output::Buffer(buffer(
            text,
            start,
            end,
            gst::BufferFlags::empty(),
        )));
    }

    /// A GAP event for the time up to `until` that downstream has not heard of.
    fn cover(&mut self, until: u64, out: &mut Vec<Output>) {
        if until <= self.position || self.segment.is_none() {
            return;
        }
        self.header(out);
        let (start, end) = (time::samples_to_time(self.position), time::samples_to_time(until));
        out.push(Output::Event(
            gst::event::Gap::builder(start).duration(end - start).build(),
        ));
        self.position = until;
    }

    fn header(&mut self, out: &mut Vec<Output>) {
        let header = self
            .writer
            .as_ref()
            .and_then(Writer::header)
            .filter(|_| self.header_due);
        if let Some(header) = header {
            let at = time::samples_to_time(self.position);
            out.push(Output::Buffer(buffer(
                header.into(),
                at,
                at,
                gst::BufferFlags::HEADER,
            )));
            self.header_due = false;
        }
    }

    /// First sample after the segment.
    fn stop(&self) -> u64 {
        self.segment
            .as_ref()
            .and_then(|s| s.stop())
            .map_or(u64::MAX, time::time_to_samples)
    }
}

fn buffer(text: String, start: gst::ClockTime, end: gst::ClockTime, flags: gst::BufferFlags) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(text.into_bytes());
    // Just made, so there is no second reference to it.
    let writable = buffer.get_mut().expect("a new buffer is writable");
    writable.set_pts(start);
    writable.set_duration(end - start);
    writable.set_flags(flags);
    buffer
}

/// A sample of the segment's time line in running time; zero before it.
fn running_sample(segment: Option<&gst::FormattedSegment<gst::ClockTime>>, sample: u64) -> u64 {
    let at = time::samples_to_time(sample);
    match segment.and_then(|s| s.to_running_time_full(at)) {
        Some(gst::Signed::Positive(running)) => time::time_to_samples(running),
        _ => 0,
    }
}
