//! Loaded models that several elements use at once: the weights are there once, however many streams ask.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::engine::{Engine, Host, Plan};
use super::model::{LoadError, Model, ModelSource};
use super::protocol::Load;

/// What two sessions have in common when they can share a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// How it is loaded and asked.
    load: Load,
    /// In a worker.
    is_process: bool,
    /// Which files it comes from.
    files: Vec<Identity>,
}

/// A file as it is now: one that is written anew under its old name is another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Bundled,
    File {
        device: u64,
        inode: u64,
        size: u64,
        /// Seconds and nanoseconds.
        changed: (i64, i64),
    },
    /// Not there, or not to be read: loading it will say so.
    Missing,
}

impl Key {
    /// Of a model that is loaded so, in this process or in a worker.
    pub fn new(load: Load, is_process: bool) -> Self {
        let sources = load.sources();
        let files = sources.iter().map(|source| match source {
            ModelSource::Bundled => Identity::Bundled,
            ModelSource::File(path) => Identity::of(path),
        });
        Key {
            files: files.collect(),
            load,
            is_process,
        }
    }
}

impl Identity {
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Identity::Missing, |file| Identity::File {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// What a model of this kind says of itself is told to everyone who joins it.
pub trait Shared: Model<Facts: Clone + Send> + 'static {}

impl<M: Model<Facts: Clone + Send> + ?Sized + 'static> Shared for M {}

/// The models of one kind in this process.
pub struct Pool<M: Shared + ?Sized> {
    state: Mutex<State<M>>,
    changed: Condvar,
}

struct State<M: Shared + ?Sized> {
    places: Vec<(Key, Place<M>)>,
    /// A thread frees what is kept too long.
    has_keeper: bool,
}

enum Place<M: Shared + ?Sized> {
    /// Somebody loads it; per cent.
    Loading(i32),
    Loaded(Weak<Host<M>>, M::Facts),
    /// Nobody uses it now. It is freed when nobody comes until then.
    Kept(Arc<Host<M>>, M::Facts, Instant),
}

/// What [`Pool::enter`] finds.
pub enum Found<M: Shared + ?Sized> {
    /// The model is loaded.
    Engine(Engine<M>, M::Facts),
    /// It is not: the caller is to load it, and others wait for that.
    Vacancy(Vacancy<M>),
}

/// What became of a model that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is freed.
    Freed,
    /// Others use it.
    Shared,
    /// It waits for somebody to come back.
    Kept,
}

enum Step<M: Shared + ?Sized> {
    Joined(Arc<Host<M>>, M::Facts),
    Loading(i32),
    Claimed,
}

impl<M: Shared + ?Sized> Pool<M> {
    /// Without a model.
    #[allow(clippy::new_without_default)] // for statics
    pub const fn new() -> Self {
        Pool {
            state: Mutex::new(State {
                places: Vec::new(),
                has_keeper: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Looks for the model of `key`, and waits for one that is just being loaded, reporting its per cent. One that has come to
    /// its end is not found.
    pub fn enter(&'static self, key: &Key, mut progress: impl FnMut(i32)) -> Found<M> {
        let mut told = None;
        loop {
            match self.step(key, told) {
                Step::Joined(host, facts) => return Found::Engine(Engine::of(host), facts),
                Step::Loading(percent) => {
                    told = Some(percent);
                    progress(percent);
                }
                Step::Claimed => {
                    return Found::Vacancy(Vacancy {
                        pool: self,
                        key: key.clone(),
                    });
                }
            }
        }
    }

    /// What there is, once that is more than a load at `told` per cent.
    fn step(&self, key: &Key, told: Option<i32>) -> Step<M> {
        let mut state = self.state.lock();
        loop {
            let Some(place) = state.place(key) else {
                state.places.push((key.clone(), Place::Loading(0)));
                return Step::Claimed;
            };
            match place {
                Place::Loading(percent) if Some(*percent) == told => {}
                Place::Loading(percent) => return Step::Loading(*percent),
                Place::Loaded(..) | Place::Kept(..) => {
                    return match place.join() {
                        Some((host, facts)) => Step::Joined(host, facts),
                        None => {
                            *place = Place::Loading(0);
                            Step::Claimed
                        }
                    };
                }
            }
            self.changed.wait(&mut state);
        }
    }

    /// Gives a handle back. Where it is the last one of a model of this pool, the model stays for as long as `keep`.
    pub fn release(&'static self, engine: Engine<M>, keep: Duration) -> Released {
        let host = engine.host().clone();
        drop(engine);
        let mut state = self.state.lock();
        let place = state.places.iter().position(
            |(_, place)| matches!(place, Place::Loaded(known, _) if known.as_ptr() == Arc::as_ptr(&host)),
        );
        let Some(host) = Arc::into_inner(host) else {
            return Released::Shared;
        };
        let Some(place) = place else {
            drop(state);
            drop(host); // waits for its thread: not under the lock
            return Released::Freed;
        };
        let (key, Place::Loaded(_, facts)) = state.places.swap_remove(place) else {
            return Released::Freed; // it was found as such
        };
        if keep.is_zero() || host.is_over() || !self.start_keeper(&mut state) {
            drop(state);
            drop(host);
            return Released::Freed;
        }
        let until = Instant::now() + keep;
        state
            .places
            .push((key, Place::Kept(Arc::new(host), facts, until)));
        self.changed.notify_all();
        Released::Kept
    }

    /// `false` where no thread is to be had.
    fn start_keeper(&'static self, state: &mut State<M>) -> bool {
        let start = || {
            let thread = std::thread::Builder::new().name("scribe-keeper".into());
            thread.spawn(move || self.keep()).is_ok()
        };
        state.has_keeper = state.has_keeper || start();
        state.has_keeper
    }

    /// Frees what is kept when its time is over, until nothing is kept.
    fn keep(&self) {
        loop {
            let mut state = self.state.lock();
            let now = Instant::now();
            let expired = state.expired(now);
            if let Some(expired) = expired {
                drop(state);
                drop(expired);
                continue;
            }
            let next = state.places.iter().filter_map(|(_, place)| match place {
                Place::Kept(_, _, until) => Some(*until),
                _ => None,
            });
            let Some(until) = next.min() else {
                state.has_keeper = false;
                return;
            };
            self.changed.wait_until(&mut state, until);
        }
    }
}

impl<M: Shared + ?Sized> State<M> {
    fn place(&mut self, key: &Key) -> Option<&mut Place<M>> {
        let mut places = self.places.iter_mut();
        places.find(|(known, _)| known == key).map(|(_, place)| place)
    }

    fn expired(&mut self, now: Instant) -> Option<Place<M>> {
        let is_over = |place: &Place<M>| matches!(place, Place::Kept(_, _, until) if *until <= now);
        let at = self.places.iter().position(|(_, place)| is_over(place))?;
        Some(self.places.swap_remove(at).1)
    }
}

impl<M: Shared + ?Sized> Place<M> {
    /// A share in the model, if it is there and works.
    fn join(&mut self) -> Option<(Arc<Host<M>>, M::Facts)> {
        let (host, facts) = match self {
            Place::Loading(_) => return None,
            Place::Loaded(host, facts) => (host.upgrade()?, facts.clone()),
            Place::Kept(host, facts, _) => (host.clone(), facts.clone()),
        };
        if host.is_over() {
            return None;
        }
        *self = Place::Loaded(Arc::downgrade(&host), facts.clone());
        Some((host, facts))
    }
}

/// The right and the duty to load a model that others wait for. Dropped, the next one has it.
pub struct Vacancy<M: Shared + ?Sized> {
    pool: &'static Pool<M>,
    key: Key,
}

impl<M: Shared + ?Sized> Vacancy<M> {
    /// Loads the model, as [`Engine::start_as`].
    ///
    /// # Errors
    /// As the loader.
    pub fn load(
        self,
        name: &str,
        plan: Plan<M>,
        mut progress: impl FnMut(i32),
    ) -> Result<(Engine<M>, M::Facts), LoadError> {
        let (engine, facts) = Engine::start_as(name, plan, |percent| {
            self.put(Place::Loading(percent));
            progress(percent);
        })?;
        self.put(Place::Loaded(Arc::downgrade(engine.host()), facts.clone()));
        Ok((engine, facts))
    }

    fn put(&self, new: Place<M>) {
        let mut state = self.pool.state.lock();
        if let Some(place) = state.place(&self.key) {
            *place = new;
        }
        self.pool.changed.notify_all();
    }
}

impl<M: Shared + ?Sized> Drop for Vacancy<M> {
    /// Where nothing was loaded, somebody else may try.
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state
            .places
            .retain(|(key, place)| *key != self.key || !matches!(place, Place::Loading(_)));
        self.pool.changed.notify_all();
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
