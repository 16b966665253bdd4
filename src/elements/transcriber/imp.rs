//! Pads, events, states: everything that decides is in `input`, `stream` and the session behind it.

#![allow(missing_docs)] // each property has its blurb

use std::sync::{Arc, LazyLock};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::lifecycle::Running;
use super::settings::Settings;
use super::stream::{Job, Output};
use super::{LoaderFactory, input, output};
use crate::elements::checkpoints::Checkpoints;
use crate::elements::{speech_audio_caps, word_caps};
use crate::infer::recognizer::RecognizeError;
use crate::speech::transcribe::{Session, Window};
use crate::time::samples_to_time;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribetranscriber",
        gst::DebugColorFlags::empty(),
        Some("Speech to timed words"),
    )
});

#[derive(glib::Properties)]
#[properties(wrapper_type = super::Transcriber)]
pub struct Transcriber {
    #[property(name = "model-path", get, set, type = Option<String>, member = model_path, nick = "Model path",
        blurb = "A Whisper model in ggml format", mutable_ready)]
    #[property(name = "language-code", get, set, type = Option<String>, member = language_code, nick = "Language code",
        blurb = "Language spoken, as BCP-47 code (en-US); auto detects it once", mutable_ready)]
    #[property(name = "translate", get, set, type = bool, member = translate, nick = "Translate",
        blurb = "Write English, whatever is spoken", mutable_ready)]
    #[property(name = "initial-prompt", get, set, type = Option<String>, member = initial_prompt, nick = "Initial prompt",
        blurb = "Text that the stream is said to follow: steers names, spelling and style", mutable_ready)]
    #[property(name = "beam-size", get, set, type = u32, member = beam_size, minimum = 1, maximum = 8, default = 1,
        nick = "Beam size", blurb = "Width of the beam search; 1 decodes greedily", mutable_ready)]
    #[property(name = "best-of", get, set, type = u32, member = best_of, minimum = 1, maximum = 8, default = 5,
        nick = "Best of", blurb = "Candidates at a temperature above 0", mutable_ready)]
    #[property(name = "temperature", get, set, type = f32, member = temperature, minimum = 0.0, maximum = 1.0,
        nick = "Temperature", blurb = "First temperature", mutable_ready)]
    #[property(name = "temperature-increment", get, set, type = f32, member = temperature_increment, minimum = 0.0,
        maximum = 1.0, default = 0.2, nick = "Temperature increment",
        blurb = "Added after each failed decode; 0 never decodes twice", mutable_ready)]
    #[property(name = "entropy-threshold", get, set, type = f32, member = entropy_threshold, minimum = 0.0,
        maximum = 10.0, default = 2.4, nick = "Entropy threshold",
        blurb = "A decode with less entropy loops, and failed", mutable_ready)]
    #[property(name = "logprob-threshold", get, set, type = f32, member = logprob_threshold, minimum = -10.0,
        maximum = 0.0, default = -1.0, nick = "Log probability threshold",
        blurb = "A decode with a lower mean log probability failed", mutable_ready)]
    #[property(name = "no-speech-threshold", get, set, type = f32, member = no_speech_threshold, minimum = 0.0,
        maximum = 1.0, default = 0.6, nick = "No-speech threshold",
        blurb = "A failed decode with a higher no-speech probability is silence", mutable_ready)]
    #[property(name = "max-context", get, set, type = u32, member = max_context, minimum = 0, maximum = 224, default = 64,
        nick = "Maximum context", blurb = "Tokens of earlier text given to a window; 0 gives none", mutable_ready)]
    #[property(name = "suppress-non-speech", get, set, type = bool, member = suppress_non_speech, default = true,
        nick = "Suppress non-speech", blurb = "Never write sounds, such as (music)", mutable_ready)]
    #[property(name = "silence-gate", get, set, type = bool, member = silence_gate, default = true,
        nick = "Silence gate", blurb = "Jump over long silence and drop words in silence", mutable_ready)]
    #[property(name = "threads", get, set, type = u32, member = threads, minimum = 0, maximum = 256,
        nick = "Threads", blurb = "CPU threads; 0 takes one a processor, at most 4", mutable_ready)]
    #[property(name = "latency", get, set, type = u32, member = latency, minimum = 0, maximum = 600_000, default = 4_000,
        nick = "Latency", blurb = "Allowance for inference on a live source, in ms", mutable_ready)]
    #[property(name = "memory-log", get, set, type = Option<String>, member = memory_log, nick = "Memory log",
        blurb = "File to which memory checkpoints are appended as JSON lines", mutable_ready)]
    settings: std::sync::Mutex<Settings>, // the derive knows no other mutex
    pub(super) factory: Mutex<Option<LoaderFactory>>,
    pub(super) running: Mutex<Option<Arc<Running>>>,
    pub(super) checkpoints: Mutex<Option<Arc<Checkpoints>>>,
    segment: Mutex<gst::FormattedSegment<gst::ClockTime>>,
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
}

#[glib::object_subclass]
impl ObjectSubclass for Transcriber {
    const NAME: &'static str = "GstScribeTranscriber";
    type Type = super::Transcriber;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("made in pad_templates below");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.sink_chain(pad, buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(pad, event))
            })
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.src_query(pad, query))
            })
            .activatemode_function(|pad, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || {
                        Err(gst::loggable_error!(
                            CAT,
                            "panic while (de)activating the source pad"
                        ))
                    },
                    |imp| imp.src_activate(pad, active),
                )
            })
            .flags(gst::PadFlags::FIXED_CAPS)
            .build();
        Transcriber {
            settings: std::sync::Mutex::default(),
            factory: Mutex::default(),
            running: Mutex::default(),
            checkpoints: Mutex::default(),
            segment: Mutex::new(gst::FormattedSegment::new()),
            sinkpad,
            srcpad,
        }
    }
}

impl Transcriber {
    pub(super) fn set_recognizer(&self, factory: LoaderFactory) {
        *self.factory.lock() = Some(factory);
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn running(&self) -> Option<Arc<Running>> {
        self.running.lock().clone()
    }

    fn sink_chain(&self, _pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let running = self.running().ok_or(gst::FlowError::Flushing)?;
        let segment = self.segment.lock().clone();
        if segment.rate() < 0.0 {
            return Ok(gst::FlowSuccess::Ok); // speech played backwards is no speech
        }
        input::push_buffer(&running.stream, &segment, buffer)
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let Some(running) = self.running() else {
            return gst::Pad::event_default(pad, Some(&*self.obj()), event);
        };
        match event.view() {
            EventView::FlushStart(_) => {
                running.stop();
                let passed = self.srcpad.push_event(event);
                // Waits for the task, which the cancel above and the flush downstream have let go.
                let _ = self.srcpad.pause_task();
                passed
            }
            EventView::FlushStop(_) => {
                let passed = self.srcpad.push_event(event);
                running.go();
                self.start_task(&running) && passed
            }
            EventView::Caps(caps) => {
                gst::debug!(CAT, imp = self, "input is {}", caps.caps());
                self.srcpad.push_event(
                    gst::event::Caps::builder(&word_caps())
                        .seqnum(event.seqnum())
                        .build(),
                )
            }
            EventView::Segment(segment) => match segment.segment().downcast_ref::<gst::ClockTime>() {
                Some(segment) => {
                    let _ = running.stream.drain(); // an error has been noted and ends the stream by itself
                    *self.segment.lock() = segment.clone();
                    self.srcpad.push_event(event)
                }
                None => {
                    gst::element_imp_error!(
                        self,
                        gst::StreamError::Format,
                        (
                            "expected a segment in TIME format, got {:?}. Put a parser or decoder in front",
                            segment.segment().format()
                        )
                    );
                    false
                }
            },
            EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                input::push_gap(&running.stream, start, duration).is_ok()
            }
            EventView::StreamStart(_) => {
                let _ = running.stream.drain();
                running.stream.begin_stream();
                *running.language.lock() = None;
                self.srcpad.push_event(event)
            }
            EventView::Eos(_) => {
                let drained = running.stream.drain();
                gst::debug!(CAT, imp = self, "drained at EOS: {drained:?}");
                self.srcpad.push_event(event)
            }
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let own = samples_to_time(Session::LONGEST_WAIT)
            + gst::ClockTime::from_mseconds(u64::from(self.settings().latency));
        latency.set(live, min + own, max.map(|max| max + own));
        true
    }

    fn src_activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        let Some(running) = self.running() else {
            return Ok(());
        };
        if active {
            running.go();
            if !self.start_task(&running) {
                return Err(gst::loggable_error!(CAT, "cannot start the output task"));
            }
            return Ok(());
        }
        running.stop();
        pad.stop_task()
            .map_err(|e| gst::loggable_error!(CAT, "cannot stop the output task: {e}"))
    }

    fn start_task(&self, running: &Arc<Running>) -> bool {
        let weak = self.obj().downgrade();
        let running = Arc::downgrade(running);
        let task = move || {
            let (Some(element), Some(running)) = (weak.upgrade(), running.upgrade()) else {
                return;
            };
            element.imp().work(&running);
        };
        self.srcpad.start_task(task).is_ok()
    }

    /// One turn of the output task.
    fn work(&self, running: &Running) {
        let said = match running.stream.next_job() {
            Job::Stop => {
                let _ = self.srcpad.pause_task();
                return;
            }
            Job::Gap(from, until) => {
                output::gap(&self.srcpad, from, until);
                return;
            }
            Job::Recognize(window) => self.recognize(running, window),
        };
        if let Err(error) = said {
            gst::debug!(CAT, imp = self, "the output task stops: {error}");
            running.stream.downstream_said(Err(error));
        }
    }

    fn recognize(&self, running: &Running, window: Window) -> Result<gst::FlowSuccess, gst::FlowError> {
        let start = samples_to_time(window.start);
        gst::debug!(
            CAT,
            imp = self,
            "window at {start}, {} samples, {:?}",
            window.samples.len(),
            window.context
        );
        match running.engine.recognize(window) {
            Ok(hypothesis) => {
                let Some(output) = running.stream.accept(&hypothesis) else {
                    return Err(gst::FlowError::Flushing);
                };
                self.announce_language(running, &output);
                output::push(&self.srcpad, &output)
            }
            Err(RecognizeError::Cancelled) => Err(gst::FlowError::Flushing),
            Err(error) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("at {start}: {error}"));
                Err(gst::FlowError::Error)
            }
        }
    }

    fn announce_language(&self, running: &Running, output: &Output) {
        let heard = output.words.iter().find_map(|w| w.language.clone());
        let changed = {
            let mut known = running.language.lock();
            let changed = heard.is_some() && *known != heard;
            if changed {
                known.clone_from(&heard);
            }
            changed
        };
        if let (true, Some(code)) = (changed, heard) {
            output::language(&self.srcpad, &code);
        }
    }
}

#[glib::derived_properties]
impl ObjectImpl for Transcriber {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // A new element takes the two pads: it has none yet.
        obj.add_pad(&self.sinkpad).expect("a new element takes its pads");
        obj.add_pad(&self.srcpad).expect("a new element takes its pads");
    }
}

impl GstObjectImpl for Transcriber {}

impl ElementImpl for Transcriber {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe transcriber",
                "Audio/Text/Filter",
                "Turns speech into timed words with Whisper",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = |name, direction, caps: gst::Caps| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                    .expect("valid names and caps")
            };
            vec![
                template("sink", gst::PadDirection::Sink, speech_audio_caps()),
                template("src", gst::PadDirection::Src, word_caps()),
            ]
        });
        TEMPLATES.as_ref()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.prepare()?,
            gst::StateChange::ReadyToPaused => {
                if let Err(error) = self.load() {
                    self.release();
                    return Err(error);
                }
            }
            gst::StateChange::PausedToReady => {
                if let Some(running) = self.running() {
                    running.stop();
                }
            }
            _ => {}
        }
        let result = self.parent_change_state(transition);
        let failed_up = transition == gst::StateChange::ReadyToPaused && result.is_err();
        if transition == gst::StateChange::PausedToReady || failed_up {
            self.release();
        }
        result
    }
}

impl Drop for Transcriber {
    fn drop(&mut self) {
        self.release();
    }
}
