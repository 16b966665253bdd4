//! A model in a process of its own, `scribe-worker`: whatever ends it, the media process lives on.
//!
//! On this side, [`RemoteRecognizer`] is a recognizer like any other. It is loaded, asked and dropped on the one
//! thread of its [`Engine`](super::engine::Engine); it owns the process and ends it. On the other side,
//! [`serve`] hosts a model, again in an engine. Between them is a pair of sockets, the worker's end being its
//! standard input, and [`super::protocol`].
//!
//! | thread | of | does |
//! |---|---|---|
//! | `scribe-whisper` (the engine's) | the library | asks, waits |
//! | `worker-reader` | the library | takes frames off the socket |
//! | `worker-log` | the library | passes on what the worker writes to its standard error |
//! | main | the worker | takes requests in turn, sends answers |
//! | `scribe-whisper` (the engine's) | the worker | owns the model |
//! | `reader` | the worker | takes frames off the socket, cancels, ends the process |
//! | `heartbeat` | the worker | beats |

mod child;
mod confine;
mod ending;
mod link;
mod process;
mod program;
mod remote;

use std::time::Duration;

pub use child::serve;
pub use program::find;
pub use remote::RemoteRecognizer;

/// How often a worker says that it works.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so many waits of [`HEARTBEAT`] without a sign, it hangs. Counted in waits, so that the time in which this
/// process itself was stopped is not held against it.
const SILENT_BEATS: u32 = 5;
/// The same from the start to the first sign: a program of many MB is read from disk first.
const SILENT_START: u32 = 30;
/// How long a worker has to end by itself, before it is killed.
const GRACE: Duration = Duration::from_secs(1);
