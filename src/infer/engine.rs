//! The thread that owns a model, and the handles of those who ask it. Dropping a handle cancels what it asked; dropping the
//! last one frees the model and ends the thread.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::model::{Cancel, LoadError, Loader, Model, RunError};
use super::queue::Queue;
use super::worker::Health;
use crate::memory::reservations::Promise;

type Answer<M> = Result<<M as Model>::Answer, RunError>;

/// A request, where its answer goes, and what stops it.
struct Errand<M: Model + ?Sized> {
    request: M::Request,
    answer: mpsc::Sender<Answer<M>>,
    cancel: Cancel,
}

/// A handle to a loaded model. Several can be of the same one: see [`Engine::sibling`].
pub struct Engine<M: Model + ?Sized> {
    host: Arc<Host<M>>,
    cancel: Cancel,
}

/// The thread with its model.
pub(super) struct Host<M: Model + ?Sized> {
    desk: Arc<Desk<M>>,
    health: Health,
    thread: Option<JoinHandle<()>>,
}

/// Where requests are left.
struct Desk<M: Model + ?Sized> {
    state: Mutex<State<M>>,
    changed: Condvar,
    tickets: AtomicU64,
}

struct State<M: Model + ?Sized> {
    queue: Queue<Instant, Errand<M>>,
    open: bool,
    /// What those hear who come behind the model's end.
    over: Option<RunError>,
}

/// How a model comes to be, and what goes with it.
pub struct Plan<M: Model + ?Sized> {
    /// Makes it.
    pub loader: Loader<M>,
    /// The loader tells it about the model's process.
    pub health: Health,
    /// The memory that it will take: all until it is loaded, then what its first answer takes.
    pub promise: Option<Promise>,
}

impl<M: Model + ?Sized> From<Loader<M>> for Plan<M> {
    fn from(loader: Loader<M>) -> Self {
        Plan {
            loader,
            health: Health::default(),
            promise: None,
        }
    }
}

enum Loading<F> {
    Progress(i32),
    Done(Result<F, LoadError>),
}

impl<M: Model + ?Sized + 'static> Engine<M> {
    /// Starts the thread `name`, loads the model on it and waits for that, reporting per cent on the way.
    pub fn start(
        name: &str,
        loader: Loader<M>,
        progress: impl FnMut(i32),
    ) -> Result<(Engine<M>, M::Facts), LoadError> {
        Self::start_as(name, loader.into(), progress)
    }

    /// The same as planned.
    pub fn start_as(
        name: &str,
        plan: Plan<M>,
        mut progress: impl FnMut(i32),
    ) -> Result<(Engine<M>, M::Facts), LoadError> {
        let Plan {
            loader,
            health,
            promise,
        } = plan;
        let desk = Arc::new(Desk::new());
        let (news, loading) = mpsc::channel();
        let served = desk.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(loader, promise, news, &served))
            .map_err(|e| LoadError::Failed(format!("cannot start the thread {name} for the model: {e}")))?;
        let engine = Engine::of(Arc::new(Host {
            desk,
            health,
            thread: Some(thread),
        }));
        loop {
            match loading.recv() {
                Ok(Loading::Progress(percent)) => progress(percent),
                Ok(Loading::Done(result)) => return result.map(|facts| (engine, facts)),
                Err(_) => {
                    return Err(LoadError::Failed(
                        "the model's thread panicked while loading; see the log above".into(),
                    ));
                }
            }
        }
    }

    /// The answer to `request`. Blocks until it is there or [`Engine::cancel`] is set.
    pub fn ask(&self, request: M::Request) -> Answer<M> {
        self.ask_by(request, None)
    }

    /// The same for an answer that is wanted by `due`: it goes before those of others that have more time.
    pub fn ask_by(&self, request: M::Request, due: Option<Instant>) -> Answer<M> {
        let (answer, result) = mpsc::channel();
        let errand = Errand {
            request,
            answer,
            cancel: self.cancel.clone(),
        };
        let desk = &self.host.desk;
        let ticket = desk.leave(errand, due)?;
        // While it waits for others, nobody looks at its switch.
        let waiting = desk.clone();
        let _listener = self.cancel.on_set(move || waiting.withdraw(ticket));
        if self.cancel.is_set() {
            desk.withdraw(ticket);
        }
        let gone = |_| RunError::Dead("its thread is gone".into());
        result.recv().map_err(gone)?
    }

    /// The switch that stops what this handle asks; it may be held by other threads.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// One more handle to the same model, with a switch of its own.
    pub fn sibling(&self) -> Self {
        Engine::of(self.host.clone())
    }

    /// Whether the model's process died, and not because the model was dropped.
    pub fn has_died(&self) -> bool {
        self.host.health.has_died()
    }

    /// Whether the model has come to its end: it panicked, or its process died.
    pub fn is_over(&self) -> bool {
        self.host.is_over()
    }

    pub(super) fn of(host: Arc<Host<M>>) -> Self {
        Engine {
            host,
            cancel: Cancel::default(),
        }
    }

    pub(super) fn host(&self) -> &Arc<Host<M>> {
        &self.host
    }
}

impl<M: Model + ?Sized> fmt::Debug for Engine<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl<M: Model + ?Sized> Drop for Engine<M> {
    fn drop(&mut self) {
        self.cancel.set();
    }
}

impl<M: Model + ?Sized> Host<M> {
    pub fn is_over(&self) -> bool {
        self.health.has_died() || self.desk.state.lock().over.is_some()
    }
}

impl<M: Model + ?Sized> Drop for Host<M> {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the answer that never came.
            let _ = thread.join();
        }
    }
}

impl<M: Model + ?Sized> Desk<M> {
    fn new() -> Self {
        Desk {
            state: Mutex::new(State {
                queue: Queue::new(),
                open: true,
                over: None,
            }),
            changed: Condvar::new(),
            tickets: AtomicU64::new(0),
        }
    }

    fn leave(&self, errand: Errand<M>, due: Option<Instant>) -> Result<u64, RunError> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        if let Some(how) = &state.over {
            return Err(how.clone());
        }
        state.queue.push(ticket, due, errand);
        self.changed.notify_one();
        Ok(ticket)
    }

    /// Takes a request back that nobody has begun with.
    fn withdraw(&self, ticket: u64) {
        let withdrawn = self.state.lock().queue.withdraw(ticket);
        if let Some(errand) = withdrawn {
            let _ = errand.answer.send(Err(RunError::Cancelled)); // it may not be waited for
        }
    }

    /// Waits for the next request; `None` when no more can come.
    fn next(&self) -> Option<Errand<M>> {
        let mut state = self.state.lock();
        loop {
            if !state.open {
                return None;
            }
            if let Some(errand) = state.queue.pop() {
                return Some(errand);
            }
            self.changed.wait(&mut state);
        }
    }

    fn close(&self) {
        self.state.lock().open = false;
        self.changed.notify_one();
    }

    /// The model has ended, and those who wait had no part in that.
    fn end(&self, how: &RunError) {
        let waiting: Vec<Errand<M>> = {
            let mut state = self.state.lock();
            state.over = Some(how.clone());
            state.queue.drain().collect()
        };
        for errand in waiting {
            let _ = errand.answer.send(Err(how.clone()));
        }
    }
}

fn run<M: Model + ?Sized>(
    loader: Loader<M>,
    mut promise: Option<Promise>,
    news: mpsc::Sender<Loading<M::Facts>>,
    desk: &Desk<M>,
) {
    // The receiver outlives loading unless the starter is gone, and then nobody wants the news.
    let mut report = |percent| drop(news.send(Loading::Progress(percent)));
    let mut model = match loader(&mut report) {
        Ok(model) => model,
        Err(error) => {
            drop(promise); // before the news: who hears of it may ask for the memory of another
            return drop(news.send(Loading::Done(Err(error))));
        }
    };
    promise.iter().for_each(Promise::loaded);
    if news.send(Loading::Done(Ok(model.facts()))).is_err() {
        return;
    }
    drop(news);
    while let Some(errand) = desk.next() {
        let result = if errand.cancel.is_set() {
            Err(RunError::Cancelled)
        } else {
            catch_unwind(AssertUnwindSafe(|| model.run(&errand.request, &errand.cancel)))
                .unwrap_or_else(|panic| Err(RunError::Dead(panic_text(&panic))))
        };
        if result.is_ok() {
            promise = None; // it has taken all that it will
        }
        if let Some(end) = result.as_ref().err().and_then(RunError::end) {
            // Both before the answer: who hears of it finds the model gone, and its memory back.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(model))); // one that panicked may do so again
            drop(promise);
            desk.end(&end);
            let _ = errand.answer.send(result);
            return;
        }
        let _ = errand.answer.send(result); // a caller that went away wants no answer
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
