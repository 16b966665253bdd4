//! Many recordings, one after the other, through one pipeline: NAME.vtt of each into the current folder.
//!
//!     cargo run --release --example batch -- [--model WHISPER_MODEL] FILE...
//!
//! Between two files everything that the models took is given back, which the figure behind each file shows. A file
//! that fails is told, and the next one goes on; the exit status is 1 then. With MALLOC_TRIM_THRESHOLD_=131072 in the
//! environment the C library keeps nothing for itself either (docs/memory.md).

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use gst::prelude::*;
use gstscribe::memory::{Label, models};

const USAGE: &str = "usage: batch [--model WHISPER_MODEL] FILE...";

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("batch: {failed} failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("batch: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many files failed.
fn run() -> Result<usize, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from).peekable();
    let model = match arguments.next_if(|first| first.as_os_str() == "--model") {
        Some(_) => Some(arguments.next().ok_or(USAGE)?),
        None => None,
    };
    if arguments.peek().is_none() {
        return Err(USAGE.into());
    }

    let batch = Batch::new(model.as_deref())?;
    let mut written = HashSet::new();
    let mut failed = 0;
    for file in arguments {
        let captions = Path::new(file.file_name().unwrap_or_default()).with_extension("vtt");
        let begun = Instant::now();
        let result = if written.insert(captions.clone()) {
            batch.transcribe(&file, &captions)
        } else {
            Err(format!("{} is that of another file", captions.display()))
        };
        match result {
            Ok(held) => println!(
                "{} → {} ({:.1} s, {:.1} MiB held afterwards)",
                file.display(),
                captions.display(),
                begun.elapsed().as_secs_f64(),
                held as f64 / f64::from(1 << 20)
            ),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error}", file.display());
                if error.contains("out of memory") {
                    eprintln!("{}", smaller(model.as_deref()));
                }
            }
        }
    }
    Ok(failed)
}

/// What to run instead, where the model is too large.
fn smaller(model: Option<&Path>) -> String {
    let name = model.and_then(|path| path.file_name()?.to_str());
    let name = name.map(|name| models::name_of_file(name).unwrap_or(name));
    match name.and_then(models::smaller_than) {
        Some(smaller) => format!("Try a smaller model: --model {smaller}"),
        None => "Try a smaller model, such as --model tiny; scripts/get-model lists them all".into(),
    }
}

/// The pipeline that all files go through.
struct Batch {
    pipeline: gst::Pipeline,
    file: gst::Element,
    scribe: gst::Element,
    captions: gst::Element,
}

impl Batch {
    fn new(model: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        gst::init()?;
        gstscribe::plugin_register_static()?;
        let make = |factory: &str| gst::ElementFactory::make(factory).build();
        let (file, decode) = (make("filesrc")?, make("decodebin")?);
        let (scribe, captions) = (make("scribebin")?, make("filesink")?);
        decode.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
        decode.set_property("expose-all-streams", false);
        if let Some(model) = model {
            scribe.set_property("whisper-model", model);
        }
        captions.set_property("sync", false);

        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&file, &decode, &scribe, &captions])?;
        file.link(&decode)?;
        scribe.link_filtered(
            &captions,
            &gst::Caps::new_empty_simple("application/x-subtitle-vtt"),
        )?;
        // Every file's decoder has a pad of its own, so a link in a pipeline's text would hold for the first one alone.
        let sink = scribe.static_pad("sink").ok_or("scribebin has a sink")?;
        decode.connect_pad_added(move |_, pad| {
            if !sink.is_linked()
                && let Err(error) = pad.link(&sink)
            {
                gst::error!(gst::CAT_DEFAULT, obj = pad, "not linked: {error}");
            }
        });
        Ok(Batch {
            pipeline,
            file,
            scribe,
            captions,
        })
    }

    /// One file: what the process holds when all is given back, in bytes, or what went wrong.
    fn transcribe(&self, file: &Path, captions: &Path) -> Result<u64, String> {
        std::fs::File::open(file).map_err(|error| error.to_string())?;
        self.file.set_property("location", file);
        self.captions.set_property("location", captions);
        let played = self.play();
        // What stays up, such as an application that waits for the next file, gives the models back like this. The
        // way down to READY would do it, too.
        self.scribe.emit_by_name::<()>("cleanup-models", &[]);
        // Going down does not fail. READY has everything given back and says so; NULL empties the bus, so it is read
        // before. And filesink takes another file in NULL alone.
        let _ = self.pipeline.set_state(gst::State::Ready);
        let held = self.held();
        let _ = self.pipeline.set_state(gst::State::Null);
        played.map(|()| held)
    }

    fn play(&self) -> Result<(), String> {
        let started = self.pipeline.set_state(gst::State::Playing);
        // A start that failed has said why already, and nothing more will come.
        let patience = started.is_err().then_some(gst::ClockTime::ZERO);
        let bus = self.pipeline.bus().ok_or("a pipeline has a bus")?;
        for message in bus.iter_timed(patience) {
            match message.view() {
                gst::MessageView::Eos(_) => return Ok(()),
                gst::MessageView::Error(error) => return Err(error.error().message().into()),
                _ => {}
            }
        }
        Err("the pipeline does not start".into())
    }

    /// What the last of the memory checkpoints says, which is in the bus.
    fn held(&self) -> u64 {
        let bus = self.pipeline.bus();
        let messages = bus.iter().flat_map(|bus| bus.iter());
        let last = messages
            .filter_map(|message| {
                let structure = message.structure().filter(|s| s.name() == "gpu-memory")?;
                let label = structure.get::<&str>("label").ok()?;
                (label == Label::AfterFinalCleanup.text()).then(|| structure.get::<u64>("allocated").ok())?
            })
            .last();
        last.unwrap_or(0)
    }
}
