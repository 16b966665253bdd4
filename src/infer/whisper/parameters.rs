//! The settings of a transcription, as whisper.cpp takes them.

#![allow(unsafe_code)] // the parameters carry callbacks

use serde::{Deserialize, Serialize};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContextParameters};

use super::hooks::Hooks;
use crate::infer::alignment;
use crate::infer::model::{LoadError, ModelSource};
use crate::infer::model_file::ModelShape;
use crate::memory::estimate::Place;
use crate::memory::probes::Device;

/// How to transcribe. The names and defaults of whisper.cpp's `whisper_full_params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhisperConfig {
    /// The ggml model.
    pub model: ModelSource,
    /// Language as whisper.cpp knows it ("en"), or `None` to detect it once.
    pub language: Option<String>,
    /// Translate into English.
    pub translate: bool,
    /// Text that the stream is said to follow; steers spelling and style.
    pub initial_prompt: Option<String>,
    /// 1: greedy; more: beam search of that width.
    pub beam_size: i32,
    /// Candidates when sampling at a temperature above 0.
    pub best_of: i32,
    /// First temperature.
    pub temperature: f32,
    /// Step of the fallback; 0 turns it off.
    pub temperature_increment: f32,
    /// A decode with less entropy is a repetition loop, and failed.
    pub entropy_threshold: f32,
    /// A decode with a lower mean log probability failed.
    pub logprob_threshold: f32,
    /// With a higher no-speech probability (and a failed decode) a window is silence.
    pub no_speech_threshold: f32,
    /// Tokens of earlier text that a window is given; 0: none.
    pub max_context: i32,
    /// Never write what is no speech, such as "(music)".
    pub suppress_non_speech: bool,
    /// CPU threads.
    pub threads: i32,
    /// The CUDA device that holds the model and works; `None` is the CPU.
    pub cuda_device: Option<u32>,
}

impl Default for WhisperConfig {
    /// The bundled model on one thread of the CPU, as whisper.cpp works by default (`whisper_full_default_params`,
    /// whisper-cli), but for two values.
    fn default() -> Self {
        WhisperConfig {
            model: ModelSource::Bundled,
            language: None,
            translate: false,
            initial_prompt: None,
            beam_size: 1,
            best_of: 5,
            temperature: 0.0,
            temperature_increment: 0.2,
            entropy_threshold: 2.4,
            logprob_threshold: -1.0,
            no_speech_threshold: 0.6,
            // whisper.cpp takes up to 224; long contexts feed repetition loops (whisper.cpp discussions; its own streaming
            // examples use 0 to 64).
            max_context: 64,
            // whisper.cpp writes sounds as well.
            suppress_non_speech: true,
            threads: 1,
            cuda_device: None,
        }
    }
}

impl WhisperConfig {
    /// Where the model is to be.
    pub fn device(&self) -> Device {
        self.cuda_device.map_or(Device::Cpu, Device::Cuda)
    }

    /// Whose memory it takes.
    pub fn place(&self) -> Place {
        match self.cuda_device {
            Some(_) => Place::Gpu,
            None => Place::Host,
        }
    }
}

/// Whether a model of this shape can do what is asked for.
pub(super) fn check_language(config: &WhisperConfig, shape: &ModelShape) -> Result<(), LoadError> {
    let model = &config.model;
    let language = config.language.as_deref().unwrap_or("en");
    if whisper_rs::get_lang_id(language).is_none() {
        return Err(LoadError::WrongFile(format!(
            "Whisper knows no language {language:?}. Set language-code to a BCP-47 code such as \"en-US\" or \"de\", \
             or to \"auto\""
        )));
    }
    if !shape.is_multilingual() && (language != "en" || config.translate) {
        return Err(LoadError::WrongFile(format!(
            "the model {model} knows English only, but {} is asked for. Use a multilingual model (without .en in \
             its name)",
            if config.translate {
                "a translation".to_owned()
            } else {
                format!("language-code={language}")
            }
        )));
    }
    Ok(())
}

/// How a model of this shape is opened on the CPU: a direct call with these does the same work.
pub fn context_parameters(shape: &ModelShape) -> WhisperContextParameters<'static> {
    let mut parameters = WhisperContextParameters::new();
    // On a CPU flash attention costs time in this version, and alignment cannot work with it.
    parameters
        .use_gpu(false)
        .flash_attn(false)
        .dtw_parameters(alignment::of(shape).parameters());
    parameters
}

/// How it is opened where `config` says.
pub(super) fn context_parameters_of(
    config: &WhisperConfig,
    shape: &ModelShape,
) -> WhisperContextParameters<'static> {
    let mut parameters = context_parameters(shape);
    if let Some(index) = config.cuda_device {
        // Without flash attention here, too: the alignment of words needs the attention's matrix.
        parameters
            .use_gpu(true)
            .gpu_device(i32::try_from(index).unwrap_or(i32::MAX));
    }
    parameters
}

/// The parameters of a window's call, made once for each language: whisper-rs leaks the string at every making.
pub(super) struct Parameters {
    config: WhisperConfig,
    made: Vec<(Option<&'static str>, FullParams<'static, 'static>)>,
}

impl Parameters {
    pub fn new(config: WhisperConfig) -> Self {
        Parameters {
            config,
            made: Vec::new(),
        }
    }

    /// For a text in `heard`, unless the language was set. `hooks` must not move, and must outlive them.
    pub fn of(&mut self, heard: Option<&str>, hooks: &Hooks) -> FullParams<'static, 'static> {
        let language = language_name(self.config.language.as_deref().or(heard));
        if let Some((_, known)) = self.made.iter().find(|(name, _)| *name == language) {
            return known.clone();
        }
        let made = parameters(&self.config, language.unwrap_or("auto"), hooks);
        self.made.push((language, made.clone()));
        made
    }
}

fn parameters(config: &WhisperConfig, language: &'static str, hooks: &Hooks) -> FullParams<'static, 'static> {
    let mut p = FullParams::new(match config.beam_size {
        ..=1 => SamplingStrategy::Greedy {
            best_of: config.best_of,
        },
        beam_size => SamplingStrategy::BeamSearch {
            beam_size,
            patience: -1.0,
        },
    });
    p.set_print_progress(false);
    p.set_print_realtime(false);
    p.set_print_timestamps(false);
    p.set_print_special(false);
    p.set_n_threads(config.threads);
    p.set_translate(config.translate);
    // Leaked, by whisper-rs's interface: a few bytes, freed by nobody.
    p.set_language(Some(language));
    p.set_n_max_text_ctx(config.max_context);
    p.set_temperature(config.temperature);
    p.set_temperature_inc(config.temperature_increment);
    p.set_entropy_thold(config.entropy_threshold);
    p.set_logprob_thold(config.logprob_threshold);
    p.set_no_speech_thold(config.no_speech_threshold);
    p.set_suppress_nst(config.suppress_non_speech);
    p.set_token_timestamps(true);
    // 1.0, the default, would move speech that begins later in the window to its first second.
    p.set_max_initial_ts(0.0);
    // SAFETY: the hooks are boxed in `Whisper`, which holds the parameters, too.
    unsafe { hooks.attach(&mut p) };
    p
}

/// whisper.cpp's own static name of a language; `None` where it is to be detected.
fn language_name(language: Option<&str>) -> Option<&'static str> {
    let id = language.and_then(whisper_rs::get_lang_id)?;
    whisper_rs::get_lang_str(id)
}
