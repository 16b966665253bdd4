//! Who said what in a recording, with a progress bar meanwhile.
//!
//!     cargo run --release --example transcribe_file -- FILE [WHISPER_MODEL]
//!
//! FILE is anything that GStreamer decodes; of a video the sound. WHISPER_MODEL is a ggml file, a size such as
//! `small.en` that lies in a model folder, or `auto`; without it the bundled one is taken, which knows a few hundred
//! words. The plugin is linked into the program, so nothing has to be installed beside GStreamer.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use gst::prelude::*;
use serde::Deserialize;

/// One caption, as scribebin writes it when it is asked for JSON. There is more in it: the language, and each word
/// with its times and confidence.
#[derive(Deserialize)]
struct Caption {
    text: String,
    /// Seconds.
    start: f64,
    speaker: Option<String>,
}

fn main() -> ExitCode {
    match transcribe() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transcribe_file: {error}");
            ExitCode::FAILURE
        }
    }
}

fn transcribe() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(std::path::PathBuf::from);
    let file = arguments
        .next()
        .ok_or("usage: transcribe_file FILE [WHISPER_MODEL]")?;
    std::fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;

    gst::init()?;
    gstscribe::plugin_register_static()?;
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin caps=audio/x-raw expose-all-streams=false ! scribebin name=scribe ! \
         application/x-json,format=transcript ! appsink name=captions sync=false",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline")?;
    let child = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no element {name}"));
    child("file")?.set_property("location", &file);
    if let Some(model) = arguments.next() {
        child("scribe")?.set_property("whisper-model", &model);
    }
    let captions = child("captions")?.downcast::<gst_app::AppSink>();
    captions.map_err(|_| "not an appsink")?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(print_caption)
            .build(),
    );

    let played = play(&pipeline);
    // To NULL in any case: that gives the models' memory back.
    pipeline.set_state(gst::State::Null)?;
    played
}

/// Plays to the end, or to the first error.
fn play(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let bar = Bar {
        terminal: std::io::stderr().is_terminal(),
    };
    let started = pipeline.set_state(gst::State::Playing);
    // A start that failed has said why already, and nothing more will come.
    let patience = started.is_err().then_some(gst::ClockTime::ZERO);
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    for message in bus.iter_timed(patience) {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(()),
            gst::MessageView::Error(error) => {
                bar.clear();
                return Err(error.error().message().into());
            }
            gst::MessageView::Progress(progress) => bar.show(progress),
            _ => {}
        }
    }
    Err("the pipeline does not start".into())
}

fn print_caption(sink: &gst_app::AppSink) -> Result<gst::FlowSuccess, gst::FlowError> {
    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
    let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
    let caption: Caption = map
        .and_then(|map| serde_json::from_slice(&map).ok())
        .ok_or(gst::FlowError::Error)?;
    let (minutes, seconds) = (caption.start as u64 / 60, caption.start % 60.0);
    let speaker = caption.speaker.as_deref().unwrap_or("?");
    // Nobody reads any more: that is an end like another.
    writeln!(
        std::io::stdout(),
        "{minutes:02}:{seconds:05.2}  {speaker}: {}",
        caption.text
    )
    .map_err(|_| gst::FlowError::Eos)?;
    Ok(gst::FlowSuccess::Ok)
}

/// Shows how far the run is: a line that is drawn anew on a terminal, a line for each step elsewhere.
struct Bar {
    terminal: bool,
}

impl Bar {
    /// Of the whole bar, in columns.
    const WIDTH: usize = 30;

    fn show(&self, message: &gst::message::Progress) {
        let (kind, _, text) = message.get();
        match kind {
            gst::ProgressType::Start | gst::ProgressType::Complete if !self.terminal => eprintln!("{text}"),
            gst::ProgressType::Start | gst::ProgressType::Continue if self.terminal => self.draw(text),
            _ => self.clear(),
        }
    }

    /// Texts are such as "Transcribing: 45 %".
    fn draw(&self, text: &str) {
        let (what, percent) = text.split_once(": ").unwrap_or((text, ""));
        let percent: usize = percent.trim_end_matches(" %").parse().unwrap_or(0);
        let full = (percent * Self::WIDTH / 100).min(Self::WIDTH);
        let (done, open) = ("█".repeat(full), "━".repeat(Self::WIDTH - full));
        eprint!("\r\x1b[K{what:<28} {done}{open} {percent:3} %");
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
