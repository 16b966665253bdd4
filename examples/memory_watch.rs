//! The memory that a run takes and gives back, as it does: the checkpoints that scribebin posts on the bus.
//!
//!     cargo run --release --example memory_watch -- FILE [WHISPER_MODEL]
//!
//! The same is in the debug log and in a file, without a program: docs/memory.md.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use gst::prelude::*;

fn main() -> ExitCode {
    match watch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memory_watch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn watch() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let file = arguments
        .next()
        .ok_or("usage: memory_watch FILE [WHISPER_MODEL]")?;
    std::fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;

    gst::init()?;
    gstscribe::plugin_register_static()?;
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin caps=audio/x-raw expose-all-streams=false ! scribebin name=scribe ! \
         fakesink sync=false",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline")?;
    let child = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no element {name}"));
    child("file")?.set_property("location", &file);
    if let Some(model) = arguments.next() {
        child("scribe")?.set_property("whisper-model", &model);
    }

    let mut view = View::default();
    let played = play(&pipeline, &mut view);
    // READY has everything given back and says so. Going on to NULL empties the bus, so it is read before.
    let ready = pipeline.set_state(gst::State::Ready);
    if let Some(bus) = pipeline.bus() {
        bus.iter().for_each(|message| view.show(&message));
    }
    pipeline.set_state(gst::State::Null)?;
    played?;
    ready?;
    Ok(())
}

/// Plays to the end, or to the first error.
fn play(pipeline: &gst::Pipeline, view: &mut View) -> Result<(), Box<dyn Error>> {
    let started = pipeline.set_state(gst::State::Playing);
    // A start that failed has said why already, and nothing more will come.
    let patience = started.is_err().then_some(gst::ClockTime::ZERO);
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    for message in bus.iter_timed(patience) {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(()),
            gst::MessageView::Error(error) => return Err(error.error().message().into()),
            _ => view.show(&message),
        }
    }
    Err("the pipeline does not start".into())
}

/// Draws the checkpoints one below the other.
#[derive(Default)]
struct View {
    /// Bytes that a whole bar stands for.
    scale: u64,
}

impl View {
    /// Of a whole bar, in columns.
    const WIDTH: u64 = 25;
    /// In ordinary memory a process is a thousandth of the machine. There a bar begins with this, and doubles.
    const SMALLEST: u64 = 128 << 20;

    fn show(&mut self, message: &gst::Message) {
        match message.view() {
            gst::MessageView::Element(element) => {
                let checkpoint = element.structure().filter(|s| s.name() == "gpu-memory");
                if let Some(Err(error)) = checkpoint.map(|s| self.draw(s)) {
                    eprintln!("a checkpoint that cannot be read: {error}");
                }
            }
            // Of a device that is nearly full, or a cleanup that gave too little back.
            gst::MessageView::Warning(warning) => println!("⚠️  {}", warning.error().message()),
            _ => {}
        }
    }

    /// The fields are documented in docs/memory.md.
    fn draw(&mut self, checkpoint: &gst::StructureRef) -> Result<(), Box<dyn Error>> {
        let allocated: u64 = checkpoint.get("allocated")?;
        let total: u64 = checkpoint.get("total")?;
        let percent: f64 = checkpoint.get("percent")?;
        if self.scale < allocated || self.scale == 0 {
            let on_a_device = checkpoint
                .get::<&str>("source")
                .is_ok_and(|source| source != "host");
            let smallest = if on_a_device { total } else { Self::SMALLEST };
            self.scale = smallest;
            while self.scale < allocated {
                self.scale *= 2;
            }
            let device: &str = checkpoint.get("device")?;
            println!("A whole bar is {} MiB of {device}.", self.scale >> 20);
        }
        let full = (allocated * Self::WIDTH / self.scale) as usize;
        let bar = "█".repeat(full) + &"━".repeat(Self::WIDTH as usize - full);
        let number: u32 = checkpoint.get("number")?;
        let label: &str = checkpoint.get("label")?;
        let mebibytes = allocated as f64 / f64::from(1 << 20);
        print!("{number:2}  {label:<37} {bar} {mebibytes:8.1} MiB  {percent:5.1} %");
        // Behind a cleanup that had something to give back.
        if let (Ok(freed), Ok(verdict)) = (
            checkpoint.get::<f64>("freed-percent"),
            checkpoint.get::<&str>("verdict"),
        ) {
            print!("  {freed:.0} % freed: {verdict}");
        }
        match checkpoint.get("level")? {
            "normal" => println!(),
            level => println!("  {level}"),
        }
        Ok(())
    }
}
