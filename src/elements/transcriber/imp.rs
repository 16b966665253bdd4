//! Properties, queries, states: how audio flows is in `flow`, what is said in the session behind it.

#![allow(missing_docs)] // each property has its blurb

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::LoaderFactory;
use super::lifecycle::Whispering;
use super::settings::{OnOom, Settings};
use super::work::Transcription;
use crate::elements::cleanup;
use crate::elements::delay::Delay;
use crate::elements::flow::element::{FlowElement, Refusal};
use crate::elements::flow::stream::Output;
use crate::elements::holding::Holding;
use crate::elements::isolation::{Isolation, RESTART_LIMIT};
use crate::elements::restart::{About, Restarting};
use crate::elements::sharing::Sharing;
use crate::elements::{pads, speech_audio_caps, word, word_caps};
use crate::infer::engine::Engine;
use crate::infer::recognizer::Recognizer;
use crate::speech::Word;
use crate::speech::transcribe::{Hypothesis, Session, Window};
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
        blurb = "A Whisper model in ggml format; bundled is the small demo model in this plugin", mutable_ready)]
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
    #[property(name = "lateness", get, set = Self::set_lateness, type = u32, member = lateness, maximum = 600_000,
        nick = "Lateness", blurb = "By how much words come later than they are said, in ms", mutable_ready)]
    #[property(name = "device", get, set, type = Option<String>, member = device, nick = "Device",
        blurb = "Where the model works: cpu, cuda:N, or auto for a GPU where there is one and scribe-worker-cuda, too",
        mutable_ready)]
    #[property(name = "memory-fraction", get, set, type = u32, member = memory_fraction, minimum = 10, maximum = 100,
        default = 85, nick = "Memory fraction",
        blurb = "Per cent of the memory that may be in use with the model; one that needs more is refused", mutable_ready)]
    #[property(name = "on-oom", get, set, type = OnOom, member = on_oom, nick = "On out of memory",
        blurb = "What to do when there is no room for the model", mutable_ready, builder(OnOom::Fail))]
    #[property(name = "restart-limit", get, set, type = u32, member = restart_limit, default = RESTART_LIMIT,
        nick = "Restart limit", blurb = "How often a worker that died is replaced until READY, with isolation=process",
        mutable_ready)]
    #[property(name = "keep-alive", get, set, type = u32, member = keep_alive, nick = "Keep alive",
        blurb = "How long the model stays loaded behind READY, in ms, for the next who wants it", mutable_ready)]
    #[property(name = "isolation", get, set, type = Isolation, member = isolation, nick = "Isolation",
        blurb = "Where the model lives: in this process, or in one that may die without harm", mutable_ready,
        builder(Isolation::default()))]
    #[property(name = "memory-log", get, set, type = Option<String>, member = memory_log, nick = "Memory log",
        blurb = "File to which memory checkpoints are appended as JSON lines", mutable_ready)]
    settings: std::sync::Mutex<Settings>, // the derive knows no other mutex
    #[property(name = "max-observed-delay", get = |this: &Self| this.delay.milliseconds(), type = u32, nick = "Maximum observed delay",
        blurb = "Longest time from the end of a word to its push on a live source, in ms")]
    pub(super) delay: Delay,
    pub(super) holding: Holding<Transcription, dyn Recognizer>,
    /// What was last announced downstream.
    pub(super) language: Mutex<Option<Arc<str>>>,
    /// Whether upstream is.
    live: AtomicBool,
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
}

#[glib::object_subclass]
impl ObjectSubclass for Transcriber {
    const NAME: &'static str = "GstScribeTranscriber";
    type Type = super::Transcriber;
    type ParentType = gst::Element;

    fn with_class(_: &Self::Class) -> Self {
        Transcriber {
            settings: std::sync::Mutex::default(),
            delay: Delay::default(),
            holding: Holding::default(),
            live: AtomicBool::new(false),
            language: Mutex::default(),
            sinkpad: Self::make_sink(),
            srcpad: Self::make_source(),
        }
    }
}

impl Transcriber {
    pub(super) fn set_recognizer(&self, factory: LoaderFactory) {
        *self.holding.factory.lock() = Some(factory);
    }

    /// The pad shifts the running time of all that leaves by it.
    fn set_lateness(&self, milliseconds: u32) {
        self.settings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .lateness = milliseconds;
        self.srcpad.set_offset(i64::from(milliseconds) * 1_000_000);
    }

    pub(super) fn settings(&self) -> Settings {
        let settings = self
            .settings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        Settings {
            isolation: settings.isolation.in_environment(),
            ..settings
        }
    }
}

impl FlowElement for Transcriber {
    type Work = Transcription;
    type Model = dyn Recognizer;

    fn prepare(&self) -> Result<(), gst::StateChangeError> {
        self.check()
    }

    fn load(&self) -> Result<(), gst::StateChangeError> {
        self.take()
    }

    fn release(&self) {
        self.give_back();
    }

    fn reload(&self) -> Result<Engine<dyn Recognizer>, gst::StateChangeError> {
        self.open_again(|| self.take_model())
    }

    fn free(&self, engine: Engine<dyn Recognizer>) {
        self.drop_model(engine);
    }

    fn running(&self) -> Option<Arc<Whispering>> {
        self.holding.running.lock().clone()
    }

    fn source(&self) -> &gst::Pad {
        &self.srcpad
    }

    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let own = samples_to_time(Session::LONGEST_WAIT)
            + gst::ClockTime::from_mseconds(u64::from(self.settings().latency));
        self.answer_latency(&self.sinkpad, latency, |_| own)
    }

    fn negotiate(&self, seqnum: gst::Seqnum) -> bool {
        let caps = gst::event::Caps::builder(&word_caps()).seqnum(seqnum).build();
        self.srcpad.push_event(caps)
    }

    fn begin_stream(&self) {
        *self.language.lock() = None;
    }

    fn begin_segment(&self) {
        self.live.store(pads::is_live(&self.sinkpad), Ordering::Relaxed);
    }

    /// What another model wrote is no text to this one, whose tokens are others.
    fn adapt(&self, window: &mut Window) {
        if self.holding.is_other() {
            window.history.clear();
        }
    }

    fn due(&self) -> Option<Instant> {
        let allowance = Duration::from_millis(u64::from(self.settings().latency));
        let live = self.live.load(Ordering::Relaxed);
        live.then(|| Instant::now() + allowance)
    }

    fn ask(&self, running: &Whispering, window: Window) -> Result<Hypothesis, Refusal> {
        gst::debug!(
            CAT,
            imp = self,
            "window at {}, {} samples, {:?}",
            samples_to_time(window.start),
            window.samples.len(),
            window.context
        );
        let about = About {
            what: format!("The window at {}", samples_to_time(window.start)),
            then: "is asked again",
            lost: "ended two workers and is left without text",
            late: "is left without text",
        };
        let answer = self.ask_and_restart(running, window, 2, &about)?;
        if answer.is_some() {
            self.holding.answered();
        }
        // Nothing heard: the session makes a GAP of the window's span.
        Ok(answer.unwrap_or_default())
    }

    fn announce(&self, output: &Output<Word>) {
        let heard = output.pieces.iter().find_map(|w| w.language.clone());
        let changed = {
            let mut known = self.language.lock();
            let changed = heard.is_some() && *known != heard;
            if changed {
                known.clone_from(&heard);
            }
            changed
        };
        if let (true, Some(code)) = (changed, heard) {
            push_language(&self.srcpad, &code);
        }
    }

    fn buffer(&self, running: &Whispering, word: &Word) -> gst::Buffer {
        let said = running.segment().to_running_time(samples_to_time(word.end));
        if self.delay.observe(&*self.obj(), &self.sinkpad, said) {
            self.obj().notify("max-observed-delay");
        }
        word::to_buffer(word)
    }
}

/// Tells the language of the text that follows.
fn push_language(pad: &gst::Pad, code: &str) {
    let mut tags = gst::TagList::new();
    // Just made, so there is no second reference to it.
    let writable = tags.get_mut().expect("a new tag list is writable");
    writable.add::<gst::tags::LanguageCode>(&code, gst::TagMergeMode::Replace);
    pad.push_event(gst::event::Tag::new(tags));
}

#[glib::derived_properties]
impl ObjectImpl for Transcriber {
    fn constructed(&self) {
        self.parent_constructed();
        pads::add(&*self.obj(), &self.sinkpad, &self.srcpad);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> = LazyLock::new(|| {
            [cleanup::signal(|element: &super::Transcriber| {
                element.imp().cleanup()
            })]
        });
        &*SIGNALS
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
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads::templates(&speech_audio_caps(), &word_caps()));
        TEMPLATES.as_ref()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.change(transition)
    }
}

impl Drop for Transcriber {
    fn drop(&mut self) {
        self.give_back();
    }
}
