//! The element: pads, properties, states. What it does is in [`super::stream`].
#![allow(missing_docs)] // the derive makes accessors without docs; the properties' blurbs say what they are

use std::sync::{Arc, LazyLock, Mutex};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::{
    negotiate,
    settings::{Config, DEFAULTS, Settings},
    stream::{Output, Stream},
};
use crate::elements::{pads, word, word_caps};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribecaptions",
        gst::DebugColorFlags::empty(),
        Some("Words to captions"),
    )
});

/// Flow and event functions run with a stream from READY→PAUSED until after PAUSED→READY.
#[derive(Default)]
enum State {
    #[default]
    Stopped,
    Started(Box<Stream>),
}

#[derive(glib::Properties)]
#[properties(wrapper_type = super::ScribeCaptions)]
pub struct ScribeCaptions {
    #[property(name = "max-line-length", get, set, type = u32, member = max_line_length, nick = "Max line length",
        blurb = "Columns in a line, where a wide character takes two; a longer word stays whole",
        default = DEFAULTS.max_line_length, mutable_ready)]
    #[property(name = "max-lines", get, set, type = u32, member = max_lines, nick = "Max lines",
        blurb = "Lines in a cue", default = DEFAULTS.max_lines, mutable_ready)]
    #[property(name = "max-duration", get, set, type = u32, member = max_duration, nick = "Max duration",
        blurb = "Longest time from a cue's start to its end, and the element's latency (in ms)",
        default = DEFAULTS.max_duration, mutable_ready)]
    #[property(name = "min-duration", get, set, type = u32, member = min_duration, nick = "Min duration",
        blurb = "Shortest time that a cue stays when silence follows (in ms)",
        default = DEFAULTS.min_duration, mutable_ready)]
    #[property(name = "max-cps", get, set, type = u32, member = max_cps, nick = "Max characters per second",
        blurb = "Reading speed: a cue with more columns a second stays into the silence (0 = any speed)",
        default = DEFAULTS.max_cps, mutable_ready)]
    #[property(name = "speaker-labels", get, set, type = bool, member = speaker_labels, nick = "Speaker labels",
        blurb = "Say who speaks: a name where the speaker changes, voice spans in WebVTT",
        default = DEFAULTS.speaker_labels, mutable_ready)]
    #[property(name = "speaker-colors", get, set, type = bool, member = speaker_colors, nick = "Speaker colors",
        blurb = "Colour the speakers in pango-markup (for textoverlay; webvttenc and srtenc would write the tags out)",
        default = DEFAULTS.speaker_colors, mutable_ready)]
    settings: Mutex<Settings>,
    state: Mutex<State>,
    sink: gst::Pad,
    src: gst::Pad,
}

impl ScribeCaptions {
    /// Runs `f` on the stream and pushes what comes of it, without the lock.
    fn with_stream(
        &self,
        f: impl FnOnce(&mut Stream, &mut Vec<Output>),
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut out = Vec::new();
        locked(&self.state, |state| match state {
            State::Started(stream) => {
                f(stream, &mut out);
                Ok(())
            }
            State::Stopped => Err(gst::FlowError::Flushing),
        })?;
        for output in out {
            match output {
                Output::Buffer(buffer) => {
                    gst::trace!(CAT, imp = self, "Pushing {buffer:?}");
                    self.src.push(buffer)?;
                }
                Output::Event(event) => {
                    self.src.push_event(event);
                }
            }
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Asks downstream for a format when there is none yet or when it has changed its mind.
    fn negotiate(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let known = locked(&self.state, |state| match state {
            State::Started(stream) => Ok(stream.format().is_some()),
            State::Stopped => Err(gst::FlowError::Flushing),
        })?;
        if !self.src.check_reconfigure() && known {
            return Ok(gst::FlowSuccess::Ok);
        }
        let Some(format) = negotiate::choose(&self.src) else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                (
                    "downstream takes {}, scribecaptions makes {}: link it to an element or a caps filter that takes one of these",
                    self.src.peer_query_caps(None),
                    negotiate::all_caps()
                )
            );
            return Err(gst::FlowError::NotNegotiated);
        };
        let newline = !negotiate::feeds_muxer(&self.src);
        gst::debug!(CAT, imp = self, "Captions are {format:?}");
        self.with_stream(|stream, out| stream.set_format(format, newline, out))
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.negotiate()?;
        let Some(pts) = buffer.pts() else {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("a word has no timestamp, so it has no place in the captions: put an element in front that sets PTS")
            );
            return Err(gst::FlowError::Error);
        };
        match word::from_buffer(&buffer) {
            Some(word) => self.with_stream(|stream, out| stream.push(word, out)),
            None => {
                gst::warning!(CAT, imp = self, "No UTF-8 text in {buffer:?}");
                let end = pts + buffer.duration().unwrap_or_default();
                self.with_stream(|stream, out| stream.gap(end, out))
            }
        }
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, imp = self, "Got {event:?}");
        let forward = |event| gst::Pad::event_default(pad, Some(&*self.obj()), event);
        match event.view() {
            EventView::Caps(_) => self.done(self.negotiate()),
            EventView::StreamStart(_) | EventView::SegmentDone(_) => {
                self.done(self.with_stream(Stream::finish)) && forward(event)
            }
            EventView::Segment(e) => {
                let Ok(segment) = e.segment().clone().downcast::<gst::ClockTime>() else {
                    gst::element_imp_error!(
                        self,
                        gst::StreamError::Format,
                        (
                            "a segment is in {:?} and must be in time: set format=time on the source",
                            e.segment().format()
                        )
                    );
                    return false;
                };
                self.done(
                    self.negotiate()
                        .and_then(|_| self.with_stream(|s, out| s.set_segment(segment, out))),
                ) && forward(event)
            }
            EventView::Gap(e) => {
                let (start, duration) = e.get();
                let until = start + duration.unwrap_or_default();
                self.done(
                    self.negotiate()
                        .and_then(|_| self.with_stream(|s, out| s.gap(until, out))),
                )
            }
            EventView::Tag(e) => {
                if let Some(code) = e.tag().get::<gst::tags::LanguageCode>() {
                    let _ = self.with_stream(|stream, _| stream.set_language(code.get().into()));
                }
                forward(event)
            }
            EventView::CustomDownstream(e) => match e.structure().map(|s| (s.name().as_str(), s)) {
                Some(("rstranscribe/final-transcript", _)) => {
                    self.done(self.with_stream(|stream, out| stream.close(event.clone(), out)))
                }
                Some(("rstranscribe/speaker-change", fields)) => {
                    let speaker: Option<Arc<str>> = fields.get::<&str>("speaker").ok().map(Into::into);
                    self.done(self.with_stream(|s, out| s.speaker_change(speaker, event.clone(), out)))
                }
                _ => forward(event),
            },
            EventView::Eos(_) => {
                // EOS must arrive whatever becomes of the last cue.
                self.done(self.negotiate().and_then(|_| self.with_stream(Stream::end)));
                forward(event)
            }
            EventView::FlushStop(_) => {
                locked(&self.state, |state| {
                    if let State::Started(stream) = state {
                        stream.reset();
                    }
                });
                forward(event)
            }
            _ => forward(event),
        }
    }

    /// Whether an event was handled. A flow error has no other way upstream from here, so it is posted,
    /// as elements that drive a pipeline do.
    fn done(&self, result: Result<gst::FlowSuccess, gst::FlowError>) -> bool {
        match result {
            Ok(_) | Err(gst::FlowError::Eos) => true,
            Err(gst::FlowError::NotLinked) => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Failed,
                    ("the src pad is not linked: link scribecaptions to an element that takes captions")
                );
                false
            }
            Err(err) => {
                gst::debug!(CAT, imp = self, "Not pushed: {err}");
                false
            }
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sink.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let own = if live {
            self.latency()
        } else {
            gst::ClockTime::ZERO
        };
        latency.set(live, min + own, max.map(|max| max + own));
        true
    }

    fn latency(&self) -> gst::ClockTime {
        let started = locked(&self.state, |state| match state {
            State::Started(stream) => Some(stream.latency()),
            State::Stopped => None,
        });
        started.unwrap_or_else(|| {
            locked(&self.settings, |s| {
                gst::ClockTime::from_mseconds(s.max_duration.into())
            })
        })
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let config = locked(&self.settings, |settings| Config::try_from(&*settings)).map_err(|text| {
            gst::element_imp_error!(self, gst::LibraryError::Settings, ("{text}"));
            gst::StateChangeError
        })?;
        locked(&self.state, |state| {
            *state = State::Started(Box::new(Stream::new(config)))
        });
        Ok(())
    }
}

/// Runs `f` under the lock, which is free again when this returns. A panic of another thread is reported
/// by GStreamer; what it left behind is still whole.
fn locked<T, R>(mutex: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

#[glib::object_subclass]
impl ObjectSubclass for ScribeCaptions {
    const NAME: &'static str = "GstScribeCaptions";
    type Type = super::ScribeCaptions;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let template = |name| klass.pad_template(name).expect("registered below");
        let sink = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(pad, event))
            })
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
            })
            .build();
        Self {
            settings: Mutex::default(),
            state: Mutex::default(),
            sink,
            src,
        }
    }
}

#[glib::derived_properties]
impl ObjectImpl for ScribeCaptions {
    fn constructed(&self) {
        self.parent_constructed();
        pads::add(&*self.obj(), &self.sink, &self.src);
    }
}

impl GstObjectImpl for ScribeCaptions {}

impl ElementImpl for ScribeCaptions {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe captions",
                "Text/Filter",
                "Groups words into cues: text, WebVTT, SubRip, JSON",
                "The gst-plugin-scribe authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads::templates(&word_caps(), &negotiate::all_caps()));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start()?;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            // After the parent: its pads are inactive now, and no thread is in a pad function.
            locked(&self.state, |state| *state = State::Stopped);
        }
        result
    }
}
