//! Properties, queries, states: how audio flows is in `flow`, who speaks is decided in the session behind it.

#![allow(missing_docs)] // each property has its blurb

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::LoaderFactory;
use super::lifecycle::Listening;
use super::output::{self, Format};
use super::settings::{FeatureProfile, LATENCY, LONGEST_PIECE, Mode, ONLINE_STEP, OnOom, Settings};
use super::work::{Answer, Diarization, Request, Turns};
use crate::elements::cleanup;
use crate::elements::flow::element::{FlowElement, Refusal};
use crate::elements::flow::stream::Output;
use crate::elements::holding::Holding;
use crate::elements::isolation::{Isolation, RESTART_LIMIT};
use crate::elements::sharing::Sharing;
use crate::elements::{load, pads, speech_audio_caps};
use crate::infer::engine::Engine;
use crate::infer::speaker_models::SpeakerModels;
use crate::speech::diarize::{Conclusion, OfflineSession, Speaker, Turn, Voices};
use crate::time::samples_to_time;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribediarizer",
        gst::DebugColorFlags::empty(),
        Some("Speech to speaker turns"),
    )
});

#[derive(glib::Properties)]
#[properties(wrapper_type = super::Diarizer)]
pub struct Diarizer {
    #[property(name = "segmentation-model", get, set, type = Option<String>, member = segmentation_model,
        nick = "Segmentation model", blurb = "An ONNX export of pyannote segmentation-3.0 or one like it; unset takes \
        the bundled one", mutable_ready)]
    #[property(name = "embedding-model", get, set, type = Option<String>, member = embedding_model,
        nick = "Embedding model", blurb = "A speaker embedding model of WeSpeaker, 3D-Speaker or NeMo in ONNX form; \
        unset takes the bundled one", mutable_ready)]
    #[property(name = "plda", get, set, type = Option<String>, member = plda, nick = "PLDA",
        blurb = "Folder with plda.npz and xvec_transform.npz of pyannote's community-1: cluster with VBx, offline",
        mutable_ready)]
    #[property(name = "device", get, set, type = Option<String>, member = device, nick = "Device",
        blurb = "Where the models run: cpu, cuda:N, or auto (cuda:0 where that is possible)", mutable_ready)]
    #[property(name = "device-memory-limit", get, set, type = u32, member = device_memory_limit, minimum = 256,
        maximum = 1_048_576, default = 2_048, nick = "Device memory limit",
        blurb = "Most memory that the models take on a GPU, without its context, in MB", mutable_ready)]
    #[property(name = "threads", get, set, type = u32, member = threads, minimum = 0, maximum = 256,
        nick = "Threads", blurb = "CPU threads; 0 takes one a processor, at most 4", mutable_ready)]
    #[property(name = "batch-size", get, set, type = u32, member = batch_size, minimum = 1, maximum = 256, default = 8,
        nick = "Batch size", blurb = "Windows that the models get at once", mutable_ready)]
    #[property(name = "feature-profile", get, set, type = FeatureProfile, member = feature_profile,
        nick = "Feature profile", blurb = "Features that an embedding model of WeSpeaker gets", mutable_ready,
        builder(FeatureProfile::Auto))]
    #[property(name = "mode", get, set, type = Mode, member = mode, nick = "Mode", blurb = "When the turns come",
        mutable_ready, builder(Mode::Auto))]
    #[property(name = "latency", get, set, type = u32, member = latency, minimum = LATENCY.0, maximum = LATENCY.1,
        default = 2_000, nick = "Latency", blurb = "How long after the speech a turn is decided, online, in ms",
        mutable_ready)]
    #[property(name = "num-speakers", get, set, type = u32, member = num_speakers, minimum = 0, maximum = 1_000,
        nick = "Number of speakers", blurb = "How many speak; 0 finds out", mutable_ready)]
    #[property(name = "min-speakers", get, set, type = u32, member = min_speakers, minimum = 0, maximum = 1_000,
        nick = "Minimum of speakers", blurb = "At least so many speak, offline; 0 sets no bound", mutable_ready)]
    #[property(name = "max-speakers", get, set, type = u32, member = max_speakers, minimum = 0, maximum = 1_000,
        nick = "Maximum of speakers", blurb = "At most so many speak; 0 sets no bound offline, 20 online",
        mutable_ready)]
    #[property(name = "threshold", get, set, type = f32, member = threshold, minimum = 0.0, maximum = 2.0,
        nick = "Threshold", blurb = "Distance of normalised embeddings above which two voices are two people; 0 takes \
        the embedding model's own, pyannote 3.1's 0.7046, or 1.05 with the bundled models", mutable_ready)]
    #[property(name = "onset", get, set, type = f32, member = onset, minimum = 0.0, maximum = 1.0, default = 0.5,
        nick = "Onset", blurb = "Probability from which somebody speaks", mutable_ready)]
    #[property(name = "offset", get, set, type = f32, member = offset, minimum = 0.0, maximum = 1.0, default = 0.5,
        nick = "Offset", blurb = "Probability below which one who speaks falls silent", mutable_ready)]
    #[property(name = "min-duration-on", get, set, type = u32, member = min_duration_on, minimum = 0, maximum = 60_000,
        nick = "Shortest turn", blurb = "Shorter turns are dropped, in ms", mutable_ready)]
    #[property(name = "min-duration-off", get, set, type = i32, member = min_duration_off, minimum = -1,
        maximum = 60_000, default = -1, nick = "Shortest pause", blurb = "Shorter pauses of a speaker are filled, in ms; \
        -1 fills 1500 behind the bundled segmentation model and none behind others", mutable_ready)]
    #[property(name = "exclusive", get, set, type = bool, member = exclusive, nick = "Exclusive",
        blurb = "One speaker at a time: no turns overlap", mutable_ready)]
    #[property(name = "enrollment", get, set, type = Option<String>, member = enrollment, nick = "Enrollment",
        blurb = "Folder with recordings of known people, each named Name.wav: their turns carry the name",
        mutable_ready)]
    #[property(name = "enrollment-threshold", get, set, type = f32, member = enrollment_threshold, minimum = 0.0,
        maximum = 2.0, default = 0.4, nick = "Enrollment threshold",
        blurb = "Cosine distance up to which a voice is that of a known person", mutable_ready)]
    #[property(name = "recording", get, set, type = Option<String>, member = recording, nick = "Recording",
        blurb = "What RTTM calls the recording; unset takes the file's name", mutable_ready)]
    #[property(name = "restart-limit", get, set, type = u32, member = restart_limit, default = RESTART_LIMIT,
        nick = "Restart limit", blurb = "How often a worker that died is replaced until READY, with isolation=process",
        mutable_ready)]
    #[property(name = "memory-fraction", get, set, type = u32, member = memory_fraction, minimum = 10, maximum = 100,
        default = 85, nick = "Memory fraction",
        blurb = "Per cent of the memory that may be in use with the models; those that need more are refused", mutable_ready)]
    #[property(name = "on-oom", get, set, type = OnOom, member = on_oom, nick = "On out of memory",
        blurb = "What to do when there is no room for the models", mutable_ready, builder(OnOom::Fail))]
    #[property(name = "keep-alive", get, set, type = u32, member = keep_alive, nick = "Keep alive",
        blurb = "How long the models stay loaded behind READY, in ms, for the next who wants it", mutable_ready)]
    #[property(name = "isolation", get, set, type = Isolation, member = isolation, nick = "Isolation",
        blurb = "Where the models live: in this process, or in one that may die without harm", mutable_ready,
        builder(Isolation::default()))]
    #[property(name = "memory-log", get, set, type = Option<String>, member = memory_log, nick = "Memory log",
        blurb = "File to which memory checkpoints are appended as JSON lines", mutable_ready)]
    settings: std::sync::Mutex<Settings>, // the derive knows no other mutex
    pub(super) holding: Holding<Diarization, dyn SpeakerModels>,
    /// See [`super::Diarizer::set_sequential`].
    pub(super) sequential: AtomicBool,
    /// Whether upstream is live; the work reads it when it begins.
    pub(super) live: Mutex<Arc<AtomicBool>>,
    /// The per cent last told, of a file.
    told: Mutex<Option<u64>>,
    /// How the turns are written, and what RTTM calls the recording.
    writing: Mutex<(Format, Arc<str>)>,
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
}

#[glib::object_subclass]
impl ObjectSubclass for Diarizer {
    const NAME: &'static str = "GstScribeDiarizer";
    type Type = super::Diarizer;
    type ParentType = gst::Element;

    fn with_class(_: &Self::Class) -> Self {
        Diarizer {
            settings: std::sync::Mutex::default(),
            holding: Holding::default(),
            sequential: AtomicBool::new(false),
            live: Mutex::default(),
            told: Mutex::default(),
            writing: Mutex::new((Format::Json, Arc::from(NO_NAME))),
            sinkpad: Self::make_sink(),
            srcpad: Self::make_source(),
        }
    }
}

/// The code of the Progress messages while the models work.
const PROGRESS: &str = "diarization";
/// What RTTM calls a recording that has no name.
const NO_NAME: &str = "audio";

impl Diarizer {
    pub(super) fn set_models(&self, factory: LoaderFactory) {
        *self.holding.factory.lock() = Some(factory);
    }

    pub(super) fn set_sequential(&self, sequential: bool) {
        self.sequential.store(sequential, Ordering::Relaxed);
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

    /// What RTTM shall call the recording: the property, or the name of the file that is read.
    fn name_recording(&self) -> Arc<str> {
        let set = self.settings().recording.filter(|name| !name.is_empty());
        let file = || {
            let mut query = gst::query::Uri::new();
            let uri = self.sinkpad.peer_query(&mut query).then(|| query.uri())??;
            let path = glib::filename_from_uri(&uri).ok()?.0;
            Some(path.file_stem()?.to_string_lossy().into_owned())
        };
        set.or_else(file).map_or_else(|| Arc::from(NO_NAME), Arc::from)
    }

    /// Tells how far the models are, at `until` of the stream, when that is another per cent. Offline only, where
    /// nothing leaves before the end: gst-launch-1.0 plays no pipeline that has prerolled while something is in
    /// progress, so online it would wait for ever.
    fn tell_progress(&self, until: u64) {
        let duration = self.sinkpad.peer_query_duration::<gst::ClockTime>();
        let percent = duration
            .filter(|d| !d.is_zero())
            .map(|d| (samples_to_time(until).nseconds() / (d.nseconds() / 100).max(1)).min(100));
        let first = {
            let mut told = self.told.lock();
            if told.is_some() && *told == percent.or(Some(0)) {
                return;
            }
            told.replace(percent.unwrap_or(0)).is_none()
        };
        let obj = self.obj();
        if first {
            load::progress(&*obj, gst::ProgressType::Start, PROGRESS, "Looking for speakers");
        }
        if let Some(percent) = percent {
            let text = format!("Looking for speakers: {percent} %");
            load::progress(&*obj, gst::ProgressType::Continue, PROGRESS, &text);
        }
    }

    fn tell_failure(&self) {
        if self.told.lock().take().is_some() {
            let obj = self.obj();
            load::progress(
                &*obj,
                gst::ProgressType::Canceled,
                PROGRESS,
                "Gave up looking for speakers",
            );
        }
    }

    fn tell_end(&self, speakers: usize) {
        if self.told.lock().take().is_some() {
            let text = format!("Found {speakers} speakers");
            load::progress(&*self.obj(), gst::ProgressType::Complete, PROGRESS, &text);
        }
    }

    fn conclude(&self, mut session: Box<OfflineSession>, voices: &Voices) -> Conclusion {
        let mut conclusion = session.conclude();
        let Conclusion { turns, speakers } = &mut conclusion;
        voices.name(speakers, turns);
        gst::info!(
            CAT,
            imp = self,
            "{} speakers in {} turns",
            conclusion.speakers.len(),
            conclusion.turns.len()
        );
        self.introduce(&conclusion.speakers);
        conclusion
    }

    /// The models have seen all, and others wait for their memory.
    fn free_early(&self) {
        if self.sequential.load(Ordering::Relaxed) {
            self.cleanup();
        }
    }

    fn introduce(&self, speakers: &[Speaker]) {
        for speaker in speakers {
            output::introduce(&*self.obj(), speaker);
        }
        self.tell_end(speakers.len());
    }
}

impl FlowElement for Diarizer {
    type Work = Diarization;
    type Model = dyn SpeakerModels;

    fn prepare(&self) -> Result<(), gst::StateChangeError> {
        self.check()
    }

    fn load(&self) -> Result<(), gst::StateChangeError> {
        self.take()
    }

    fn release(&self) {
        self.give_back();
    }

    fn reload(&self) -> Result<Engine<dyn SpeakerModels>, gst::StateChangeError> {
        self.take_again()
    }

    fn free(&self, engine: Engine<dyn SpeakerModels>) {
        self.drop_model(engine);
    }

    fn running(&self) -> Option<Arc<Listening>> {
        self.holding.running.lock().clone()
    }

    fn source(&self) -> &gst::Pad {
        &self.srcpad
    }

    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let settings = self.settings();
        let online = gst::ClockTime::from_mseconds(u64::from(settings.latency) + u64::from(settings.pause()))
            + samples_to_time(ONLINE_STEP + LONGEST_PIECE);
        self.answer_latency(&self.sinkpad, latency, |live| {
            if live && settings.mode.is_online(live) {
                online
            } else {
                gst::ClockTime::ZERO
            }
        })
    }

    fn negotiate(&self, seqnum: gst::Seqnum) -> bool {
        let peer = self.srcpad.peer_query_caps(None);
        let Some((format, caps)) = Format::choose(&peer) else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                (
                    "downstream takes {peer}, scribediarizer makes {}: link it to an element or a caps filter that takes one of these",
                    Format::all()
                )
            );
            return false;
        };
        *self.writing.lock() = (format, self.name_recording());
        let caps = gst::event::Caps::builder(&caps).seqnum(seqnum).build();
        self.srcpad.push_event(caps)
    }

    /// Not with the stream: sources such as audiotestsrc know their latency only with their caps.
    fn begin_segment(&self) {
        let live = pads::is_live(&self.sinkpad);
        gst::debug!(CAT, imp = self, "upstream is live: {live}");
        self.live.lock().store(live, Ordering::Relaxed);
    }

    fn begin_stream(&self) {
        *self.told.lock() = None;
        if let Some(running) = self.running()
            && !running.stream.with_work(|work| work.is_equipped())
            && self.take_late(&running).is_err()
        {
            running.stream.downstream_said(Err(gst::FlowError::Error));
        }
    }

    fn due(&self) -> Option<Instant> {
        let live = self.live.lock().load(Ordering::Relaxed);
        let allowance = Duration::from_millis(u64::from(self.settings().latency));
        live.then(|| Instant::now() + allowance)
    }

    fn ask(&self, running: &Listening, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::Analyse(windows, decode, turns) => {
                if turns == Turns::AtTheEnd {
                    let until = windows.last().map_or(0, |w| w.start + w.samples.len() as u64);
                    self.tell_progress(until);
                }
                let answer = self.analyse(running, windows, decode);
                Ok(Answer::Analyses(answer.inspect_err(|_| self.tell_failure())?))
            }
            Request::Conclude(session, voices) => {
                self.free_early();
                Ok(Answer::Concluded(self.conclude(session, &voices)))
            }
            Request::Introduce(speakers) => {
                self.free_early();
                self.introduce(&speakers);
                Ok(Answer::Introduced)
            }
        }
    }

    /// All turns may come long after the caps, and downstream may have changed its mind.
    fn announce(&self, _: &Output<Turn>) {
        if self.srcpad.check_reconfigure() {
            self.negotiate(gst::Seqnum::next());
        }
    }

    fn buffer(&self, running: &Listening, turn: &Turn) -> gst::Buffer {
        let (format, recording) = self.writing.lock().clone();
        output::buffer(turn, &running.segment(), format, &recording)
    }
}

#[glib::derived_properties]
impl ObjectImpl for Diarizer {
    fn constructed(&self) {
        self.parent_constructed();
        pads::add(&*self.obj(), &self.sinkpad, &self.srcpad);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> = LazyLock::new(|| {
            [cleanup::signal(|element: &super::Diarizer| {
                element.imp().cleanup()
            })]
        });
        &*SIGNALS
    }
}

impl GstObjectImpl for Diarizer {}

impl ElementImpl for Diarizer {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe diarizer",
                "Audio/Text/Filter",
                "Tells who spoke when, with ONNX models",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads::templates(&speech_audio_caps(), &Format::all()));
        TEMPLATES.as_ref()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.change(transition)
    }
}

impl Drop for Diarizer {
    fn drop(&mut self) {
        self.give_back();
    }
}
