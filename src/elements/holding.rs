//! What an element with a model has from READY→PAUSED to PAUSED→READY.

use std::sync::Arc;

use parking_lot::Mutex;

use super::checkpoints::Checkpoints;
use super::flow::element::Running;
use super::flow::stream::Work;
use super::isolation::Home;
use crate::infer::loadable::Loadable;
use crate::infer::model::Loader;

/// Makes the loader of a model, once for each READY→PAUSED.
pub(super) type Factory<M> = Arc<dyn Fn() -> Loader<M> + Send + Sync>;

/// Empty in READY and below, but for the factory.
pub(crate) struct Holding<W: Work, M: Loadable + ?Sized> {
    /// Makes another model than that of the properties.
    pub(super) factory: Mutex<Option<Factory<M>>>,
    pub(super) running: Mutex<Option<Arc<Running<W, M>>>>,
    pub(super) checkpoints: Mutex<Option<Arc<Checkpoints>>>,
    pub(super) home: Mutex<Option<Home>>,
    loaded: Mutex<Loaded<M::Config>>,
}

struct Loaded<C> {
    last: Option<C>,
    is_other: bool,
}

impl<W: Work, M: Loadable + ?Sized> Default for Holding<W, M> {
    fn default() -> Self {
        Holding {
            factory: Mutex::default(),
            running: Mutex::default(),
            checkpoints: Mutex::default(),
            home: Mutex::default(),
            loaded: Mutex::new(Loaded {
                last: None,
                is_other: false,
            }),
        }
    }
}

impl<W: Work, M: Loadable + ?Sized> Holding<W, M> {
    pub(super) fn checkpoints(&self) -> Option<Arc<Checkpoints>> {
        self.checkpoints.lock().clone()
    }

    /// Whether the model is in a process of its own.
    pub(super) fn is_process(&self) -> bool {
        self.home.lock().as_ref().is_some_and(|home| home.is_process)
    }

    /// What was loaded last since READY, or is to be in its place. The element stays with it: what `on-oom` has taken once is not
    /// taken back in the middle of a stream.
    pub(super) fn loaded(&self) -> Option<M::Config> {
        self.loaded.lock().last.clone()
    }

    /// From now on it is this.
    pub(super) fn note(&self, config: M::Config) {
        let mut loaded = self.loaded.lock();
        loaded.is_other |= loaded.last.as_ref().is_some_and(|last| *last != config);
        loaded.last = Some(config);
    }

    /// Whether another model than now has given the last answer.
    pub(super) fn is_other(&self) -> bool {
        self.loaded.lock().is_other
    }

    /// The model that is loaded has answered.
    pub(super) fn answered(&self) {
        self.loaded.lock().is_other = false;
    }

    /// At READY.
    pub(super) fn forget(&self) {
        *self.loaded.lock() = Loaded {
            last: None,
            is_other: false,
        };
    }
}
