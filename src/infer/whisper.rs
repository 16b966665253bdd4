//! Whisper by whisper.cpp, on the CPU of this process.

#![allow(unsafe_code)] // whisper.cpp's callbacks are C functions

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

use parking_lot::Mutex;
use whisper_rs::whisper_rs_sys as sys;
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperSegment,
    WhisperState, WhisperToken,
};

use super::alignment::{self, Alignment};
use super::model_file::{self, ModelShape};
use super::recognizer::{Cancel, LoadError, RecognizeError, Recognizer};
use super::{backend_hook, heap};
use crate::speech::transcribe::{Context, Hypothesis, Segment, Token, Window};
use crate::time::SAMPLE_RATE;

/// Samples of whisper.cpp's time unit, 10 ms.
const CENTISECOND: u64 = SAMPLE_RATE as u64 / 100;
/// whisper.cpp reads 201 samples in any case, and its alignment needs 8 encoder frames: give it 1 s.
const SHORTEST_INPUT: usize = SAMPLE_RATE as usize;
/// A whole window, in centiseconds.
const WINDOW_CS: i64 = 3000;

/// How to transcribe. The names and defaults of whisper.cpp's `whisper_full_params`.
#[derive(Clone, Debug, PartialEq)]
pub struct WhisperConfig {
    /// The ggml model file.
    pub model: PathBuf,
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
}

/// What the callbacks of a running inference share with it. Its address must not change: see `Whisper`.
struct Hooks {
    /// The switch of the recognition that runs.
    cancel: Mutex<Cancel>,
    phase: AtomicU8,
    encodes: AtomicI32,
    progress: AtomicI32,
    /// Every timestamp that a decoder has written at the last temperature, in centiseconds of the window.
    timestamps: Mutex<BTreeSet<i64>>,
    first_timestamp: i32,
    aligned: bool,
    cancelled: AtomicBool,
}

/// A backend graph may be stopped in the encoder and in the first decoder graph only: whisper.cpp asserts
/// that the alignment's graph succeeds, which runs behind the others.
const MAY_STOP: u8 = 1;
const MUST_RUN: u8 = 0;

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
}

impl Whisper {
    /// Loads the model on the calling thread, reporting per cent.
    pub fn load(config: &WhisperConfig, report: &mut dyn FnMut(i32)) -> Result<Self, LoadError> {
        log_to_gstreamer();
        report(0);
        let shape = model_file::check(&config.model)?;
        check_language(config, &shape)?;
        report(10);
        let alignment = alignment::of(&shape);
        let context = open(config, &shape)?;
        report(80);
        let hooks = Box::new(Hooks {
            cancel: Mutex::default(),
            phase: AtomicU8::new(MUST_RUN),
            encodes: AtomicI32::new(0),
            progress: AtomicI32::new(0),
            timestamps: Mutex::default(),
            first_timestamp: context.token_beg(),
            aligned: alignment.is_known(),
            cancelled: AtomicBool::new(false),
        });
        // SAFETY: `hooks` is boxed and outlives the state in `Whisper`.
        let state = unsafe {
            backend_hook::with_abort(
                || context.create_state(),
                abort_graph,
                hooks.as_ref() as *const Hooks as *mut c_void,
            )
        };
        let state = state.map_err(|_| {
            LoadError::NoMemory(format!(
                "out of memory: the model {} is loaded, but there is no room for its working state. Use a smaller \
                 model, or free memory",
                config.model.display()
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
        let first = parameters(&config, &hooks);
        let mut later = parameters(
            &WhisperConfig {
                initial_prompt: None,
                ..config.clone()
            },
            &hooks,
        );
        later.set_no_context(false);
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
        let timestamps = self.hooks.timestamps.lock().clone();
        let segment = |segment: WhisperSegment| {
            let tokens = (0..segment.n_tokens()).filter_map(|i| segment.get_token(i));
            let (start, end) = (segment.start_timestamp(), segment.end_timestamp());
            Segment {
                start: samples(begin_of(&timestamps, start - lead, end - lead)),
                end: position(end),
                tokens: tokens.filter(|t| t.token_id() < eot).map(token).collect(),
            }
        };
        let segments = (0..state.full_n_segments()).filter_map(|i| state.get_segment(i));
        let progress = self.hooks.progress.load(Ordering::SeqCst);
        let mut segments: Vec<Segment> = segments.map(segment).collect();
        self.alignment.complete(&mut segments);
        Hypothesis {
            segments,
            language: self.heard.clone(),
            next: samples(continue_at(&timestamps, progress, given)),
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
    fn recognize(&mut self, window: &Window, cancel: &Cancel) -> Result<Hypothesis, RecognizeError> {
        let Some(mut state) = self.state.take() else {
            return Err(RecognizeError::Failed(
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
        *self.hooks.cancel.lock() = cancel.clone();
        self.hooks.timestamps.lock().clear();
        self.hooks.cancelled.store(false, Ordering::SeqCst);
        self.hooks.encodes.store(0, Ordering::SeqCst);
        self.hooks.progress.store(0, Ordering::SeqCst);
        self.hooks.phase.store(MAY_STOP, Ordering::SeqCst);
        let lead = window.before.len() / CENTISECOND as usize * CENTISECOND as usize;
        let mut audio = window.before[window.before.len() - lead..].to_vec();
        audio.extend_from_slice(&window.samples);
        audio.resize(audio.len().max(lead + SHORTEST_INPUT), 0.0);
        let centiseconds = |samples: usize| (samples as u64 / CENTISECOND) as i64;
        let (lead, given) = (centiseconds(lead), centiseconds(audio.len() - lead));
        params.set_offset_ms(lead as i32 * 10);
        let result = state.full(params, &audio);
        self.hooks.phase.store(MUST_RUN, Ordering::SeqCst);
        if let Err(WhisperError::GenericError(-7)) = result {
            // whisper.cpp has freed the state itself (trap 1): freeing it again would crash.
            std::mem::forget(state);
            return Err(RecognizeError::Failed(
                "out of memory: whisper.cpp could not grow its cache for several decoders. Use a smaller model, \
                 beam-size=1 or best-of=1"
                    .into(),
            ));
        }
        let outcome = match result {
            _ if self.hooks.cancelled.load(Ordering::SeqCst) => Err(RecognizeError::Cancelled),
            Err(error) => Err(RecognizeError::Failed(format!(
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

/// Where whisper.cpp would go on in a longer recording, in centiseconds of the window.
///
/// It keeps that number to itself: it is the last timestamp that its best decoder wrote, or the end of the window
/// when only one timestamp ends the answer (nothing is said behind it) or none was written. What comes out is
/// `progress`, that number in whole per cent of the `given` centiseconds, and, by the logits callback, all
/// `timestamps` of all decoders: the last of them with the right per cent is it.
fn continue_at(timestamps: &BTreeSet<i64>, progress: i32, given: i64) -> i64 {
    let percent = |cs: i64| (100 * cs / given.max(1)) as i32;
    let whole = given.min(WINDOW_CS);
    let written = timestamps.iter().rev().find(|t| percent(**t) == progress);
    written.copied().unwrap_or(whole).min(whole)
}

/// When a segment begins, in centiseconds. whisper.cpp says `start`, the end of the segment before; the model wrote
/// the beginning itself, as the next timestamp behind that.
fn begin_of(timestamps: &BTreeSet<i64>, start: i64, end: i64) -> i64 {
    timestamps
        .range(start + 1..end.max(start + 1))
        .next()
        .copied()
        .unwrap_or(start)
}

fn samples(centiseconds: i64) -> u64 {
    centiseconds.max(0) as u64 * CENTISECOND
}

fn check_language(config: &WhisperConfig, shape: &ModelShape) -> Result<(), LoadError> {
    let model = config.model.display();
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

/// How a model of this shape is opened: a direct call with these does the same work.
pub fn context_parameters(shape: &ModelShape) -> WhisperContextParameters<'static> {
    let mut parameters = WhisperContextParameters::new();
    // On a CPU flash attention costs time in this version, and alignment cannot work with it.
    parameters
        .use_gpu(false)
        .flash_attn(false)
        .dtw_parameters(alignment::of(shape).parameters());
    parameters
}

fn open(config: &WhisperConfig, shape: &ModelShape) -> Result<WhisperContext, LoadError> {
    let parameters = context_parameters(shape);
    WhisperContext::new_with_params(&config.model, parameters).map_err(|_| {
        heap::give_back();
        LoadError::WrongFile(format!(
            "whisper.cpp cannot load the model file {}: its header is right, but the contents are damaged or too new. \
             Download or convert it again (GST_DEBUG=scribe-whisper:4 shows what it says)",
            config.model.display()
        ))
    })
}

fn parameters(config: &WhisperConfig, hooks: &Hooks) -> FullParams<'static, 'static> {
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
    // Leaked once for each load, by whisper-rs's interface: a few bytes, freed by nobody.
    p.set_language(Some(language_name(config.language.as_deref())));
    if let Some(prompt) = &config.initial_prompt {
        p.set_initial_prompt(prompt);
    }
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
    let data = hooks as *const Hooks as *mut c_void;
    // SAFETY: `hooks` outlives the parameters: both are fields of `Whisper`. The functions read it only.
    unsafe {
        p.set_start_encoder_callback(Some(begin_encoder));
        p.set_start_encoder_callback_user_data(data);
        p.set_progress_callback(Some(note_progress));
        p.set_progress_callback_user_data(data);
        p.set_filter_logits_callback(Some(filter_logits));
        p.set_filter_logits_callback_user_data(data);
        p.set_abort_callback(Some(abort_between_graphs));
        p.set_abort_callback_user_data(data);
    }
    p
}

/// whisper.cpp's own static name of a language, so that nothing is borrowed.
fn language_name(language: Option<&str>) -> &'static str {
    language
        .and_then(whisper_rs::get_lang_id)
        .and_then(whisper_rs::get_lang_str)
        .unwrap_or("auto")
}

impl Hooks {
    /// # Safety
    /// `data` is the pointer that `parameters` and `load` gave out.
    unsafe fn of<'a>(data: *mut c_void) -> &'a Hooks {
        // SAFETY: by the contract above it points to a live `Hooks`.
        unsafe { &*data.cast::<Hooks>() }
    }

    fn stop(&self) -> bool {
        let stop = self.cancel.lock().is_set();
        if stop {
            self.cancelled.store(true, Ordering::SeqCst);
        }
        stop
    }
}

/// One call decodes one window: the second time whisper.cpp asks, the answer is no, and it returns with what it has.
unsafe extern "C" fn begin_encoder(
    _: *mut sys::whisper_context,
    _: *mut sys::whisper_state,
    data: *mut c_void,
) -> bool {
    // SAFETY: whisper.cpp hands back the pointer that `parameters` set.
    let hooks = unsafe { Hooks::of(data) };
    hooks.encodes.fetch_add(1, Ordering::SeqCst) == 0 && !hooks.stop()
}

unsafe extern "C" fn note_progress(
    _: *mut sys::whisper_context,
    _: *mut sys::whisper_state,
    percent: i32,
    data: *mut c_void,
) {
    // SAFETY: as above.
    unsafe { Hooks::of(data) }
        .progress
        .store(percent, Ordering::SeqCst);
}

/// Runs behind each decoder graph, before a token is chosen.
unsafe extern "C" fn filter_logits(
    _: *mut sys::whisper_context,
    _: *mut sys::whisper_state,
    tokens: *const sys::whisper_token_data,
    n_tokens: i32,
    logits: *mut f32,
    data: *mut c_void,
) {
    // SAFETY: as above.
    let hooks = unsafe { Hooks::of(data) };
    hooks.phase.store(MUST_RUN, Ordering::SeqCst);
    if n_tokens == 0 {
        hooks.timestamps.lock().clear(); // another temperature
    }
    if let Some(last) = n_tokens.checked_sub(1) {
        // SAFETY: whisper.cpp passes the `n_tokens` tokens that the decoder has written.
        let id = unsafe { (*tokens.offset(last as isize)).id };
        if id > hooks.first_timestamp {
            hooks
                .timestamps
                .lock()
                .insert(2 * i64::from(id - hooks.first_timestamp)); // 20 ms each
        }
    }
    if hooks.aligned {
        // The alignment's median filter asserts on 8 encoder frames of 20 ms: no timestamp may claim less.
        for token in hooks.first_timestamp + 1..hooks.first_timestamp + 8 {
            // SAFETY: `logits` has one entry a token; all models have 1501 timestamp tokens.
            unsafe { *logits.offset(token as isize) = f32::NEG_INFINITY };
        }
    }
}

unsafe extern "C" fn abort_between_graphs(data: *mut c_void) -> bool {
    // SAFETY: as above.
    unsafe { Hooks::of(data) }.stop()
}

unsafe extern "C" fn abort_graph(data: *mut c_void) -> bool {
    // SAFETY: as above.
    let hooks = unsafe { Hooks::of(data) };
    hooks.phase.load(Ordering::SeqCst) == MAY_STOP && hooks.stop()
}

/// whisper.cpp and ggml write to stderr unless told otherwise.
fn log_to_gstreamer() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const std::ffi::c_char, _: *mut c_void) {
            if text.is_null() {
                return;
            }
            // SAFETY: ggml passes a NUL-terminated string that lives for the call.
            let text = unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy();
            super::note(level == sys::ggml_log_level_GGML_LOG_LEVEL_ERROR, text.trim_end());
        }
        // SAFETY: the function is static and takes no data.
        unsafe {
            sys::whisper_log_set(Some(log), std::ptr::null_mut());
            sys::ggml_log_set(Some(log), std::ptr::null_mut());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_begins_where_whisper_would_go_on() {
        let given = 3100; // centiseconds: a per cent is 31
        for (timestamps, percent, expected) in [
            (&[1000, 2860][..], 92, 2860),       // closed at 28.6 s
            (&[1000, 2860][..], 96, 3000),       // a single timestamp at the end: nothing behind it
            (&[][..], 96, 3000),                 // no timestamp at all
            (&[1000, 1490, 1500][..], 48, 1500), // the last two differ: the later one counts
            (&[1000, 2860][..], 32, 1000),       // another decoder was better
            (&[3000][..], 96, 3000),
        ] {
            let timestamps: BTreeSet<i64> = timestamps.iter().copied().collect();
            assert_eq!(
                continue_at(&timestamps, percent, given),
                expected,
                "{timestamps:?} {percent} %"
            );
        }
        assert_eq!(continue_at(&BTreeSet::from([400]), 80, 500), 400, "a short rest");
        assert_eq!(continue_at(&BTreeSet::from([400]), 100, 500), 500);
    }

    #[test]
    fn a_segment_begins_where_the_model_said() {
        let timestamps = BTreeSet::from([100, 300, 402, 567]);
        assert_eq!(begin_of(&timestamps, 300, 567), 402, "a pause before it");
        assert_eq!(begin_of(&timestamps, 100, 300), 100, "no pause");
        assert_eq!(begin_of(&timestamps, 0, 300), 100, "the first");
        assert_eq!(begin_of(&timestamps, 567, 567), 567);
    }
}
