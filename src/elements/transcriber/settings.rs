//! Properties → one validated [`WhisperConfig`] at READY→PAUSED.

use gst::glib;

use crate::elements::isolation::{Isolation, RESTART_LIMIT};
use crate::infer::model::ModelSource;
use crate::infer::whisper::WhisperConfig;
use crate::memory::probes::Device;
use crate::speech::transcribe::SessionConfig;

/// What to do when there is no room for the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeTranscriberOnOom")]
pub enum OnOom {
    /// An ERROR.
    #[default]
    #[enum_value(name = "Post an ERROR", nick = "fail")]
    Fail,
    /// The best model beside the file that fits, with a WARNING; an ERROR where there is none.
    #[enum_value(
        name = "Take the best model in the same folder that fits",
        nick = "smaller-model"
    )]
    SmallerModel,
    /// The same model in ordinary memory where a GPU has no room, with a WARNING; an ERROR where there is none either.
    #[enum_value(name = "Run the model on the CPU where the GPU has no room", nick = "cpu")]
    Cpu,
}

/// The property values as they were set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub model_path: Option<String>,
    pub language_code: Option<String>,
    pub translate: bool,
    pub initial_prompt: Option<String>,
    pub beam_size: u32,
    pub best_of: u32,
    pub temperature: f32,
    pub temperature_increment: f32,
    pub entropy_threshold: f32,
    pub logprob_threshold: f32,
    pub no_speech_threshold: f32,
    pub max_context: u32,
    pub suppress_non_speech: bool,
    pub silence_gate: bool,
    pub threads: u32,
    pub latency: u32,
    pub lateness: u32,
    pub device: Option<String>,
    pub memory_fraction: u32,
    pub on_oom: OnOom,
    pub keep_alive: u32,
    pub isolation: Isolation,
    pub restart_limit: u32,
    pub memory_log: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let usual = WhisperConfig::default();
        Settings {
            model_path: None,
            language_code: Some("auto".into()),
            translate: false,
            initial_prompt: None,
            beam_size: usual.beam_size.unsigned_abs(),
            best_of: usual.best_of.unsigned_abs(),
            temperature: usual.temperature,
            temperature_increment: usual.temperature_increment,
            entropy_threshold: usual.entropy_threshold,
            logprob_threshold: usual.logprob_threshold,
            no_speech_threshold: usual.no_speech_threshold,
            max_context: usual.max_context.unsigned_abs(),
            suppress_non_speech: usual.suppress_non_speech,
            silence_gate: true,
            threads: 0,
            latency: 4_000,
            lateness: 0,
            device: Some("cpu".into()),
            // Where the reference card's critical level begins.
            memory_fraction: 85,
            on_oom: OnOom::Fail,
            // READY means that everything is given back, unless somebody says otherwise.
            keep_alive: 0,
            isolation: Isolation::default(),
            restart_limit: RESTART_LIMIT,
            memory_log: None,
        }
    }
}

/// whisper.cpp uses no more threads than this unless told to: its default.
const MOST_DEFAULT_THREADS: usize = 4;

impl Settings {
    /// What is loaded: on the CPU, until it is known where it goes.
    ///
    /// # Errors
    /// A sentence for the user, where the model path or the language is missing or wrong.
    pub fn config(&self) -> Result<WhisperConfig, String> {
        let model = self.model_path.as_deref().filter(|p| !p.is_empty()).ok_or(
            "no model is set. Set model-path to a ggml Whisper model, such as one that scripts/get-model downloads, \
             or to \"bundled\" for the small demo model that this plugin brings",
        )?;
        let threads = match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MOST_DEFAULT_THREADS) as i32,
            n => n as i32,
        };
        Ok(WhisperConfig {
            model: source(model),
            language: whisper_language(self.language_code.as_deref().unwrap_or("auto"))?,
            translate: self.translate,
            initial_prompt: self.initial_prompt.clone().filter(|p| !p.is_empty()),
            beam_size: self.beam_size as i32,
            best_of: self.best_of as i32,
            temperature: self.temperature,
            temperature_increment: self.temperature_increment,
            entropy_threshold: self.entropy_threshold,
            logprob_threshold: self.logprob_threshold,
            no_speech_threshold: self.no_speech_threshold,
            max_context: self.max_context as i32,
            suppress_non_speech: self.suppress_non_speech,
            threads,
            cuda_device: None,
        })
    }

    /// # Errors
    /// A sentence for the user.
    pub fn device(&self) -> Result<Device, String> {
        let device = self.device.as_deref().unwrap_or("cpu");
        device.parse().map_err(|_| {
            format!("device={device:?} is no device. Set it to \"cpu\", to \"cuda:0\" or another number, or to \"auto\"")
        })
    }

    /// The part that needs no model.
    pub fn session(&self) -> SessionConfig {
        SessionConfig {
            gate: self.silence_gate,
        }
    }
}

/// The value that stands for the model in the library; a file of that name is `./bundled`.
const BUNDLED: &str = "bundled";

fn source(model_path: &str) -> ModelSource {
    match model_path {
        BUNDLED => ModelSource::Bundled,
        path => ModelSource::File(path.into()),
    }
}

/// Whisper's name of the language of a BCP-47 code; `None` for "auto".
///
/// Whisper has one code a language, mostly ISO 639-1: region and script are dropped, and the codes in the
/// table are what BCP-47 calls the same language.
fn whisper_language(code: &str) -> Result<Option<String>, String> {
    let language = code
        .split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    Ok(Some(match language.as_str() {
        "auto" => return Ok(None),
        "nb" => "no".into(),
        "cmn" => "zh".into(),
        "fil" => "tl".into(),
        "iw" => "he".into(),
        "in" => "id".into(),
        "jv" => "jw".into(),
        "mo" => "ro".into(),
        _ if (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase()) => {
            language
        }
        _ => {
            return Err(format!(
                "language-code={code:?} is no BCP-47 code. Set it to one such as \"en-US\" or \"de\", or to \"auto\""
            ));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcp_47_codes_become_whispers() {
        for (code, expected) in [
            ("auto", Some(None)),
            ("en", Some(Some("en"))),
            ("en-US", Some(Some("en"))),
            ("zh-Hant-TW", Some(Some("zh"))),
            ("nb-NO", Some(Some("no"))),
            ("yue", Some(Some("yue"))),
            ("pt_BR", Some(Some("pt"))),
            ("", None),
            ("english", None),
            ("e1", None),
        ] {
            let found = whisper_language(code).ok();
            assert_eq!(found, expected.map(|e| e.map(str::to_owned)), "{code:?}");
        }
    }

    #[test]
    fn a_model_is_asked_for() {
        let text = Settings::default().config().unwrap_err();
        assert!(text.contains("model-path") && text.contains("bundled"), "{text}");
    }

    #[test]
    fn only_the_bare_word_is_the_bundled_model() {
        assert_eq!(source("bundled"), ModelSource::Bundled);
        for path in ["./bundled", "bundled/x.bin", "Bundled", "x.bin"] {
            assert_eq!(source(path), ModelSource::File(path.into()));
        }
    }
}
