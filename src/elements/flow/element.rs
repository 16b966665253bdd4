//! What an element with a model does on its pads: one sink, one source whose task asks the model.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use gst::{prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use super::slot::{Brake, Found, Slot};
use super::stream::{Job, Output, Stream, Work};
use super::{input, output};
use crate::infer::engine::Engine;
use crate::infer::model::{Model, RunError};
use crate::time::samples_to_time;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-flow",
        gst::DebugColorFlags::empty(),
        Some("Pads and tasks of the elements with a model"),
    )
});

/// What exists from READY→PAUSED to PAUSED→READY.
pub(crate) struct Running<W: Work, M: Model + ?Sized> {
    pub stream: Stream<W>,
    slot: Slot<M>,
    brake: Brake,
    segment: Mutex<gst::FormattedSegment<gst::ClockTime>>,
}

impl<W: Work, M: Model + ?Sized + 'static> Running<W, M> {
    /// Without an engine, the model is loaded when it is needed.
    pub fn new(work: W, engine: Option<Engine<M>>) -> Self {
        let brake = Brake::default();
        if let Some(engine) = &engine {
            brake.hold(engine.cancel());
        }
        Running {
            stream: Stream::new(work),
            slot: Slot::new(engine),
            brake,
            segment: Mutex::new(gst::FormattedSegment::new()),
        }
    }

    pub fn go(&self) {
        self.brake.let_go();
        self.stream.run();
    }

    /// Ends every wait and the inference that runs.
    pub fn stop(&self) {
        self.stream.flush();
        self.brake.press();
    }

    /// The model, which is taken out for good. Nobody is asking it.
    pub fn surrender(&self) -> Option<Engine<M>> {
        let engine = self.slot.reclaim();
        self.slot.vacate();
        engine
    }

    /// Gives it a model that it has had to do without, or instead of one that died.
    pub fn equip(&self, engine: Engine<M>) {
        drop(self.slot.take());
        self.brake.hold(engine.cancel());
        // Nobody can want it back yet, as it was not there.
        let _ = self.slot.put(engine);
    }

    /// The segment in which the input's timestamps stand.
    pub fn segment(&self) -> gst::FormattedSegment<gst::ClockTime> {
        self.segment.lock().clone()
    }
}

/// Why a request has no answer.
pub(crate) enum Refusal {
    /// The model gave none.
    Run(RunError),
    /// The model could not be loaded, and an ERROR message has said why.
    NotLoaded,
}

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        Refusal::Run(error)
    }
}

impl From<gst::StateChangeError> for Refusal {
    fn from(_: gst::StateChangeError) -> Self {
        Refusal::NotLoaded
    }
}

/// An element whose streaming thread feeds a [`Stream`], while the task of its source pad asks the model and
/// pushes what comes of the answers.
pub(crate) trait FlowElement: ElementImpl<Type: IsA<gst::Element> + Send + Sync> {
    type Work: Work<Request: Send, Answer: Send, Piece: Send> + Send + 'static;
    type Model: Model + ?Sized + 'static;

    /// Going NULL→READY: checks what needs no model.
    fn prepare(&self) -> Result<(), gst::StateChangeError>;
    /// Going READY→PAUSED: takes the model.
    fn load(&self) -> Result<(), gst::StateChangeError>;
    /// Gives everything back, however far [`FlowElement::load`] came.
    fn release(&self);
    /// `None` in READY and below.
    fn running(&self) -> Option<Arc<Running<Self::Work, Self::Model>>>;
    fn source(&self) -> &gst::Pad;
    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool;
    /// The input's caps are known: fixes the output's and pushes them. `false` when downstream takes none of them.
    fn negotiate(&self, seqnum: gst::Seqnum) -> bool;
    /// A new stream begins, and what was before is drained.
    fn begin_stream(&self) {}
    /// A new segment begins, its caps are known, and what was before is drained.
    fn begin_segment(&self) {}
    /// Loads the model again after [`FlowElement::free`], on the thread that needs it; the ERROR message of a failure
    /// is posted.
    fn reload(&self) -> Result<Engine<Self::Model>, gst::StateChangeError>;
    /// Frees the model with its checkpoints, while the element runs on.
    fn free(&self, engine: Engine<Self::Model>);
    /// Told before the model is asked, when it is known which one.
    fn adapt(&self, _request: &mut <Self::Model as Model>::Request) {}
    /// When an answer that is asked for now is wanted. It goes before those of others, with the same model, that have
    /// more time.
    fn due(&self) -> Option<Instant>;
    /// Answers a request of the work; runs on the task, with no lock held.
    fn ask(
        &self,
        running: &Running<Self::Work, Self::Model>,
        request: <Self::Work as Work>::Request,
    ) -> Result<<Self::Work as Work>::Answer, Refusal>;
    /// Told before the pieces are pushed, on the same thread.
    fn announce(&self, _output: &Output<<Self::Work as Work>::Piece>) {}
    fn buffer(
        &self,
        running: &Running<Self::Work, Self::Model>,
        piece: &<Self::Work as Work>::Piece,
    ) -> gst::Buffer;

    /// The sink pad, wired to this element.
    fn make_sink() -> gst::Pad {
        gst::Pad::builder_from_template(template::<Self>(gst::PadDirection::Sink))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.sink_chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(pad, event))
            })
            .build()
    }

    /// The source pad, which starts and stops the task.
    fn make_source() -> gst::Pad {
        gst::Pad::builder_from_template(template::<Self>(gst::PadDirection::Src))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_query(pad, query))
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
                    |imp| imp.source_activate(pad, active),
                )
            })
            .flags(gst::PadFlags::FIXED_CAPS)
            .build()
    }

    /// A state change with what the element takes and gives back around it.
    fn change(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.prepare()?,
            gst::StateChange::ReadyToPaused => {
                if let Err(error) = self.load() {
                    self.release();
                    return Err(error);
                }
            }
            gst::StateChange::PausedToReady => {
                // Before the parent's change, which waits for the threads that wait for the model.
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

    fn sink_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let running = self.running().ok_or(gst::FlowError::Flushing)?;
        let segment = running.segment();
        if segment.rate() < 0.0 {
            return Ok(gst::FlowSuccess::Ok); // speech played backwards is no speech
        }
        input::push_buffer(&running.stream, &segment, buffer)
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let forward = |event| gst::Pad::event_default(pad, Some(&*self.obj()), event);
        let Some(running) = self.running() else {
            return forward(event);
        };
        match event.view() {
            EventView::FlushStart(_) => {
                running.stop();
                let passed = self.source().push_event(event);
                // Waits for the task, which the cancel above and the flush downstream have let go.
                let _ = self.source().pause_task();
                passed
            }
            EventView::FlushStop(_) => {
                let passed = self.source().push_event(event);
                running.go();
                self.start_task(&running) && passed
            }
            EventView::Caps(caps) => {
                gst::debug!(CAT, imp = self, "input is {}", caps.caps());
                self.negotiate(event.seqnum())
            }
            EventView::Segment(segment) => match segment.segment().downcast_ref::<gst::ClockTime>() {
                Some(segment) => {
                    let _ = running.stream.drain(); // an error has been noted and ends the stream by itself
                    *running.segment.lock() = segment.clone();
                    self.begin_segment();
                    self.source().push_event(event)
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
                self.begin_stream();
                self.source().push_event(event)
            }
            EventView::Eos(_) => {
                let drained = running.stream.drain();
                gst::debug!(CAT, imp = self, "drained at EOS: {drained:?}");
                self.source().push_event(event)
            }
            _ => forward(event),
        }
    }

    fn source_activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
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

    fn start_task(&self, running: &Arc<Running<Self::Work, Self::Model>>) -> bool {
        let weak = self.obj().downgrade();
        let running = Arc::downgrade(running);
        let task = move || {
            let (Some(element), Some(running)) = (weak.upgrade(), running.upgrade()) else {
                return;
            };
            Self::from_obj(&element).turn(&running);
        };
        self.source().start_task(task).is_ok()
    }

    /// One turn of the output task.
    fn turn(&self, running: &Running<Self::Work, Self::Model>) {
        let said = match running.stream.next_job() {
            Job::Stop => {
                let _ = self.source().pause_task();
                return;
            }
            Job::Gap(from, until) => {
                output::gap(self.source(), from, until);
                return;
            }
            Job::Ask(request) => self.answer(running, request),
        };
        if let Err(error) = said {
            gst::debug!(CAT, imp = self, "the output task stops: {error}");
            running.stream.downstream_said(Err(error));
        }
    }

    fn answer(
        &self,
        running: &Running<Self::Work, Self::Model>,
        request: <Self::Work as Work>::Request,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        match self.ask(running, request) {
            Ok(answer) => {
                let Some(output) = running.stream.accept(answer) else {
                    return Err(gst::FlowError::Flushing);
                };
                self.announce(&output);
                output::push(self.source(), &output, |piece| self.buffer(running, piece))
            }
            Err(Refusal::Run(RunError::Cancelled)) => Err(gst::FlowError::Flushing),
            Err(Refusal::NotLoaded) => Err(gst::FlowError::Error),
            Err(Refusal::Run(error)) => {
                let text = format!("behind {}: {error}", samples_to_time(running.stream.covered()));
                match error {
                    RunError::NoMemory { .. } => {
                        gst::element_imp_error!(self, gst::ResourceError::NoSpaceLeft, ("{text}"));
                    }
                    _ => gst::element_imp_error!(self, gst::LibraryError::Failed, ("{text}")),
                }
                Err(gst::FlowError::Error)
            }
        }
    }

    /// What the model says to this; loads it first where it was given back.
    fn consult(
        &self,
        running: &Running<Self::Work, Self::Model>,
        mut request: <Self::Model as Model>::Request,
    ) -> Result<<Self::Model as Model>::Answer, Refusal> {
        let engine = match running.slot.take() {
            Found::Engine(engine) => engine,
            Found::Nothing => match self.reload() {
                Ok(engine) => {
                    running.brake.hold(engine.cancel());
                    engine
                }
                Err(error) => {
                    running.slot.vacate();
                    return Err(error.into());
                }
            },
        };
        self.adapt(&mut request);
        let answer = engine.ask_by(request, self.due());
        if let Some(engine) = running.slot.put(engine) {
            self.free(engine);
            running.slot.vacate();
        }
        Ok(answer?)
    }

    /// Gives the model's memory back, from any thread and in any state: what is being asked is finished before, and
    /// the next request loads the model again.
    fn cleanup(&self) {
        if let Some(running) = self.running()
            && let Some(engine) = running.slot.reclaim()
        {
            self.free(engine);
            running.slot.vacate();
        }
    }

    /// Answers a LATENCY query with upstream's latency and, on a live source, what `own` says.
    fn answer_latency(
        &self,
        sink: &gst::Pad,
        latency: &mut gst::query::Latency,
        own: impl FnOnce(bool) -> gst::ClockTime,
    ) -> bool {
        let mut upstream = gst::query::Latency::new();
        if !sink.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let own = own(live);
        latency.set(live, min + own, max.map(|max| max + own));
        true
    }
}

/// The one template of this direction.
fn template<E: ElementImpl>(direction: gst::PadDirection) -> &'static gst::PadTemplate {
    let found = E::pad_templates().iter().find(|t| t.direction() == direction);
    found.expect("an element with one sink and one source pad")
}
