//! Whisper by whisper.cpp, on the CPU of this process.

#![allow(unsafe_code)] // whisper.cpp's callbacks are C functions

mod hooks;
mod need;
mod parameters;
mod resume;
mod source;

use std::sync::Arc;

use whisper_rs::{FullParams, WhisperContext, WhisperError, WhisperSegment, WhisperState, WhisperToken};

use self::hooks::Hooks;
pub use self::need::{decoders, need, need_of};
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

/// A loaded model with one state.
pub struct Whisper {
    // Declared first, so dropped first: the state before its context, both before the hooks that they call.
    state: Option<WhisperState>,
    context: Option<WhisperContext>,
    hooks: Box<Hooks>,
    /// Parameters of the first window of a stream, and of those behind it. Made once: whisper-rs leaks the
    /// strings at every call.
    first: FullParams<'static, 'static>,
    later: FullParams<'static, 'static>,
    language: Option<String>,
    heard: Option<Arc<str>>,
    multilingual: bool,
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
        report(10);
        let alignment = alignment::of(&shape);
        let context = open(config, &shape)?;
        report(80);
        let hooks = Box::new(Hooks::new(context.token_beg(), alignment.is_known()));
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
        let first = parameters::parameters(&config, &hooks);
        let later = parameters::parameters(
            &WhisperConfig {
                initial_prompt: None,
                ..config.clone()
            },
            &hooks,
        );
        Ok(Whisper {
            state: Some(state),
            context: Some(context),
            hooks,
            first,
            later,
            language: config.language,
            heard: None,
            multilingual: shape.is_multilingual(),
            alignment,
            smaller: source::smaller(&config.model),
        })
    }

    /// What whisper.cpp left in `state`. It was given `given` centiseconds behind `lead` centiseconds of what
    /// came before; its times count from the lead's beginning.
    fn hypothesis(&self, state: &WhisperState, lead: i64, given: i64) -> Hypothesis {
        let eot = self.context.as_ref().map_or(i32::MAX, WhisperContext::token_eot);
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
        let timestamps = self.hooks.timestamps();
        let segment = |segment: WhisperSegment| {
            let tokens = (0..segment.n_tokens()).filter_map(|i| segment.get_token(i));
            let (start, end) = (segment.start_timestamp(), segment.end_timestamp());
            Segment {
                start: samples(resume::begin_of(&timestamps, start - lead, end - lead)),
                end: position(end),
                tokens: tokens.filter(|t| t.token_id() < eot).map(token).collect(),
            }
        };
        let segments = (0..state.full_n_segments()).filter_map(|i| state.get_segment(i));
        let progress = self.hooks.progress();
        let mut segments: Vec<Segment> = segments.map(segment).collect();
        self.alignment.complete(&mut segments);
        Hypothesis {
            segments,
            language: self.heard.clone(),
            next: samples(resume::continue_at(&timestamps, progress, given)),
        }
    }

    /// Notes the language that was detected, for the windows that follow.
    fn hear_language(&mut self, state: &WhisperState) {
        if !self.multilingual {
            self.heard = Some("en".into());
            return;
        }
        let name = whisper_rs::get_lang_str(state.full_lang_id_from_state());
        if self.heard.as_deref() != name {
            self.heard = name.map(Into::into);
            if self.language.is_none() {
                self.later.set_language(name);
            }
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
        if window.context == Context::Start && self.language.is_none() {
            self.heard = None;
        }
        let mut params = match window.context {
            Context::Start => self.first.clone(),
            Context::Reset | Context::Carry => self.later.clone(),
        };
        params.set_no_context(window.context != Context::Carry);
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
            return Err(RunError::Failed(format!(
                "out of memory: whisper.cpp could not grow its cache for several decoders. Use {}, beam-size=1 or \
                 best-of=1",
                self.smaller
            )));
        }
        let outcome = match result {
            _ if cancelled => Err(RunError::Cancelled),
            Err(error) => Err(RunError::Failed(format!(
                "whisper.cpp failed on a window: {error}"
            ))),
            Ok(()) => {
                self.hear_language(&state);
                Ok(self.hypothesis(&state, lead, given))
            }
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

fn samples(centiseconds: i64) -> u64 {
    centiseconds.max(0) as u64 * CENTISECOND
}

fn open(config: &WhisperConfig, shape: &ModelShape) -> Result<WhisperContext, LoadError> {
    let parameters = context_parameters(shape);
    source::open(&config.model, parameters).map_err(|_| {
        heap::give_back();
        LoadError::WrongFile(format!(
            "whisper.cpp cannot load the model {}: its header is right, but the contents are damaged or too new. \
             Download or convert it again (GST_DEBUG=scribe-whisper:4 shows what it says)",
            config.model
        ))
    })
}
