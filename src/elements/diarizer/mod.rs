//! SECTION:element-scribediarizer
//!
//! Tells who spoke when: turns of speakers, from a segmentation model and a speaker embedding model in ONNX form.
//!
//! One turn leaves in each buffer, with PTS and duration: a JSON object
//! (`application/x-json, format=speaker-turns`: `speaker`, `start`, `end`, `confidence`; seconds in running time)
//! or a line of RTTM (`application/x-rttm`), whichever downstream takes. Turns of different speakers may overlap
//! unless `exclusive` is set. GAP events cover every stretch without a turn. Put `scriberesample` in front.
//!
//! ## Example
//!
//! ```text
//! gst-launch-1.0 filesrc location=meeting.mp4 ! decodebin ! scriberesample ! scribediarizer ! \
//!     application/x-rttm ! filesink location=meeting.rttm
//! ```
//!
//! ## Models
//!
//! Two small models of our own are built in (`models/SPEAKERS.md` says what they can do). Set `segmentation-model` to
//! an export of pyannote segmentation-3.0 and `embedding-model` to one of WeSpeaker, 3D-Speaker or NeMo, as
//! sherpa-onnx publishes them, for real work: shapes, powerset and features are read from the files' metadata.
//! They run on ONNX Runtime, which is looked for at `ORT_DYLIB_PATH`, beside the plugin and in the system.
//!
//! ## Offline and online
//!
//! `mode=auto` is online on a live source. Offline works as pyannote.audio 3.1: 10 s windows every second, clustering
//! of all voices at the end, so every turn comes at EOS. With `plda` set the clustering is that of its community-1
//! pipeline (VBx). Online works as diart: 5 s windows every 0.5 s, clustering as it goes, and turns come `latency` after
//! the speech; a turn that goes on comes in pieces of 2 s that adjoin. Labels never change once they are out.
//!
//! With the bundled models, and no `plda`, speakers are found from pieces of speech of up to 2.5 s instead of from each window's
//! local speakers; `docs/diarization.md` tells why.
//!
//! ## Known people
//!
//! `enrollment` names a folder with one recording a person (`Ann.wav`): turns of that voice carry the name, all others
//! `SPEAKER_00` and so on. At EOS an element message `speaker-embedding` is posted for each speaker: `speaker`,
//! `embedding` (array of floats, normalised), `speech` (nanoseconds heard).
//!
//! ## Latency
//!
//! Online: `latency` + 0.5 s (step) + 2 s (longest piece of a turn) + `min-duration-off`. Offline: none can be promised,
//! and none is reported.
//!
//! ## Memory
//!
//! The models are loaded at READY→PAUSED and freed at PAUSED→READY. The checkpoints Before and After Diarization and
//! Before and After Diarization Model Cleanup are logged (`GST_DEBUG=scribe-memory:4`), posted as element messages
//! `gpu-memory` and appended to `memory-log`.
//!
//! Before, what the files will take is compared with what is free: models that would bring the memory in use over
//! `memory-fraction` per cent are refused, with an ERROR. With `on-oom=cpu` models for which a GPU has no room, or has none any
//! more in the middle of a stream, run on the CPU, with a WARNING; their checkpoints go on telling of the GPU.
//!
//! ## Isolation
//!
//! With `isolation=process`, which `auto` means on a GPU, the models are in a child process, `scribe-worker`, together with other
//! models on the same device, and so is ONNX Runtime. When that dies, hangs or is killed, the element posts a WARNING, starts
//! another one and asks it again: about a batch, window by window. A window that ends two workers counts as silence: offline the
//! windows around it still hear most of its stretch. After `restart-limit` deaths between READY and READY it is an ERROR.
//!
//! Since: 0.1

mod admission;
mod enrollment;
mod imp;
mod lifecycle;
mod output;
mod restart;
mod settings;
mod work;

use std::sync::Arc;

use gst::{glib, prelude::*, subclass::prelude::ObjectSubclassIsExt};

use crate::infer::speaker_models::Loader;

pub use settings::{FeatureProfile, Mode, OnOom};

glib::wrapper! {
    /// See the element's documentation.
    pub struct Diarizer(ObjectSubclass<imp::Diarizer>) @extends gst::Element, gst::Object;
}

/// Makes the loader of speaker models, once for each READY→PAUSED.
pub type LoaderFactory = Arc<dyn Fn() -> Loader + Send + Sync>;

impl Diarizer {
    /// Hosts other models than the ONNX files of the properties: for embedders who bring their own, and tests. Takes
    /// effect at the next READY→PAUSED.
    pub fn set_models(&self, factory: LoaderFactory) {
        self.imp().set_models(factory);
    }

    /// Whether the models have the memory for themselves: then they are loaded when the stream begins, not before, and
    /// freed when they have seen all, before the first turn leaves. Takes effect at the next READY→PAUSED.
    pub(crate) fn set_sequential(&self, sequential: bool) {
        self.imp().set_sequential(sequential);
    }
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Mode::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    FeatureProfile::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    OnOom::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "scribediarizer",
        gst::Rank::NONE,
        Diarizer::static_type(),
    )
}
