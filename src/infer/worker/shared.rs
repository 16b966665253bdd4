//! A worker as the models of this process on its device share it: started for the first, ended by the last.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::link::{Line, Link};
use super::process::{Fate, Process};
use super::trouble::Trouble;
use super::{GRACE, program};
use crate::infer::model::LoadError;
use crate::infer::protocol::{ToWorker, software};
use crate::infer::{cuda, own_file};
use crate::memory::probes::Device;

/// The process and the connection to it. Dropping it ends the process.
pub(super) struct Worker {
    // Declared first, so dropped first: the process ends while its reader still listens.
    process: Process,
    link: Link,
    /// The number of the last model.
    models: AtomicU32,
    /// How it ended, once somebody asked.
    ended: OnceLock<String>,
}

impl Worker {
    /// Starts `program` for models on `device` and greets it. Its own greeting comes when it has been read from disk, and is not waited for.
    pub fn start(program: &Path, device: Device) -> Result<Arc<Self>, LoadError> {
        let (process, socket) = Process::start(program, device)?;
        let failed = |e: String| {
            LoadError::Failed(format!(
                "cannot talk to the worker process {}: {e}",
                process.pid()
            ))
        };
        let link = Link::new(socket).map_err(|e| failed(e.to_string()))?;
        let hello = ToWorker::Hello {
            software: software(),
            folders: own_file::folders(),
        };
        link.say(&hello).map_err(|e| failed(e.to_string()))?;
        Ok(Arc::new(Worker {
            process,
            link,
            models: AtomicU32::new(0),
            ended: OnceLock::new(),
        }))
    }

    /// A number for one model more, and the line on which its news come.
    pub fn admit(&self) -> (u32, Line) {
        let model = self.models.fetch_add(1, Ordering::SeqCst) + 1;
        (model, self.link.line(model))
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    #[cfg(test)]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn fate(&self) -> &Arc<Fate> {
        self.process.fate()
    }

    /// It has ended or was given up: nothing is to be asked of it any more.
    pub fn is_over(&self) -> bool {
        self.ended.get().is_some() || self.process.fate().is_over()
    }

    /// Ends it and says what was wrong with it. Whoever comes second hears what the first one found.
    pub fn give_up(&self, trouble: &Trouble, waited: Option<Duration>) -> String {
        let told = self.ended.get_or_init(|| {
            let ending = self.process.end();
            trouble.tell(self.process.pid(), &ending, self.fate().lacks_memory(), waited)
        });
        told.clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.is_over() {
            return;
        }
        self.process.fate().dismiss();
        // It has been encoded in every test; were it not, the process would be killed.
        if self.link.say(&ToWorker::Bye).is_ok() {
            self.process.await_end(GRACE);
        }
        // Dropping the process kills what is left of it.
    }
}

/// The workers of this process, one a device.
static WORKERS: Mutex<Vec<(Device, Weak<Worker>)>> = Mutex::new(Vec::new());

/// The worker of `device`: the one that is there, or a new one.
pub(super) fn join(device: Device) -> Result<Arc<Worker>, LoadError> {
    let device = match device {
        // Where a model of `auto` goes is the worker's to decide; it will not go elsewhere than there.
        Device::Auto if cuda::is_there(0) => Device::Cuda(0),
        Device::Auto => Device::Cpu,
        named => named,
    };
    // Held while a process is started, some milliseconds: two models that come at once shall get the same one.
    let mut workers = WORKERS.lock();
    let known = workers.iter().find(|(place, _)| *place == device);
    let alive = known.and_then(|(_, worker)| worker.upgrade());
    if let Some(worker) = alive.filter(|worker| !worker.is_over()) {
        return Ok(worker);
    }
    workers.retain(|(place, worker)| *place != device && worker.strong_count() > 0);
    let worker = Worker::start(&program::find_for(device)?, device)?;
    workers.push((device, Arc::downgrade(&worker)));
    Ok(worker)
}

/// Leaves `worker`. `Some` where others use it, too: then the model is to be unloaded; else the process has ended.
pub(super) fn part(worker: Arc<Worker>) -> Option<Arc<Worker>> {
    let mut workers = WORKERS.lock();
    if Arc::strong_count(&worker) > 1 {
        return Some(worker);
    }
    // Nobody can join it any more.
    workers.retain(|(_, known)| known.as_ptr() != Arc::as_ptr(&worker));
    drop(workers);
    drop(worker); // waits for its end: not under the lock
    None
}
