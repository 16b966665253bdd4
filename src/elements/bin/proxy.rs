//! The children's properties, under the same names on the bin.

use std::sync::LazyLock;

use gst::{glib, prelude::*};

use super::settings::Residency;
use crate::elements::aligner::ScribeAligner;
use crate::elements::captions::ScribeCaptions;
use crate::elements::diarizer::{self, Diarizer, FeatureProfile, Mode};
use crate::elements::resample::Resample;
use crate::elements::transcriber::{Isolation, OnOom, Transcriber};

/// One of the bin's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    Resample,
    Transcriber,
    Diarizer,
    Aligner,
    Captions,
}

impl Child {
    pub const ALL: [Child; 5] = [
        Child::Resample,
        Child::Transcriber,
        Child::Diarizer,
        Child::Aligner,
        Child::Captions,
    ];

    /// Those that hold memory and write checkpoints.
    pub const HOLDERS: [Child; 4] = [
        Child::Resample,
        Child::Transcriber,
        Child::Diarizer,
        Child::Aligner,
    ];

    /// Its name in the bin, by which `GstChildProxy` finds it.
    pub fn name(self) -> &'static str {
        match self {
            Child::Resample => "resample",
            Child::Transcriber => "transcriber",
            Child::Diarizer => "diarizer",
            Child::Aligner => "aligner",
            Child::Captions => "captions",
        }
    }

    fn type_(self) -> glib::Type {
        match self {
            Child::Resample => Resample::static_type(),
            Child::Transcriber => Transcriber::static_type(),
            Child::Diarizer => Diarizer::static_type(),
            Child::Aligner => ScribeAligner::static_type(),
            Child::Captions => ScribeCaptions::static_type(),
        }
    }

    pub fn make(self) -> gst::Element {
        // All five types are elements.
        let element: gst::Element = glib::Object::with_type(self.type_())
            .downcast()
            .expect("an element");
        element.set_property("name", self.name());
        element
    }

    /// What its property is set to when that of the bin is set to `value`.
    pub fn value(self, value: &glib::Value) -> glib::Value {
        match (self, value.get::<OnOom>()) {
            // There are no smaller speaker models.
            (Child::Diarizer, Ok(OnOom::Fail | OnOom::SmallerModel)) => diarizer::OnOom::Fail.to_value(),
            (Child::Diarizer, Ok(OnOom::Cpu)) => diarizer::OnOom::Cpu.to_value(),
            _ => value.clone(),
        }
    }

    /// Its own properties, without what every element has.
    fn properties(self) -> Vec<glib::ParamSpec> {
        let Some(class) = glib::Class::<glib::Object>::from_type(self.type_()) else {
            return Vec::new();
        };
        let properties = class.list_properties();
        let own = properties.iter().filter(|p| p.owner_type() == self.type_());
        own.cloned().collect()
    }
}

/// Set on the bin itself, in another way: a child's property of this name is not to be seen.
const OWN: [&str; 6] = [
    "model-path",
    "lateness",
    "max-observed-delay",
    "memory-log",
    // Turns do not leave the bin.
    "recording",
    "name",
];

/// A property of the bin that is one of its children's.
pub(super) struct Proxied {
    pub pspec: glib::ParamSpec,
    /// Who has it. The first one's default and value count.
    pub children: Vec<Child>,
}

/// All of them. `latency` is the transcriber's, and `device` that of the models: the others' are reached through
/// `GstChildProxy`.
pub(super) fn all() -> &'static [Proxied] {
    static ALL: LazyLock<Vec<Proxied>> = LazyLock::new(|| {
        let mut all: Vec<Proxied> = Vec::new();
        for child in Child::ALL {
            for pspec in child.properties() {
                if OWN.contains(&pspec.name()) || (child == Child::Resample && pspec.name() == "device") {
                    continue;
                }
                match all.iter_mut().find(|p| p.pspec.name() == pspec.name()) {
                    Some(_) if pspec.name() == "latency" => {}
                    Some(known) => known.children.push(child),
                    None => all.extend(copy(&pspec).map(|pspec| Proxied {
                        pspec,
                        children: vec![child],
                    })),
                }
            }
        }
        all
    });
    &ALL
}

/// A pspec of the same kind: one cannot be installed in two classes. `None` for kinds that no child has.
fn copy(pspec: &glib::ParamSpec) -> Option<glib::ParamSpec> {
    let (name, nick) = (pspec.name(), pspec.nick());
    let blurb = pspec.blurb().unwrap_or_default();
    let flags = pspec.flags();
    macro_rules! number {
        ($kind:ty) => {
            if let Some(p) = pspec.downcast_ref::<$kind>() {
                return Some(
                    <$kind>::builder(name)
                        .nick(nick)
                        .blurb(blurb)
                        .minimum(p.minimum())
                        .maximum(p.maximum())
                        .default_value(p.default_value())
                        .flags(flags)
                        .build(),
                );
            }
        };
    }
    number!(glib::ParamSpecUInt);
    number!(glib::ParamSpecInt);
    number!(glib::ParamSpecUInt64);
    number!(glib::ParamSpecFloat);
    number!(glib::ParamSpecDouble);
    if let Some(p) = pspec.downcast_ref::<glib::ParamSpecBoolean>() {
        let builder = glib::ParamSpecBoolean::builder(name).default_value(p.default_value());
        return Some(builder.nick(nick).blurb(blurb).flags(flags).build());
    }
    if let Some(p) = pspec.downcast_ref::<glib::ParamSpecString>() {
        let builder = glib::ParamSpecString::builder(name).default_value(p.default_value());
        return Some(builder.nick(nick).blurb(blurb).flags(flags).build());
    }
    macro_rules! choice {
        ($kind:ty) => {
            if pspec.value_type() == <$kind>::static_type() {
                let builder = glib::ParamSpecEnum::builder::<$kind>(name);
                return Some(builder.nick(nick).blurb(blurb).flags(flags).build());
            }
        };
    }
    choice!(Mode);
    choice!(FeatureProfile);
    choice!(OnOom);
    choice!(Isolation);
    None
}

/// The bin's own.
pub(super) fn own() -> Vec<glib::ParamSpec> {
    let ready = glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_READY;
    vec![
        glib::ParamSpecString::builder("whisper-model")
            .nick("Whisper model")
            .blurb(
                "A ggml file, a size such as large-v3 that is in a model folder, auto for the largest there that fits, or \
                 bundled; unset takes the bundled one, which knows few voices",
            )
            .flags(ready)
            .build(),
        glib::ParamSpecEnum::builder::<Residency>("residency")
            .nick("Residency")
            .blurb("When the models are in memory")
            .flags(ready)
            .build(),
        glib::ParamSpecBoolean::builder("diarize")
            .nick("Diarize")
            .blurb("Whether to say who speaks; without, no speaker model is loaded")
            .default_value(true)
            .flags(ready)
            .build(),
        glib::ParamSpecUInt::builder("spool-memory")
            .nick("Spool memory")
            .blurb("Audio that waits in memory for its turn, in MB; what is more waits in a temporary file")
            .maximum(1 << 20)
            .default_value(256)
            .flags(ready)
            .build(),
        glib::ParamSpecUInt::builder("lateness")
            .nick("Lateness")
            .blurb("By how much captions come later than what they say, in ms")
            .maximum(600_000)
            .flags(ready)
            .build(),
        glib::ParamSpecUInt::builder("max-observed-delay")
            .nick("Maximum observed delay")
            .blurb("The longest time from the end of a live caption to its leaving, in ms")
            .read_only()
            .build(),
        glib::ParamSpecString::builder("memory-log")
            .nick("Memory log")
            .blurb("File to which memory checkpoints are appended as JSON lines")
            .flags(ready)
            .build(),
    ]
}
