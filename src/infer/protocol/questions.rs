//! What models are asked and what they say, as it travels: the one place that knows both forms.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::ProtocolError;
use super::messages::Facts;
use crate::infer::model::Model;
use crate::infer::recognizer::Recognizer;
use crate::infer::speaker_models::{self, Decode, SpeakerFacts, SpeakerModels};
use crate::speech::diarize::{self, Analysis, Embedding};
use crate::speech::transcribe::{Context, Hypothesis, Window};

/// A request without its audio, which is the frame's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// What is said in this window?
    Window(Header),
    /// Who speaks when in each of these windows?
    Windows {
        /// The samples of all lie one behind the other.
        windows: Vec<Span>,
        /// [`speaker_models::Request::Windows`].
        decode: Decode,
    },
    /// How does this one voice sound?
    Voice,
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

/// A [`diarize::Window`] without its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    start: u64,
    /// How many.
    samples: u32,
    focus: Option<Range<usize>>,
}

/// What a model says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Question::Window`].
    Hypothesis(Hypothesis),
    /// To [`Question::Windows`].
    Analyses(Vec<Analysis>),
    /// To [`Question::Voice`].
    Voice(Option<Embedding>),
}

/// A request, ready to travel.
#[derive(Debug)]
pub struct Packed<'a> {
    /// All but the audio.
    pub question: Question,
    /// The audio, in parts.
    pub audio: Vec<&'a [f32]>,
}

impl Packed<'_> {
    /// Samples of all parts.
    pub fn samples(&self) -> usize {
        self.audio.iter().map(|part| part.len()).sum()
    }
}

/// For a [`Recognizer`].
pub fn pack_window(window: &Window) -> Packed<'_> {
    Packed {
        question: Question::Window(Header {
            start: window.start,
            before: window.before.len() as u32, // what is too long for 32 bits is too long for a frame
            context: window.context,
            history: window.history.clone(),
            language: window.language.clone(),
        }),
        audio: vec![&window.before, &window.samples],
    }
}

/// For [`SpeakerModels`].
pub fn pack_windows(windows: &[diarize::Window], decode: Decode) -> Packed<'_> {
    Packed {
        question: Question::Windows {
            windows: windows
                .iter()
                .map(|w| Span {
                    start: w.start,
                    samples: w.samples.len() as u32,
                    focus: w.focus.clone(),
                })
                .collect(),
            decode,
        },
        audio: windows.iter().map(|w| w.samples.as_slice()).collect(),
    }
}

/// For [`SpeakerModels`].
pub fn pack_voice(samples: &[f32]) -> Packed<'_> {
    Packed {
        question: Question::Voice,
        audio: vec![samples],
    }
}

/// A model whose requests and answers travel.
pub trait Travels: Model {
    /// The request of a frame that holds `question` and `audio`.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] where the audio is not as long as the question says, or another kind of model is
    /// asked.
    fn unpack(question: Question, audio: Vec<f32>) -> Result<Self::Request, ProtocolError>;

    /// Its answer.
    fn reply(answer: Self::Answer) -> Reply;

    /// What is to be known of it.
    fn tell(facts: Self::Facts) -> Facts;
}

impl Travels for dyn Recognizer {
    fn unpack(question: Question, mut audio: Vec<f32>) -> Result<Window, ProtocolError> {
        let Question::Window(header) = question else {
            return Err(misdirected(&question));
        };
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

    fn reply(answer: Hypothesis) -> Reply {
        Reply::Hypothesis(answer)
    }

    fn tell((): ()) -> Facts {
        Facts::Recognizer
    }
}

impl Travels for dyn SpeakerModels {
    fn unpack(question: Question, audio: Vec<f32>) -> Result<speaker_models::Request, ProtocolError> {
        match question {
            Question::Window(_) => Err(misdirected(&question)),
            Question::Windows { windows, decode } => {
                Ok(speaker_models::Request::Windows(cut(&windows, &audio)?, decode))
            }
            Question::Voice => Ok(speaker_models::Request::Voice(audio)),
        }
    }

    fn reply(answer: speaker_models::Answer) -> Reply {
        match answer {
            speaker_models::Answer::Windows(analyses) => Reply::Analyses(analyses),
            speaker_models::Answer::Voice(embedding) => Reply::Voice(embedding),
        }
    }

    fn tell(facts: SpeakerFacts) -> Facts {
        Facts::Speakers(facts)
    }
}

fn misdirected(question: &Question) -> ProtocolError {
    ProtocolError::Malformed(format!("a model of another kind was asked {question:?}"))
}

/// These windows, with their samples out of `audio`.
fn cut(windows: &[Span], mut audio: &[f32]) -> Result<Vec<diarize::Window>, ProtocolError> {
    let short = || ProtocolError::Malformed("the windows of a request are not as long as its audio".into());
    let mut found = Vec::new(); // it grows as audio is found for it, whatever was announced
    for window in windows {
        let (samples, rest) = audio
            .split_at_checked(window.samples as usize)
            .ok_or_else(short)?;
        audio = rest;
        found.push(diarize::Window {
            start: window.start,
            samples: samples.to_vec(),
            focus: window.focus.clone(),
        });
    }
    match audio {
        [] => Ok(found),
        _ => Err(short()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::protocol::ToWorker;
    use crate::infer::protocol::frame::{self, Frame};

    /// What arrives of a request.
    fn sent(packed: &Packed<'_>) -> (Question, Vec<f32>) {
        let run = ToWorker::Run {
            model: 1,
            id: 3,
            question: packed.question.clone(),
            budget: 1_000,
        };
        let bytes = frame::encode(&run, &packed.audio).unwrap();
        let Frame { message, audio } = frame::read(&mut bytes.as_slice()).unwrap().unwrap();
        let ToWorker::Run { question, .. } = message else {
            panic!("another message: {message:?}");
        };
        (question, audio)
    }

    #[test]
    fn windows_of_speech_keep_every_sample() {
        let window = Window {
            start: 480_000,
            samples: vec![0.5, -0.25, f32::EPSILON],
            before: vec![1.0, 2.0],
            context: Context::Carry,
            history: vec![1, 50_400],
            language: Some("de".into()),
        };
        let (question, audio) = sent(&pack_window(&window));
        assert_eq!(<dyn Recognizer>::unpack(question, audio).unwrap(), window);
    }

    #[test]
    fn windows_of_voices_keep_every_sample() {
        let window = |start: u64, length: usize| diarize::Window {
            start,
            samples: (0..length).map(|i| i as f32 / 8.0).collect(),
            focus: (length > 2).then_some(1..length),
        };
        let windows = [window(0, 3), window(16_000, 0), window(u64::MAX, 2)];
        let decode = Decode::Hysteresis {
            onset: 0.6,
            offset: 0.4,
        };
        let packed = pack_windows(&windows, decode);
        assert_eq!(packed.samples(), 5);
        let (question, audio) = sent(&packed);
        match <dyn SpeakerModels>::unpack(question, audio).unwrap() {
            speaker_models::Request::Windows(found, how) => {
                assert_eq!((found.as_slice(), how), (&windows[..], decode));
            }
            other => panic!("{other:?}"),
        }
        let (question, audio) = sent(&pack_voice(&[0.5; 9]));
        let voice = <dyn SpeakerModels>::unpack(question, audio).unwrap();
        assert!(matches!(voice, speaker_models::Request::Voice(samples) if samples == [0.5; 9]));
    }

    #[test]
    fn lengths_that_do_not_fit_are_errors() {
        let window = Question::Window(Header {
            start: 0,
            before: 3,
            context: Context::Reset,
            history: Vec::new(),
            language: None,
        });
        let windows = |lengths: &[u32]| Question::Windows {
            windows: lengths
                .iter()
                .map(|samples| Span {
                    start: 0,
                    samples: *samples,
                    focus: None,
                })
                .collect(),
            decode: Decode::Hard,
        };
        let says = |error: ProtocolError, text: &str| assert!(error.to_string().contains(text), "{error}");
        let two = || vec![0.0; 2];
        says(
            <dyn Recognizer>::unpack(window.clone(), two()).unwrap_err(),
            "only 2 in the frame",
        );
        for lengths in [&[3][..], &[1], &[1, u32::MAX], &[]] {
            let found = <dyn SpeakerModels>::unpack(windows(lengths), two());
            says(found.unwrap_err(), "not as long");
        }
        says(
            <dyn SpeakerModels>::unpack(window, two()).unwrap_err(),
            "another kind",
        );
        says(
            <dyn Recognizer>::unpack(Question::Voice, two()).unwrap_err(),
            "another kind",
        );
    }
}
