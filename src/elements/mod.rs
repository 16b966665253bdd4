//! Ring 3: the GStreamer elements, one folder each, in the order in which data flows.

mod admission;
pub mod aligner;
pub mod bin;
pub mod captions;
pub mod checkpoints;
pub mod cleanup;
mod delay;
pub mod diarizer;
mod flow;
mod holding;
mod isolation;
mod load;
pub mod no_audio;
mod pads;
pub mod resample;
mod restart;
mod room;
mod sharing;
pub mod transcriber;
pub mod word;

use gst::glib;

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    word::register_meta();
    resample::register(plugin)?;
    transcriber::register(plugin)?;
    diarizer::register(plugin)?;
    aligner::register(plugin)?;
    captions::register(plugin)?;
    bin::register(plugin)
}

/// Caps of all audio behind `scriberesample`.
pub fn speech_audio_caps() -> gst::Caps {
    gst_audio::AudioCapsBuilder::new_interleaved()
        .format(gst_audio::AudioFormat::F32le)
        .rate(crate::time::SAMPLE_RATE as i32)
        .channels(1)
        .build()
}

/// Caps of the word stream: one bare word per buffer, see [`word`].
pub fn word_caps() -> gst::Caps {
    gst::Caps::builder("text/x-raw").field("format", "utf8").build()
}

/// Caps of speaker turns as JSON, see [`crate::speech::diarize::to_json`].
pub fn turn_caps() -> gst::Caps {
    gst::Caps::builder("application/x-json")
        .field("format", "speaker-turns")
        .build()
}
