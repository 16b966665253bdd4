//! Pads, properties, messages of the bin.

#![allow(missing_docs)] // each property has its blurb

use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, OnceLock};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::chain::Chain;
use super::progress;
use super::proxy::{self, Child};
use super::run::{Order, Run};
use super::settings::Settings;
use crate::elements::delay::Delay;
use crate::elements::no_audio::NoAudioWatch;
use crate::elements::{checkpoints, cleanup};
use crate::memory::Label;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribebin",
        gst::DebugColorFlags::empty(),
        Some("Speech to captions with speakers"),
    )
});

pub struct ScribeBin {
    settings: Mutex<Settings>,
    /// Empty where GStreamer's own elements are not installed.
    chain: OnceLock<Chain>,
    pub(super) run: Mutex<Option<Run>>,
    pub(super) stages: Stages,
    /// Of the captions.
    pub(super) delay: Delay,
    pub(super) no_audio: Mutex<Option<NoAudioWatch>>,
    /// The diarizer's mode is set for this run alone.
    pub(super) mode_is_ours: AtomicBool,
    pub(super) sink: gst::GhostPad,
    pub(super) src: gst::GhostPad,
    /// The way out of the input as it is, and the queue behind it.
    audio: Mutex<Option<(gst::GhostPad, gst::Element)>>,
}

/// The stages whose progress the bin tells.
pub(super) struct Stages {
    pub transcription: progress::Stage,
    pub alignment: progress::Stage,
}

impl Stages {
    pub fn reset(&self) {
        self.transcription.reset();
        self.alignment.reset();
    }
}

#[glib::object_subclass]
impl ObjectSubclass for ScribeBin {
    const NAME: &'static str = "GstScribeBin";
    type Type = super::ScribeBin;
    type ParentType = gst::Bin;

    fn with_class(class: &Self::Class) -> Self {
        let ghost = |name| {
            let template = class.pad_template(name).expect("registered below");
            gst::GhostPad::from_template(&template)
        };
        ScribeBin {
            settings: Mutex::default(),
            chain: OnceLock::new(),
            run: Mutex::default(),
            stages: Stages {
                transcription: progress::Stage::new("transcription", "Transcribing"),
                alignment: progress::Stage::new("alignment", "Aligning words and speakers"),
            },
            delay: Delay::default(),
            no_audio: Mutex::default(),
            mode_is_ours: AtomicBool::new(false),
            sink: ghost("sink"),
            src: ghost("src"),
            audio: Mutex::default(),
        }
    }
}

impl ScribeBin {
    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    pub(super) fn chain(&self) -> Option<&Chain> {
        self.chain.get()
    }

    pub(super) fn order(&self) -> Option<Order> {
        self.run.lock().as_ref().map(|run| run.order)
    }

    pub(super) fn has_audio(&self) -> bool {
        self.audio.lock().is_some()
    }

    /// Keeps count of the children's checkpoints.
    fn note(&self, structure: &gst::StructureRef) {
        let label = structure.get::<&str>("label").ok().and_then(Label::from_text);
        if let (Some(label), Some(run)) = (label, self.run.lock().as_mut()) {
            run.written.insert(label);
        }
    }

    /// Whether this ERROR must wait: the words are there, and leave without speakers, before the application hears of
    /// it and ends all. Only the first one is kept, as it is the cause of the others.
    fn withhold(&self, message: &gst::Message) -> bool {
        let Some(chain) = self.chain() else { return false };
        let speakers: [&gst::Element; 2] = [chain.spool.upcast_ref(), chain.child(Child::Diarizer)];
        let of_speakers = speakers
            .iter()
            .any(|element| message.src() == Some(element.upcast_ref()));
        let mut run = self.run.lock();
        match run.as_mut().filter(|run| of_speakers && run.diarizing) {
            Some(run) => {
                run.withheld.get_or_insert_with(|| message.clone());
                true
            }
            None => false,
        }
    }

    fn set(&self, name: &str, value: &glib::Value) {
        if name == "memory-log" {
            for child in Child::HOLDERS {
                if let Some(chain) = self.chain() {
                    chain.child(child).set_property_from_value(name, value);
                }
            }
        }
        let mut settings = self.settings.lock();
        // The types are those of the pspecs, which GObject has checked.
        match name {
            "whisper-model" => settings.whisper_model = value.get().expect("a string"),
            "residency" => settings.residency = value.get().expect("a residency"),
            "diarize" => settings.diarize = value.get().expect("a boolean"),
            "spool-memory" => settings.spool_memory = value.get().expect("a number"),
            "lateness" => settings.lateness = value.get().expect("a number"),
            "memory-log" => settings.memory_log = value.get().expect("a string"),
            _ => unreachable!("all of the bin's own properties are above"),
        }
    }

    fn get(&self, name: &str) -> glib::Value {
        let settings = self.settings();
        match name {
            "whisper-model" => settings.whisper_model.to_value(),
            "residency" => settings.residency.to_value(),
            "diarize" => settings.diarize.to_value(),
            "spool-memory" => settings.spool_memory.to_value(),
            "lateness" => settings.lateness.to_value(),
            "max-observed-delay" => self.delay.milliseconds().to_value(),
            "memory-log" => settings.memory_log.to_value(),
            _ => unreachable!("all of the bin's own properties are above"),
        }
    }

    /// Has every child give its memory back.
    fn cleanup(&self) {
        for child in Child::HOLDERS {
            self.clean(child);
        }
    }
}

impl ObjectImpl for ScribeBin {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        for pad in [&self.sink, &self.src] {
            // Two pads of different names on a new element: neither can be refused.
            obj.add_pad(pad).expect("a new element has no pads");
        }
        match Chain::new(obj.upcast_ref()) {
            Ok(chain) => {
                // The targets are in the bin and linked to nothing outside.
                self.sink.set_target(Some(&chain.sink())).expect("a free pad");
                self.src.set_target(Some(&chain.source())).expect("a free pad");
                let _ = self.chain.set(chain);
                self.watch();
            }
            Err(missing) => gst::error!(CAT, imp = self, "there is no element {missing}"),
        }
    }

    fn dispose(&self) {
        self.abandon();
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let proxied = proxy::all().iter().map(|p| p.pspec.clone());
            proxy::own().into_iter().chain(proxied).collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let Some(proxied) = proxy::all().iter().find(|p| p.pspec.name() == pspec.name()) else {
            return self.set(pspec.name(), value);
        };
        for &child in &proxied.children {
            if let Some(chain) = self.chain() {
                chain
                    .child(child)
                    .set_property_from_value(pspec.name(), &child.value(value));
            }
        }
    }

    fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let proxied = proxy::all().iter().find(|p| p.pspec.name() == pspec.name());
        match (proxied, self.chain()) {
            (Some(proxied), Some(chain)) => chain.child(proxied.children[0]).property_value(pspec.name()),
            (Some(proxied), None) => proxied.pspec.default_value().clone(),
            (None, _) => self.get(pspec.name()),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> =
            LazyLock::new(|| [cleanup::signal(|bin: &super::ScribeBin| bin.imp().cleanup())]);
        &*SIGNALS
    }
}

impl GstObjectImpl for ScribeBin {}

impl ElementImpl for ScribeBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe bin",
                "Audio/Text/Bin",
                "Turns speech into captions that say who speaks",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps_of = |child: Child, name: &str| {
                let pad = child.make().static_pad(name);
                pad.map_or_else(gst::Caps::new_any, |pad| pad.pad_template_caps())
            };
            let audio = caps_of(Child::Resample, "sink");
            let captions = caps_of(Child::Captions, "src");
            let template = |name, direction, presence, caps| {
                // Fails only for a name with a pattern.
                gst::PadTemplate::new(name, direction, presence, caps).expect("a plain name")
            };
            use gst::{PadDirection as Direction, PadPresence as Presence};
            vec![
                template("sink", Direction::Sink, Presence::Always, &audio),
                template("src", Direction::Src, Presence::Always, &captions),
                template("audio_src", Direction::Src, Presence::Request, &audio),
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

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _: Option<&str>,
        _: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        if template.presence() != gst::PadPresence::Request || self.has_audio() {
            return None;
        }
        let obj = self.obj();
        let (queue, source) = self
            .chain()?
            .add_audio(obj.upcast_ref())
            .inspect_err(|error| gst::error!(CAT, imp = self, "no audio_src: {error}"))
            .ok()?;
        let pad = gst::GhostPad::from_template(template);
        // A free pad of a new queue.
        pad.set_target(Some(&source)).expect("a free pad");
        let _ = pad.set_active(true);
        obj.add_pad(&pad).ok()?;
        *self.audio.lock() = Some((pad.clone(), queue));
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let audio = {
            let mut audio = self.audio.lock();
            audio.take_if(|(own, _)| own.upcast_ref::<gst::Pad>() == pad)
        };
        let Some((own, queue)) = audio else { return };
        let _ = own.set_active(false);
        if let Some(chain) = self.chain() {
            chain.remove_audio(self.obj().upcast_ref(), &queue);
        }
        let _ = self.obj().remove_pad(&own);
    }
}

impl BinImpl for ScribeBin {
    fn handle_message(&self, message: gst::Message) {
        match message.view() {
            gst::MessageView::Element(element) => {
                if let Some(structure) = element.structure().filter(|s| s.name() == checkpoints::MESSAGE) {
                    self.note(structure);
                }
            }
            gst::MessageView::Error(_) if self.withhold(&message) => return,
            _ => {}
        }
        self.parent_handle_message(message);
    }
}
