use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use super::*;
use crate::infer::model::{Cancel, Loader, RunError};
use crate::infer::onnx::SpeakersConfig;

/// Says how often its kind was loaded, and tells when it goes. Dies when it is asked for anything.
struct Fake {
    number: u32,
    gone: mpsc::Sender<u32>,
}

impl Model for Fake {
    type Request = ();
    type Answer = ();
    type Facts = u32;

    fn facts(&self) -> u32 {
        self.number
    }

    fn run(&mut self, (): &(), _: &Cancel) -> Result<(), RunError> {
        Err(RunError::Dead("it was asked".into()))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.gone.send(self.number);
    }
}

/// A pool of its own, and what was freed.
struct Rig {
    pool: &'static Pool<Fake>,
    loads: AtomicU32,
    gone: mpsc::Sender<u32>,
    freed: mpsc::Receiver<u32>,
}

impl Rig {
    fn new() -> Self {
        let (gone, freed) = mpsc::channel();
        Rig {
            pool: Box::leak(Box::new(Pool::new())),
            loads: AtomicU32::new(0),
            gone,
            freed,
        }
    }

    fn loader(&self) -> Loader<Fake> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let gone = self.gone.clone();
        Box::new(move |_| Ok(Box::new(Fake { number, gone })))
    }

    fn get(&self, key: &Key) -> (Engine<Fake>, u32) {
        match self.pool.enter(key, |_| {}) {
            Found::Engine(engine, number) => (engine, number),
            Found::Vacancy(vacancy) => vacancy.load("fake", self.loader().into(), |_| {}).unwrap(),
        }
    }
}

fn key(threads: usize) -> Key {
    speakers(threads, ModelSource::Bundled)
}

fn speakers(threads: usize, embedding: ModelSource) -> Key {
    let config = SpeakersConfig {
        threads,
        embedding,
        ..SpeakersConfig::default()
    };
    Key::new(Load::Speakers(config), false)
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn equal_sessions_share_and_the_last_one_frees() {
    let rig = Rig::new();
    let (first, one) = rig.get(&key(1));
    let (second, same) = rig.get(&key(1));
    let (other, two) = rig.get(&key(2));
    assert_eq!((one, same, two), (1, 1, 2));
    assert_eq!(rig.pool.release(first, Duration::ZERO), Released::Shared);
    assert!(rig.freed.try_recv().is_err());
    assert_eq!(rig.pool.release(second, Duration::ZERO), Released::Freed);
    assert_eq!(rig.freed.try_recv(), Ok(1));
    assert_eq!(rig.get(&key(1)).1, 3, "loaded anew");
    drop(other);
}

#[test]
fn a_handle_that_is_only_dropped_leaves_nothing() {
    let rig = Rig::new();
    drop(rig.get(&key(1)));
    assert_eq!(rig.freed.try_recv(), Ok(1));
    assert_eq!(rig.get(&key(1)).1, 2);
}

#[test]
fn those_who_come_meanwhile_wait_for_the_load() {
    let rig = Rig::new();
    let Found::Vacancy(vacancy) = rig.pool.enter(&key(1), |_| {}) else {
        panic!("the pool was empty");
    };
    let (waits, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let joined = scope.spawn(|| {
            let found = rig.pool.enter(&key(1), |percent| waits.send(percent).unwrap());
            matches!(found, Found::Engine(_, 1))
        });
        assert_eq!(waiting.recv(), Ok(0));
        let loader = rig.loader();
        let seen = &waiting;
        let slow: Loader<Fake> = Box::new(move |report| {
            report(50);
            loader(report)
        });
        let (_engine, number) = vacancy
            .load("fake", slow.into(), |_| assert_eq!(seen.recv(), Ok(50)))
            .unwrap();
        assert_eq!((number, joined.join().unwrap()), (1, true));
    });
}

#[test]
fn a_failed_load_leaves_the_place_to_the_next() {
    let rig = Rig::new();
    let Found::Vacancy(vacancy) = rig.pool.enter(&key(1), |_| {}) else {
        panic!("the pool was empty");
    };
    let (waits, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| {
            matches!(
                rig.pool.enter(&key(1), |p| waits.send(p).unwrap()),
                Found::Vacancy(_)
            )
        });
        assert_eq!(waiting.recv(), Ok(0));
        let fails: Loader<Fake> = Box::new(|_| Err(LoadError::NotFound("no such file".into())));
        assert!(vacancy.load("fake", fails.into(), |_| {}).is_err());
        assert!(next.join().unwrap());
    });
}

#[test]
fn a_model_that_ended_is_not_joined() {
    let rig = Rig::new();
    let (first, _) = rig.get(&key(1));
    assert!(matches!(first.ask(()), Err(RunError::Dead(_))));
    let (_second, number) = rig.get(&key(1));
    assert_eq!(number, 2);
    assert_eq!(
        rig.pool.release(first, LONG),
        Released::Freed,
        "nobody keeps the dead"
    );
    assert_eq!(rig.get(&key(1)).1, 2);
}

#[test]
fn what_is_kept_is_found_again_and_freed_in_time() {
    let rig = Rig::new();
    let (engine, _) = rig.get(&key(1));
    assert_eq!(rig.pool.release(engine, LONG), Released::Kept);
    let (engine, number) = rig.get(&key(1));
    assert_eq!((number, rig.freed.try_recv().is_err()), (1, true));
    assert_eq!(rig.pool.release(engine, Duration::from_millis(1)), Released::Kept);
    assert_eq!(rig.freed.recv(), Ok(1), "by the keeper");
    assert_eq!(rig.get(&key(1)).1, 2);
}

#[test]
fn a_file_that_is_written_anew_is_another_model() {
    let folder = std::env::temp_dir().join(format!("scribe-pool-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("model.bin");
    let key = || speakers(1, ModelSource::File(file.clone()));
    let missing = key();
    std::fs::write(&file, "one").unwrap();
    let first = key();
    assert_eq!(first, key());
    std::fs::write(&file, "three").unwrap();
    let second = key();
    assert!(first != second && missing != first);
    std::fs::remove_dir_all(folder).unwrap();
}
