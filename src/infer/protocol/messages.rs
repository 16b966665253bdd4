//! The messages. The library speaks first; a worker answers each request once, and beats in between.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::{self, ProtocolError};
use crate::infer::model::{LoadError, RunError};
use crate::infer::whisper::WhisperConfig;
use crate::speech::transcribe::{Context, Hypothesis, Window};

/// To the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message, see [`software`].
    Hello {
        /// Of the library.
        software: String,
    },
    /// The second. Answered by [`FromWorker::Progress`] and, at last, `Loaded` or `LoadFailed`.
    Load(Load),
    /// What is said in this frame's audio? See [`window_of`].
    Run {
        /// Counts up; the answer has the same.
        id: u64,
        /// All but the samples.
        window: Header,
    },
    /// The answer to this request and all before it is not wanted any more; `RunFailed` with `Cancelled` comes soon.
    Cancel {
        /// Of the request.
        id: u64,
    },
    /// End. No answer.
    Bye,
}

/// A [`Window`] without its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    start: u64,
    /// How many of the samples come before the window; they are the first.
    before: u32,
    context: Context,
    history: Vec<i32>,
    language: Option<Arc<str>>,
}

/// What a worker hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// A [`Whisper`](crate::infer::whisper::Whisper).
    Whisper(WhisperConfig),
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message.
    Hello {
        /// Of the worker.
        software: String,
    },
    /// Per cent of the model are loaded.
    Progress(i32),
    /// The model can be asked.
    Loaded,
    /// There is none. The worker ends.
    LoadFailed(LoadError),
    /// To [`ToWorker::Run`].
    Answer {
        /// Of the request.
        id: u64,
        /// What the model heard.
        hypothesis: Hypothesis,
    },
    /// To [`ToWorker::Run`].
    RunFailed {
        /// Of the request.
        id: u64,
        /// Why.
        error: RunError,
    },
    /// Once a second, whatever the model does: the process works. A long inference is told from a hang by it.
    Heartbeat,
}

/// Name and version of this code. A message does not describe itself, so both ends must be of the same release.
pub fn software() -> String {
    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// The frame of the request `id` for `window`.
///
/// # Errors
/// As [`frame::encode`].
pub fn window_frame(id: u64, window: &Window) -> Result<Vec<u8>, ProtocolError> {
    let run = ToWorker::Run {
        id,
        window: Header {
            start: window.start,
            before: window.before.len() as u32, // what is too long for 32 bits is too long for a frame
            context: window.context,
            history: window.history.clone(),
            language: window.language.clone(),
        },
    };
    frame::encode(&run, &[&window.before, &window.samples])
}

/// The window of a [`ToWorker::Run`] whose frame holds `audio`.
///
/// # Errors
/// [`ProtocolError::Malformed`] where `before` is more than there is.
pub fn window_of(header: Header, mut audio: Vec<f32>) -> Result<Window, ProtocolError> {
    let before = header.before as usize;
    if before > audio.len() {
        return Err(ProtocolError::Malformed(format!(
            "{before} samples before the window, but only {} in the frame",
            audio.len()
        )));
    }
    let samples = audio.split_off(before);
    Ok(Window {
        start: header.start,
        samples,
        before: audio,
        context: header.context,
        history: header.history,
        language: header.language,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::model::ModelSource;
    use crate::infer::protocol::frame::Frame;
    use crate::speech::transcribe::{Segment, Token};

    fn there_and_back<T: Serialize + serde::de::DeserializeOwned>(message: &T) -> T {
        let bytes = frame::encode(message, &[]).unwrap();
        frame::read(&mut bytes.as_slice()).unwrap().unwrap().message
    }

    #[test]
    fn answers_keep_every_bit() {
        let hypothesis = Hypothesis {
            segments: vec![Segment {
                start: 1,
                end: u64::MAX,
                tokens: vec![Token {
                    bytes: vec![0xe2, 0x82],
                    probability: 0.1,
                    start: 2,
                    end: 3,
                }],
            }],
            language: Some("de".into()),
            next: 480_000,
            history: vec![50_364, -1, i32::MAX],
        };
        for message in [
            FromWorker::Answer { id: 7, hypothesis },
            FromWorker::RunFailed {
                id: 8,
                error: RunError::Failed("no".into()),
            },
            FromWorker::LoadFailed(LoadError::NoMemory("out of memory".into())),
            FromWorker::Hello { software: software() },
            FromWorker::Heartbeat,
        ] {
            assert_eq!(there_and_back(&message), message);
        }
    }

    #[test]
    fn what_to_load_keeps_every_bit() {
        let config = WhisperConfig {
            model: ModelSource::File("/models/größe.bin".into()),
            language: Some("de".into()),
            translate: true,
            initial_prompt: None,
            beam_size: 2,
            best_of: 5,
            temperature: 0.3,
            temperature_increment: 0.2,
            entropy_threshold: 2.4,
            logprob_threshold: -1.0,
            no_speech_threshold: 0.6,
            max_context: 64,
            suppress_non_speech: true,
            threads: 3,
        };
        let message = ToWorker::Load(Load::Whisper(config));
        assert_eq!(there_and_back(&message), message);
    }

    #[test]
    fn windows_keep_every_sample() {
        let window = Window {
            start: 480_000,
            samples: vec![0.5, -0.25, f32::EPSILON],
            before: vec![1.0, 2.0],
            context: Context::Carry,
            history: vec![1, 50_400],
            language: Some("de".into()),
        };
        let bytes = window_frame(3, &window).unwrap();
        let frame: Frame<ToWorker> = frame::read(&mut bytes.as_slice()).unwrap().unwrap();
        let ToWorker::Run {
            id: 3,
            window: header,
        } = frame.message
        else {
            panic!("another message: {:?}", frame.message);
        };
        assert_eq!(window_of(header.clone(), frame.audio).unwrap(), window);
        let short = Header { before: 3, ..header };
        let error = window_of(short, vec![0.0; 2]).unwrap_err();
        assert!(error.to_string().contains("only 2 in the frame"), "{error}");
    }
}
