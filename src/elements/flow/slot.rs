//! Where a running element keeps its model: there, at work, or given back until it is needed again.

use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::infer::engine::Engine;
use crate::infer::model::{Cancel, Model};

/// One model, which its user takes out to ask it: so no lock is held while it works. Who wants the memory back waits
/// for it to be put back, unless that is the very thread that has it.
pub(crate) struct Slot<M: Model + ?Sized> {
    state: Mutex<State<M>>,
    changed: Condvar,
}

enum State<M: Model + ?Sized> {
    Empty,
    Ready(Engine<M>),
    /// This thread asks it, loads it or frees it.
    Taken {
        by: ThreadId,
        /// It shall not be put back.
        unwanted: bool,
    },
}

/// What [`Slot::take`] found; in both cases the slot is the caller's until it puts something back.
pub(crate) enum Found<M: Model + ?Sized> {
    Engine(Engine<M>),
    /// To be loaded.
    Nothing,
}

impl<M: Model + ?Sized + 'static> Slot<M> {
    pub fn new(engine: Option<Engine<M>>) -> Self {
        Slot {
            state: Mutex::new(engine.map_or(State::Empty, State::Ready)),
            changed: Condvar::new(),
        }
    }

    /// Takes the model out; waits while somebody else has it.
    pub fn take(&self) -> Found<M> {
        let mut state = self.state.lock();
        while matches!(*state, State::Taken { .. }) {
            self.changed.wait(&mut state);
        }
        match std::mem::replace(&mut *state, taken()) {
            State::Ready(engine) => Found::Engine(engine),
            State::Empty | State::Taken { .. } => Found::Nothing,
        }
    }

    /// Puts the model back. Returns it when it was not wanted any more: the slot is still the caller's then, who
    /// frees it and says so with [`Slot::vacate`].
    pub fn put(&self, engine: Engine<M>) -> Option<Engine<M>> {
        let mut state = self.state.lock();
        if let State::Taken { unwanted, .. } = &mut *state
            && std::mem::take(unwanted)
        {
            return Some(engine);
        }
        *state = State::Ready(engine);
        self.changed.notify_all();
        None
    }

    /// What was taken out is gone.
    pub fn vacate(&self) {
        *self.state.lock() = State::Empty;
        self.changed.notify_all();
    }

    /// Takes the model out to free it, once it has finished what it is at; then [`Slot::vacate`]. `None` when there
    /// is none, or when the caller's own thread is at work with it: then [`Slot::put`] gives it back.
    pub fn reclaim(&self) -> Option<Engine<M>> {
        let mut state = self.state.lock();
        loop {
            match &mut *state {
                State::Empty => return None,
                State::Taken { by, unwanted } if *by == thread::current().id() => {
                    *unwanted = true;
                    return None;
                }
                State::Taken { .. } => self.changed.wait(&mut state),
                State::Ready(_) => match std::mem::replace(&mut *state, taken()) {
                    State::Ready(engine) => return Some(engine),
                    State::Empty | State::Taken { .. } => return None,
                },
            }
        }
    }
}

fn taken<M: Model + ?Sized>() -> State<M> {
    State::Taken {
        by: thread::current().id(),
        unwanted: false,
    }
}

/// Stops whichever model is there, and the ones that come while it is pressed.
#[derive(Default)]
pub(crate) struct Brake(Mutex<Pressed>);

#[derive(Default)]
struct Pressed {
    is_pressed: bool,
    /// Of the model that was loaded last.
    cancel: Cancel,
}

impl Brake {
    /// Ends the inference that runs.
    pub fn press(&self) {
        let mut pressed = self.0.lock();
        pressed.is_pressed = true;
        pressed.cancel.set();
    }

    /// Lets the model work again.
    pub fn let_go(&self) {
        let mut pressed = self.0.lock();
        pressed.is_pressed = false;
        pressed.cancel.clear();
    }

    /// Takes hold of a model that has just been loaded.
    pub fn hold(&self, cancel: Cancel) {
        let mut pressed = self.0.lock();
        if pressed.is_pressed {
            cancel.set();
        }
        pressed.cancel = cancel;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::infer::model::RunError;

    #[derive(Debug)]
    struct Echo;

    impl Model for Echo {
        type Request = u32;
        type Answer = u32;
        type Facts = ();

        fn facts(&self) {}

        fn run(&mut self, request: &u32, _: &Cancel) -> Result<u32, RunError> {
            Ok(*request)
        }
    }

    fn engine() -> Engine<Echo> {
        Engine::start("echo", Box::new(|_| Ok(Box::new(Echo))), |_| {})
            .unwrap()
            .0
    }

    fn out(slot: &Slot<Echo>) -> Engine<Echo> {
        match slot.take() {
            Found::Engine(engine) => engine,
            Found::Nothing => panic!("the slot is empty"),
        }
    }

    #[test]
    fn who_reclaims_waits_for_the_work_to_end() {
        let slot = Slot::new(Some(engine()));
        let working = out(&slot);
        let (ready, waits) = mpsc::channel();
        thread::scope(|scope| {
            let reclaimer = scope.spawn(|| {
                ready.send(()).unwrap();
                slot.reclaim().is_some()
            });
            waits.recv().unwrap();
            assert_eq!(working.ask(7), Ok(7), "what was begun is finished");
            assert!(slot.put(working).is_none());
            assert!(reclaimer.join().unwrap());
        });
        slot.vacate();
        assert!(matches!(slot.take(), Found::Nothing));
    }

    #[test]
    fn the_thread_at_work_gives_the_model_back_when_it_is_done() {
        let slot = Slot::new(Some(engine()));
        let working = out(&slot);
        assert!(slot.reclaim().is_none(), "it does not wait for itself");
        assert!(slot.put(working).is_some());
        slot.vacate();
        assert!(slot.reclaim().is_none());
    }

    #[test]
    fn a_pressed_brake_stops_a_model_that_comes_later() {
        let brake = Brake::default();
        brake.press();
        let late = engine();
        brake.hold(late.cancel());
        assert_eq!(late.ask(1), Err(RunError::Cancelled));
        brake.let_go();
        assert_eq!(late.ask(1), Ok(1));
    }
}
