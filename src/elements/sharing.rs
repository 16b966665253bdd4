//! A model that elements use together: asked for, taken from the pool of its kind, and given back to it.

use std::time::Duration;

use gst::subclass::prelude::*;

use super::admission::{self, Admitted, Wish};
use super::checkpoints::Checkpoints;
use super::flow::element::FlowElement;
use super::holding::Holding;
use super::load::{self, Loading};
use crate::infer::engine::{Engine, Plan};
use crate::infer::heap;
use crate::infer::loadable::{Loadable, loader};
use crate::infer::model::{LoadError, Model};
use crate::infer::pool::{Found, Key, Released};
use crate::infer::worker::Health;
use crate::memory::{Label, Stage};

/// What the element's model is loaded by.
pub(super) type Config<E> = <<E as FlowElement>::Model as Loadable>::Config;

/// A model with what it says of itself, or why there is none.
pub(super) type Started<M> = Result<(Engine<M>, <M as Model>::Facts), LoadError>;

/// On what terms a model is had, by the properties.
pub(super) struct Terms<O> {
    /// Per cent of the memory that may be in use with it.
    pub memory_fraction: u32,
    pub on_oom: O,
    /// How long it stays behind READY.
    pub keep_alive: Duration,
}

/// An element that shares its model with others that want the same.
pub(super) trait Sharing: FlowElement<Model: Loadable<Config: Wish, Request: Clone>> {
    /// What is loaded, in Progress messages.
    const MODEL: &'static str;
    /// Whose memory it is.
    const STAGE: Stage;
    /// Before anything is taken.
    const OPENS: Label;
    /// Around the release, and behind it.
    const RELEASE: [Label; 3];

    fn holding(&self) -> &Holding<Self::Work, Self::Model>;
    fn terms(&self) -> Terms<<Config<Self> as Wish>::OnOom>;
    /// What the properties ask for. An error is posted.
    fn wish(&self) -> Result<Config<Self>, gst::StateChangeError>;

    /// Runs `take`, which takes the model and what goes with it, as the element's stage.
    fn open<T>(
        &self,
        take: impl FnOnce() -> Result<T, gst::StateChangeError>,
    ) -> Result<T, gst::StateChangeError> {
        let checkpoints = self.holding().checkpoints();
        // What others freed and glibc kept would be taken first, and the model would look smaller than it is.
        heap::give_back();
        checkpoints.iter().for_each(|c| c.write(Self::OPENS));
        let taken = take()?;
        checkpoints.iter().for_each(|c| c.taken(Self::STAGE));
        Ok(taken)
    }

    /// The same once more in a cycle.
    fn open_again<T>(
        &self,
        take: impl FnOnce() -> Result<T, gst::StateChangeError>,
    ) -> Result<T, gst::StateChangeError> {
        if let Some(checkpoints) = self.holding().checkpoints() {
            checkpoints.begin_stage(Self::STAGE);
        }
        self.open(take)
    }

    /// The model: of the factory, the one that was there before, or that of the properties. The outer error is posted, the inner
    /// one is not.
    fn start(&self) -> Result<Started<Self::Model>, gst::StateChangeError> {
        let factory = self.holding().factory.lock().clone();
        if let Some(factory) = factory {
            let thread = Self::Model::THREAD;
            return Ok(load::start(&*self.obj(), thread, Self::MODEL, factory()));
        }
        let before = self.holding().loaded();
        self.share(match before {
            Some(same) => same,
            None => self.wish()?,
        })
    }

    /// A share in the model that is loaded so, by somebody else or now. The errors are those of [`Sharing::start`].
    fn share(&self, mut wish: Config<Self>) -> Result<Started<Self::Model>, gst::StateChangeError> {
        let element = self.obj();
        let terms = self.terms();
        let is_process = self.holding().is_process();
        let loading = Loading::begin(&*element, Self::MODEL);
        let report = |percent| loading.report(percent);
        let warn = |text: &str| gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{text}"));
        let started = loop {
            let key = Key::new(wish.clone().into(), is_process);
            let vacancy = match Self::Model::pool().enter(&key, report) {
                Found::Engine(engine, facts) => break Ok((engine, facts)),
                Found::Vacancy(vacancy) => vacancy,
            };
            let asked = admission::ask(wish.clone(), terms.memory_fraction, terms.on_oom);
            let Admitted {
                promise,
                wish: admitted,
                warning,
            } = asked.map_err(|error| load::refuse(&*element, &error))?;
            warning.iter().for_each(|text| warn(text));
            if admitted != wish {
                wish = admitted;
                continue; // somebody may have it
            }
            let health = Health::default();
            let plan = Plan {
                loader: loader(wish.clone(), is_process.then(|| health.clone())),
                health,
                promise: Some(promise),
            };
            let loaded = vacancy.load(Self::Model::THREAD, plan, report);
            let Err(LoadError::NoMemory(text)) = &loaded else {
                break loaded;
            };
            let Some((other, announcement)) = admission::after_failure(&wish, terms.on_oom) else {
                break loaded;
            };
            warn(&format!("{text}. {announcement}"));
            wish = other;
        };
        if started.is_ok() {
            self.holding().note(wish);
        }
        Ok(loading.end(started))
    }

    /// Memory ran out while the model worked: what `on-oom` has in its place is what is started next. A sentence that says so.
    fn take_instead(&self) -> Option<String> {
        let lost = self.holding().loaded()?;
        let (other, announcement) = admission::after_failure(&lost, self.terms().on_oom)?;
        self.holding().note(other);
        Some(announcement)
    }

    /// Frees the model while the element runs on, unless others use it.
    fn drop_model(&self, engine: Engine<Self::Model>) {
        let checkpoints = self.holding().checkpoints();
        self.give(checkpoints.as_deref(), Some(engine), Duration::ZERO);
    }

    /// Gives everything back, however far it was taken.
    fn give_back(&self) {
        let holding = self.holding();
        holding.home.lock().take();
        holding.forget();
        let checkpoints = holding.checkpoints.lock().take();
        let running = holding.running.lock().take();
        let engine = running.and_then(|running| running.surrender());
        self.give(checkpoints.as_deref(), engine, self.terms().keep_alive);
    }

    /// Gives the model back, with the checkpoints around it. It stays for as long as `keep` where nobody else uses it.
    fn give(&self, checkpoints: Option<&Checkpoints>, engine: Option<Engine<Self::Model>>, keep: Duration) {
        let write = |label| checkpoints.iter().for_each(|c| c.write(label));
        // What a model that is gone held, or others hold on to, is not this element's to give back, nor its leak.
        let excuse = || checkpoints.iter().for_each(|c| c.lost(Self::STAGE));
        let [before, after, end] = Self::RELEASE;
        if engine.as_ref().is_some_and(Engine::is_over) {
            excuse();
        }
        write(before);
        let released = engine.map(|engine| Self::Model::pool().release(engine, keep));
        if released.is_some_and(|released| released != Released::Freed) {
            excuse();
        }
        heap::give_back();
        write(after);
        write(end);
    }
}
