//! SECTION:element-scribetranscriber
//!
//! Turns speech into timed words with a Whisper model (ggml format, as whisper.cpp uses). With `model-path=bundled` it
//! is the small demo model that the plugin brings, which knows a few hundred English words.
//!
//! One word leaves in each buffer, with PTS and duration, and its confidence, language and segment number in
//! a `GstScribeWordMeta`. GAP events cover every stretch without a word. `scribecaptions` makes captions of
//! them; put `scriberesample` in front.
//!
//! ## Example
//!
//! ```text
//! gst-launch-1.0 filesrc location=talk.mp3 ! decodebin ! scriberesample ! \
//!     scribetranscriber model-path=models/ggml-scribe-demo.en-q5_0.bin ! scribecaptions ! \
//!     application/x-subtitle-vtt ! filesink location=talk.vtt
//! ```
//!
//! ## Windows
//!
//! Audio is read in windows of 30 s, each beginning at the last timestamp that the model closed, as whisper.cpp
//! does on a whole file, so the text is the same, while the audio held never exceeds 35 s. Pauses over 3 s are
//! jumped over, and words that the model makes up in silence are dropped (`silence-gate`).
//!
//! Audio that is played backwards gives no words.
//!
//! ## Latency
//!
//! On a live source: 31 s (the window and its look-ahead) + `latency` (allowance for inference).
//! `max-observed-delay` tells how long words really took. `lateness` moves all words to a later running time and
//! leaves their timestamps: whoever may show words later than they are said can lower `latency` by as much.
//!
//! ## Memory
//!
//! The model is loaded at READY→PAUSED and freed at PAUSED→READY. Before, what its file says it will take is compared
//! with what is free: a model that would bring the memory in use over `memory-fraction` per cent is refused, with an
//! ERROR that names the largest one that fits, and not even begun to load. With `on-oom=smaller-model` the best one that
//! lies beside it and fits is taken in its place, with a WARNING, also where memory runs out in the middle of a stream and
//! whisper.cpp says so, or ends a worker. Two elements, or two processes of a user,
//! that ask for the last memory at once are not both let in.
//!
//! With `device=cuda:N` the model is on a GPU, in a `scribe-worker-cuda`, which is built on its own (`docs/gpu.md`): the
//! plugin is linked to no CUDA and loads everywhere. A device that is not there is an ERROR. With `device=auto` it is the first GPU
//! where there is one and that program is installed, else the CPU. With `on-oom=cpu` a model for which a GPU has no room, or
//! has none any more, runs on the CPU, with a WARNING; its checkpoints go on telling of the GPU.
//!
//! The checkpoints Before and After
//! Transcription and Before and After Whisper Cleanup are logged (`GST_DEBUG=scribe-memory:4`), posted as
//! element messages `gpu-memory` and appended to `memory-log`.
//!
//! ## Isolation
//!
//! With `isolation=process` the model is in a child process, `scribe-worker`. When that dies (whisper.cpp ends its
//! process where memory runs out), hangs or is killed, the element posts a WARNING, starts another one and asks it for
//! the window again; a window that ends two workers becomes a GAP. After `restart-limit` deaths between READY and READY it
//! is an ERROR. A window that takes the model more than five minutes and 60 times its length is given up, and a GAP as well.
//! Words that were pushed stay. With `isolation=none`, what `auto` means on a CPU, the model is in this
//! process; on a GPU `auto` means `process`.
//!
//! ## Sharing
//!
//! Elements of a process that want the same model with the same parameters share it: the weights and the working memory are
//! there once, and requests wait in one queue, those of live streams with the nearest deadline first. The last one
//! that goes to READY frees it; with `keep-alive` it stays for that long, for the next who wants it.
//!
//! Since: 0.1

mod admission;
mod imp;
mod lifecycle;
mod placement;
mod settings;
mod work;

use std::sync::Arc;

use gst::{glib, prelude::*, subclass::prelude::ObjectSubclassIsExt};

pub use super::isolation::Isolation;
use crate::infer::recognizer::Loader;
use crate::infer::whisper;
use crate::memory::models;
use crate::memory::probes::Device;

use self::placement::Placement;

glib::wrapper! {
    /// See the element's documentation.
    pub struct Transcriber(ObjectSubclass<imp::Transcriber>) @extends gst::Element, gst::Object;
}

pub use settings::OnOom;

/// Makes the loader of a recognizer, once for each READY→PAUSED.
pub type LoaderFactory = Arc<dyn Fn() -> Loader + Send + Sync>;

impl Transcriber {
    /// Hosts another recognizer than whisper.cpp with `model-path`: for embedders who bring their own, and tests.
    /// Takes effect at the next READY→PAUSED.
    pub fn set_recognizer(&self, factory: LoaderFactory) {
        self.imp().set_recognizer(factory);
    }

    /// Where the model goes with the properties as they are. What is wrong with them is said by READY→PAUSED.
    pub(crate) fn model_device(&self) -> Device {
        let placement = Placement::of(&self.imp().settings());
        placement.map_or(Device::Cpu, Placement::device)
    }

    /// Decoders that may work at once with the properties as they are.
    pub(crate) fn decoders(&self) -> u64 {
        let config = self.imp().settings().config();
        config.map_or(models::DECODERS, |config| whisper::decoders(&config))
    }
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    OnOom::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Isolation::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "scribetranscriber",
        gst::Rank::NONE,
        Transcriber::static_type(),
    )
}
