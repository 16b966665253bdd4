//! Loading a model within READY→PAUSED, and saying how far it is and what went wrong.

use std::cell::Cell;

use gst::prelude::*;

use crate::infer::engine::Engine;
use crate::infer::model::{LoadError, Loader, Model};

/// Loads on a thread of this name, with Progress messages of `element` about `what` ("the model"). The ERROR message is the
/// caller's, who may be able to do something about it.
pub(super) fn start<M: Model + ?Sized + 'static>(
    element: &impl IsA<gst::Element>,
    thread: &str,
    what: &str,
    loader: Loader<M>,
) -> Result<(Engine<M>, M::Facts), LoadError> {
    let loading = Loading::begin(element, what);
    loading.end(Engine::start(thread, loader, |percent| loading.report(percent)))
}

/// The Progress messages of a load: there is one at its end in any case, as `gst-launch-1.0` waits for that.
pub(super) struct Loading<'a> {
    element: &'a gst::Element,
    what: &'a str,
    has_ended: Cell<bool>,
}

impl<'a> Loading<'a> {
    /// Of `what` ("the model").
    pub fn begin(element: &'a impl IsA<gst::Element>, what: &'a str) -> Self {
        let element = element.upcast_ref();
        let text = format!("Loading {what}");
        progress(element, gst::ProgressType::Start, "load", &text);
        Loading {
            element,
            what,
            has_ended: Cell::new(false),
        }
    }

    pub fn report(&self, percent: i32) {
        let text = format!("Loading {}: {percent} %", self.what);
        progress(self.element, gst::ProgressType::Continue, "load", &text);
    }

    pub fn end<T>(&self, result: Result<T, LoadError>) -> Result<T, LoadError> {
        match &result {
            Ok(_) => self.close(gst::ProgressType::Complete, &format!("Loaded {}", self.what)),
            Err(error) => self.close(gst::ProgressType::Error, &error.to_string()),
        }
        result
    }

    fn close(&self, kind: gst::ProgressType, text: &str) {
        self.has_ended.set(true);
        progress(self.element, kind, "load", text);
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.has_ended.get() {
            self.close(gst::ProgressType::Error, &format!("{} is not loaded", self.what));
        }
    }
}

/// Posts a Progress message with this code.
pub(super) fn progress(element: &impl IsA<gst::Element>, kind: gst::ProgressType, code: &str, text: &str) {
    let element = element.upcast_ref::<gst::Element>();
    let message = gst::message::Progress::builder(kind, code, text)
        .src(element)
        .build();
    let _ = element.post_message(message);
}

/// Posts the ERROR that `error` is.
pub(super) fn refuse(element: &impl IsA<gst::Element>, error: &LoadError) -> gst::StateChangeError {
    let (LoadError::NotFound(text)
    | LoadError::WrongFile(text)
    | LoadError::NoMemory(text)
    | LoadError::Died(text)
    | LoadError::Failed(text)) = error;
    let kind = match error {
        LoadError::NotFound(_) => gst::ResourceError::NotFound,
        LoadError::WrongFile(_) => gst::ResourceError::OpenRead,
        LoadError::NoMemory(_) => gst::ResourceError::NoSpaceLeft,
        LoadError::Died(_) | LoadError::Failed(_) => gst::ResourceError::Failed,
    };
    gst::element_error!(element, kind, ("{text}"));
    gst::StateChangeError
}

/// Posts the ERROR of a property that is missing or wrong.
pub(super) fn refuse_settings(element: &impl IsA<gst::Element>, text: &str) -> gst::StateChangeError {
    gst::element_error!(element, gst::ResourceError::Settings, ("{text}"));
    gst::StateChangeError
}
