//! What the streaming thread and the output task of an element share: the session between them, and when to wait.

use parking_lot::{Condvar, Mutex};

/// A session of ring 1 that takes audio, asks a model and makes pieces of output. All positions are samples.
pub(crate) trait Work {
    /// What the model is asked.
    type Request;
    /// What it says.
    type Answer;
    /// What leaves the element: a word, a turn.
    type Piece: Piece;

    /// Forgets all and begins at sample `at`.
    fn restart(&mut self, at: u64);
    /// What follows is another stream: nothing before has a bearing on it.
    fn begin_stream(&mut self) {}
    /// How many samples may be pushed now.
    fn room(&self) -> usize;
    /// Takes at most [`Work::room`] samples.
    fn push(&mut self, samples: &[f32]);
    /// Goes on `samples` later, nothing being heard between. `false` when it cannot, and must be drained and
    /// restarted instead.
    fn skip(&mut self, samples: u64) -> bool;
    /// No more input comes until [`Work::restart`].
    fn finish(&mut self);
    /// What to ask the model now.
    fn next_request(&mut self) -> Option<Self::Request>;
    /// Takes the answer to the last request.
    fn accept(&mut self, answer: Self::Answer) -> Vec<Self::Piece>;
    /// No piece that starts before this sample will come.
    fn settled(&self) -> u64;
    /// Finished, and nothing is to be asked any more.
    fn is_done(&self) -> bool;
}

/// Something with a place in the stream.
pub(crate) trait Piece {
    /// First sample.
    fn start(&self) -> u64;
    /// First sample after it.
    fn end(&self) -> u64;
}

/// The shared part of a running element. Every method returns with the lock released, and none calls the
/// model or a pad.
pub(crate) struct Stream<W: Work> {
    flow: Mutex<Flow<W>>,
    changed: Condvar,
}

struct Flow<W> {
    work: W,
    /// The input position that continues what was pushed; `None` behind a segment or flush.
    expected: Option<u64>,
    /// All output before this sample has been pushed, as pieces or GAPs.
    covered: u64,
    phase: Phase,
    /// What downstream last said.
    downstream: Result<gst::FlowSuccess, gst::FlowError>,
    /// A request or its pieces are on their way, outside of the lock.
    busy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// A flush or the way down to READY: nobody waits, nothing is taken or given.
    Flushing,
}

/// What the output task must do next.
pub(crate) enum Job<R> {
    /// Ask the model.
    Ask(R),
    /// Push a GAP over these samples: nothing is there.
    Gap(u64, u64),
    /// Nothing any more until the task is started again.
    Stop,
}

/// The pieces of an answer, ready to be pushed.
pub(crate) struct Output<P> {
    /// Where the output pushed before ended.
    pub from: u64,
    /// In order of their starts.
    pub pieces: Vec<P>,
    /// Where the output ends: GAPs fill what is no word.
    pub until: u64,
}

/// Where a buffer stands against those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
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

impl<W: Work> Stream<W> {
    pub fn new(work: W) -> Self {
        Stream {
            flow: Mutex::new(Flow {
                work,
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
        flow.work.restart(0); // what was pushed before a flush is nobody's
        flow.covered = 0;
        flow.downstream = Ok(gst::FlowSuccess::Ok);
        flow.expected = None;
        flow.busy = false;
    }

    /// What follows is another stream. [`Stream::drain`] comes before.
    pub fn begin_stream(&self) {
        let mut flow = self.flow.lock();
        flow.work.begin_stream();
        flow.expected = None;
    }

    /// One step on the work itself.
    pub fn with_work<R>(&self, step: impl FnOnce(&mut W) -> R) -> R {
        step(&mut self.flow.lock().work)
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
        flow.work.restart(at);
        flow.expected = Some(at);
        flow.covered = at;
    }

    /// Goes on at sample `at`, later than expected, with nothing heard between. `false` when that is not possible.
    pub fn skip_to(&self, at: u64) -> Result<bool, gst::FlowError> {
        let mut flow = self.flow.lock();
        flow.open()?;
        let Some(expected) = flow.expected.filter(|&e| e < at) else {
            return Ok(false);
        };
        let skipped = flow.work.skip(at - expected);
        if skipped {
            flow.expected = Some(at);
            self.changed.notify_all();
        }
        Ok(skipped)
    }

    /// Takes `samples`, waiting while the session is full.
    pub fn push(&self, mut samples: &[f32]) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut flow = self.flow.lock();
        loop {
            flow.open()?;
            if samples.is_empty() {
                return flow.downstream;
            }
            let room = flow.work.room();
            if room == 0 {
                self.changed.wait(&mut flow);
                continue;
            }
            let (now, later) = samples.split_at(room.min(samples.len()));
            flow.work.push(now);
            flow.expected = flow.expected.map(|e| e + now.len() as u64);
            samples = later;
            self.changed.notify_all();
        }
    }

    /// Waits until all that comes of what was pushed is out. `Err` when a flush or downstream ends the wait.
    pub fn drain(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut flow = self.flow.lock();
        if flow.expected.is_none() {
            return flow.open().map(|()| gst::FlowSuccess::Ok);
        }
        flow.work.finish();
        self.changed.notify_all();
        while flow.busy || !flow.work.is_done() || flow.covered < flow.work.settled() {
            flow.open()?;
            self.changed.wait(&mut flow);
        }
        flow.expected = None;
        flow.open().map(|()| gst::FlowSuccess::Ok)
    }

    /// All output before this sample is out or on its way.
    pub fn covered(&self) -> u64 {
        self.flow.lock().covered
    }

    /// The output task's next job; waits for one.
    pub fn next_job(&self) -> Job<W::Request> {
        let mut flow = self.flow.lock();
        flow.busy = false;
        self.changed.notify_all();
        loop {
            if flow.open().is_err() {
                return Job::Stop;
            }
            let request = flow.work.next_request();
            // Looking for a request may have jumped over silence, and made room.
            self.changed.notify_all();
            let (covered, settled) = (flow.covered, flow.work.settled());
            if let Some(request) = request {
                flow.busy = true;
                return Job::Ask(request); // what was jumped over before it comes with its pieces
            }
            if settled > covered {
                flow.busy = true;
                flow.covered = settled;
                return Job::Gap(covered, settled);
            }
            self.changed.wait(&mut flow);
        }
    }

    /// What an answer makes: `None` when a flush came in between.
    pub fn accept(&self, answer: W::Answer) -> Option<Output<W::Piece>> {
        let mut flow = self.flow.lock();
        flow.open().ok()?;
        let pieces = flow.work.accept(answer);
        let from = flow.covered;
        let last = pieces.iter().map(Piece::end).max().unwrap_or(0);
        let until = last.max(flow.work.settled()).max(from);
        flow.covered = until;
        Some(Output { from, pieces, until })
    }

    /// Notes what downstream said; an error stops the stream until the next [`Stream::run`].
    pub fn downstream_said(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        self.flow.lock().downstream = result;
        self.changed.notify_all();
    }
}

impl<W> Flow<W> {
    fn open(&self) -> Result<(), gst::FlowError> {
        match self.phase {
            Phase::Flushing => Err(gst::FlowError::Flushing),
            Phase::Running => self.downstream.map(drop),
        }
    }
}
