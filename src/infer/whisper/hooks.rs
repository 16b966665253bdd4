//! What whisper.cpp calls while it works: to be stopped, and to let out what it keeps to itself.

#![allow(unsafe_code)] // C functions

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

use parking_lot::Mutex;
use whisper_rs::FullParams;
use whisper_rs::whisper_rs_sys as sys;

use super::history::Written;
use crate::infer::model::Cancel;

/// What the callbacks of a running inference share with it. Its address must not change: see `Whisper`.
pub(super) struct Hooks {
    /// The switch of the recognition that runs.
    cancel: Mutex<Cancel>,
    phase: AtomicU8,
    encodes: AtomicI32,
    progress: AtomicI32,
    written: Mutex<Written>,
    first_timestamp: i32,
    aligned: bool,
    cancelled: AtomicBool,
}

/// A backend graph may be stopped in the encoder and in the first decoder graph only: whisper.cpp asserts
/// that the alignment's graph succeeds, which runs behind the others.
const MAY_STOP: u8 = 1;
const MUST_RUN: u8 = 0;

impl Hooks {
    /// Lets whisper.cpp call these hooks.
    ///
    /// # Safety
    /// `self` must not move, and must outlive every use of `p`.
    pub(super) unsafe fn attach(&self, p: &mut FullParams) {
        let data = self.as_data();
        // SAFETY: the caller's promise; the functions only read the hooks.
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
    }

    /// The pointer that the callbacks get.
    pub(super) fn as_data(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// For a model whose first timestamp token is `first_timestamp`, with or without known alignment heads.
    pub(super) fn new(first_timestamp: i32, aligned: bool) -> Self {
        Hooks {
            cancel: Mutex::default(),
            phase: AtomicU8::new(MUST_RUN),
            encodes: AtomicI32::new(0),
            progress: AtomicI32::new(0),
            written: Mutex::default(),
            first_timestamp,
            aligned,
            cancelled: AtomicBool::new(false),
        }
    }

    /// A window begins, which `cancel` may stop.
    pub(super) fn begin(&self, cancel: &Cancel) {
        *self.cancel.lock() = cancel.clone();
        *self.written.lock() = Written::default();
        self.cancelled.store(false, Ordering::SeqCst);
        self.encodes.store(0, Ordering::SeqCst);
        self.progress.store(0, Ordering::SeqCst);
        self.phase.store(MAY_STOP, Ordering::SeqCst);
    }

    /// The window is over. Whether it was stopped.
    pub(super) fn end(&self) -> bool {
        self.phase.store(MUST_RUN, Ordering::SeqCst);
        self.cancelled.load(Ordering::SeqCst)
    }

    /// How far whisper.cpp came, in whole per cent of what it was given.
    pub(super) fn progress(&self) -> i32 {
        self.progress.load(Ordering::SeqCst)
    }

    /// What the decoders have written.
    pub(super) fn written(&self) -> Written {
        self.written.lock().clone()
    }

    /// # Safety
    /// `data` is what `as_data` returned.
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
    // SAFETY: whisper.cpp hands back the pointer that `attach` set.
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
    let count = usize::try_from(n_tokens).unwrap_or(0);
    // SAFETY: whisper.cpp passes the `n_tokens` tokens that the decoder has written.
    let ids = (0..count).map(|at| unsafe { (*tokens.add(at)).id });
    hooks.written.lock().note(ids.collect());
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

pub(super) unsafe extern "C" fn abort_graph(data: *mut c_void) -> bool {
    // SAFETY: as above.
    let hooks = unsafe { Hooks::of(data) };
    hooks.phase.load(Ordering::SeqCst) == MAY_STOP && hooks.stop()
}

/// whisper.cpp and ggml write to stderr unless told otherwise.
pub(super) fn log_to_gstreamer() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const std::ffi::c_char, _: *mut c_void) {
            if text.is_null() {
                return;
            }
            // SAFETY: ggml passes a NUL-terminated string that lives for the call.
            let text = unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy();
            crate::infer::note(level == sys::ggml_log_level_GGML_LOG_LEVEL_ERROR, text.trim_end());
        }
        // SAFETY: the function is static and takes no data.
        unsafe {
            sys::whisper_log_set(Some(log), std::ptr::null_mut());
            sys::ggml_log_set(Some(log), std::ptr::null_mut());
        }
    });
}
