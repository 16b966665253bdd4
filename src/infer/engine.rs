//! The thread that owns a model. Dropping the handle cancels what runs, frees the model and ends the thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::recognizer::{Cancel, LoadError, Loader, RecognizeError};
use crate::speech::transcribe::{Hypothesis, Window};

type Answer = Result<Hypothesis, RecognizeError>;

/// A handle to a loaded model.
#[derive(Debug)]
pub struct Engine {
    requests: Option<mpsc::Sender<(Window, mpsc::Sender<Answer>)>>,
    thread: Option<JoinHandle<()>>,
    cancel: Cancel,
}

enum Loading {
    Progress(i32),
    Done(Result<(), LoadError>),
}

impl Engine {
    /// Starts the thread `name`, loads the model on it and waits for that, reporting per cent on the way.
    pub fn start(name: &str, loader: Loader, mut progress: impl FnMut(i32)) -> Result<Engine, LoadError> {
        let cancel = Cancel::default();
        let (requests, inbox) = mpsc::channel::<(Window, mpsc::Sender<Answer>)>();
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
                Ok(Loading::Done(result)) => return result.map(|()| engine),
                Err(_) => {
                    return Err(LoadError::Failed(
                        "the model's thread panicked while loading; see the log above".into(),
                    ));
                }
            }
        }
    }

    /// The text of `window`. Blocks until it is there or [`Engine::cancel`] is set.
    pub fn recognize(&self, window: Window) -> Answer {
        let dead = |_| RecognizeError::Dead("it panicked".into());
        let (answer, result) = mpsc::channel();
        let Some(requests) = &self.requests else {
            return Err(RecognizeError::Cancelled);
        };
        requests
            .send((window, answer))
            .map_err(|_| RecognizeError::Dead("it panicked".into()))?;
        result.recv().map_err(dead)?
    }

    /// The switch that stops recognitions; it may be held by other threads.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.cancel.set();
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the answer that never came.
            let _ = thread.join();
        }
    }
}

fn run(
    loader: Loader,
    news: mpsc::Sender<Loading>,
    inbox: mpsc::Receiver<(Window, mpsc::Sender<Answer>)>,
    cancel: &Cancel,
) {
    // The receiver outlives loading unless the starter is gone, and then nobody wants the news.
    let mut report = |percent| drop(news.send(Loading::Progress(percent)));
    let mut recognizer = match loader(&mut report) {
        Ok(recognizer) => recognizer,
        Err(error) => return drop(news.send(Loading::Done(Err(error)))),
    };
    if news.send(Loading::Done(Ok(()))).is_err() {
        return;
    }
    drop(news);
    while let Ok((window, answer)) = inbox.recv() {
        let result = if cancel.is_set() {
            Err(RecognizeError::Cancelled)
        } else {
            match catch_unwind(AssertUnwindSafe(|| recognizer.recognize(&window, cancel))) {
                Ok(result) => result,
                Err(panic) => {
                    let _ = answer.send(Err(RecognizeError::Dead(panic_text(&panic))));
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
    use crate::infer::recognizer::Recognizer;
    use crate::speech::transcribe::Context;

    struct Fake;

    impl Recognizer for Fake {
        fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Answer {
            match window.start {
                0 => Ok(Hypothesis {
                    next: 7,
                    ..Default::default()
                }),
                1 => panic!("out of cheese"),
                _ => loop {
                    if cancel.is_set() {
                        return Err(RecognizeError::Cancelled);
                    }
                    std::thread::yield_now();
                },
            }
        }
    }

    fn window(start: u64) -> Window {
        Window {
            start,
            samples: Vec::new(),
            before: Vec::new(),
            context: Context::Start,
        }
    }

    fn engine() -> Engine {
        Engine::start("fake", Box::new(|_| Ok(Box::new(Fake))), |_| {}).unwrap()
    }

    #[test]
    fn answers_and_survives_a_cancel() {
        let engine = engine();
        assert_eq!(engine.recognize(window(0)).unwrap().next, 7);
        let cancel = engine.cancel();
        let stopper = std::thread::spawn(move || cancel.set());
        assert_eq!(engine.recognize(window(2)), Err(RecognizeError::Cancelled));
        stopper.join().unwrap();
        assert_eq!(
            engine.recognize(window(0)),
            Err(RecognizeError::Cancelled),
            "until it is cleared"
        );
        engine.cancel().clear();
        assert!(engine.recognize(window(0)).is_ok());
    }

    #[test]
    fn a_panic_is_an_error_and_says_what_happened() {
        let engine = engine();
        assert_eq!(
            engine.recognize(window(1)),
            Err(RecognizeError::Dead("out of cheese".into()))
        );
        assert!(matches!(
            engine.recognize(window(0)),
            Err(RecognizeError::Dead(_))
        ));
    }

    #[test]
    fn loading_reports_and_fails() {
        let mut seen = Vec::new();
        let loader: Loader = Box::new(|report| {
            report(10);
            report(100);
            Err(LoadError::NotFound("no such file".into()))
        });
        let error = Engine::start("fake", loader, |p| seen.push(p)).unwrap_err();
        assert_eq!(
            (error, seen),
            (LoadError::NotFound("no such file".into()), vec![10, 100])
        );
        let panics: Loader = Box::new(|_| panic!("broken"));
        assert!(matches!(
            Engine::start("fake", panics, |_| {}),
            Err(LoadError::Failed(_))
        ));
    }
}
