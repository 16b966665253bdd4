//! GStreamer elements that turn speech into timed words and captions, on a device whose memory
//! they bound, log and give back.
//!
//! The crate has three rings (see `ARCHITECTURE.md`): [`speech`] is pure, [`infer`] owns the
//! models, [`elements`] speaks GStreamer. [`memory`] is the accounting that the outer two share.

pub mod elements;
pub mod infer;
pub mod memory;
pub mod speech;
pub mod time;

mod plugin {
    #![allow(missing_docs)] // what plugin_define! makes is GStreamer's interface, documented there
    use gst::glib;

    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        crate::elements::register(plugin)
    }

    gst::plugin_define!(
        scribe,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MPL",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("BUILD_REL_DATE")
    );
}

pub use plugin::plugin_register_static;
