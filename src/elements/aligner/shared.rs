//! What the streaming threads of both inputs and the output task share: the stream between them, and when to wait.

use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use parking_lot::{Condvar, Mutex};

use super::stream::{Output, Stream};

/// The shared part of a running aligner. Every method returns with the lock released, and none pushes or posts.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// A WARNING about what is no turn has been posted.
    warned: AtomicBool,
}

struct Inner {
    stream: Stream,
    /// A flush or the way down to READY: nobody waits, nothing is taken or given.
    flushing: bool,
    /// What downstream last said.
    downstream: Result<gst::FlowSuccess, gst::FlowError>,
    /// The clock runs: it counts in PLAYING alone.
    playing: bool,
    /// The task waits for this, or is about to.
    timer: Option<gst::SingleShotClockId>,
    /// A cleanup waits until nothing else does.
    cleanup: bool,
}

/// What the output task does next.
pub(super) enum Step {
    /// Push these.
    Push(Vec<Output>),
    /// Release and write the checkpoints of it.
    Cleanup,
    /// Wait for this, with the lock released, and come again.
    Wait(gst::SingleShotClockId),
    /// Nothing any more until the task is started again.
    Stop,
}

impl Shared {
    /// Flushing, until [`Shared::run`].
    pub fn new(stream: Stream) -> Self {
        Shared {
            inner: Mutex::new(Inner {
                stream,
                flushing: true,
                downstream: Ok(gst::FlowSuccess::Ok),
                playing: false,
                timer: None,
                cleanup: false,
            }),
            changed: Condvar::new(),
            warned: AtomicBool::new(false),
        }
    }

    /// Lets data flow.
    pub fn run(&self) {
        self.change(|inner| {
            inner.flushing = false;
            inner.downstream = Ok(gst::FlowSuccess::Ok);
        });
    }

    /// Ends every wait and lets nothing through until [`Shared::run`].
    pub fn flush(&self) {
        self.change(|inner| inner.flushing = true);
    }

    /// Whether the clock counts.
    pub fn set_playing(&self, playing: bool) {
        self.change(|inner| inner.playing = playing);
    }

    /// Changes the stream and has the task look at it.
    pub fn with<T>(&self, f: impl FnOnce(&mut Stream) -> T) -> T {
        self.change(|inner| f(&mut inner.stream))
    }

    /// The same for words, which nobody wants in a flush or once downstream has refused some.
    pub fn push_word<T>(&self, f: impl FnOnce(&mut Stream) -> T) -> Result<T, gst::FlowError> {
        self.change(|inner| {
            if inner.flushing {
                return Err(gst::FlowError::Flushing);
            }
            inner.downstream?;
            Ok(f(&mut inner.stream))
        })
    }

    /// The same for turns. A flush of the words is none of the turns, which have their own.
    pub fn push_turns<T>(&self, f: impl FnOnce(&mut Stream) -> T) -> Result<T, gst::FlowError> {
        self.change(|inner| match inner.downstream {
            Ok(_) | Err(gst::FlowError::Flushing) => Ok(f(&mut inner.stream)),
            Err(error) => Err(error),
        })
    }

    /// What downstream last said.
    pub fn downstream(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.inner.lock().downstream
    }

    /// Notes what downstream said.
    pub fn downstream_said(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        self.inner.lock().downstream = result;
    }

    /// A cleanup is wanted: `true` when nothing waits, so that it can be done at once. Else the task is told to do it
    /// once nothing does.
    pub fn ask_cleanup(&self) -> bool {
        self.change(|inner| {
            inner.cleanup = !inner.stream.is_idle();
            !inner.cleanup
        })
    }

    /// Whether this is the first thing that is no turn.
    pub fn first_wrong(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    /// The output task's next step; waits for one. `time` has the clock and the base time, where there is a clock.
    pub fn step(&self, time: impl Fn() -> Option<(gst::Clock, gst::ClockTime)>) -> Step {
        let mut inner = self.inner.lock();
        loop {
            inner.timer = None;
            if inner.flushing {
                return Step::Stop;
            }
            let counts = inner.playing && inner.stream.is_live();
            let time = counts.then(&time).flatten();
            if let Some((clock, base)) = &time {
                inner.stream.now(clock.time().saturating_sub(*base));
            }
            let due = inner.stream.take_due();
            if !due.is_empty() {
                return Step::Push(due);
            }
            if inner.cleanup && inner.stream.is_idle() {
                inner.cleanup = false;
                return Step::Cleanup;
            }
            if let (Some((clock, base)), Some(deadline)) = (time, inner.stream.deadline()) {
                let timer = clock.new_single_shot_id(base.saturating_add(deadline));
                inner.timer = Some(timer.clone());
                return Step::Wait(timer);
            }
            self.changed.wait(&mut inner);
        }
    }

    fn change<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock();
        let result = f(&mut inner);
        // A timer that the task does not wait for yet is over before it begins to.
        if let Some(timer) = inner.timer.take() {
            timer.unschedule();
        }
        self.changed.notify_all();
        result
    }
}
