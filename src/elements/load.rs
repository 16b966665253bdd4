//! Loading a model within READY→PAUSED, and saying how far it is and what went wrong.

use gst::prelude::*;

use crate::infer::engine::Engine;
use crate::infer::model::{LoadError, Loader, Model};

/// Loads on a thread of this name, with Progress messages of `element` about `what` ("the model").
///
/// # Errors
/// The ERROR message is posted.
pub(super) fn start<M: Model + ?Sized + 'static>(
    element: &impl IsA<gst::Element>,
    thread: &str,
    what: &str,
    loader: Loader<M>,
) -> Result<(Engine<M>, M::Facts), gst::StateChangeError> {
    try_start(element, thread, what, loader).map_err(|error| refuse(element, &error))
}

/// [`start`] without the ERROR message, for those who can do something about it.
pub(super) fn try_start<M: Model + ?Sized + 'static>(
    element: &impl IsA<gst::Element>,
    thread: &str,
    what: &str,
    loader: Loader<M>,
) -> Result<(Engine<M>, M::Facts), LoadError> {
    progress(
        element,
        gst::ProgressType::Start,
        "load",
        &format!("Loading {what}"),
    );
    let started = Engine::start(thread, loader, |percent| {
        let text = format!("Loading {what}: {percent} %");
        progress(element, gst::ProgressType::Continue, "load", &text);
    });
    match started {
        Ok(started) => {
            let text = format!("Loaded {what}");
            progress(element, gst::ProgressType::Complete, "load", &text);
            Ok(started)
        }
        Err(error) => {
            progress(element, gst::ProgressType::Error, "load", &error.to_string());
            Err(error)
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
