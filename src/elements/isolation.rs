//! A model in a process of its own, and what happens when that dies: the same for every element with a model.

use std::ffi::OsStr;
use std::sync::Arc;

use gst::{glib, subclass::prelude::*};
use parking_lot::Mutex;

use super::checkpoints::Checkpoints;
use super::flow::element::{FlowElement, Refusal, Running};
use super::load;
use crate::infer::cuda;
use crate::infer::engine::Engine;
use crate::infer::model::{LoadError, Model, RunError};
use crate::memory::Stage;
use crate::memory::probes::Device;

/// Where the model lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeIsolation")]
pub enum Isolation {
    /// In a `scribe-worker` on a GPU. In this process on a CPU: there memory seldom runs out.
    #[default]
    #[enum_value(
        name = "In a worker process on a GPU, in this process on a CPU",
        nick = "auto"
    )]
    Auto,
    /// In a `scribe-worker`.
    #[enum_value(name = "In a worker process, whose death is survived", nick = "process")]
    Process,
    /// In this process.
    #[enum_value(name = "In this process", nick = "none")]
    None,
}

/// What `auto` means where this is set: `process` or `none`, for all pipelines of a machine.
const VARIABLE: &str = "SCRIBE_ISOLATION";

impl Isolation {
    /// As the property says, or else the environment.
    pub(super) fn in_environment(self) -> Self {
        let said = std::env::var_os(VARIABLE);
        self.or_as_told(said.as_deref().and_then(OsStr::to_str).unwrap_or_default())
    }

    fn or_as_told(self, said: &str) -> Self {
        match (self, said) {
            (Isolation::Auto, "process") => Isolation::Process,
            (Isolation::Auto, "none") => Isolation::None,
            (named, _) => named,
        }
    }

    /// Whether a model on `device` goes to a worker.
    pub(super) fn is_process(self, device: Device) -> bool {
        match (self, device) {
            (Isolation::Process, _) | (Isolation::Auto, Device::Cuda(_)) => true,
            (Isolation::None, _) | (Isolation::Auto, Device::Cpu) => false,
            (Isolation::Auto, Device::Auto) => cuda::is_there(0),
        }
    }
}

/// How often a worker is replaced until READY unless told: the first death may be an accident; that it comes back four
/// times in one run is not.
pub(super) const RESTART_LIMIT: u32 = 3;

/// How often the worker of a model outside of this process was replaced.
pub(super) struct Outside {
    limit: u32,
    /// How often its worker was replaced.
    done: u32,
}

impl Outside {
    pub fn new(limit: u32) -> Self {
        Outside { limit, done: 0 }
    }

    /// Takes one replacement: its number and how many there are. `Err` with the limit where none is left.
    fn replace(&mut self) -> Result<(u32, u32), u32> {
        if self.done == self.limit {
            return Err(self.limit);
        }
        self.done += 1;
        Ok((self.done, self.limit))
    }
}

/// What a request is about, for warnings.
pub(super) struct About {
    /// "The window at 0:00:30".
    pub what: String,
    /// What is done when its worker died: "is asked again".
    pub then: &'static str,
    /// And when the last try failed: "ended two workers and is left without text".
    pub lost: &'static str,
}

/// An element whose model may be in a process of its own.
pub(super) trait Isolated: FlowElement<Model: Model<Request: Clone>> {
    /// Whose memory it is.
    const STAGE: Stage;

    /// `None` where the model is in this process, and in READY and below.
    fn outside(&self) -> &Mutex<Option<Outside>>;
    fn checkpoints(&self) -> Option<Arc<Checkpoints>>;
    /// Loads the model instead of one that died. The outer error is posted, the inner one is not.
    fn start_again(&self) -> Result<Result<Engine<Self::Model>, LoadError>, gst::StateChangeError>;

    /// What the model says to `request`. Where it is in a process of its own and that dies over it, a new one is asked, in
    /// `tries` tries at most: what ends all of them may well be the reason. `None` then.
    fn ask_and_restart(
        &self,
        running: &Running<Self::Work, Self::Model>,
        request: <Self::Model as Model>::Request,
        tries: u32,
        about: &About,
    ) -> Result<Option<<Self::Model as Model>::Answer>, Refusal> {
        if self.outside().lock().is_none() {
            return self.consult(running, request).map(Some);
        }
        let mut deaths = 0;
        loop {
            let (how, then) = match self.consult(running, request.clone()) {
                Err(Refusal::Run(RunError::Dead(how))) => {
                    deaths += 1;
                    (how, if deaths == tries { about.lost } else { about.then })
                }
                // Not over this one: it keeps all its tries. The limit ends this.
                Err(Refusal::Run(RunError::DeadBefore(how))) => (how, "is asked"),
                answer => return answer.map(Some),
            };
            self.replace(running, how, &format!("{} {then}", about.what))?;
            if deaths == tries {
                return Ok(None);
            }
        }
    }

    /// Takes a new worker for one that died, and for those that die while they load. `then` says what happens next.
    fn replace(
        &self,
        running: &Running<Self::Work, Self::Model>,
        mut how: String,
        then: &str,
    ) -> Result<(), Refusal> {
        // No checkpoint: the stage goes on. What the next one takes is charged to the stage as far as it goes away with
        // it: other models of the worker come back at the same time.
        if let Some(checkpoints) = self.checkpoints() {
            checkpoints.lost(Self::STAGE);
        }
        loop {
            let replacement = self.outside().lock().as_mut().map(Outside::replace);
            let (number, of) = match replacement {
                Some(Ok(replacement)) => replacement,
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
                    running.equip(engine);
                    return Ok(());
                }
                Err(LoadError::Died(again)) => how = again,
                Err(error) => return Err(load::refuse(&*self.obj(), &error).into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_on_a_gpu_have_a_process_by_themselves() {
        for (isolation, device, expected) in [
            (Isolation::Auto, Device::Cpu, false),
            (Isolation::Auto, Device::Cuda(3), true),
            (Isolation::None, Device::Cuda(3), false),
            (Isolation::Process, Device::Cpu, true),
        ] {
            assert_eq!(isolation.is_process(device), expected, "{isolation:?} {device}");
        }
    }

    #[test]
    fn the_environment_decides_what_auto_means() {
        use Isolation::{Auto, None, Process};
        for (property, said, expected) in [
            (Auto, "process", Process),
            (Auto, "none", None),
            (Auto, "", Auto),
            (Auto, "yes", Auto),
            (None, "process", None),
            (Process, "none", Process),
        ] {
            assert_eq!(property.or_as_told(said), expected, "{property:?} {said:?}");
        }
    }

    #[test]
    fn replacements_are_counted() {
        let mut outside = Outside::new(2);
        assert_eq!(outside.replace(), Ok((1, 2)));
        assert_eq!(outside.replace(), Ok((2, 2)));
        assert_eq!(outside.replace(), Err(2));
        assert_eq!(Outside::new(0).replace(), Err(0));
    }
}
