//! The element around [`Session`]: pads, events, queries, states.

#![allow(missing_docs)] // each property has its blurb

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_audio::AudioInfo;

use super::{
    session::{Session, SessionError},
    settings::Settings,
    stream::StreamError,
};
use crate::{
    elements::{checkpoints::Checkpoints, cleanup, load, no_audio::NoAudioWatch, pads, speech_audio_caps},
    infer::{
        heap,
        model::LoadError,
        polyphase::{DeviceError, cuda::Kernel},
    },
    memory::{Label, Stage, probes::Device},
};

const RATES: std::ops::RangeInclusive<i32> = 1_000..=768_000;
const CHANNELS: std::ops::RangeInclusive<i32> = 1..=64;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scriberesample",
        gst::DebugColorFlags::empty(),
        Some("Audio to 16 kHz mono"),
    )
});

/// The element's private part.
#[derive(glib::Properties)]
#[properties(wrapper_type = super::Resample)]
pub struct Resample {
    /// See [`Settings`].
    #[property(name = "device", type = Option<String>, get, set, member = device,
        nick = "Device", blurb = "Where the filter works: cpu, or cuda:N", mutable_ready)]
    #[property(name = "memory-log", type = Option<String>, get, set, member = memory_log,
        nick = "Memory log", blurb = "File to which memory checkpoints are appended as JSON lines",
        mutable_ready)]
    settings: Mutex<Settings>,
    /// From the first CAPS until READY. Locked for single steps, never while something is pushed.
    session: Mutex<Option<Session>>,
    checkpoints: Mutex<Option<Arc<Checkpoints>>>,
    no_audio: Mutex<Option<NoAudioWatch>>,
    /// With a GPU: the filter's code there, and the GPU's context with it.
    kernel: Mutex<Option<Kernel>>,
    /// The input's format, for the session that follows one that was given back.
    info: Mutex<Option<AudioInfo>>,
    /// Nothing is in the session: behind EOS or a flush.
    idle: AtomicBool,
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
}

#[glib::object_subclass]
impl ObjectSubclass for Resample {
    const NAME: &'static str = "GstScribeResample";
    type Type = super::Resample;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| {
            class
                .pad_template(name)
                .expect("templates are registered with the class")
        };
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.chain(pad, buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_query(pad, query))
            })
            .flags(gst::PadFlags::ACCEPT_TEMPLATE)
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.src_query(pad, query))
            })
            .flags(gst::PadFlags::FIXED_CAPS)
            .build();
        Self {
            settings: Mutex::default(),
            session: Mutex::default(),
            checkpoints: Mutex::default(),
            no_audio: Mutex::default(),
            kernel: Mutex::default(),
            info: Mutex::default(),
            idle: AtomicBool::new(true),
            sinkpad,
            srcpad,
        }
    }
}

#[glib::derived_properties]
impl ObjectImpl for Resample {
    fn constructed(&self) {
        self.parent_constructed();
        pads::add(&*self.obj(), &self.sinkpad, &self.srcpad);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> = LazyLock::new(|| {
            [cleanup::signal(|element: &super::Resample| {
                element.imp().cleanup()
            })]
        });
        &*SIGNALS
    }
}

impl GstObjectImpl for Resample {}

impl ElementImpl for Resample {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe audio resampler",
                "Filter/Converter/Audio",
                "Converts any raw audio to the 16 kHz mono float audio that speech models take",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let raw = |layout| {
                gst_audio::AudioCapsBuilder::new()
                    .layout(layout)
                    .rate_range(RATES)
                    .channels_range(CHANNELS)
                    .build()
            };
            let mut sink = raw(gst_audio::AudioLayout::Interleaved);
            sink.merge(raw(gst_audio::AudioLayout::NonInterleaved));
            pads::templates(&sink, &speech_audio_caps())
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused
            && let Err(error) = self.begin()
        {
            self.release();
            return Err(error);
        }
        // Going down, this ends the streaming thread, so that what is freed below is in nobody's use.
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady
            || (transition == gst::StateChange::ReadyToPaused && result.is_err())
        {
            self.release();
        }
        result
    }
}

impl Resample {
    fn begin(&self) -> Result<(), gst::StateChangeError> {
        let settings = locked(&self.settings, |s| s.clone());
        let device = settings
            .device()
            .map_err(|text| load::refuse_settings(&*self.obj(), &text))?;
        let memory_log = settings.memory_log.map(PathBuf::from);
        let checkpoints = Arc::new(match device {
            Device::Cuda(_) => Checkpoints::on_device(&*self.obj(), memory_log, device),
            Device::Auto | Device::Cpu => Checkpoints::new(&*self.obj(), memory_log),
        });
        locked(&self.checkpoints, |c| *c = Some(checkpoints.clone()));
        checkpoints.write(Label::BeforeAudioPreprocessing);
        // Now, though there is no audio yet: a device that is not there is an error of the state change.
        checkpoints
            .taking(Stage::AudioPreprocessing, || self.kernel())
            .map_err(|DeviceError(text)| load::refuse(&*self.obj(), &LoadError::NotFound(text)))?;
        let watch = NoAudioWatch::new(&self.sinkpad);
        locked(&self.no_audio, |w| *w = watch);
        Ok(())
    }

    /// The filter's code on the GPU that `device` names, if it names one.
    fn kernel(&self) -> Result<Option<Kernel>, DeviceError> {
        let held = locked(&self.kernel, |kernel| kernel.clone());
        let device = locked(&self.settings, |s| s.device());
        let (None, Ok(Device::Cuda(index))) = (&held, device) else {
            return Ok(held);
        };
        let kernel = Kernel::new(index)?;
        locked(&self.kernel, |k| *k = Some(kernel.clone()));
        Ok(Some(kernel))
    }

    fn release(&self) {
        drop(locked(&self.no_audio, Option::take));
        self.free();
        locked(&self.info, |info| *info = None);
        locked(&self.checkpoints, |c| *c = None);
    }

    fn free(&self) {
        self.checkpoint(Label::AfterAudioPreprocessing); // nothing, where EOS wrote it
        self.checkpoint(Label::BeforeWaveformCleanup);
        let kernel = locked(&self.kernel, Option::take);
        if let Some(session) = locked(&self.session, Option::take) {
            drop(session);
            heap::give_back();
        }
        drop(kernel); // with the last of it the GPU's context goes
        self.checkpoint(Label::AfterWaveformCleanup);
    }

    /// Gives the filter back, until there is audio again. In the middle of a stream it stays: without it there would
    /// be a hole in the sound.
    fn cleanup(&self) {
        if self.idle.load(Ordering::SeqCst) && self.ask(|_| ()).is_some() {
            self.free();
        }
    }

    fn ask<R>(&self, question: impl FnOnce(&Session) -> R) -> Option<R> {
        locked(&self.session, |session| session.as_ref().map(question))
    }

    /// Zero before there are caps: then nothing is held back.
    fn latency(&self) -> gst::ClockTime {
        self.ask(Session::latency).unwrap_or(gst::ClockTime::ZERO)
    }

    fn checkpoint(&self, label: Label) {
        if let Some(checkpoints) = locked(&self.checkpoints, |c| c.clone()) {
            checkpoints.write(label);
        }
    }

    fn chain(&self, _pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Nothing to convert, but a length: what a GAP event says.
        if buffer.size() == 0 && buffer.flags().contains(gst::BufferFlags::GAP) {
            if let Some(pts) = buffer.pts() {
                self.gap(gst::event::Gap::builder(pts).duration(buffer.duration()).build());
            }
            return Ok(gst::FlowSuccess::Ok);
        }
        self.idle.store(false, Ordering::SeqCst);
        if self.ask(|_| ()).is_none()
            && let Some(info) = locked(&self.info, |info| info.clone())
        {
            if let Some(checkpoints) = locked(&self.checkpoints, |c| c.clone()) {
                checkpoints.begin_stage(Stage::AudioPreprocessing);
                checkpoints.write(Label::BeforeAudioPreprocessing);
            }
            if let Err(error) = self.renew(info) {
                self.refuse(&error.to_string());
                return Err(gst::FlowError::NotNegotiated);
            }
        }
        let taken = locked(&self.session, |session| session.as_mut().map(|s| s.take(buffer)));
        let Some(taken) = taken else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                ("Audio came before its caps: expected audio/x-raw caps, got none. Put a capsfilter or a decoder in front.")
            );
            return Err(gst::FlowError::NotNegotiated);
        };
        for buffer in taken.map_err(|error| self.fail(&error))? {
            self.srcpad.push(buffer)?;
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn fail(&self, error: &SessionError) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ("Cannot resample: {error}"));
        gst::FlowError::Error
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, imp = self, "{event:?}");
        match event.view() {
            EventView::Caps(caps) => return self.set_caps(caps.caps(), event.seqnum()),
            EventView::Gap(_) => return self.gap(event),
            EventView::FlushStop(_) => {
                self.interrupt(None);
                self.idle.store(true, Ordering::SeqCst);
            }
            EventView::StreamStart(_) | EventView::Segment(_) | EventView::SegmentDone(_) => {
                self.push_tail();
                self.interrupt(None);
            }
            EventView::Eos(_) => {
                self.push_tail();
                self.interrupt(None);
                self.idle.store(true, Ordering::SeqCst);
                self.checkpoint(Label::AfterAudioPreprocessing);
            }
            _ => {}
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn set_caps(&self, caps: &gst::CapsRef, seqnum: gst::Seqnum) -> bool {
        let Ok(info) = AudioInfo::from_caps(caps) else {
            return self.refuse(&format!(
                "expected audio/x-raw with format, rate, channels and, from three channels on, channel-mask; \
                 got {caps}. Put audioconvert or a capsfilter in front."
            ));
        };
        if !self.ask(|session| *session.info() == info).unwrap_or(false) {
            self.push_tail();
            if let Err(error) = self.renew(info) {
                return self.refuse(&error.to_string());
            }
        }
        let caps = gst::event::Caps::builder(&speech_audio_caps())
            .seqnum(seqnum)
            .build();
        self.srcpad.push_event(caps)
    }

    /// Another kind of audio begins.
    fn renew(&self, info: AudioInfo) -> Result<(), StreamError> {
        let make = || Session::new(info, self.kernel()?.as_ref());
        let session = match locked(&self.checkpoints, |c| c.clone()) {
            Some(c) => c.taking(Stage::AudioPreprocessing, make)?,
            None => make()?,
        };
        locked(&self.info, |i| *i = Some(session.info().clone()));
        let (before, latency) = (self.latency(), session.latency());
        gst::debug!(CAT, imp = self, "{:?}, latency {latency}", session.info());
        locked(&self.session, |s| *s = Some(session));
        if before != latency {
            let obj = self.obj();
            // Without a bus nobody computes a latency.
            let _ = obj.post_message(gst::message::Latency::builder().src(&*obj).build());
        }
        Ok(())
    }

    fn refuse(&self, why: &str) -> bool {
        locked(&self.session, |session| *session = None);
        locked(&self.info, |info| *info = None);
        gst::element_imp_error!(
            self,
            gst::CoreError::Negotiation,
            ("Cannot resample this audio: {why}")
        );
        false
    }

    /// A stretch without audio: the tail, then the event, then a count that begins behind it.
    fn gap(&self, event: gst::Event) -> bool {
        self.push_tail();
        if let gst::EventView::Gap(gap) = event.view() {
            let (start, duration) = gap.get();
            self.interrupt(duration.map(|duration| start.saturating_add(duration)));
        }
        self.srcpad.push_event(event)
    }

    /// Pushes what the filter still holds. A refusal is not an error here: the event that made
    /// this necessary follows, and upstream learns of it with its next buffer.
    fn push_tail(&self) {
        let tail = locked(&self.session, |session| session.as_mut().map(Session::drain));
        match tail {
            Some(Ok(Some(buffer))) => {
                if let Err(flow) = self.srcpad.push(buffer) {
                    gst::debug!(CAT, imp = self, "the tail was refused: {flow}");
                }
            }
            Some(Err(error)) => {
                let _ = self.fail(&error); // posted; the event goes on
            }
            Some(Ok(None)) | None => {}
        }
    }

    fn interrupt(&self, next: Option<gst::ClockTime>) {
        locked(&self.session, |session| {
            if let Some(session) = session {
                session.interrupt(next);
            }
        });
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let passthrough = self.ask(Session::is_passthrough).unwrap_or(false);
        match query.type_() {
            // Buffers go through as they are, so downstream's memory is upstream's to use.
            gst::QueryType::Allocation if passthrough => self.srcpad.peer_query(query),
            gst::QueryType::Allocation => false,
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
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
        let own = self.latency();
        let (live, min, max) = upstream.result();
        latency.set(
            live,
            min.saturating_add(own),
            max.map(|max| max.saturating_add(own)),
        );
        true
    }
}

/// One step under the lock. A panic in an earlier one has been reported already; what the lock
/// protects is whole, since each step replaces it or counts on.
fn locked<T, R>(mutex: &Mutex<T>, step: impl FnOnce(&mut T) -> R) -> R {
    step(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}
