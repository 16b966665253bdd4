//! The messages. The library speaks first; a worker answers each request once, and beats in between. One worker hosts
//! several models, each known by the number that the library gave it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::questions::{Question, Reply};
use crate::infer::model::{LoadError, ModelSource, RunError};
use crate::infer::onnx::SpeakersConfig;
use crate::infer::speaker_models::SpeakerFacts;
use crate::infer::whisper::WhisperConfig;
use crate::memory::probes::Device;

/// To the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message, see [`software`].
    Hello {
        /// Of the library.
        software: String,
        /// Where the library is: what is looked for beside it (ONNX Runtime) is not always beside the worker, too.
        folders: Vec<PathBuf>,
    },
    /// Answered by [`News::Progress`] and, at last, [`News::Loaded`] or [`News::LoadFailed`].
    Load {
        /// The number that it shall have. Never used twice.
        model: u32,
        /// What.
        load: Load,
    },
    /// A question about this frame's audio. Answered by [`News::Begun`] and then [`News::Answer`] or
    /// [`News::RunFailed`].
    Run {
        /// Who is asked.
        model: u32,
        /// Counts up; the answer has the same.
        id: u64,
        /// What.
        question: Question,
        /// How long the answer is waited for, in ms from the arrival of this. Then the worker gives up by itself and says
        /// [`RunError::Late`]. No point in time: one that was agreed on would pass while either process is stopped.
        budget: u32,
    },
    /// The answer to this request and all before it is not wanted any more; `RunFailed` with `Cancelled` comes soon.
    Cancel {
        /// Who was asked.
        model: u32,
        /// Of the request.
        id: u64,
    },
    /// The model is not needed any more, nor what it is at. Answered by [`News::Unloaded`].
    Unload {
        /// Which.
        model: u32,
    },
    /// End. No answer.
    Bye,
}

/// What a worker hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// A [`Whisper`](crate::infer::whisper::Whisper).
    Whisper(WhisperConfig),
    /// [`OnnxSpeakers`](crate::infer::onnx::OnnxSpeakers).
    Speakers(SpeakersConfig),
}

impl From<WhisperConfig> for Load {
    fn from(config: WhisperConfig) -> Self {
        Load::Whisper(config)
    }
}

impl From<SpeakersConfig> for Load {
    fn from(config: SpeakersConfig) -> Self {
        Load::Speakers(config)
    }
}

impl Load {
    /// The files that it is read from.
    pub fn sources(&self) -> Vec<&ModelSource> {
        match self {
            Load::Whisper(config) => vec![&config.model],
            Load::Speakers(config) => vec![&config.segmentation, &config.embedding],
        }
    }

    /// Where it goes: the models of a device share a worker.
    pub fn device(&self) -> Device {
        match self {
            Load::Whisper(config) => config.device(),
            Load::Speakers(config) => config.device,
        }
    }
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message.
    Hello {
        /// Of the worker.
        software: String,
    },
    /// Something about a model.
    Model {
        /// Which.
        model: u32,
        /// What.
        news: News,
    },
    /// Once a second, whatever the models do: the process works. A long inference is told from a hang by it.
    Heartbeat,
}

/// What a worker says of one of its models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// Per cent of it are loaded.
    Progress(i32),
    /// It can be asked.
    Loaded(Facts),
    /// There is none of this number.
    LoadFailed(LoadError),
    /// It works on this request from now on: if the process ends now, this may be why.
    Begun {
        /// Of the request.
        id: u64,
    },
    /// To [`ToWorker::Run`].
    Answer {
        /// Of the request.
        id: u64,
        /// What the model says.
        reply: Reply,
    },
    /// To [`ToWorker::Run`].
    RunFailed {
        /// Of the request.
        id: u64,
        /// Why.
        error: RunError,
    },
    /// Its memory is given back.
    Unloaded,
}

/// [`Model::Facts`](crate::infer::model::Model::Facts) of any model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Facts {
    /// There is nothing to know of a recognizer.
    Recognizer,
    /// Of speaker models.
    Speakers(SpeakerFacts),
}

/// Name and version of this code. A message does not describe itself, so both ends must be of the same release.
pub fn software() -> String {
    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::protocol::frame;
    use crate::speech::diarize::pieces::Piece;
    use crate::speech::diarize::{Analysis, Geometry, Scores};
    use crate::speech::transcribe::{Hypothesis, Segment, Token};

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
        let analysis = Analysis {
            start: 16_000,
            scores: Scores {
                speakers: 3,
                values: vec![0.1, 0.0, 1.0],
            },
            embeddings: vec![Some(vec![-0.5, f32::MIN_POSITIVE]), None],
            pieces: vec![Piece {
                speaker: 1,
                frames: 3..90,
                clean: 80,
                embedding: vec![0.25],
            }],
        };
        let facts = SpeakerFacts {
            geometry: Geometry::PYANNOTE_3,
            online: Geometry::PYANNOTE_3,
            dimension: 256,
            threshold: Some(0.7),
            pieces: true,
        };
        for news in [
            News::Answer {
                id: 7,
                reply: Reply::Hypothesis(hypothesis),
            },
            News::Answer {
                id: 8,
                reply: Reply::Analyses(vec![analysis]),
            },
            News::RunFailed {
                id: 9,
                error: RunError::Failed("no".into()),
            },
            News::RunFailed {
                id: 10,
                error: RunError::NoMemory {
                    how: "out of memory".into(),
                    begun: true,
                    died: false,
                },
            },
            News::Loaded(Facts::Speakers(facts)),
            News::LoadFailed(LoadError::NoMemory("out of memory".into())),
        ] {
            let message = FromWorker::Model { model: 3, news };
            assert_eq!(there_and_back(&message), message);
        }
        assert_eq!(there_and_back(&FromWorker::Heartbeat), FromWorker::Heartbeat);
    }

    #[test]
    fn what_to_load_keeps_every_bit() {
        let whisper = WhisperConfig {
            model: ModelSource::File("/models/größe.bin".into()),
            language: Some("de".into()),
            translate: true,
            beam_size: 2,
            temperature: 0.3,
            threads: 3,
            cuda_device: Some(1),
            ..WhisperConfig::default()
        };
        let speakers = SpeakersConfig {
            device: Device::Cuda(1),
            ..SpeakersConfig::default()
        };
        assert_eq!(Load::Speakers(speakers.clone()).device(), Device::Cuda(1));
        for load in [Load::Whisper(whisper), Load::Speakers(speakers)] {
            let message = ToWorker::Load { model: 1, load };
            assert_eq!(there_and_back(&message), message);
        }
    }
}
