//! The action signal `cleanup-models` of every element that holds memory.

use gst::glib::{self, prelude::*, subclass::Signal};

/// Name of the signal.
pub const SIGNAL: &str = "cleanup-models";

/// The signal of elements of this type, which runs `cleanup`.
pub(super) fn signal<E: IsA<glib::Object>>(cleanup: impl Fn(&E) + Send + Sync + 'static) -> Signal {
    Signal::builder(SIGNAL)
        .action()
        .run_last()
        .class_handler(move |values| {
            // The emitter is what has the signal.
            if let Some(element) = values.first().and_then(|v| v.get::<E>().ok()) {
                cleanup(&element);
            }
            None
        })
        .build()
}
