//! Holds audio back until it is wanted: in memory up to a limit, beyond it in a temporary file.
//!
//! `scribebin` puts one before the diarizer. While the spool is held everything that comes is stored: audio and
//! serialized events, STREAM_START and EOS among them, and upstream is never blocked. Once it is open all leaves in
//! order from a thread of its own, what was stored and what follows; then it is a queue of [`MOST_WAITING`] and blocks
//! upstream when that is full.
//!
//! It is a private element, made with [`Spool::new`] and known to no registry. Audio is expected to be 16 kHz mono in
//! F32, as `scriberesample` makes it: small buffers come out joined to seconds.

mod block;
mod imp;
mod medium;
mod store;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;

use gst::{glib, subclass::prelude::ObjectSubclassIsExt};

glib::wrapper! {
    /// See the module.
    pub struct Spool(ObjectSubclass<imp::Spool>) @extends gst::Element, gst::Object;
}

/// Audio that waits at most in an open spool, in bytes: 2 s. More is of no use between two elements that each take
/// what they need, and less would make them take turns.
pub(super) const MOST_WAITING: u64 = 2 * block::SECOND as u64;

impl Default for Spool {
    fn default() -> Self {
        Self::new()
    }
}

impl Spool {
    /// An open spool that keeps nothing in memory; see [`Spool::set_memory`].
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Audio of more than `bytes` goes to a temporary file. For what comes from now on.
    pub fn set_memory(&self, bytes: u64) {
        self.imp().set_memory(bytes);
    }

    /// From now on nothing leaves: what comes is stored.
    pub fn hold(&self) {
        self.imp().set_held(true);
    }

    /// Lets go what is stored, and what comes behind it. May be called from any thread, at any time.
    pub fn open(&self) {
        self.imp().set_held(false);
    }

    /// Bytes of audio that wait.
    pub fn stored(&self) -> u64 {
        self.imp().stored()
    }

    /// Length of the audio that waits.
    pub fn stored_time(&self) -> gst::ClockTime {
        imp::time(self.stored())
    }

    /// Length of the audio that has come in since READY or the last flush.
    pub fn duration(&self) -> gst::ClockTime {
        imp::time(self.imp().taken())
    }
}
