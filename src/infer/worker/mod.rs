//! Models in a process of their own, `scribe-worker`: whatever ends it, the media process lives on.
//!
//! On this side, [`RemoteModel`] is a recognizer, or speaker models, like any other: it is loaded, asked and dropped on
//! the one thread of its [`Engine`](super::engine::Engine). The models of a device share one process, which the first
//! starts and the last ends. On the other side, [`serve`] hosts each model in an engine of its own, so that they work
//! side by side. Between them is a pair of sockets, the worker's end being its standard input, and
//! [`super::protocol`].
//!
//! | thread | of | does |
//! |---|---|---|
//! | `scribe-whisper`, `scribe-speakers` (the engines') | the library | ask, wait |
//! | `worker-keeper` | the library | starts the process, passes on what it writes to its standard error, reaps it |
//! | `worker-writer` | the library | puts frames onto the socket, in turn |
//! | `worker-reader` | the library | takes frames off it, for each model's own line |
//! | main | the worker | takes frames off its socket, starts models, cancels, ends the process |
//! | `host`, one a model | the worker | takes the model's requests in turn, sends answers |
//! | `scribe-whisper`, `scribe-speakers` (the engines') | the worker | own the models |
//! | `heartbeat` | the worker | beats, and ends requests whose time is over |

mod child;
mod command;
mod confine;
mod deadline;
mod ending;
mod fence;
mod host;
mod link;
mod process;
mod program;
mod remote;
mod shared;
mod stops;
mod trouble;

use std::time::Duration;

pub use child::serve;
pub use command::command;
pub use program::{find, find_for};
pub use remote::{Health, RemoteModel};

/// How often a worker says that it works.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so many waits of [`HEARTBEAT`] without a sign, it hangs. Counted in waits, so that the time in which this
/// process itself was stopped is not held against it.
const SILENT_BEATS: u32 = 5;
/// The same from the start to the first sign: a program of many MB is read from disk first.
const SILENT_START: u32 = 30;
/// How long a worker has to end by itself, before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How long a model has to end what it is at, behind a cancel or its deadline, and to give its memory back: whisper.cpp looks for a cancel between the nodes of
/// its graphs, and a GB takes milliseconds to free.
const UNLOADING: Duration = Duration::from_secs(10);
