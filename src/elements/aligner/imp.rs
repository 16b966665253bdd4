//! The element: pads, properties, states. What flows is in [`super::stream`], when it leaves in [`super::task`].
#![allow(missing_docs)] // the derive makes accessors without docs; the properties' blurbs say what they are

use std::sync::{Arc, LazyLock};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::settings::{LONGEST, Settings};
use super::shared::Shared;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::cleanup;
use crate::elements::{turn_caps, word_caps};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribealigner",
        gst::DebugColorFlags::empty(),
        Some("Words and turns to words with speakers"),
    )
});

#[derive(glib::Properties)]
#[properties(wrapper_type = super::ScribeAligner)]
pub struct ScribeAligner {
    #[property(name = "max-gap", get, set, type = u32, member = max_gap, maximum = LONGEST, default = 500,
        nick = "Max gap", blurb = "How far from a turn a word may lie and still belong to it, in ms", mutable_ready)]
    #[property(name = "sentence-smoothing", get, set, type = bool, member = sentence_smoothing, default = true,
        nick = "Sentence smoothing", blurb = "A sentence's majority takes single words that went to somebody else",
        mutable_ready)]
    #[property(name = "latency", get, set, type = u32, member = latency, maximum = LONGEST, default = 4_000,
        nick = "Latency", blurb = "Live, how long after its end a word may wait for its turns and the end of its \
        sentence, beyond the latency of upstream, in ms", mutable_ready)]
    #[property(name = "memory-log", get, set, type = Option<String>, member = memory_log, nick = "Memory log",
        blurb = "File to which memory checkpoints are appended as JSON lines", mutable_ready)]
    settings: std::sync::Mutex<Settings>, // the derive knows no other mutex
    /// From READY→PAUSED to PAUSED→READY.
    pub(super) shared: Mutex<Option<Arc<Shared>>>,
    pub(super) checkpoints: Mutex<Option<Arc<Checkpoints>>>,
    pub(super) words: gst::Pad,
    pub(super) turns: gst::Pad,
    pub(super) src: gst::Pad,
}

impl ScribeAligner {
    pub(super) fn settings(&self) -> Settings {
        self.settings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// `None` in READY and below.
    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.lock().clone()
    }

    fn sink(
        template: &gst::PadTemplate,
        chain: fn(&Self, gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError>,
        event: fn(&Self, &gst::Pad, gst::Event) -> bool,
        query: fn(&Self, &gst::Pad, &mut gst::QueryRef) -> bool,
    ) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .chain_function(move |_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| chain(imp, buffer),
                )
            })
            .event_function(move |pad, parent, e| {
                Self::catch_panic_pad_function(parent, || false, |imp| event(imp, pad, e))
            })
            .query_function(move |pad, parent, q| {
                Self::catch_panic_pad_function(parent, || false, |imp| query(imp, pad, q))
            })
            .build()
    }

    fn source(template: &gst::PadTemplate) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.src_event(pad, event))
            })
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
            .build()
    }

    /// Says whether anything is linked to `turns`, now and whenever that changes.
    fn watch_turns(&self) {
        let weak = self.obj().downgrade();
        let tell = move |linked: bool| {
            if let Some(shared) = weak.upgrade().and_then(|obj| obj.imp().shared()) {
                shared.with(|stream| stream.set_turns_linked(linked));
            }
        };
        let untell = tell.clone();
        self.turns.connect_linked(move |_, _| tell(true));
        self.turns.connect_unlinked(move |_, _| untell(false));
    }
}

#[glib::object_subclass]
impl ObjectSubclass for ScribeAligner {
    const NAME: &'static str = "GstScribeAligner";
    type Type = super::ScribeAligner;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let template = |name| klass.pad_template(name).expect("registered below");
        Self {
            settings: std::sync::Mutex::default(),
            shared: Mutex::default(),
            checkpoints: Mutex::default(),
            words: Self::sink(
                &template("words"),
                Self::words_chain,
                Self::words_event,
                Self::words_query,
            ),
            turns: Self::sink(
                &template("turns"),
                Self::turns_chain,
                Self::turns_event,
                Self::turns_query,
            ),
            src: Self::source(&template("src")),
        }
    }
}

#[glib::derived_properties]
impl ObjectImpl for ScribeAligner {
    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> = LazyLock::new(|| {
            [cleanup::signal(|element: &super::ScribeAligner| {
                element.imp().cleanup_asked();
            })]
        });
        &*SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        for pad in [&self.words, &self.turns, &self.src] {
            // Three pads of different names on a new element: none can be refused.
            self.obj().add_pad(pad).expect("a new element has no pads");
        }
        self.watch_turns();
    }
}

impl GstObjectImpl for ScribeAligner {}

impl ElementImpl for ScribeAligner {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe aligner",
                "Text/Filter",
                "Gives each word its speaker: words and speaker turns to words with speakers",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let always = |name, direction, caps: &gst::Caps| {
                // Fails only for a name with a request pattern.
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).expect("a plain name")
            };
            vec![
                always("words", gst::PadDirection::Sink, &word_caps()),
                always("turns", gst::PadDirection::Sink, &turn_caps()),
                always("src", gst::PadDirection::Src, &word_caps()),
            ]
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.change(transition)
    }
}

impl Drop for ScribeAligner {
    fn drop(&mut self) {
        self.release();
    }
}
