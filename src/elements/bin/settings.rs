//! The bin's own properties; the others are its children's (see [`super::proxy`]).

use gst::glib;

/// When the models are in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeBinResidency")]
pub enum Residency {
    /// One after the other for files, all at once for live sources and when `audio_src` is linked
    #[default]
    #[enum_value(name = "Concurrent when live, sequential otherwise", nick = "auto")]
    Auto,
    /// Whisper first; the speaker models when it is freed
    #[enum_value(name = "One model after the other", nick = "sequential")]
    Sequential,
    /// All models as long as the pipeline runs
    #[enum_value(name = "All models at once", nick = "concurrent")]
    Concurrent,
}

/// The values as they were set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub whisper_model: Option<String>,
    pub residency: Residency,
    pub diarize: bool,
    /// MiB.
    pub spool_memory: u32,
    /// Milliseconds.
    pub lateness: u32,
    pub memory_log: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            whisper_model: None,
            residency: Residency::Auto,
            diarize: true,
            spool_memory: 256, // an hour and ten minutes
            lateness: 0,
            memory_log: None,
        }
    }
}

impl Settings {
    pub fn spool_bytes(&self) -> u64 {
        u64::from(self.spool_memory) << 20
    }
}
