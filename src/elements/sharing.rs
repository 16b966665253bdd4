//! A model that elements use together: taken from the pool of its kind, and given back to it.

use std::time::Duration;

use gst::subclass::prelude::*;

use super::checkpoints::Checkpoints;
use super::isolation::Isolated;
use super::load::Loading;
use crate::infer::engine::Engine;
use crate::infer::heap;
use crate::infer::model::{LoadError, Loader, Model};
use crate::infer::pool::{Found, Key, Pool, Released, Shared};
use crate::infer::protocol::Load;
use crate::infer::worker::Health;
use crate::memory::Label;

/// A model with what it says of itself, or why there is none.
pub(super) type Started<M> = Result<(Engine<M>, <M as Model>::Facts), LoadError>;

/// What is to be done where nobody has loaded the model yet.
pub(super) enum Prepared<M: ?Sized, W> {
    /// It, with what knows of its process.
    Load(Loader<M>, Health),
    /// Look for this one in its place.
    Instead(W),
}

/// An element that shares its model with others that want the same.
pub(super) trait Sharing: Isolated<Model: Shared> {
    /// Of the engine.
    const THREAD: &'static str;
    /// What is loaded, in Progress messages.
    const MODEL: &'static str;
    /// Around the release, and behind it.
    const RELEASE: [Label; 3];

    /// How it is loaded.
    type Wish: Clone + Into<Load>;

    fn pool() -> &'static Pool<Self::Model>;
    /// Makes ready to load it: asks for its memory, for one. The error is posted.
    fn make_ready(
        &self,
        wish: Self::Wish,
    ) -> Result<Prepared<Self::Model, Self::Wish>, gst::StateChangeError>;

    /// What to load in place of a model that was let in and for which memory ran out all the same, as `text` says. The
    /// WARNING is posted.
    fn instead(&self, _wish: &Self::Wish, _text: &str) -> Option<Self::Wish> {
        None
    }

    /// A share in the model that is loaded so, by somebody else or now. The outer error is posted, the inner one is not.
    fn share(&self, mut wish: Self::Wish) -> Result<Started<Self::Model>, gst::StateChangeError> {
        let element = self.obj();
        let loading = Loading::begin(&*element, Self::MODEL);
        loop {
            let key = Key::new(wish.clone().into(), self.outside().lock().is_some());
            let vacancy = match Self::pool().enter(&key, |percent| loading.report(percent)) {
                Found::Engine(engine, facts) => return Ok(loading.end(Ok((engine, facts)))),
                Found::Vacancy(vacancy) => vacancy,
            };
            match self.make_ready(wish.clone())? {
                Prepared::Load(loader, health) => {
                    let report = |percent| loading.report(percent);
                    let loaded = vacancy.load(Self::THREAD, health, loader, report);
                    let instead = match &loaded {
                        Err(LoadError::NoMemory(text)) => self.instead(&wish, text),
                        _ => None,
                    };
                    match instead {
                        Some(other) => wish = other,
                        None => return Ok(loading.end(loaded)),
                    }
                }
                Prepared::Instead(other) => wish = other,
            }
        }
    }

    /// Gives the model back, with the checkpoints around it. It stays for as long as `keep` where nobody else uses it.
    fn give(&self, checkpoints: Option<&Checkpoints>, engine: Option<Engine<Self::Model>>, keep: Duration) {
        let write = |label| checkpoints.iter().for_each(|c| c.write(label));
        // What a dead process held, or others hold on to, is not this element's to give back, nor its leak.
        let excuse = || checkpoints.iter().for_each(|c| c.lost(Self::STAGE));
        let [before, after, end] = Self::RELEASE;
        if engine.as_ref().is_some_and(Engine::has_died) {
            excuse();
        }
        write(before);
        let released = engine.map(|engine| Self::pool().release(engine, keep));
        if released.is_some_and(|released| released != Released::Freed) {
            excuse();
        }
        heap::give_back();
        write(after);
        write(end);
    }
}
