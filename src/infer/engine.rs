//! The thread that owns a model. Dropping the handle cancels what runs, frees the model and ends the thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::model::{Cancel, LoadError, Loader, Model, RunError};

type Answer<M> = Result<<M as Model>::Answer, RunError>;
/// A request, and where its answer goes.
type Errand<M> = (<M as Model>::Request, mpsc::Sender<Answer<M>>);

/// A handle to a loaded model.
#[derive(Debug)]
pub struct Engine<M: Model + ?Sized> {
    requests: Option<mpsc::Sender<Errand<M>>>,
    thread: Option<JoinHandle<()>>,
    cancel: Cancel,
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
        mut progress: impl FnMut(i32),
    ) -> Result<(Engine<M>, M::Facts), LoadError> {
        let cancel = Cancel::default();
        let (requests, inbox) = mpsc::channel::<Errand<M>>();
        let (news, loading) = mpsc::channel();
        let flag = cancel.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(loader, news, inbox, &flag))
            .map_err(|e| LoadError::Failed(format!("cannot start the thread {name} for the model: {e}")))?;
        let engine = Engine {
            requests: Some(requests),
            thread: Some(thread),
            cancel,
        };
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
        let dead = |_| RunError::Dead("it panicked".into());
        let (answer, result) = mpsc::channel();
        let Some(requests) = &self.requests else {
            return Err(RunError::Cancelled);
        };
        requests
            .send((request, answer))
            .map_err(|_| RunError::Dead("it panicked".into()))?;
        result.recv().map_err(dead)?
    }

    /// The switch that stops it; it may be held by other threads.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }
}

impl<M: Model + ?Sized> Drop for Engine<M> {
    fn drop(&mut self) {
        self.cancel.set();
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the answer that never came.
            let _ = thread.join();
        }
    }
}

fn run<M: Model + ?Sized>(
    loader: Loader<M>,
    news: mpsc::Sender<Loading<M::Facts>>,
    inbox: mpsc::Receiver<Errand<M>>,
    cancel: &Cancel,
) {
    // The receiver outlives loading unless the starter is gone, and then nobody wants the news.
    let mut report = |percent| drop(news.send(Loading::Progress(percent)));
    let mut model = match loader(&mut report) {
        Ok(model) => model,
        Err(error) => return drop(news.send(Loading::Done(Err(error)))),
    };
    if news.send(Loading::Done(Ok(model.facts()))).is_err() {
        return;
    }
    drop(news);
    while let Ok((request, answer)) = inbox.recv() {
        let result = if cancel.is_set() {
            Err(RunError::Cancelled)
        } else {
            match catch_unwind(AssertUnwindSafe(|| model.run(&request, cancel))) {
                Ok(result) => result,
                Err(panic) => {
                    let _ = answer.send(Err(RunError::Dead(panic_text(&panic))));
                    return;
                }
            }
        };
        let _ = answer.send(result); // a caller that went away wants no answer
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_panic_is_an_error_and_says_what_happened() {
        let engine = engine();
        assert_eq!(engine.ask(1), Err(RunError::Dead("out of cheese".into())));
        assert!(matches!(engine.ask(0), Err(RunError::Dead(_))));
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
}
