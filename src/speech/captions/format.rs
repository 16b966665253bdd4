//! One cue in one format.

use std::sync::Arc;

use super::{Cue, json, pango, srt, vtt};

/// What a caption is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines of text with `&`, `<` and `>` escaped, and colours where asked for.
    PangoMarkup,
    /// Lines of text.
    Utf8,
    /// WebVTT, a whole file when its texts are put behind [`Writer::header`].
    WebVtt,
    /// SubRip, a whole file when its texts are put together.
    SubRip,
    /// JSON objects, one a line.
    Transcript,
}

impl Format {
    /// Whether [`super::Rules::labels`] are wanted in the lines. WebVTT and the transcript say in their
    /// own way who speaks.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::PangoMarkup | Self::Utf8 | Self::SubRip)
    }

    /// Whether the text holds times of its own, which are then those of the whole programme.
    pub fn has_times(self) -> bool {
        matches!(self, Self::WebVtt | Self::SubRip | Self::Transcript)
    }
}

/// Writes cues one after the other.
pub struct Writer {
    format: Format,
    /// Say who speaks: voice spans in WebVTT. (Labels of the other formats are in the cue's lines.)
    speakers: bool,
    /// Colour the speakers, where the format can.
    colors: bool,
    /// Cues written so far.
    count: u64,
    /// Speakers in the order of their first cue, which is that of the palette.
    known: Vec<Arc<str>>,
}

impl Writer {
    /// A writer before its first cue.
    pub fn new(format: Format, speakers: bool, colors: bool) -> Self {
        Self {
            format,
            speakers,
            colors,
            count: 0,
            known: Vec::new(),
        }
    }

    /// The format it writes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Starts a new file. Speakers keep their colours.
    pub fn restart(&mut self) {
        self.count = 0;
    }

    /// What stands before the first cue, also when there is none.
    pub fn header(&self) -> Option<&'static str> {
        (self.format == Format::WebVtt).then_some(vtt::HEADER)
    }

    /// The next cue as text.
    pub fn write(&mut self, cue: &Cue) -> String {
        self.count += 1;
        match self.format {
            Format::PangoMarkup => pango::write(cue, self.color(cue)),
            Format::Utf8 => cue.lines.join("\n"),
            Format::WebVtt => vtt::write(cue, self.speakers),
            Format::SubRip => srt::write(cue, self.count),
            Format::Transcript => json::write(cue),
        }
    }

    fn color(&mut self, cue: &Cue) -> Option<&'static str> {
        let speaker = cue.speaker.as_ref().filter(|_| self.colors)?;
        let number = self
            .known
            .iter()
            .position(|known| known == speaker)
            .unwrap_or_else(|| {
                self.known.push(speaker.clone());
                self.known.len() - 1
            });
        Some(pango::PALETTE[number % pango::PALETTE.len()])
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
