//! Checkpoints of an element: read, booked, logged, posted, appended to the `memory-log`.

use std::{
    collections::{HashMap, HashSet},
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use gst::{glib, prelude::*};

use crate::{
    infer::cuda::{self, CudaProbe},
    memory::{
        Label, Stage,
        json::JsonLine,
        ledger::Owner,
        meter::{Meter, new_owner},
        probes::{Device, HostProbe, NvmlProbe, Probe},
        report::Record,
        verdict::{Level, Verdict},
    },
};

/// Name of the element message of a checkpoint.
pub const MESSAGE: &str = "gpu-memory";

/// `GST_DEBUG=scribe-memory:4` shows the lines.
static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "scribe-memory",
        gst::DebugColorFlags::empty(),
        Some("Memory checkpoints"),
    )
});

type Hint = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Writes the checkpoints of one element, each label once a cycle.
///
/// Make one at READY→PAUSED, or keep one and call [`begin_cycle`](Self::begin_cycle) there. Every
/// method may be called from any thread, and none fails: memory accounting never stops a run. Call
/// [`write`](Self::write) with no lock of the element held, as it posts messages.
pub struct Checkpoints {
    element: glib::WeakRef<gst::Element>,
    memory_log: Option<PathBuf>,
    device: Device,
    /// Found at the first checkpoint, so that making an element looks for no device.
    meter: OnceLock<Option<Arc<Meter>>>,
    owner: Owner,
    hint: Option<Hint>,
    cycle: Mutex<Cycle>,
}

#[derive(Default)]
struct Cycle {
    written: HashSet<Label>,
    critical: bool,
    log_failed: bool,
}

impl Checkpoints {
    /// For `element`, on the device where the models of this process are.
    pub fn new(element: &impl IsA<gst::Element>, memory_log: Option<PathBuf>) -> Self {
        Self::on_device(element, memory_log, Device::Auto)
    }

    /// For `element`, on `device`.
    pub fn on_device(element: &impl IsA<gst::Element>, memory_log: Option<PathBuf>, device: Device) -> Self {
        Self::made(element, memory_log, device, OnceLock::new())
    }

    /// For `element`, reading `probe` into a ledger of its own.
    pub fn with_probe(
        element: &impl IsA<gst::Element>,
        memory_log: Option<PathBuf>,
        probe: impl Probe + 'static,
    ) -> Self {
        Self::with_meter(element, memory_log, Meter::new(Box::new(probe)))
    }

    /// For `element`, booking in a meter that others may share.
    pub fn with_meter(
        element: &impl IsA<gst::Element>,
        memory_log: Option<PathBuf>,
        meter: Arc<Meter>,
    ) -> Self {
        Self::made(element, memory_log, Device::Auto, Some(meter).into())
    }

    fn made(
        element: &impl IsA<gst::Element>,
        memory_log: Option<PathBuf>,
        device: Device,
        meter: OnceLock<Option<Arc<Meter>>>,
    ) -> Self {
        Self {
            element: element.upcast_ref::<gst::Element>().downgrade(),
            memory_log,
            device,
            meter,
            owner: new_owner(),
            hint: None,
            cycle: Mutex::default(),
        }
    }

    /// What the WARNING of the level critical suggests, such as the next smaller model that fits.
    /// Asked only then.
    pub fn hint(mut self, hint: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.hint = Some(Box::new(hint));
        self
    }

    /// A new READY→PAUSED: every label may be written again, and what an earlier cycle left open
    /// is forgotten.
    pub fn begin_cycle(&self) {
        self.in_cycle(|cycle| *cycle = Cycle::default());
        self.forget();
    }

    /// `stage` takes again what it gave back in this cycle: its labels may be written once more.
    pub fn begin_stage(&self, stage: Stage) {
        self.in_cycle(|cycle| cycle.written.retain(|label| label.stage() != stage));
    }

    /// Runs `f`, which takes what `stage` needs: growth meanwhile is the stage's own, and other
    /// growth is charged to it only as far as it goes away with it. Not a checkpoint, writes nothing.
    pub fn taking<T>(&self, stage: Stage, f: impl FnOnce() -> T) -> T {
        if let Some(meter) = self.meter() {
            meter.taking(self.owner, stage);
        }
        let taken = f();
        self.taken(stage);
        taken
    }

    /// The same for what was taken right behind a checkpoint, with nothing in between that lets
    /// others grow: a model that is loaded within READY→PAUSED. In doubt use [`taking`](Self::taking).
    pub fn taken(&self, stage: Stage) {
        if let Some(meter) = self.meter() {
            meter.taken(self.owner, stage);
        }
    }

    /// Books that what `stage` had taken went by itself: its cleanup cannot give that back. Not a checkpoint, writes
    /// nothing.
    pub fn lost(&self, stage: Stage) {
        if let Some(meter) = self.meter() {
            meter.lost(self.owner, stage);
        }
    }

    /// Writes the checkpoint `label`: the line, the message, the JSON, and a WARNING where one is
    /// due. Does nothing when it was written in this cycle already.
    pub fn write(&self, label: Label) {
        if !self.in_cycle(|cycle| cycle.written.insert(label)) {
            return;
        }
        let Some(record) = self.meter().and_then(|meter| meter.record(self.owner, label)) else {
            gst::debug!(CAT, "{label}: no memory reading on this system");
            return;
        };
        let monotonic = gst::get_timestamp();
        let element = self.element.upgrade();
        match &element {
            Some(element) => gst::info!(CAT, obj = element, "{record}"),
            None => gst::info!(CAT, "{record}"),
        }
        let written = self.append(&record, monotonic, element.as_ref());
        let Some(element) = element else { return };
        let message = gst::message::Element::builder(structure(&record, monotonic))
            .src(&element)
            .build();
        let _ = element.post_message(message); // without a bus nobody listens
        if let Err(error) = written {
            self.warn_of_log(&element, &error);
        }
        self.warn_of_level(&element, &record);
        warn_of_leak(&element, &record);
    }

    fn meter(&self) -> Option<&Meter> {
        self.meter.get_or_init(|| meter(self.device)).as_deref()
    }

    /// What was open and never closed must not be charged to others.
    fn forget(&self) {
        if let Some(Some(meter)) = self.meter.get() {
            meter.forget(self.owner);
        }
    }

    fn in_cycle<T>(&self, f: impl FnOnce(&mut Cycle) -> T) -> T {
        f(&mut self.cycle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn append(
        &self,
        record: &Record,
        monotonic: gst::ClockTime,
        element: Option<&gst::Element>,
    ) -> io::Result<()> {
        let Some(path) = &self.memory_log else {
            return Ok(());
        };
        let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = JsonLine {
            date: date.as_secs_f64(),
            monotonic: monotonic.nseconds(),
            pid: std::process::id(),
            element: element.map(|e| e.name().to_string()).unwrap_or_default(),
            record: record.clone(),
        };
        append_line(path, &line.to_string())
    }

    fn warn_of_log(&self, element: &gst::Element, error: &io::Error) {
        if self.in_cycle(|cycle| std::mem::replace(&mut cycle.log_failed, true)) {
            return;
        }
        let path = self.memory_log.as_deref().unwrap_or(Path::new("")).display();
        gst::element_warning!(
            element,
            gst::ResourceError::OpenWrite,
            ("Cannot write the memory log {path}: {error}. Set memory-log to a file in a folder that you may write to."),
            ["checkpoints go on without it"]
        );
    }

    /// One WARNING when the level becomes critical, not one for each checkpoint while it is.
    fn warn_of_level(&self, element: &gst::Element, record: &Record) {
        let critical = record.level == Level::Critical;
        let before = self.in_cycle(|cycle| std::mem::replace(&mut cycle.critical, critical));
        if !critical || before {
            return;
        }
        let hint = self.hint.as_ref().and_then(|hint| hint());
        let hint = hint.unwrap_or_else(|| "use a smaller model or split the file".into());
        gst::element_warning!(
            element,
            gst::ResourceError::NoSpaceLeft,
            (
                "{:.1}% of the memory of {} is in use: {hint}",
                record.percent,
                record.device
            ),
            ["{record}"]
        );
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.forget();
    }
}

fn warn_of_leak(element: &gst::Element, record: &Record) {
    let Some(cleanup) = record.cleanup.filter(|cleanup| cleanup.verdict == Verdict::Leak) else {
        return;
    };
    gst::element_warning!(
        element,
        gst::ResourceError::Failed,
        (
            "Memory leak: the {} gave back only {:.1}% of the {} MiB that it took on {}. \
             Look for something that still holds the model; restarting the process gives all back.",
            record.label.stage().cleanup(),
            cleanup.freed,
            cleanup.took >> 20,
            record.device
        ),
        ["{record}"]
    );
}

/// The fields of the message, all typed.
fn structure(record: &Record, monotonic: gst::ClockTime) -> gst::Structure {
    let builder = gst::Structure::builder(MESSAGE)
        .field("label", record.label.text())
        .field("number", record.label.number())
        .field("stage", record.label.stage().id())
        .field("allocated", record.allocated)
        .field("total", record.total)
        .field("percent", record.percent)
        .field("device", record.device.as_str())
        .field_if_some("source", record.source.map(|source| source.id()))
        .field("level", record.level.id())
        .field("monotonic", monotonic);
    builder
        .field_if_some("took", record.cleanup.map(|cleanup| cleanup.took))
        .field_if_some("freed-percent", record.cleanup.map(|cleanup| cleanup.freed))
        .field_if_some("verdict", record.cleanup.map(|cleanup| cleanup.verdict.id()))
        .build()
}

/// One write of a whole line at the end, so elements and processes may share the file.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

/// The meter of `device`: one in the process as long as somebody holds it, so that all elements on
/// a device book into one ledger. `None` where nothing can be measured.
fn meter(device: Device) -> Option<Arc<Meter>> {
    static METERS: LazyLock<Mutex<HashMap<Device, Weak<Meter>>>> = LazyLock::new(Mutex::default);
    let device = match device {
        Device::Auto => cuda::own_device(),
        named => named,
    };
    let mut meters = METERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(meter) = meters.get(&device).and_then(Weak::upgrade) {
        return Some(meter);
    }
    let meter = Meter::new(best_probe(device)?);
    meters.insert(device, Arc::downgrade(&meter));
    Some(meter)
}

/// Best first: what NVML says of this process, the CUDA driver, the host.
pub(super) fn best_probe(device: Device) -> Option<Box<dyn Probe>> {
    fn boxed(probe: Option<impl Probe + 'static>) -> Option<Box<dyn Probe>> {
        probe.map(|probe| Box::new(probe) as Box<dyn Probe>)
    }
    let on_device = match device {
        Device::Cuda(index) => boxed(NvmlProbe::new(index)).or_else(|| boxed(CudaProbe::new(index))),
        Device::Auto | Device::Cpu => None,
    };
    on_device.or_else(|| boxed(HostProbe::new()))
}
