//! Prints the words of a recording with their times, as they come.
//!
//!     cargo run --release --example transcribe_file -- FILE [MODEL]
//!
//! The plugin is linked into the program, so nothing needs to be installed beside GStreamer.

use std::error::Error;

use gst::prelude::*;
use gstscribe::elements::word;

/// The demo model of the repository; `scripts/get-model` downloads real ones.
const DEMO_MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ggml-scribe-demo.en-q5_0.bin");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: transcribe_file FILE [MODEL]")?;
    let model = arguments.next().unwrap_or_else(|| DEMO_MODEL.into());

    gst::init()?;
    gstscribe::plugin_register_static()?;
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! scriberesample ! scribetranscriber name=words ! appsink name=sink sync=false",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline")?;
    let child = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no element {name}"));
    child("file")?.set_property("location", &file);
    child("words")?.set_property("model-path", &model);
    let sink = child("sink")?
        .downcast::<gst_app::AppSink>()
        .map_err(|_| "not an appsink")?;
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(print_word)
            .build(),
    );

    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    let message = bus.timed_pop_filtered(
        gst::ClockTime::NONE,
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    // To NULL in any case: that gives the model's memory back.
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().into()),
        _ => Ok(()),
    }
}

fn print_word(sink: &gst_app::AppSink) -> Result<gst::FlowSuccess, gst::FlowError> {
    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
    if let Some(word) = sample.buffer().and_then(word::from_buffer) {
        let start = gstscribe::time::samples_to_seconds(word.start);
        println!("{start:8.2} s  {:3.0} %  {}", word.confidence * 100.0, word.text);
    }
    Ok(gst::FlowSuccess::Ok)
}
