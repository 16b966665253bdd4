//! What ends a model's request in the worker before its answer: the library, or the request's own time.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::deadline;
use crate::infer::model::{Cancel, RunError};

/// Of one model, whose requests have ids that count up.
#[derive(Clone, Default)]
pub(super) struct Stops(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The model's switch, once it is loaded.
    switch: Option<Cancel>,
    /// The request that it works on.
    running: Option<u64>,
    /// The highest request that is not wanted any more.
    unwanted: u64,
}

impl Stops {
    /// The model is loaded, and this stops it.
    pub fn hold(&self, switch: Cancel) {
        self.0.lock().switch = Some(switch);
    }

    /// The request `id` and those before it are not wanted any more.
    pub fn stop(&self, id: u64) {
        let mut state = self.0.lock();
        state.unwanted = state.unwanted.max(id);
        if state.running.is_some_and(|running| running <= id) {
            state.press();
        }
    }

    /// The time of the request `id` is over.
    fn expire(&self, id: u64) {
        let state = self.0.lock();
        if state.running == Some(id) {
            state.press();
        }
    }

    /// The model begins with a request, unless that is not wanted any more.
    pub fn begin(&self, deadline: &Deadline) -> Result<(), RunError> {
        let mut state = self.0.lock();
        if state.unwanted >= deadline.id {
            return Err(RunError::Cancelled);
        }
        if deadline.is_over() {
            return Err(deadline.late());
        }
        state.running = Some(deadline.id);
        if let Some(switch) = &state.switch {
            switch.clear();
        }
        Ok(())
    }

    /// The model has answered.
    pub fn end(&self) {
        self.0.lock().running = None;
    }
}

impl State {
    fn press(&self) {
        if let Some(switch) = &self.switch {
            switch.set();
        }
    }
}

/// The time that a request has. Dropped with its answer.
pub(super) struct Deadline {
    id: u64,
    budget: Duration,
    /// Beats.
    left: AtomicU32,
    stops: Stops,
}

impl Deadline {
    pub fn is_over(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// What the library is told when it is over.
    pub fn late(&self) -> RunError {
        RunError::Late(format!(
            "the model had no answer to a request within {} s, which is far longer than any takes, and gave it up",
            self.budget.as_secs_f64()
        ))
    }
}

/// Of all requests in this process that have no answer yet. Counted in beats and not by the clock, so that the time in which this
/// process was stopped is not held against the model, as the library does.
#[derive(Clone, Default)]
pub(super) struct Deadlines(Arc<Mutex<Vec<Weak<Deadline>>>>);

impl Deadlines {
    /// The request `id` has come, and has so many milliseconds.
    pub fn add(&self, stops: &Stops, id: u64, milliseconds: u32) -> Arc<Deadline> {
        let budget = Duration::from_millis(milliseconds.into());
        // One more, as the next beat may come at once.
        let beats = if budget.is_zero() {
            0
        } else {
            deadline::waits(budget) + 1
        };
        let deadline = Arc::new(Deadline {
            id,
            budget,
            left: AtomicU32::new(beats),
            stops: stops.clone(),
        });
        self.0.lock().push(Arc::downgrade(&deadline));
        deadline
    }

    /// A beat has passed.
    pub fn beat(&self) {
        let mut known = self.0.lock();
        known.retain(|deadline| deadline.strong_count() > 0);
        let waiting: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        drop(known); // who is stopped may answer at once, and its thread come back with the next
        for deadline in waiting.iter().filter(|deadline| !deadline.is_over()) {
            if deadline.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                deadline.stops.expire(deadline.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that is loaded, with its switch.
    fn model() -> (Stops, Cancel) {
        let (stops, switch) = (Stops::default(), Cancel::default());
        stops.hold(switch.clone());
        (stops, switch)
    }

    #[test]
    fn a_cancel_reaches_what_it_is_meant_for() {
        let (stops, switch) = model();
        let deadlines = Deadlines::default();
        let request = |id| deadlines.add(&stops, id, 5_000);
        stops.stop(1);
        assert!(!switch.is_set(), "nothing runs");
        assert_eq!(stops.begin(&request(1)), Err(RunError::Cancelled));
        assert_eq!(stops.begin(&request(2)), Ok(()));
        stops.stop(1);
        assert!(!switch.is_set(), "it was meant for the one before");
        stops.stop(2);
        assert!(switch.is_set());
        stops.end();
        assert_eq!(stops.begin(&request(3)), Ok(()));
        assert!(!switch.is_set(), "for the next it is clear");
    }

    #[test]
    fn time_runs_from_the_arrival_and_ends_what_runs() {
        let (stops, switch) = model();
        let deadlines = Deadlines::default();
        let late =
            |deadline: &Deadline| matches!(deadline.late(), RunError::Late(text) if text.contains("1.5 s"));
        let [first, waiting] = [1, 2].map(|id| deadlines.add(&stops, id, 1_500));
        stops.begin(&first).unwrap();
        for beat in 1..=3 {
            assert!(!switch.is_set() && !first.is_over(), "beat {beat} of 3");
            deadlines.beat();
        }
        assert!(switch.is_set() && first.is_over() && late(&first));
        stops.end();
        assert_eq!(stops.begin(&waiting), Err(waiting.late()), "its time ran, too");
        let next = deadlines.add(&stops, 3, 1_500);
        stops.begin(&next).unwrap();
        drop((first, waiting));
        (0..2).for_each(|_| deadlines.beat());
        assert!(!switch.is_set(), "others' time is not its own");
        assert_eq!(deadlines.0.lock().len(), 1);
    }

    #[test]
    fn without_time_nothing_is_begun() {
        let (stops, _) = model();
        let none = Deadlines::default().add(&stops, 1, 0);
        assert!(matches!(stops.begin(&none), Err(RunError::Late(_))));
    }
}
