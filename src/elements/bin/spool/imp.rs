//! The element: what comes goes into the store, and a task takes it out when the spool is open.

use std::io;
use std::sync::LazyLock;

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::{Condvar, Mutex};

use super::MOST_WAITING;
use super::block::{Label, SECOND};
use super::store::{Item, Store};
use crate::elements::pads;
use crate::time::samples_to_time;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-spool",
        gst::DebugColorFlags::empty(),
        Some("Audio held back until it is wanted"),
    )
});

/// The length of so many bytes of 16 kHz mono in F32.
pub(super) fn time(bytes: u64) -> gst::ClockTime {
    samples_to_time(bytes / size_of::<f32>() as u64)
}

pub struct Spool {
    state: Mutex<State>,
    /// Something in the state is another than it was: for upstream, which waits for room, and the task.
    changed: Condvar,
    sink: gst::Pad,
    src: gst::Pad,
}

struct State {
    store: Store<gst::Event>,
    held: bool,
    /// A flush, or no data flow at all: nobody waits, nothing is taken or given.
    flushing: bool,
    /// Bytes of audio that have come in.
    taken: u64,
    /// EOS has come in: nobody upstream will hear what downstream says.
    ended: bool,
    /// What downstream last said, or that the store is broken.
    downstream: Result<gst::FlowSuccess, gst::FlowError>,
}

impl Default for State {
    fn default() -> Self {
        State {
            store: Store::default(),
            held: false,
            flushing: true,
            taken: 0,
            ended: false,
            downstream: Ok(gst::FlowSuccess::Ok),
        }
    }
}

impl State {
    /// Forgets the stream, but not whether it is held.
    fn clear(&mut self) {
        self.store.clear();
        self.taken = 0;
        self.ended = false;
        self.downstream = Ok(gst::FlowSuccess::Ok);
    }

    /// Nothing comes out of this stream any more.
    fn fail(&mut self, error: gst::FlowError) {
        self.store.clear();
        self.downstream = Err(error);
    }
}

impl Spool {
    pub(super) fn set_memory(&self, bytes: u64) {
        self.state.lock().store.set_limit(bytes);
    }

    pub(super) fn set_held(&self, held: bool) {
        gst::debug!(CAT, imp = self, "{}", if held { "held" } else { "open" });
        self.state.lock().held = held;
        self.changed.notify_all();
    }

    pub(super) fn stored(&self) -> u64 {
        self.state.lock().store.bytes()
    }

    pub(super) fn taken(&self) -> u64 {
        self.state.lock().taken
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let written = {
            let mut state = self.state.lock();
            loop {
                if state.flushing {
                    return Err(gst::FlowError::Flushing);
                }
                let _ = state.downstream?;
                if state.held || state.store.bytes() <= MOST_WAITING {
                    break;
                }
                self.changed.wait(&mut state);
            }
            state.taken += map.len() as u64;
            let written = state.store.push_audio(Label::of(&buffer), &map);
            written.inspect_err(|_| state.fail(gst::FlowError::Error))
        };
        self.changed.notify_all();
        match written {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(error) => {
                self.post_full(&error);
                Err(gst::FlowError::Error)
            }
        }
    }

    /// Puts an event behind what is stored.
    fn store_event(&self, event: gst::Event) -> bool {
        use gst::EventType;
        let is_eos = event.type_() == EventType::Eos;
        let stored = {
            let mut state = self.state.lock();
            if state.flushing {
                return false;
            }
            let begins = matches!(event.type_(), EventType::StreamStart | EventType::Segment);
            if begins {
                state.ended = false;
            }
            if begins && state.downstream == Err(gst::FlowError::Eos) {
                state.downstream = Ok(gst::FlowSuccess::Ok); // downstream had enough of what was before
            }
            let news = is_eos && !state.ended;
            state.ended |= is_eos;
            match state.downstream {
                Err(error) => Err((error, news)),
                Ok(_) => {
                    let stored = state.store.push(event);
                    Ok(stored.inspect_err(|_| state.fail(gst::FlowError::Error)))
                }
            }
        };
        self.changed.notify_all();
        match stored {
            Ok(stored) => stored.inspect_err(|error| self.post_full(error)).is_ok(),
            Err((error, news)) => {
                if news {
                    self.post_refused(error); // upstream has no buffer left to be told at
                }
                false
            }
        }
    }

    pub(super) fn post_full(&self, error: &io::Error) {
        use io::ErrorKind;
        let full = matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        );
        let kind = if full {
            gst::ResourceError::NoSpaceLeft
        } else {
            gst::ResourceError::Write
        };
        gst::element_imp_error!(
            self,
            kind,
            (
                "cannot spool audio to a temporary file in {}: {error}. An hour of audio needs {} MiB. Set the \
                 environment variable TMPDIR to a folder with more room, or raise spool-memory",
                std::env::temp_dir().display(),
                (3600 * SECOND) >> 20
            )
        );
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "{event:?}");
        match event.type_() {
            gst::EventType::FlushStart => {
                self.stop();
                let passed = self.src.push_event(event);
                let _ = self.src.pause_task(); // waits for the task, which nothing holds any more
                passed
            }
            gst::EventType::FlushStop => {
                let passed = self.src.push_event(event);
                self.start() && self.keep_sticky() && passed
            }
            _ if event.is_serialized() => self.store_event(event),
            _ => self.src.push_event(event),
        }
    }

    /// Serialized queries must not wait behind hours of audio.
    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.type_() {
            // Audio is copied, so the buffers may be upstream's own.
            gst::QueryType::Allocation => false,
            // For the same reason none of upstream's is here.
            gst::QueryType::Drain => true,
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// Ends every wait, and forgets what is stored.
    fn stop(&self) {
        {
            let mut state = self.state.lock();
            state.flushing = true;
            state.clear();
        }
        self.changed.notify_all();
    }

    fn start(&self) -> bool {
        {
            let mut state = self.state.lock();
            state.clear();
            state.flushing = false;
        }
        let weak = self.obj().downgrade();
        let task = move || {
            if let Some(spool) = weak.upgrade() {
                spool.imp().turn();
            }
        };
        self.src.start_task(task).is_ok()
    }

    /// A flush forgets what is stored, but what the stream is holds on: events that stick to the sink pad and have not
    /// left yet are stored anew. (The pad itself forgets SEGMENT and EOS.)
    fn keep_sticky(&self) -> bool {
        let mut sticky = Vec::new();
        self.sink.sticky_events_foreach(|event| {
            sticky.push(event.clone());
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        let known = |event: &gst::Event| {
            let mut known = false;
            self.src.sticky_events_foreach(|own| {
                known |= own.type_() == event.type_() && own.seqnum() == event.seqnum();
                std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
            });
            known
        };
        let mut unknown = sticky.into_iter().filter(|event| !known(event));
        unknown.all(|event| self.store_event(event))
    }

    fn activate_source(&self, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            return match self.start() {
                true => Ok(()),
                false => Err(gst::loggable_error!(CAT, "cannot start the output task")),
            };
        }
        self.stop();
        self.src
            .stop_task()
            .map_err(|e| gst::loggable_error!(CAT, "cannot stop the output task: {e}"))
    }

    /// One turn of the task.
    fn turn(&self) {
        let next = {
            let mut state = self.state.lock();
            loop {
                if state.flushing {
                    break Ok(None);
                }
                if !state.held && state.downstream.is_ok() && !state.store.is_empty() {
                    let next = state.store.pop();
                    break next.inspect_err(|_| state.fail(gst::FlowError::Error));
                }
                self.changed.wait(&mut state);
            }
        };
        self.changed.notify_all();
        match next {
            Ok(Some(Item::Audio(label, bytes))) => {
                if let Err(error) = self.src.push(label.buffer(bytes)) {
                    self.refused(error);
                }
            }
            Ok(Some(Item::Other(event))) => {
                self.src.push_event(event);
            }
            Ok(None) => {
                let _ = self.src.pause_task();
            }
            Err(error) => gst::element_imp_error!(
                self,
                gst::ResourceError::Read,
                (
                    "cannot read spooled audio back from a temporary file in {}: {error}. Set the environment \
                     variable TMPDIR to a folder on another disk, or raise spool-memory",
                    std::env::temp_dir().display()
                )
            ),
        }
    }

    /// Downstream did not take a buffer.
    fn refused(&self, error: gst::FlowError) {
        let unheard = {
            let mut state = self.state.lock();
            if state.flushing {
                return;
            }
            state.fail(error);
            state.ended
        };
        self.changed.notify_all();
        gst::debug!(CAT, imp = self, "downstream says {error}");
        if !unheard {
            return; // upstream is told at its next buffer
        }
        self.post_refused(error);
        self.src.push_event(gst::event::Eos::new());
    }

    /// A flow error that upstream cannot be told any more.
    fn post_refused(&self, error: gst::FlowError) {
        if !matches!(error, gst::FlowError::Flushing | gst::FlowError::Eos) {
            gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("the spooled audio went no further: {error}. An element behind says why"),
                ["streaming stopped, reason {error} ({})", error as i32]
            );
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Spool {
    const NAME: &'static str = "GstScribeSpool";
    type Type = super::Spool;
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
            .event_function(|_, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .activatemode_function(|_, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || {
                        Err(gst::loggable_error!(
                            CAT,
                            "panic while (de)activating the source pad"
                        ))
                    },
                    |this| this.activate_source(active),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            sink,
            src,
        }
    }
}

impl ObjectImpl for Spool {
    fn constructed(&self) {
        self.parent_constructed();
        pads::add(&*self.obj(), &self.sink, &self.src);
    }
}

impl GstObjectImpl for Spool {}

impl ElementImpl for Spool {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Scribe spool",
                "Generic",
                "Holds audio back in memory and a temporary file",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pads::templates(&gst::Caps::new_any(), &gst::Caps::new_any()));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            // Before the parent's change, which waits for the threads that wait here.
            self.stop();
        }
        self.parent_change_state(transition)
    }
}
