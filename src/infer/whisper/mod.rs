//! Whisper by whisper.cpp, in this process.

#![allow(unsafe_code)] // whisper.cpp's callbacks are C functions

mod device;
mod history;
mod hooks;
mod need;
mod parameters;
mod resume;
mod source;

use std::sync::Arc;

use whisper_rs::{FullParams, WhisperContext, WhisperError, WhisperSegment, WhisperState, WhisperToken};

pub use self::device::cuda_devices;
use self::history::{Marks, Rule};
use self::hooks::Hooks;
pub use self::need::{decoders, need, need_of};
use self::parameters::Parameters;
pub use self::parameters::{WhisperConfig, context_parameters};
pub use self::source::check;
use super::alignment::{self, Alignment};
use super::model::{Cancel, LoadError, RunError};
use super::model_file::ModelShape;
use super::recognizer::Recognizer;
use super::{backend_hook, heap};
use crate::speech::transcribe::{Context, Hypothesis, Segment, Token, Window};
use crate::time::SAMPLE_RATE;

/// Samples of whisper.cpp's time unit, 10 ms.
const CENTISECOND: u64 = SAMPLE_RATE as u64 / 100;
/// whisper.cpp reads 201 samples in any case, and its alignment needs 8 encoder frames: give it 1 s.
const SHORTEST_INPUT: usize = SAMPLE_RATE as usize;

/// A loaded model with one state. It remembers nothing from one window to the next: what it has to know of the text before
/// comes with each window.
pub struct Whisper {
    // Declared first, so dropped first: the state before its context, both before the hooks that they call.
    state: Option<WhisperState>,
    context: Option<WhisperContext>,
    hooks: Box<Hooks>,
    parameters: Parameters,
    /// The tokens of the initial prompt.
    prompt: Vec<i32>,
    rule: Rule,
    marks: Marks,
    multilingual: bool,
    /// How many tokens it knows.
    vocabulary: i32,
    alignment: Alignment,
    /// What to try when memory runs out.
    smaller: String,
}

impl Whisper {
    /// Loads the model on the calling thread, reporting per cent.
    pub fn load(config: &WhisperConfig, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        hooks::log_to_gstreamer();
        report(0);
        let shape = check(&config.model)?;
        parameters::check_language(config, &shape)?;
        device::check(config.cuda_device)?;
        report(10);
        let alignment = alignment::of(&shape);
        let context = open(config, &shape)?;
        report(80);
        let marks = Marks {
            end: context.token_eot(),
            first_timestamp: context.token_beg(),
        };
        let hooks = Box::new(Hooks::new(marks.first_timestamp, alignment.is_known()));
        // SAFETY: `hooks` is boxed and outlives the state in `Whisper`.
        let state = unsafe {
            backend_hook::with_abort(|| context.create_state(), hooks::abort_graph, hooks.as_data())
        };
        let state = state.map_err(|_| {
            LoadError::NoMemory(format!(
                "out of memory: the model {} is loaded, but there is no room for its working state. Use {}, or free \
                 memory",
                config.model,
                source::smaller(&config.model)
            ))
        })?;
        heap::give_back(); // what reading the file left behind
        report(100);
        // whisper.cpp would try to detect a language in an English-only model, too.
        let language = config
            .language
            .clone()
            .or_else(|| (!shape.is_multilingual()).then(|| "en".to_owned()));
        let config = WhisperConfig {
            language,
            ..config.clone()
        };
        let prompt = tokens(&context, config.initial_prompt.as_deref().unwrap_or_default());
        Ok(Whisper {
            state: Some(state),
            hooks,
            prompt,
            rule: history_rule(&config, &context),
            context: Some(context),
            marks,
            multilingual: shape.is_multilingual(),
            vocabulary: shape.n_vocab,
            alignment,
            smaller: source::smaller(&config.model),
            parameters: Parameters::new(config),
        })
    }

    /// What whisper.cpp left in `state`. It was `told` these tokens and given `given` centiseconds behind `lead`
    /// centiseconds of what came before; its times count from the lead's beginning.
    fn hypothesis(&self, state: &WhisperState, told: &[i32], lead: i64, given: i64) -> Hypothesis {
        let position = |centiseconds: i64| samples(centiseconds - lead);
        let token = |t: WhisperToken| {
            let data = t.token_data();
            let (start, end) = self.alignment.times(&data);
            Token {
                bytes: t.to_bytes().unwrap_or_default().to_vec(),
                probability: data.p,
                start: position(start),
                end: position(end),
            }
        };
        let written = self.hooks.written();
        let timestamps = written.timestamps(self.marks);
        let mut ids = Vec::new();
        let mut segment = |segment: WhisperSegment| {
            let (start, end) = (segment.start_timestamp(), segment.end_timestamp());
            let tokens = (0..segment.n_tokens()).filter_map(|i| segment.get_token(i));
            Segment {
                start: samples(resume::begin_of(&timestamps, start - lead, end - lead)),
                end: position(end),
                tokens: tokens
                    .inspect(|t| ids.push(t.token_id()))
                    .filter(|t| t.token_id() < self.marks.end)
                    .map(token)
                    .collect(),
            }
        };
        let segments = (0..state.full_n_segments()).filter_map(|i| state.get_segment(i));
        let mut segments: Vec<Segment> = segments.map(&mut segment).collect();
        let said = written.said(&ids, self.marks);
        let progress = self.hooks.progress();
        self.alignment.complete(&mut segments);
        Hypothesis {
            segments,
            language: self.heard(state),
            next: samples(resume::continue_at(&timestamps, progress, given)),
            history: self.rule.history(told, written.tries, &said),
        }
    }

    /// The language that was set or detected.
    fn heard(&self, state: &WhisperState) -> Option<Arc<str>> {
        match self.multilingual {
            true => whisper_rs::get_lang_str(state.full_lang_id_from_state()).map(Into::into),
            false => Some("en".into()),
        }
    }
}

impl Recognizer for Whisper {
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RunError> {
        let Some(mut state) = self.state.take() else {
            return Err(RunError::Failed(
                "whisper.cpp ran out of memory before and lost its state. Set the element to READY and back to load \
                 the model again, or use a smaller model"
                    .into(),
            ));
        };
        let (language, told) = match window.context {
            Context::Start => (None, &self.prompt),
            Context::Reset | Context::Carry => (window.language.as_deref(), &window.history),
        };
        // What this model cannot have written is another's, and ggml would end the process over it.
        let told: &[i32] = if told.iter().all(|id| (0..self.vocabulary).contains(id)) {
            told
        } else {
            &[]
        };
        let mut params: FullParams<'static, '_> = self.parameters.of(language, &self.hooks);
        params.set_no_context(true);
        params.set_tokens(told);
        self.hooks.begin(cancel);
        let lead = window.before.len() / CENTISECOND as usize * CENTISECOND as usize;
        let mut audio = window.before[window.before.len() - lead..].to_vec();
        audio.extend_from_slice(&window.samples);
        audio.resize(audio.len().max(lead + SHORTEST_INPUT), 0.0);
        let centiseconds = |samples: usize| (samples as u64 / CENTISECOND) as i64;
        let (lead, given) = (centiseconds(lead), centiseconds(audio.len() - lead));
        params.set_offset_ms(lead as i32 * 10);
        let result = state.full(params, &audio);
        let cancelled = self.hooks.end();
        if let Err(WhisperError::GenericError(-7)) = result {
            // whisper.cpp has freed the state itself (trap 1): freeing it again would crash.
            std::mem::forget(state);
            return Err(RunError::NoMemory {
                how: format!(
                    "out of memory: whisper.cpp could not grow its cache for several decoders. Use {}, beam-size=1 or \
                     best-of=1",
                    self.smaller
                ),
                begun: true,
                died: false,
            });
        }
        let outcome = match result {
            _ if cancelled => Err(RunError::Cancelled),
            Err(error) => Err(RunError::Failed(format!(
                "whisper.cpp failed on a window: {error}"
            ))),
            Ok(()) => Ok(self.hypothesis(&state, told, lead, given)),
        };
        self.state = Some(state);
        outcome
    }
}

impl Drop for Whisper {
    fn drop(&mut self) {
        self.state = None;
        self.context = None;
        heap::give_back();
    }
}

/// `text` as the model reads it; empty where it cannot.
fn tokens(context: &WhisperContext, text: &str) -> Vec<i32> {
    // whisper.cpp makes no more tokens than there are bytes.
    context.tokenize(text, text.len().max(1)).unwrap_or_default()
}

/// As whisper.cpp tells text: never more than half of what the model can read.
fn history_rule(config: &WhisperConfig, context: &WhisperContext) -> Rule {
    let most = config.max_context.min(context.n_text_ctx() / 2);
    Rule {
        most: usize::try_from(most).unwrap_or(0),
        temperature: config.temperature,
        increment: config.temperature_increment,
    }
}

fn samples(centiseconds: i64) -> u64 {
    centiseconds.max(0) as u64 * CENTISECOND
}

fn open(config: &WhisperConfig, shape: &ModelShape) -> Result<WhisperContext, LoadError> {
    let parameters = parameters::context_parameters_of(config, shape);
    source::open(&config.model, parameters).map_err(|_| {
        heap::give_back();
        LoadError::WrongFile(format!(
            "whisper.cpp cannot load the model {}: its header is right, but the contents are damaged or too new. \
             Download or convert it again (GST_DEBUG=scribe-whisper:4 shows what it says)",
            config.model
        ))
    })
}
