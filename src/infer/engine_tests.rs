use super::*;
use crate::memory::admission::Room;
use crate::memory::reservations::Desk;

/// Answers 0, panics at 1, and waits for the cancel at anything else.
#[derive(Debug)]
struct Fake;

impl Model for Fake {
    type Request = u32;
    type Answer = &'static str;
    type Facts = &'static str;

    fn facts(&self) -> &'static str {
        "a fake"
    }

    fn run(&mut self, request: &u32, cancel: &Cancel) -> Answer<Self> {
        match request {
            0 => Ok("nought"),
            1 => panic!("out of cheese"),
            _ => loop {
                if cancel.is_set() {
                    return Err(RunError::Cancelled);
                }
                std::thread::yield_now();
            },
        }
    }
}

fn engine() -> Engine<Fake> {
    let (engine, facts) = Engine::start("fake", Box::new(|_| Ok(Box::new(Fake))), |_| {}).unwrap();
    assert_eq!(facts, "a fake");
    engine
}

#[test]
fn answers_and_survives_a_cancel() {
    let engine = engine();
    assert_eq!(engine.ask(0).unwrap(), "nought");
    let cancel = engine.cancel();
    let stopper = std::thread::spawn(move || cancel.set());
    assert_eq!(engine.ask(2), Err(RunError::Cancelled));
    stopper.join().unwrap();
    assert_eq!(engine.ask(0), Err(RunError::Cancelled), "until it is cleared");
    engine.cancel().clear();
    assert!(engine.ask(0).is_ok());
}

/// Has no memory for what it is asked.
#[derive(Debug)]
struct Full(mpsc::Sender<()>);

impl Model for Full {
    type Request = ();
    type Answer = ();
    type Facts = ();

    fn facts(&self) {}

    fn run(&mut self, (): &(), _: &Cancel) -> Answer<Self> {
        Err(RunError::NoMemory {
            how: "out of memory".into(),
            begun: true,
            died: false,
        })
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_model_without_memory_is_freed_before_anybody_hears_of_it() {
    let (freed, is_freed) = mpsc::channel();
    let loader: Loader<Full> = Box::new(|_| Ok(Box::new(Full(freed))));
    let (engine, ()) = Engine::start("full", loader, |_| {}).unwrap();
    let other = engine.sibling();
    let no_memory = |begun: bool| RunError::NoMemory {
        how: "out of memory".into(),
        begun,
        died: false,
    };
    assert_eq!(engine.ask(()), Err(no_memory(true)));
    assert_eq!(is_freed.try_recv(), Ok(()));
    assert!(other.is_over());
    assert_eq!(other.ask(()), Err(no_memory(false)), "it has no part in that");
}

/// All of it until it is loaded, what comes later until the first answer, and nothing of a model that cannot be loaded.
#[test]
fn the_promise_of_memory_ends_with_the_first_answer() {
    let desk = Desk::at(None);
    let promise = || {
        let all = Room {
            total: 1_000,
            free: 1_000,
        };
        let reservation = desk.reserve("host", 600, 100, || Some(all)).ok().unwrap();
        Some(Promise::new(reservation, 200))
    };
    let promised = || {
        let none = Room {
            total: 1_000,
            free: 0,
        };
        let refused = desk.reserve("host", 1_001, 100, || Some(none)).err();
        refused.unwrap().promised
    };
    let seen = Arc::new(AtomicU64::new(0));
    let at_load = seen.clone();
    let noted = desk.clone();
    let loader: Loader<Fake> = Box::new(move |_| {
        let none = Room {
            total: 1_000,
            free: 0,
        };
        let refused = noted.reserve("host", 1_001, 100, || Some(none)).err().unwrap();
        at_load.store(refused.promised, Ordering::SeqCst);
        Ok(Box::new(Fake))
    });
    let plan = Plan {
        promise: promise(),
        ..loader.into()
    };
    let (engine, _) = Engine::start_as("fake", plan, |_| {}).unwrap();
    assert_eq!((seen.load(Ordering::SeqCst), promised()), (600, 200));
    engine.ask(0).unwrap();
    engine.ask(0).unwrap(); // what ends with the first answer has ended behind the second
    assert_eq!(promised(), 0);
    let fails: Loader<Fake> = Box::new(|_| Err(LoadError::NotFound("no such file".into())));
    let plan = Plan {
        promise: promise(),
        ..fails.into()
    };
    assert!(Engine::start_as("fake", plan, |_| {}).is_err());
    assert_eq!(promised(), 0);
}

#[test]
fn a_panic_is_an_error_and_says_what_happened() {
    let engine = engine();
    assert_eq!(engine.ask(1), Err(RunError::Dead("out of cheese".into())));
    assert!(engine.is_over());
    assert_eq!(
        engine.sibling().ask(0),
        Err(RunError::DeadBefore("out of cheese".into()))
    );
}

#[test]
fn loading_reports_and_fails() {
    let mut seen = Vec::new();
    let loader: Loader<Fake> = Box::new(|report| {
        report(10);
        report(100);
        Err(LoadError::NotFound("no such file".into()))
    });
    let error = Engine::start("fake", loader, |p| seen.push(p)).unwrap_err();
    assert_eq!(
        (error, seen),
        (LoadError::NotFound("no such file".into()), vec![10, 100])
    );
    let panics: Loader<Fake> = Box::new(|_| panic!("broken"));
    assert!(matches!(
        Engine::start("fake", panics, |_| {}),
        Err(LoadError::Failed(_))
    ));
}

#[test]
fn who_waits_for_another_is_stopped_at_once() {
    let busy = engine();
    let waiting = busy.sibling();
    let (stop_busy, stop_waiting) = (busy.cancel(), waiting.cancel());
    std::thread::scope(|scope| {
        let at_work = scope.spawn(|| busy.ask(2));
        let queued = scope.spawn(|| waiting.ask(2));
        stop_waiting.set();
        assert_eq!(queued.join().unwrap(), Err(RunError::Cancelled));
        assert!(!stop_busy.is_set(), "each handle has its own switch");
        stop_busy.set();
        assert_eq!(at_work.join().unwrap(), Err(RunError::Cancelled));
    });
}

#[test]
fn the_model_lives_as_long_as_its_last_handle() {
    struct Mortal(mpsc::Sender<()>);
    impl Model for Mortal {
        type Request = ();
        type Answer = ();
        type Facts = ();
        fn facts(&self) {}
        fn run(&mut self, (): &(), _: &Cancel) -> Result<(), RunError> {
            Ok(())
        }
    }
    impl Drop for Mortal {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, hears) = mpsc::channel();
    let loader: Loader<Mortal> = Box::new(|_| Ok(Box::new(Mortal(dropped))));
    let (first, ()) = Engine::start("mortal", loader, |_| {}).unwrap();
    let second = first.sibling();
    drop(first);
    assert_eq!((second.ask(()), hears.try_recv().is_err()), (Ok(()), true));
    drop(second);
    assert_eq!(hears.try_recv(), Ok(()), "gone when the call returns");
}

/// Answers with the order in which it was asked, once it is let go.
struct Turns {
    gate: mpsc::Receiver<()>,
    served: Vec<char>,
}

impl Model for Turns {
    type Request = char;
    type Answer = Vec<char>;
    type Facts = ();

    fn facts(&self) {}

    fn run(&mut self, name: &char, _: &Cancel) -> Answer<Self> {
        if *name == '-' {
            let _ = self.gate.recv();
        }
        self.served.push(*name);
        Ok(self.served.clone())
    }
}

#[test]
fn who_is_due_goes_first_and_nobody_starves() {
    let (open, gate) = mpsc::channel();
    let loader: Loader<Turns> = Box::new(|_| {
        Ok(Box::new(Turns {
            gate,
            served: Vec::new(),
        }))
    });
    let (engine, ()) = Engine::start("turns", loader, |_| {}).unwrap();
    let waiting = |n: usize| {
        while engine.host.desk.state.lock().queue.len() < n {
            std::thread::yield_now();
        }
    };
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let ask = |name, due| {
            let handle = engine.sibling();
            scope.spawn(move || handle.ask_by(name, due).unwrap())
        };
        let first = ask('-', None);
        // At work, and not in the queue any more.
        while engine.host.desk.tickets.load(Ordering::Relaxed) == 0
            || engine.host.desk.state.lock().queue.len() > 0
        {
            std::thread::yield_now();
        }
        let mut asked = vec![ask('a', None)];
        waiting(1);
        asked.push(ask('l', Some(begin + std::time::Duration::from_secs(2))));
        waiting(2);
        asked.push(ask('m', Some(begin + std::time::Duration::from_secs(1))));
        waiting(3);
        open.send(()).unwrap();
        first.join().unwrap();
        let last = asked
            .into_iter()
            .map(|a| a.join().unwrap())
            .max_by_key(Vec::len)
            .unwrap();
        assert_eq!(last, ['-', 'm', 'l', 'a']);
    });
}
