//! Why a worker is given up.

use std::time::Duration;

use super::{HEARTBEAT, SILENT_BEATS};
use crate::infer::protocol::{ProtocolError, software};

#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// Its end of the socket is closed: it has ended, or will now.
    Gone,
    /// No sign of life.
    Silent,
    /// Signs of life, but no answer by the deadline.
    Late,
    /// It sent what it should not.
    Protocol(ProtocolError),
    /// It is of this other release.
    Release(String),
}

impl Trouble {
    /// A sentence about the process `pid`, which ended as `ending` says; `waited` is how long it was waited for.
    pub fn tell(&self, pid: u32, ending: &str, lacks_memory: bool, waited: Option<Duration>) -> String {
        let name = format!("the worker process {pid}");
        match self {
            Trouble::Gone if lacks_memory => {
                format!("out of memory: {name} could take no more and died: {ending}")
            }
            Trouble::Gone => format!("{name} died: {ending}"),
            Trouble::Silent => format!(
                "{name} gave no sign of life for {} s and was ended",
                SILENT_BEATS as u64 * HEARTBEAT.as_secs()
            ),
            Trouble::Late => format!(
                "{name} did not answer a request for {} s, far longer than any takes, though it gave signs of life, and was ended",
                waited.unwrap_or_default().as_secs()
            ),
            Trouble::Protocol(error) => format!("{name} was ended, as {error}"),
            Trouble::Release(theirs) => format!(
                "{name} was ended, as it is of {theirs} and this plugin of {}. Install both from the same release, or set \
                 isolation=none",
                software()
            ),
        }
    }
}
