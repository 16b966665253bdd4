//! A model in a process of its own, and what happens when that dies.

use gst::{glib, subclass::prelude::*};

use super::imp::Transcriber;
use super::lifecycle::Whispering;
use crate::elements::checkpoints::Checkpoints;
use crate::elements::flow::element::{FlowElement, Refusal};
use crate::elements::load;
use crate::infer::model::{LoadError, RunError};
use crate::memory::Stage;
use crate::speech::transcribe::{Hypothesis, Window};
use crate::time::samples_to_time;

/// Where the model lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeIsolation")]
pub enum Isolation {
    /// In this process, as it is on a CPU: there memory seldom runs out.
    #[default]
    #[enum_value(name = "In this process on a CPU", nick = "auto")]
    Auto,
    /// In a `scribe-worker`.
    #[enum_value(name = "In a worker process, whose death is survived", nick = "process")]
    Process,
    /// In this process.
    #[enum_value(name = "In this process", nick = "none")]
    None,
}

impl Isolation {
    pub(super) fn is_process(self) -> bool {
        self == Isolation::Process
    }
}

/// How often a worker may be replaced until READY.
pub(super) struct Restarts {
    limit: u32,
    done: u32,
}

impl Restarts {
    pub fn new(limit: u32) -> Self {
        Restarts { limit, done: 0 }
    }

    /// Takes one: its number and how many there are. `Err` with the limit where none is left.
    fn take(&mut self) -> Result<(u32, u32), u32> {
        if self.done == self.limit {
            return Err(self.limit);
        }
        self.done += 1;
        Ok((self.done, self.limit))
    }
}

/// A window that has ended so many workers may well be the reason.
const MOST_TRIES: usize = 2;

impl Transcriber {
    /// What the model says to `window`. Where it is in a process of its own and that dies, a new one is asked again; one
    /// that dies over the same window, too, leaves it without text.
    pub(super) fn ask_and_restart(
        &self,
        running: &Whispering,
        window: Window,
    ) -> Result<Hypothesis, Refusal> {
        if self.restarts.lock().is_none() {
            return self.consult(running, window);
        }
        let at = samples_to_time(window.start);
        for attempt in 1..=MOST_TRIES {
            let how = match self.consult(running, window.clone()) {
                Err(Refusal::Run(RunError::Dead(how))) => how,
                other => return other,
            };
            let then = match attempt {
                MOST_TRIES => {
                    format!("The audio of the window at {at} ended two workers and is left without text")
                }
                _ => format!("The window at {at} is asked again"),
            };
            self.replace(running, how, &then)?;
        }
        // Nothing heard: the session makes a GAP of the window's span.
        Ok(Hypothesis::default())
    }

    /// Takes a new worker for one that died, and for those that die while they load. `then` says what happens next.
    fn replace(&self, running: &Whispering, mut how: String, then: &str) -> Result<(), Refusal> {
        let checkpoints = self.checkpoints.lock().clone();
        // Neither way is a checkpoint: the stage goes on.
        let book = |what: fn(&Checkpoints, Stage)| {
            if let Some(checkpoints) = &checkpoints {
                what(checkpoints, Stage::Transcription);
            }
        };
        book(Checkpoints::lost);
        loop {
            let restart = self.restarts.lock().as_mut().map(Restarts::take);
            let (number, of) = match restart {
                Some(Ok(restart)) => restart,
                Some(Err(limit)) => {
                    return Err(Refusal::Run(RunError::Dead(format!(
                        "{how}. It was replaced {limit} times before, which is the restart-limit"
                    ))));
                }
                None => return Err(Refusal::Run(RunError::Cancelled)), // on the way down to READY
            };
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Failed,
                ("{how}. {then}; a new worker is started ({number} of {of}, see restart-limit)")
            );
            match self.start_again()? {
                Ok(engine) => {
                    book(Checkpoints::taken);
                    running.equip(engine);
                    return Ok(());
                }
                Err(LoadError::Died(again)) => how = again,
                Err(error) => return Err(load::refuse(&*self.obj(), &error).into()),
            }
        }
    }
}
