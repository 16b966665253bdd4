//! What happens when a model comes to its end in the middle of a stream: the same for every element with a model.

use gst::subclass::prelude::*;

use super::flow::element::{Refusal, Running};
use super::load;
use super::sharing::Sharing;
use crate::infer::model::{LoadError, Model, RunError};

/// What a request is about, for warnings.
pub(super) struct About {
    /// "The window at 0:00:30".
    pub what: String,
    /// What is done when its model is gone: "is asked again".
    pub then: &'static str,
    /// And when the last try failed: "ended two workers and is left without text".
    pub lost: &'static str,
    /// And when its time is over: "is left without text".
    pub late: &'static str,
}

/// How a model came to its end.
pub(super) struct End {
    how: String,
    /// Over this request.
    begun: bool,
    /// Its process died. Else the model itself gave up.
    died: bool,
    /// Memory ran out.
    is_full: bool,
}

impl End {
    fn of(error: &RunError) -> Option<Self> {
        let (how, begun, died, is_full) = match error {
            RunError::Dead(how) => (how, true, true, false),
            RunError::DeadBefore(how) => (how, false, true, false),
            RunError::NoMemory { how, begun, died } => (how, *begun, *died, true),
            RunError::Cancelled | RunError::Failed(_) | RunError::Late(_) => return None,
        };
        let how = how.clone();
        Some(End {
            how,
            begun,
            died,
            is_full,
        })
    }

    /// The error when there is no way on.
    fn error(self) -> RunError {
        let End {
            how,
            begun,
            died,
            is_full,
        } = self;
        if is_full {
            RunError::NoMemory { how, begun, died }
        } else {
            RunError::Dead(how)
        }
    }
}

/// An element that goes on with another model.
pub(super) trait Restarting: Sharing {
    /// What the model says to `request`. Where its process dies over it, a new one is asked, in `tries` tries at most: what ends
    /// all of them may well be the reason. Where memory was, and `on-oom` has another model, that one is asked, and nobody
    /// holds the end against the request. `None` when it is given up.
    fn ask_and_restart(
        &self,
        running: &Running<Self::Work, Self::Model>,
        request: <Self::Model as Model>::Request,
        tries: u32,
        about: &About,
    ) -> Result<Option<<Self::Model as Model>::Answer>, Refusal> {
        let mut deaths = 0;
        loop {
            let error = match self.consult(running, request.clone()) {
                Err(Refusal::Run(error)) => error,
                answer => return answer.map(Some),
            };
            if let RunError::Late(how) = error {
                let text = format!("{how}. {} {}", about.what, about.late);
                gst::element_imp_warning!(self, gst::ResourceError::Failed, ("{text}"));
                return Ok(None);
            }
            let Some(mut end) = End::of(&error) else {
                return Err(error.into());
            };
            let instead = if end.is_full { self.take_instead() } else { None };
            if instead.is_none() && !(end.died && self.holding().is_process()) {
                return Err(error.into()); // what is in this process, or lives, would only do it again
            }
            deaths += u32::from(end.begun && instead.is_none());
            let then = match end.begun {
                true if deaths == tries => about.lost,
                true => about.then,
                // Not over this one: it keeps all its tries. The limit ends this.
                false => "is asked",
            };
            if let Some(announcement) = instead {
                end.how = format!("{}. {announcement}", end.how);
            }
            self.replace(running, end, &format!("{} {then}", about.what))?;
            if deaths == tries {
                return Ok(None);
            }
        }
    }

    /// Takes a new model for one that is gone, and for those that die while they load. `then` says what happens next.
    fn replace(
        &self,
        running: &Running<Self::Work, Self::Model>,
        mut end: End,
        then: &str,
    ) -> Result<(), Refusal> {
        // No checkpoint: the stage goes on. What the next one takes is charged to the stage as far as it goes away with
        // it: other models of the worker come back at the same time.
        if let Some(checkpoints) = self.holding().checkpoints() {
            checkpoints.lost(Self::STAGE);
        }
        loop {
            let text = self.next_start(&mut end, then)?;
            match end.is_full {
                true => gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{text}")),
                false => gst::element_imp_warning!(self, gst::ResourceError::Failed, ("{text}")),
            }
            match self.start()? {
                Ok((engine, _)) => {
                    running.equip(engine);
                    return Ok(());
                }
                Err(LoadError::Died(how)) => {
                    end = End {
                        how,
                        begun: true,
                        died: true,
                        is_full: false,
                    };
                }
                Err(error) => return Err(load::refuse(&*self.obj(), &error).into()),
            }
        }
    }

    /// The text of the WARNING before a model is started in place of one that is gone. An error where it shall not be.
    fn next_start(&self, end: &mut End, then: &str) -> Result<String, Refusal> {
        let how = std::mem::take(&mut end.how);
        let mut home = self.holding().home.lock();
        let Some(home) = home.as_mut() else {
            return Err(Refusal::Run(RunError::Cancelled)); // on the way down to READY
        };
        if !end.died {
            return Ok(format!("{how}. {then}"));
        }
        match home.replace() {
            Ok((number, of)) => Ok(format!(
                "{how}. {then}; a new worker is started ({number} of {of}, see restart-limit)"
            )),
            Err(limit) => {
                let how = format!("{how}. It was replaced {limit} times before, which is the restart-limit");
                Err(Refusal::Run(End { how, ..*end }.error()))
            }
        }
    }
}

impl<E: Sharing> Restarting for E {}
