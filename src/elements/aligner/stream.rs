//! What flows from READY→PAUSED on: words, turns and events in, what is due out. It owns no pad and pushes nothing, so it
//! can live behind a lock that is never held while something is pushed.
//!
//! The core counts 16 kHz samples of running time and knows no buffers. So the buffers wait here, in the order in which
//! they came, and leave as they came when the core gives their word back. Serialized events wait among them.

use std::collections::VecDeque;

use gst::ClockTime;

use super::latency::Upstream;
use super::timing::{Segment, position_range, running_range};
use crate::elements::word;
use crate::speech::Word;
use crate::speech::align::{AlignConfig, Aligner, Out};
use crate::speech::diarize::Turn;
use crate::time::{samples_to_time, time_to_samples};

/// Name of the event before the first word of a speaker; its field `speaker` says who.
pub(super) const SPEAKER_CHANGE: &str = "rstranscribe/speaker-change";
/// Name of the event behind a sentence.
pub(super) const FINAL_TRANSCRIPT: &str = "rstranscribe/final-transcript";

/// Something to push downstream.
pub(super) enum Output {
    Word(gst::Buffer),
    Event(gst::Event),
    /// The last event: all words are out.
    Eos(gst::Event),
}

/// What waits, in order. Times are running time.
enum Item {
    Word {
        buffer: gst::Buffer,
        start: ClockTime,
        end: ClockTime,
    },
    Event {
        event: gst::Event,
        /// How far the words had come when it came.
        at: ClockTime,
    },
}

/// See the module.
pub(super) struct Stream {
    core: Aligner,
    items: VecDeque<Item>,
    /// How long a word may wait, in samples, where upstream is live.
    latency: u64,
    upstream: Upstream,
    words: Segment,
    turns: Segment,
    /// The segment that downstream knows.
    output: Option<Segment>,
    /// No word that starts before will come.
    reached: ClockTime,
    /// Downstream knows everything before.
    covered: ClockTime,
    has_turns: bool,
    /// Something was held since the last [`Stream::release`].
    used: bool,
}

impl Stream {
    /// `latency` is what a word may wait in a live stream.
    pub fn new(config: AlignConfig, latency: ClockTime) -> Self {
        Self {
            core: Aligner::new(config),
            items: VecDeque::new(),
            latency: time_to_samples(latency),
            upstream: Upstream::default(),
            words: Segment::new(),
            turns: Segment::new(),
            output: None,
            reached: ClockTime::ZERO,
            covered: ClockTime::ZERO,
            has_turns: true,
            used: false,
        }
    }

    /// Whether anything is linked that could give turns. Words wait for none where nothing is.
    pub fn set_turns_linked(&mut self, linked: bool) {
        if linked && !self.has_turns {
            self.core.turns_resumed();
        } else if !linked {
            self.core.turns_ended();
        }
        self.has_turns = linked;
    }

    /// A word. `false` when there is no text in it, and it is only a stretch of time.
    pub fn push_word(&mut self, buffer: gst::Buffer, pts: ClockTime) -> bool {
        let (start, end) = running_range(&self.words, pts, buffer.duration().unwrap_or_default());
        let Some(word) = word::from_buffer(&buffer) else {
            self.reach(end);
            return false;
        };
        self.used = true;
        self.core.push_word(Word {
            start: time_to_samples(start),
            end: time_to_samples(end),
            ..word
        });
        self.reached = self.reached.max(start);
        self.items.push_back(Item::Word { buffer, start, end });
        true
    }

    /// No word for `duration` from `start` on.
    pub fn words_gap(&mut self, start: ClockTime, duration: Option<ClockTime>) {
        let (_, until) = running_range(&self.words, start, duration.unwrap_or_default());
        self.reach(until);
    }

    /// An event of the words: it leaves when the words before it have left.
    pub fn push_event(&mut self, event: gst::Event) {
        let at = self.reached;
        self.items.push_back(Item::Event { event, at });
    }

    /// Times of words now stand in the segment of `event`.
    pub fn set_words_segment(&mut self, segment: Segment, event: gst::Event) {
        self.core.words_resumed();
        self.reach(segment.base().unwrap_or_default());
        self.words = segment;
        self.push_event(event);
    }

    /// Another stream of words begins behind those before.
    pub fn words_begin(&mut self, event: gst::Event) {
        self.core.words_resumed();
        self.push_event(event);
    }

    /// The words are over; `event` says so.
    pub fn words_end(&mut self, event: gst::Event) {
        self.core.words_ended();
        self.push_event(event);
    }

    /// A flush: all of the words is forgotten.
    pub fn restart_words(&mut self) {
        self.core.restart_words(0);
        self.items.clear();
        self.words = Segment::new();
        self.output = None;
        self.reached = ClockTime::ZERO;
        self.covered = ClockTime::ZERO;
    }

    /// A buffer of turns.
    pub fn push_turns(&mut self, turns: &[Turn]) {
        self.used = true;
        turns.iter().for_each(|turn| self.core.push_turn(turn));
    }

    /// The segment in which times of turns stand.
    pub fn turns_segment(&self) -> Segment {
        self.turns.clone()
    }

    /// No turn for `duration` from `start` on.
    pub fn turns_gap(&mut self, start: ClockTime, duration: Option<ClockTime>) {
        let (_, until) = running_range(&self.turns, start, duration.unwrap_or_default());
        self.core.turns_settled(time_to_samples(until));
    }

    pub fn set_turns_segment(&mut self, segment: Segment) {
        self.core
            .turns_settled(time_to_samples(segment.base().unwrap_or_default()));
        self.turns = segment;
    }

    /// Another stream of turns begins behind those before.
    pub fn turns_begin(&mut self) {
        if self.has_turns {
            self.core.turns_resumed();
        }
    }

    pub fn turns_end(&mut self) {
        self.core.turns_ended();
    }

    /// A flush: all of the turns is forgotten.
    pub fn restart_turns(&mut self) {
        self.core.restart_turns();
        self.turns = Segment::new();
        self.set_turns_linked(self.has_turns);
    }

    /// What upstream said of its latency.
    pub fn set_upstream(&mut self, upstream: Upstream) {
        self.core.set_latency(upstream.live.then_some(self.latency));
        self.upstream = upstream;
    }

    pub fn is_live(&self) -> bool {
        self.upstream.live
    }

    /// The clock's running time. Upstream may be late by what it has promised.
    pub fn now(&mut self, running: ClockTime) {
        self.core
            .now(time_to_samples(running.saturating_sub(self.upstream.min)));
    }

    /// The running time at which the next word leaves whatever is known.
    pub fn deadline(&self) -> Option<ClockTime> {
        let deadline = samples_to_time(self.core.next_deadline()?);
        Some(deadline.saturating_add(self.upstream.min))
    }

    /// Nothing waits.
    pub fn is_idle(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives back the room that was needed, and says whether any was. What waits stays.
    pub fn release(&mut self) -> bool {
        self.core.shrink();
        self.items.shrink_to_fit();
        std::mem::take(&mut self.used)
    }

    /// What is due, in the order in which to push it.
    pub fn take_due(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        while let Some(next) = self.core.poll() {
            match next {
                Out::SpeakerChange { speaker, .. } => {
                    self.pass_events(&mut out);
                    self.cover_to_word(&mut out);
                    let fields = gst::Structure::builder(SPEAKER_CHANGE)
                        .field("speaker", speaker.as_ref())
                        .build();
                    out.push(Output::Event(gst::event::CustomDownstream::new(fields)));
                }
                Out::Word { word, .. } => {
                    self.pass_events(&mut out);
                    self.pass_word(&word, &mut out);
                }
                Out::SentenceEnd { .. } => {
                    let fields = gst::Structure::new_empty(FINAL_TRANSCRIPT);
                    out.push(Output::Event(gst::event::CustomDownstream::new(fields)));
                }
                Out::Settled(until) => {
                    self.pass_events(&mut out);
                    self.cover(samples_to_time(until), &mut out);
                }
            }
        }
        self.pass_events(&mut out);
        out
    }

    /// No word that starts before `until` will come.
    fn reach(&mut self, until: ClockTime) {
        self.reached = self.reached.max(until);
        self.core.words_settled(time_to_samples(until));
    }

    /// The events in front, before which no word waits.
    fn pass_events(&mut self, out: &mut Vec<Output>) {
        while let Some(&Item::Event { at, .. }) = self.items.front() {
            self.cover(at, out);
            let Some(Item::Event { event, .. }) = self.items.pop_front() else {
                return;
            };
            if let gst::EventView::Segment(segment) = event.view() {
                let segment = segment.segment().clone().downcast::<ClockTime>().ok();
                let base = segment.as_ref().and_then(Segment::base);
                self.covered = self.covered.max(base.unwrap_or_default());
                self.output = segment;
            }
            out.push(match event.type_() {
                gst::EventType::Eos => Output::Eos(event),
                _ => Output::Event(event),
            });
        }
    }

    /// The word in front, with the speaker that it has been given.
    fn pass_word(&mut self, word: &Word, out: &mut Vec<Output>) {
        self.cover_to_word(out);
        // The core gives each word back once and in order, and the events before it are gone.
        let Some(Item::Word { mut buffer, end, .. }) = self.items.pop_front() else {
            return;
        };
        if let Some(speaker) = &word.speaker {
            word::set_speaker(buffer.make_mut(), speaker);
        }
        self.covered = self.covered.max(end);
        out.push(Output::Word(buffer));
    }

    /// The time before the word in front.
    fn cover_to_word(&mut self, out: &mut Vec<Output>) {
        if let Some(&Item::Word { start, .. }) = self.items.front() {
            self.cover(start, out);
        }
    }

    /// A GAP event for the time up to `until` of which downstream has not heard. Samples are coarser than
    /// nanoseconds, so no GAP goes into the word that follows.
    fn cover(&mut self, until: ClockTime, out: &mut Vec<Output>) {
        let mut until = until.min(self.reached);
        if let Some(&Item::Word { start, .. }) = self.items.front() {
            until = until.min(start);
        }
        if until <= self.covered {
            return;
        }
        // Before the first segment there is no time to speak of.
        let Some(segment) = &self.output else { return };
        if let Some((from, to)) = position_range(segment, self.covered, until) {
            let gap = gst::event::Gap::builder(from).duration(to - from).build();
            out.push(Output::Event(gap));
        }
        self.covered = until;
    }
}
