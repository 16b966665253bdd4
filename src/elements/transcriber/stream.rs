//! What the streaming thread and the output task share: the session between them, and when to wait.

use parking_lot::{Condvar, Mutex};

use crate::infer::vad::VoiceDetector;
use crate::speech::Word;
use crate::speech::transcribe::{Hypothesis, Session, SessionConfig, Window};

/// The shared part of a running transcriber. Every method returns with the lock released, and none calls the
/// recognizer or a pad; the voice detector, under a millisecond for a second of audio, runs inside.
pub(super) struct Stream {
    flow: Mutex<Flow>,
    changed: Condvar,
}

struct Flow {
    config: SessionConfig,
    session: Session,
    detector: VoiceDetector,
    /// The input position that continues what was pushed; `None` behind a segment or flush.
    expected: Option<u64>,
    /// All output before this sample has been pushed, as words or GAPs.
    covered: u64,
    phase: Phase,
    /// What downstream last said.
    downstream: Result<gst::FlowSuccess, gst::FlowError>,
    /// A window or its words are on their way, outside of the lock.
    busy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// A flush or the way down to READY: nobody waits, nothing is taken or given.
    Flushing,
}

/// What the output task must do next.
pub(super) enum Job {
    /// Ask the model.
    Recognize(Window),
    /// Push a GAP over these samples: nothing was said there.
    Gap(u64, u64),
    /// Nothing any more until the task is started again.
    Stop,
}

/// Words of a window, ready to be pushed.
pub(super) struct Output {
    /// Where the output pushed before ended.
    pub from: u64,
    /// The words, in order.
    pub words: Vec<Word>,
    /// Where the output ends: GAPs fill what is no word.
    pub until: u64,
}

/// Where a buffer stands against those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// It continues them.
    Continues,
    /// This many samples are missing between: few enough to be silence in the same window.
    After(u64),
    /// It is somewhere else: what was pushed must be drained before.
    Jumps,
}

/// Differences up to this are rounding of upstream's timestamps, in samples: 20 ms.
const TOLERANCE: u64 = 320;
/// Holes up to this are filled with silence, in samples: 1 s, as audio base classes do (`alignment-threshold`
/// is 40 ms, `discont-wait` 1 s).
const FILLED: u64 = 16_000;

impl Stream {
    pub fn new(config: SessionConfig) -> Self {
        Stream {
            flow: Mutex::new(Flow {
                config,
                session: Session::new(config, 0),
                detector: VoiceDetector::new(),
                expected: None,
                covered: 0,
                phase: Phase::Flushing,
                downstream: Ok(gst::FlowSuccess::Ok),
                busy: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Lets data flow, from a clean state.
    pub fn run(&self) {
        let mut flow = self.flow.lock();
        flow.phase = Phase::Running;
        flow.downstream = Ok(gst::FlowSuccess::Ok);
        flow.expected = None;
        flow.busy = false;
    }

    /// What follows is another stream: the text before has no bearing on it. [`Stream::drain`] comes before.
    pub fn begin_stream(&self) {
        let mut flow = self.flow.lock();
        flow.session = Session::new(flow.config, 0);
        flow.expected = None;
    }

    /// Wakes everybody and lets nothing through until [`Stream::run`].
    pub fn flush(&self) {
        self.flow.lock().phase = Phase::Flushing;
        self.changed.notify_all();
    }

    /// How a buffer at sample `at` joins what was pushed before.
    pub fn join(&self, at: u64) -> Join {
        match self.flow.lock().expected {
            None => Join::Jumps,
            Some(expected) if at.abs_diff(expected) <= TOLERANCE => Join::Continues,
            Some(expected) if at > expected && at - expected <= FILLED => Join::After(at - expected),
            Some(_) => Join::Jumps,
        }
    }

    /// The position at which input without a timestamp goes on.
    pub fn expected(&self) -> Option<u64> {
        self.flow.lock().expected
    }

    /// Begins anew at sample `at`; [`Stream::drain`] comes before.
    pub fn restart(&self, at: u64) {
        let mut flow = self.flow.lock();
        let Flow {
            session, detector, ..
        } = &mut *flow;
        session.restart(at);
        detector.reset(at, session.speech_map());
        flow.expected = Some(at);
        flow.covered = at;
    }

    /// Takes `samples`, waiting while the session is full.
    pub fn push(&self, mut samples: &[f32]) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut flow = self.flow.lock();
        loop {
            flow.open()?;
            if samples.is_empty() {
                return flow.downstream;
            }
            let room = flow.session.room();
            if room == 0 {
                self.changed.wait(&mut flow);
                continue;
            }
            let (now, later) = samples.split_at(room.min(samples.len()));
            let Flow {
                config,
                session,
                detector,
                expected,
                ..
            } = &mut *flow;
            session.push(now);
            if config.gate {
                detector.push(now, session.speech_map());
            }
            *expected = expected.map(|e| e + now.len() as u64);
            samples = later;
            self.changed.notify_all();
        }
    }

    /// Waits until the words of all that was pushed are out. `Err` when a flush or downstream ends the wait.
    pub fn drain(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut flow = self.flow.lock();
        if flow.expected.is_none() {
            return flow.open().map(|()| gst::FlowSuccess::Ok);
        }
        let Flow {
            session, detector, ..
        } = &mut *flow;
        detector.finish(session.speech_map());
        session.finish();
        self.changed.notify_all();
        while flow.busy || !flow.session.is_done() || flow.covered < flow.session.settled() {
            flow.open()?;
            self.changed.wait(&mut flow);
        }
        flow.expected = None;
        flow.open().map(|()| gst::FlowSuccess::Ok)
    }

    /// The output task's next job; waits for one.
    pub fn next_job(&self) -> Job {
        let mut flow = self.flow.lock();
        flow.busy = false;
        self.changed.notify_all();
        loop {
            if flow.open().is_err() {
                return Job::Stop;
            }
            let window = flow.session.next_window();
            // Looking for a window may have jumped over silence, and made room.
            self.changed.notify_all();
            let (covered, settled) = (flow.covered, flow.session.settled());
            if let Some(window) = window {
                flow.busy = true;
                return Job::Recognize(window); // what was jumped over before it comes with its words
            }
            if settled > covered {
                flow.busy = true;
                flow.covered = settled;
                return Job::Gap(covered, settled);
            }
            self.changed.wait(&mut flow);
        }
    }

    /// What a hypothesis makes: `None` when a flush came in between.
    pub fn accept(&self, hypothesis: &Hypothesis) -> Option<Output> {
        let mut flow = self.flow.lock();
        flow.open().ok()?;
        let words = flow.session.accept(hypothesis);
        let from = flow.covered;
        let until = words
            .last()
            .map_or(0, |w| w.end)
            .max(flow.session.settled())
            .max(from);
        flow.covered = until;
        Some(Output { from, words, until })
    }

    /// Notes what downstream said; an error stops the stream until the next [`Stream::run`].
    pub fn downstream_said(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        self.flow.lock().downstream = result;
        self.changed.notify_all();
    }
}

impl Flow {
    fn open(&self) -> Result<(), gst::FlowError> {
        match self.phase {
            Phase::Flushing => Err(gst::FlowError::Flushing),
            Phase::Running => self.downstream.map(drop),
        }
    }
}
