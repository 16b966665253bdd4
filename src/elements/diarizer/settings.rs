//! Properties → one validated [`Config`] at READY→PAUSED.

use std::path::PathBuf;
use std::sync::Arc;

use gst::glib;

use crate::elements::isolation::{Isolation, RESTART_LIMIT};
use crate::infer::onnx::{self, ModelSource, SpeakersConfig};
use crate::infer::speaker_models::{Decode, SpeakerFacts};
use crate::memory::probes::Device;
use crate::speech::diarize::cluster::Variational;
use crate::speech::diarize::online::{OnlineConfig, PieceDistances};
use crate::speech::diarize::pieces::PieceRule;
use crate::speech::diarize::{Clustering, Hysteresis, OfflineConfig, Plda, Voices};
use crate::time::seconds;

/// When the turns come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeDiarizerMode")]
pub enum Mode {
    /// Online when upstream says that it is live, else offline.
    #[default]
    #[enum_value(name = "Online on a live source, else offline", nick = "auto")]
    Auto,
    /// All turns at EOS, from all of the recording.
    #[enum_value(name = "All turns at the end, from the whole recording", nick = "offline")]
    Offline,
    /// Turns `latency` after the speech.
    #[enum_value(name = "Turns as the speech goes on", nick = "online")]
    Online,
}

impl Mode {
    /// Whether to work online, upstream being live or not.
    pub fn is_online(self, live: bool) -> bool {
        match self {
            Mode::Auto => live,
            Mode::Offline => false,
            Mode::Online => true,
        }
    }
}

/// Which features an embedding model of the WeSpeaker kind gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeFeatureProfile")]
pub enum FeatureProfile {
    /// As the model's metadata say; what it was trained on where they say nothing.
    #[default]
    #[enum_value(name = "What the model says, else what it was trained on", nick = "auto")]
    Auto,
    /// As sherpa-onnx computes them for every model.
    #[enum_value(name = "As sherpa-onnx computes them", nick = "sherpa")]
    Sherpa,
    /// As WeSpeaker computes them in training.
    #[enum_value(name = "As WeSpeaker computes them in training", nick = "wespeaker")]
    Wespeaker,
}

impl From<FeatureProfile> for onnx::FeatureProfile {
    fn from(profile: FeatureProfile) -> Self {
        match profile {
            FeatureProfile::Auto => Self::Auto,
            FeatureProfile::Sherpa => Self::Sherpa,
            FeatureProfile::Wespeaker => Self::Wespeaker,
        }
    }
}

/// What to do when there is no room for the models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstScribeDiarizerOnOom")]
pub enum OnOom {
    /// An ERROR.
    #[default]
    #[enum_value(name = "Post an ERROR", nick = "fail")]
    Fail,
    /// The same models in ordinary memory where a GPU has no room, with a WARNING; an ERROR where there is none either.
    #[enum_value(name = "Run the models on the CPU where the GPU has no room", nick = "cpu")]
    Cpu,
}

/// The property values as they were set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub segmentation_model: Option<String>,
    pub embedding_model: Option<String>,
    pub plda: Option<String>,
    pub device: Option<String>,
    pub device_memory_limit: u32,
    pub threads: u32,
    pub batch_size: u32,
    pub feature_profile: FeatureProfile,
    pub mode: Mode,
    pub latency: u32,
    pub num_speakers: u32,
    pub min_speakers: u32,
    pub max_speakers: u32,
    pub threshold: f32,
    pub onset: f32,
    pub offset: f32,
    pub min_duration_on: u32,
    pub min_duration_off: i32,
    pub exclusive: bool,
    pub enrollment: Option<String>,
    pub enrollment_threshold: f32,
    pub recording: Option<String>,
    pub memory_fraction: u32,
    pub on_oom: OnOom,
    pub keep_alive: u32,
    pub isolation: Isolation,
    pub restart_limit: u32,
    pub memory_log: Option<String>,
}

/// Shortest and longest `latency` in ms: one step and the window of online work (diart).
pub(super) const LATENCY: (u32, u32) = (500, 5_000);
/// Step of the offline windows: pyannote 3.1, a tenth of the window.
const OFFLINE_STEP: u64 = seconds(1.0);
/// Step of the online windows (diart).
pub(super) const ONLINE_STEP: u64 = seconds(0.5);
/// A turn that goes on is given out in pieces of at most this, online.
pub(super) const LONGEST_PIECE: u64 = seconds(2.0);

impl Default for Settings {
    fn default() -> Self {
        Settings {
            segmentation_model: None,
            embedding_model: None,
            plda: None,
            device: Some("cpu".into()),
            // Both models with room to spare; their context and kernels come on top.
            device_memory_limit: 2_048,
            threads: 0,
            batch_size: 8,
            feature_profile: FeatureProfile::Auto,
            mode: Mode::Auto,
            latency: 2_000,
            num_speakers: 0,
            min_speakers: 0,
            max_speakers: 0,
            threshold: 0.0,
            // Half: the same as the likeliest set of speakers where one speaks alone.
            onset: 0.5,
            offset: 0.5,
            // pyannote 3.1: turns as they are.
            min_duration_on: 0,
            min_duration_off: -1,
            exclusive: false,
            enrollment: None,
            enrollment_threshold: 0.4,
            recording: None,
            // Where the reference card's critical level begins.
            memory_fraction: 85,
            on_oom: OnOom::Fail,
            keep_alive: 0,
            isolation: Isolation::default(),
            restart_limit: RESTART_LIMIT,
            memory_log: None,
        }
    }
}

/// What READY→PAUSED works with.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub models: SpeakersConfig,
    pub plda: Option<PathBuf>,
    pub enrollment: Option<PathBuf>,
    pub enrollment_threshold: f32,
    pub session: SessionConfig,
}

/// The part that needs no model.
#[derive(Clone, Debug)]
pub(crate) struct SessionConfig {
    pub mode: Mode,
    /// Windows of a request, at most.
    pub batch: usize,
    latency: u64,
    threshold: Option<f64>,
    onset: f32,
    offset: f32,
    bounds: [Option<u32>; 3],
    min_duration_on: u64,
    min_duration_off: u64,
    exclusive: bool,
    pub plda: Option<Arc<Plda>>,
    pub voices: Voices,
}

/// CPU threads unless told: more gain little, as one window after the other is looked at.
const MOST_DEFAULT_THREADS: usize = 4;

/// `None` for 0, which stands for "not set".
fn set(n: u32) -> Option<u32> {
    (n > 0).then_some(n)
}

/// Pauses that are filled behind the bundled segmentation model, in ms. It was trained on where voices sound, and cuts at
/// breaths; people who write down turns do not, and readers pause for up to 1.5 s (ADR 14).
const BUNDLED_PAUSE: u32 = 1_500;

fn milliseconds(ms: u32) -> u64 {
    u64::from(ms) * (seconds(1.0) / 1_000)
}

impl Settings {
    /// Pauses up to this are filled online, in ms.
    pub fn pause(&self) -> u32 {
        let is_bundled = self.segmentation_model.as_deref().is_none_or(str::is_empty);
        // pyannote 3.1, and so models of its kind: pauses as they are.
        let usual = if is_bundled { BUNDLED_PAUSE } else { 0 };
        u32::try_from(self.min_duration_off).unwrap_or(usual)
    }

    /// # Errors
    /// A sentence for the user, where properties are wrong or contradict each other.
    pub fn config(&self) -> Result<Config, String> {
        let file = |path: &Option<String>| path.clone().filter(|p| !p.is_empty()).map(PathBuf::from);
        let model = |path| file(path).map_or(ModelSource::Bundled, ModelSource::File);
        let [min, max] = [self.min_speakers, self.max_speakers].map(set);
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(format!(
                "min-speakers={min} is more than max-speakers={max}. Set max-speakers to {min} or more, or to 0 for no bound"
            ));
        }
        if self.offset > self.onset {
            return Err(format!(
                "offset={} is above onset={}, so a turn would end before it begins. Set offset to {} or less",
                self.offset, self.onset, self.onset
            ));
        }
        let threads = match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MOST_DEFAULT_THREADS),
            n => n as usize,
        };
        let device: Device = self.device.as_deref().unwrap_or("cpu").parse().map_err(|_| {
            format!(
                "device={:?} is no device. Set it to \"cpu\", to \"cuda:0\" or another number, or to \"auto\"",
                self.device.as_deref().unwrap_or_default()
            )
        })?;
        let models = SpeakersConfig {
            segmentation: model(&self.segmentation_model),
            embedding: model(&self.embedding_model),
            device,
            threads,
            batch_size: self.batch_size as usize,
            feature_profile: self.feature_profile.into(),
            gpu_memory_limit: u64::from(self.device_memory_limit) << 20,
        };
        Ok(Config {
            models: match device {
                Device::Cpu => models.on_cpu(),
                Device::Auto | Device::Cuda(_) => models,
            },
            plda: file(&self.plda),
            enrollment: file(&self.enrollment),
            enrollment_threshold: self.enrollment_threshold,
            session: SessionConfig {
                mode: self.mode,
                batch: self.batch_size.max(1) as usize,
                latency: milliseconds(self.latency),
                threshold: (self.threshold > 0.0).then_some(f64::from(self.threshold)),
                onset: self.onset,
                offset: self.offset,
                bounds: [set(self.num_speakers), min, max],
                min_duration_on: milliseconds(self.min_duration_on),
                min_duration_off: milliseconds(self.pause()),
                exclusive: self.exclusive,
                plda: None,
                voices: Voices::default(),
            },
        })
    }
}

impl SessionConfig {
    /// The rule of offline windows: pyannote's hard decision unless thresholds are set, and none yet for pieces.
    pub fn decode(&self, pieces: bool) -> Decode {
        if pieces {
            Decode::Soft
        } else if self.presence() == Hysteresis::default() {
            Decode::Hard
        } else {
            Decode::Hysteresis {
                onset: self.onset,
                offset: self.offset,
            }
        }
    }

    /// Whether speakers are found piece by piece. A PLDA has its own way to find them.
    fn takes_pieces(&self, facts: &SpeakerFacts) -> bool {
        facts.pieces && self.plda.is_none()
    }

    /// Where a speaker begins and ends. The properties' defaults are those of [`Hysteresis`].
    fn presence(&self) -> Hysteresis {
        Hysteresis {
            onset: self.onset,
            offset: self.offset,
        }
    }

    /// For the bundled models, with what of it was set.
    fn piece_rule(&self) -> PieceRule {
        let usual = PieceRule::default();
        PieceRule {
            distance: self.threshold.map_or(usual.distance, |t| t * t / 2.0),
            presence: if self.presence() == Hysteresis::default() {
                usual.presence
            } else {
                self.presence()
            },
            ..usual
        }
    }

    pub fn offline(&self, facts: &SpeakerFacts) -> OfflineConfig {
        let threshold = self.threshold.or(facts.threshold.map(f64::from));
        let clustering = match &self.plda {
            Some(plda) => {
                let usual = Variational::new(plda.clone());
                Clustering::Vbx(Variational {
                    threshold: self.threshold.unwrap_or(usual.threshold),
                    ..usual
                })
            }
            None => threshold.map_or_else(Clustering::default, |threshold| Clustering::Ahc { threshold }),
        };
        let [num_speakers, min_speakers, max_speakers] = self.bounds;
        OfflineConfig {
            step: OFFLINE_STEP,
            clustering,
            num_speakers,
            min_speakers,
            max_speakers,
            min_duration_on: self.min_duration_on,
            min_duration_off: self.min_duration_off,
            exclusive: self.exclusive,
            pieces: self.takes_pieces(facts).then(|| self.piece_rule()),
            ..OfflineConfig::default()
        }
    }

    pub fn online(&self, facts: &SpeakerFacts) -> OnlineConfig {
        let [exactly, _, most] = self.bounds;
        let usual = OnlineConfig::default();
        OnlineConfig {
            step: ONLINE_STEP,
            latency: self.latency,
            tau: self.onset,
            onset: Some(self.onset),
            offset: Some(self.offset),
            delta: self.threshold.map_or(usual.delta, |t| (t * t / 2.0) as f32),
            max_speakers: exactly.or(most).map_or(usual.max_speakers, |n| n as usize),
            min_duration_on: self.min_duration_on,
            min_duration_off: self.min_duration_off,
            exclusive: self.exclusive,
            longest_piece: LONGEST_PIECE,
            voices: self.voices.clone(),
            pieces: self.takes_pieces(facts).then(|| match self.threshold {
                Some(t) => PieceDistances {
                    near: (t * t / 2.0) as f32,
                    far: (t * t / 2.0) as f32,
                },
                None => PieceDistances::default(),
            }),
            ..usual
        }
    }
}
