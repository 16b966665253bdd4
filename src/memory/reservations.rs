//! The book of claims between the threads of a process and the processes of a user.
//!
//! One file in the user's runtime directory, which the system empties when the user is gone. It is locked for as long
//! as it takes to read the device, look for room and note the claim, never while a model loads. Claims of processes
//! that have ended count no more. Where there is no such directory, or the file cannot be had, the claims of this
//! process alone are known.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::admission::{Book, Claim, Claimant, Room, Shortage};

/// The file's name in the runtime directory.
const FILE: &str = "gst-plugin-scribe.memory";
/// No more is read of it: a claim takes 60 bytes.
const MOST_BYTES: u64 = 1 << 16;
/// Others hold the lock for a millisecond. Who does not get it in a second goes on without: whoever holds it is
/// stopped or no friend.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Where claims are made.
pub struct Desk {
    claimant: Claimant,
    file: Option<PathBuf>,
    /// What this desk has promised.
    own: Mutex<Book>,
    next: AtomicU64,
}

impl Desk {
    /// The one of this process.
    pub fn of_process() -> Arc<Desk> {
        static DESK: LazyLock<Arc<Desk>> =
            LazyLock::new(|| Desk::at(runtime_folder().map(|folder| folder.join(FILE))));
        DESK.clone()
    }

    /// One that shares its claims with others by `file`, or with nobody.
    pub fn at(file: Option<PathBuf>) -> Arc<Desk> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let pid = std::process::id();
        Arc::new(Desk {
            claimant: Claimant {
                pid,
                started: started(Path::new("/proc"), pid).unwrap_or(0),
                desk: NEXT.fetch_add(1, Ordering::Relaxed),
            },
            file,
            own: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    /// Promises `need` bytes of `device`, of which no more than `percent` are then to be in use. `room` reads the
    /// device; where it cannot, nothing is known to be too much.
    ///
    /// # Errors
    /// What is missing.
    pub fn reserve(
        self: &Arc<Self>,
        device: &str,
        need: u64,
        percent: u32,
        room: impl FnOnce() -> Option<Room>,
    ) -> Result<Reservation, Shortage> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let claim = Claim {
            claimant: self.claimant,
            number,
            bytes: need,
            device: device.to_owned(),
        };
        self.with_book(|book| match room() {
            Some(room) => book.admit(claim, room, percent),
            None => Ok(()),
        })?;
        Ok(Reservation {
            desk: self.clone(),
            number,
        })
    }

    /// Runs `f` on all claims that are known, and notes what it makes of them.
    fn with_book<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        // Threads wait here, processes at the file.
        let mut own = self.own.lock();
        let mut file = self.file.as_deref().and_then(|path| open(path).ok());
        let mut book = file.as_mut().and_then(|file| read(file).ok()).unwrap_or_default();
        book.retain(|claimant| *claimant != self.claimant && lives(claimant));
        book.extend(own.clone());
        let result = f(&mut book);
        if let Some(file) = &mut file {
            // What cannot be written others do not know; the next claim writes it again.
            let _ = write(file, &book);
        }
        book.retain(|claimant| *claimant == self.claimant);
        *own = book;
        result
    }
}

/// A promise, until it is dropped.
pub struct Reservation {
    desk: Arc<Desk>,
    number: u64,
}

impl Reservation {
    /// All but `later` bytes are taken.
    pub fn settle(&self, later: u64) {
        self.desk
            .with_book(|book| book.settle(self.desk.claimant, self.number, later));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.settle(0);
    }
}

/// A reservation for a model: all that it needs until it is loaded, then what it takes later.
pub struct Promise {
    reservation: Reservation,
    later: u64,
}

impl Promise {
    /// Of which `later` bytes are not taken by loading.
    pub fn new(reservation: Reservation, later: u64) -> Self {
        Promise { reservation, later }
    }

    /// The model is loaded, and the probes see what it has taken.
    pub fn loaded(&self) {
        self.reservation.settle(self.later);
    }
}

/// Opens and locks. Dropping the file unlocks it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn read(file: &mut File) -> io::Result<Book> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(Book::parse(&String::from_utf8_lossy(&bytes)))
}

fn write(file: &mut File, book: &Book) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(book.to_string().as_bytes())
}

/// Whether the process that made a claim is still there.
fn lives(claimant: &Claimant) -> bool {
    started(Path::new("/proc"), claimant.pid) == Some(claimant.started)
}

/// When a process began, in ticks since boot: field 22 of its `stat` (proc(5)), counted behind its name, which may hold
/// anything.
fn started(proc: &Path, pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(22 - 3)?.parse().ok()
}

/// The folder for what lives as long as the user is there: `XDG_RUNTIME_DIR`, or where systemd would put it.
fn runtime_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = || {
        let user = std::fs::metadata("/proc/self").ok()?.uid();
        Some(PathBuf::from(format!("/run/user/{user}")))
    };
    let named = named.filter(|folder| folder.is_absolute());
    named.or_else(usual).filter(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const ROOM: Room = Room {
        total: 1000,
        free: 1000,
    };

    fn ask(desk: &Arc<Desk>, need: u64) -> Result<Reservation, Shortage> {
        desk.reserve("host", need, 85, || Some(ROOM))
    }

    /// Desks that share a file see each other as processes do.
    fn desks(count: usize) -> (tempfile::TempDir, Vec<Arc<Desk>>) {
        let folder = tempfile::tempdir().unwrap();
        let desks = (0..count)
            .map(|_| Desk::at(Some(folder.path().join(FILE))))
            .collect();
        (folder, desks)
    }

    /// How many of `desks` get `need` bytes when all ask in the same moment.
    fn at_once(desks: &[Arc<Desk>], need: u64) -> usize {
        let barrier = Barrier::new(desks.len());
        let got = std::thread::scope(|scope| {
            let asking: Vec<_> = desks
                .iter()
                .map(|desk| {
                    scope.spawn(|| {
                        barrier.wait();
                        ask(desk, need)
                    })
                })
                .collect();
            let answers: Vec<_> = asking.into_iter().map(|a| a.join().unwrap()).collect();
            answers.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
        });
        got.len()
    }

    #[test]
    fn exactly_one_gets_the_last_memory() {
        let (_folder, desks) = desks(2);
        let alone = Desk::at(None);
        for _ in 0..50 {
            assert_eq!(at_once(&desks, 600), 1, "two processes");
            assert_eq!(
                at_once(&[desks[0].clone(), desks[0].clone()], 600),
                1,
                "two threads"
            );
            assert_eq!(at_once(&[alone.clone(), alone.clone()], 600), 1, "without a file");
            assert_eq!(at_once(&desks, 425), 2, "there is enough for both");
        }
    }

    #[test]
    fn a_promise_ends_with_its_reservation() {
        let (folder, desks) = desks(2);
        let first = ask(&desks[0], 600).unwrap();
        let refused = ask(&desks[1], 300).err().unwrap();
        assert_eq!((refused.promised, refused.usable), (600, 250));
        first.settle(100);
        let second = ask(&desks[1], 750).unwrap();
        drop(first);
        drop(second);
        let left = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(left, "");
    }

    #[test]
    fn a_process_that_ended_holds_nothing() {
        let (folder, desks) = desks(1);
        let own = started(Path::new("/proc"), std::process::id()).unwrap();
        let pid = std::process::id();
        let text = format!(
            "{pid} {} 1 1 800 host\n4194305 5 1 1 800 host\nrubbish \u{0}\n",
            own + 1
        );
        std::fs::write(folder.path().join(FILE), text).unwrap();
        ask(&desks[0], 800).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_had_is_done_without() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "kept").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("link")).unwrap();
        for path in ["none/file", ".", "link"] {
            let desk = Desk::at(Some(folder.path().join(path)));
            let first = ask(&desk, 600).unwrap();
            assert!(ask(&desk, 600).is_err(), "{path}");
            drop(first);
            ask(&desk, 600).unwrap();
        }
        assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "kept");
    }

    #[test]
    fn who_keeps_the_lock_keeps_nobody_waiting_for_ever() {
        let (folder, desks) = desks(1);
        let holder = open(&folder.path().join(FILE)).unwrap();
        ask(&desks[0], 600).unwrap();
        drop(holder);
    }

    #[test]
    fn without_a_reading_nothing_is_refused() {
        assert!(Desk::at(None).reserve("host", u64::MAX, 85, || None).is_ok());
    }
}
