//! Who spoke when in a recording, as RTTM: a line a turn, which dscore, pyannote.metrics and other scorers read.
//!
//!     cargo run --release --example speaker_turns -- FILE [SEGMENTATION EMBEDDING]
//!
//! SEGMENTATION and EMBEDDING are ONNX models (docs/diarization.md); without them the bundled ones are taken.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use gst::prelude::*;

const USAGE: &str = "usage: speaker_turns FILE [SEGMENTATION EMBEDDING]";

fn main() -> ExitCode {
    match turns() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speaker_turns: {error}");
            ExitCode::FAILURE
        }
    }
}

fn turns() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (file, models) = match arguments.as_slice() {
        [file] => (file, None),
        [file, segmentation, embedding] => (file, Some((segmentation, embedding))),
        _ => return Err(USAGE.into()),
    };
    std::fs::File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;

    gst::init()?;
    gstscribe::plugin_register_static()?;
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin caps=audio/x-raw expose-all-streams=false ! scriberesample ! \
         scribediarizer name=speakers ! application/x-rttm ! appsink name=turns sync=false",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline")?;
    let child = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no element {name}"));
    child("file")?.set_property("location", file);
    if let Some((segmentation, embedding)) = models {
        child("speakers")?.set_property("segmentation-model", segmentation);
        child("speakers")?.set_property("embedding-model", embedding);
    }
    let turns = child("turns")?.downcast::<gst_app::AppSink>();
    turns.map_err(|_| "not an appsink")?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(print_turn)
            .build(),
    );

    let played = play(&pipeline);
    // To NULL in any case: that gives the models' memory back.
    pipeline.set_state(gst::State::Null)?;
    played
}

/// Plays to the end, or to the first error.
fn play(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let started = pipeline.set_state(gst::State::Playing);
    // A start that failed has said why already, and nothing more will come.
    let patience = started.is_err().then_some(gst::ClockTime::ZERO);
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    for message in bus.iter_timed(patience) {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(()),
            gst::MessageView::Error(error) => return Err(error.error().message().into()),
            _ => {}
        }
    }
    Err("the pipeline does not start".into())
}

/// A buffer is a turn is a line.
fn print_turn(sink: &gst_app::AppSink) -> Result<gst::FlowSuccess, gst::FlowError> {
    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
    let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
    let line = map.ok_or(gst::FlowError::Error)?;
    // Nobody reads any more: that is an end like another.
    std::io::stdout()
        .write_all(&line)
        .map_err(|_| gst::FlowError::Eos)?;
    Ok(gst::FlowSuccess::Ok)
}
