//! What an [`Engine`](super::engine::Engine) asks of a model, whatever it is for and whichever runtime hosts it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A loaded model. It lives on one thread, which loads it, asks it and drops it.
pub trait Model {
    /// What it is asked.
    type Request: Send + 'static;
    /// What it says.
    type Answer: Send + 'static;
    /// What its users have to know before they ask: shapes, rates, defaults that the file brings.
    type Facts: Send + 'static;

    /// Read once, when it is loaded.
    fn facts(&self) -> Self::Facts;

    /// Answers one request. Returns [`RunError::Cancelled`] soon after `cancel` is set; the model stays usable.
    fn run(&mut self, request: &Self::Request, cancel: &Cancel) -> Result<Self::Answer, RunError>;
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSource {
    /// The one that this library brings.
    #[default]
    Bundled,
    /// A file.
    File(PathBuf),
}

/// As properties and errors name it: the path, or "bundled".
impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelSource::Bundled => f.write_str("bundled"),
            ModelSource::File(path) => path.display().fmt(f),
        }
    }
}

/// Makes a model on the thread that will own it; the argument reports progress in per cent.
pub type Loader<M> = Box<dyn FnOnce(&mut dyn FnMut(i32)) -> Result<Box<M>, LoadError> + Send>;

/// Tells a running model to stop.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Switch>);

#[derive(Default)]
struct Switch {
    is_set: AtomicBool,
    /// Who is told when it is set, each with a number to be found by.
    listeners: Mutex<Vec<(u64, Tell)>>,
}

type Tell = Box<dyn Fn() + Send>;

impl Cancel {
    /// Stops what runs and what is asked for until [`Cancel::clear`].
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        for (_, tell) in self.0.listeners.lock().iter() {
            tell();
        }
    }

    /// Lets the model run again.
    pub fn clear(&self) {
        self.0.is_set.store(false, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// For runtimes that are told to stop and do not ask: `tell` is called whenever it is set, on the thread that
    /// sets it, until what this returns is dropped. It must be quick and must not listen or stop listening itself.
    /// Look at [`Cancel::is_set`] behind this call: it may have been set before.
    pub fn on_set(&self, tell: impl Fn() + Send + 'static) -> Listener {
        let mut listeners = self.0.listeners.lock();
        let number = listeners.last().map_or(0, |(last, _)| last + 1);
        listeners.push((number, Box::new(tell)));
        Listener {
            cancel: self.clone(),
            number,
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_set()).finish()
    }
}

/// Is told of a [`Cancel`] for as long as it lives.
#[derive(Debug)]
pub struct Listener {
    cancel: Cancel,
    number: u64,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.cancel.0.listeners.lock();
        listeners.retain(|(number, _)| *number != self.number);
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum RunError {
    /// Somebody asked for it.
    #[error("the model was told to stop")]
    Cancelled,
    /// The runtime said no.
    #[error("{0}")]
    Failed(String),
    /// The model is gone: its thread panicked, or its process ended. Says how.
    #[error("the model is gone: {0}. Set the element to READY and back to load it again")]
    Dead(String),
    /// The model's process ended before it began with this request, which so has no part in that. Says how.
    #[error("the model is gone: {0}. Set the element to READY and back to load it again")]
    DeadBefore(String),
    /// Memory ran out while the model worked, and the model is gone with it. What to load in its place is the element's
    /// to decide.
    #[error("{how}. Set the element to READY and back to load the model again")]
    NoMemory {
        /// "out of memory: …".
        how: String,
        /// Over this request. Else the request was still to come, and has no part in it.
        begun: bool,
        /// The process of the model died of it. Else the model said so and ended by itself.
        died: bool,
    },
    /// The answer took longer than it is waited for, and the model gave up. It can be asked again.
    #[error("{0}")]
    Late(String),
}

impl RunError {
    /// Whether the model can be asked no more. Who waits for it, too, hears what is returned.
    pub(super) fn end(&self) -> Option<RunError> {
        match self {
            RunError::Dead(how) | RunError::DeadBefore(how) => Some(RunError::DeadBefore(how.clone())),
            RunError::NoMemory { how, died, .. } => Some(RunError::NoMemory {
                how: how.clone(),
                begun: false,
                died: *died,
            }),
            RunError::Cancelled | RunError::Failed(_) | RunError::Late(_) => None,
        }
    }
}

/// Why a model could not be loaded. The text names the file and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadError {
    /// There is no such file, or it cannot be read.
    #[error("{0}")]
    NotFound(String),
    /// The file is not a model that this element can run.
    #[error("{0}")]
    WrongFile(String),
    /// Not enough memory.
    #[error("{0}")]
    NoMemory(String),
    /// The process that loaded it ended, or had to be.
    #[error("{0}")]
    Died(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn listeners_are_told_for_as_long_as_they_live() {
        let cancel = Cancel::default();
        let listen = || {
            let told = Arc::new(AtomicU32::new(0));
            let count = told.clone();
            let listener = cancel.on_set(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            (told, listener)
        };
        let (first, first_listener) = listen();
        let (second, second_listener) = listen();
        cancel.clone().set();
        drop(first_listener);
        let (third, _third_listener) = listen();
        cancel.set();
        drop(second_listener);
        cancel.clear();
        cancel.set();
        let told = [first, second, third].map(|told| told.load(Ordering::SeqCst));
        assert_eq!(told, [1, 2, 2]);
    }
}
