//! What the elements ask of a speech model, whichever runtime hosts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::speech::transcribe::{Hypothesis, Window};

/// A speech model with its state. It lives on one thread, see [`super::engine::Engine`].
pub trait Recognizer {
    /// The text of one window, times counted from its start. Returns [`RecognizeError::Cancelled`] soon
    /// after `cancel` is set; the recognizer stays usable.
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RecognizeError>;
}

/// Makes a recognizer on the thread that will own it; the argument reports progress in per cent.
pub type Loader = Box<dyn FnOnce(&mut dyn FnMut(i32)) -> Result<Box<dyn Recognizer>, LoadError> + Send>;

/// Tells a running recognition to stop.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops what runs and what is asked for until [`Cancel::clear`].
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Lets recognitions run again.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Why a window has no text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecognizeError {
    /// Somebody asked for it.
    #[error("the recognition was cancelled")]
    Cancelled,
    /// The runtime said no.
    #[error("{0}")]
    Failed(String),
    /// The recognizer's thread is gone: it panicked.
    #[error("the model's thread has ended ({0}); set the element to READY and back to load the model again")]
    Dead(String),
}

/// Why a model could not be loaded. The text names the file and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}
