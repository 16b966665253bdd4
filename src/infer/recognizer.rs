//! What the transcriber asks of a speech model, whichever runtime hosts it.

use super::model::{Cancel, Model, RunError};
use super::pool::Pool;
use crate::speech::transcribe::{Hypothesis, Window};

/// A speech model with its state. It lives on one thread, see [`super::engine::Engine`].
pub trait Recognizer {
    /// The text of one window, times counted from its start. Returns [`RunError::Cancelled`] soon
    /// after `cancel` is set; the recognizer stays usable.
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError>;
}

/// Makes a recognizer on the thread that will own it.
pub type Loader = super::model::Loader<dyn Recognizer>;

/// Those of this process that elements share.
pub static POOL: Pool<dyn Recognizer> = Pool::new();

impl Model for dyn Recognizer {
    type Request = Window;
    type Answer = Hypothesis;
    type Facts = ();

    fn facts(&self) {}

    fn run(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        self.recognize(window, cancel)
    }
}
