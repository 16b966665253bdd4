//! The recordings of known people, decoded.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use crate::elements::speech_audio_caps;
use crate::infer::model::LoadError;
use crate::time::SAMPLE_RATE;

/// More of a voice than this changes its embedding no more, in samples: 60 s.
const LONGEST: usize = 60 * SAMPLE_RATE as usize;
/// How long one wait for audio lasts before the bus is looked at.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// A decoder that gives nothing for this many glances (30 s) has no audio to give, such as that of a film without sound.
const PATIENCE: u32 = 600;

/// A person and where the recording is.
pub(super) struct Person {
    pub name: String,
    pub file: PathBuf,
}

/// The people of a folder, by name. Files whose names begin with a dot are none.
///
/// # Errors
/// No such folder, or nobody in it.
pub(super) fn people(folder: &Path) -> Result<Vec<Person>, LoadError> {
    let unreadable = |e: std::io::Error| {
        LoadError::NotFound(format!(
            "enrollment={} cannot be read: {e}. Set it to a folder with one recording a person, named Name.wav",
            folder.display()
        ))
    };
    let mut people = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let name = file.file_stem().map(|s| s.to_string_lossy().into_owned());
        if let Some(name) = name.filter(|n| !n.starts_with('.') && file.is_file()) {
            people.push(Person { name, file });
        }
    }
    people.sort_by(|a, b| a.file.cmp(&b.file));
    if let Some(pair) = people.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(LoadError::WrongFile(format!(
            "enrollment={} has two recordings of {}: {} and {}. Leave one of them there",
            folder.display(),
            pair[0].name,
            pair[0].file.display(),
            pair[1].file.display()
        )));
    }
    if people.is_empty() {
        return Err(LoadError::NotFound(format!(
            "enrollment={} has no recordings. Put one a person there, named Name.wav",
            folder.display()
        )));
    }
    Ok(people)
}

/// The first minute of an audio file of any kind that GStreamer decodes, as 16 kHz mono.
///
/// # Errors
/// It is no audio, or cannot be read.
pub(super) fn decode(file: &Path) -> Result<Vec<f32>, LoadError> {
    let wrong = |why: String| {
        LoadError::WrongFile(format!(
            "the recording {} cannot be decoded: {why}. Make it a WAV file of one person speaking, or take it out of the enrollment folder",
            file.display()
        ))
    };
    let pipeline = Decoding(gst::Pipeline::new());
    let make = |factory: &str| {
        let element = gst::ElementFactory::make(factory).build();
        element.map_err(|_| wrong(format!("GStreamer's element {factory} is missing")))
    };
    let (source, decoder) = (make("filesrc")?, make("decodebin")?);
    let (convert, resample) = (make("audioconvert")?, make("audioresample")?);
    source.set_property("location", file.to_string_lossy().as_ref());
    decoder.set_property("expose-all-streams", false);
    decoder.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
    let sink = gst_app::AppSink::builder()
        .caps(&speech_audio_caps())
        .sync(false)
        .max_buffers(16)
        .build();
    let all = [&source, &decoder, &convert, &resample, sink.upcast_ref()];
    let failed = |e: gst::glib::BoolError| wrong(e.to_string());
    pipeline.0.add_many(all).map_err(failed)?;
    source.link(&decoder).map_err(failed)?;
    gst::Element::link_many([&convert, &resample, sink.upcast_ref()]).map_err(failed)?;
    let input = convert.static_pad("sink");
    decoder.connect_pad_added(move |_, pad| {
        if let Some(input) = input.as_ref().filter(|input| !input.is_linked()) {
            let _ = pad.link(input); // a pad that does not fit leaves the sink without data, which ends below
        }
    });
    // A failure is told by the message that follows.
    let _ = pipeline.0.set_state(gst::State::Playing);
    let (mut samples, mut idle) = (Vec::new(), 0);
    while samples.len() < LONGEST {
        let Some(sample) = sink.try_pull_sample(GLANCE) else {
            if let Some(error) = pipeline.error() {
                return Err(wrong(error));
            }
            idle += 1;
            if sink.is_eos() || idle == PATIENCE {
                break;
            }
            continue;
        };
        idle = 0;
        let map = sample.buffer().and_then(|b| b.map_readable().ok());
        let bytes = map.as_ref().map_or(&[][..], |map| map.as_slice());
        samples.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
    }
    samples.truncate(LONGEST);
    if samples.is_empty() {
        return Err(wrong("there is no audio in it".into()));
    }
    Ok(samples)
}

/// A pipeline that ends with its guard.
struct Decoding(gst::Pipeline);

impl Decoding {
    /// What it complains of.
    fn error(&self) -> Option<String> {
        let message = self.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}
