//! Who speaks when within a window: models with the interface of pyannote segmentation-3.0.

use super::session::{ModelFile, ModelSource, OnnxModel, SessionOptions};
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::speaker_models::ONLINE_WINDOW;
use crate::speech::diarize::{Geometry, Powerset, Scores};
use crate::time::SAMPLE_RATE;

/// Our own, trained in `models/train`.
static BUNDLED: &[u8] = include_bytes!("../../../models/scribe-segmentation.onnx");

/// A minute: a damaged number must not take memory without end.
const LONGEST_WINDOW: usize = 60 * SAMPLE_RATE as usize;

/// A segmentation model: audio → for each frame, how likely each set of speakers is.
pub struct SegmentationModel {
    model: OnnxModel,
    powerset: Powerset,
    geometry: Geometry,
    online: Geometry,
    /// Windows that it takes at a time, where the file says so.
    batch: Option<usize>,
}

/// What the file says of itself, under sherpa-onnx's keys; pyannote segmentation-3.0 where it says nothing.
struct Claims {
    window: usize,
    speakers: usize,
    max_classes: usize,
    classes: usize,
    frame_step: usize,
    receptive_field: usize,
}

/// The model that `source` is, as errors name it.
pub(super) fn file(source: &ModelSource) -> ModelFile<'_> {
    ModelFile {
        property: "segmentation-model",
        kind: "a speaker segmentation model",
        source,
        bundled: BUNDLED,
    }
}

impl SegmentationModel {
    /// Opens it, and learns how many frames it makes of its own window and of [`ONLINE_WINDOW`].
    ///
    /// # Errors
    /// [`LoadError`], when it is not there, damaged, or of another interface: `f32` samples [N, 1, T] at 16 kHz to
    /// [N, frames, classes].
    pub fn open(source: &ModelSource, options: &SessionOptions) -> Result<Self, LoadError> {
        let file = file(source);
        let model = OnnxModel::open(&file, options)?;
        let (batch, fixed_window) = input(&model).ok_or_else(|| {
            file.wrong(format_args!(
                "it should take audio as float32 [N, 1, T] and has {}",
                model.interface()
            ))
        })?;
        let claims = claims(&file, &model)?;
        let geometry = Geometry {
            window: fixed_window.unwrap_or(claims.window),
            frames: 0,
            frame_step: claims.frame_step,
            receptive_field: claims.receptive_field,
            speakers: claims.speakers,
        };
        let mut this = SegmentationModel {
            model,
            powerset: Powerset::new(claims.speakers, claims.max_classes),
            geometry,
            online: Geometry {
                window: fixed_window.unwrap_or(ONLINE_WINDOW),
                ..geometry
            },
            batch,
        };
        if this.powerset.classes() != claims.classes || this.powerset.speakers() != claims.speakers {
            return Err(file.wrong(format_args!(
                "its metadata num_classes={} do not fit num_speakers={} and powerset_max_classes={}, which make {} \
                 classes",
                claims.classes,
                claims.speakers,
                claims.max_classes,
                this.powerset.classes()
            )));
        }
        this.geometry.frames = this.probe(&file, geometry.window)?;
        this.online.frames = this.probe(&file, this.online.window)?;
        Ok(this)
    }

    /// How it cuts its own window into frames.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How it cuts [`ONLINE_WINDOW`]; as its own window, where it takes no other.
    pub fn online(&self) -> Geometry {
        self.online
    }

    /// Who is active when, 0 or 1.
    pub fn hard(&self, logits: &[f32]) -> Scores {
        self.powerset.hard(logits)
    }

    /// How likely who is active when.
    pub fn soft(&self, logits: &[f32]) -> Scores {
        self.powerset.soft(logits)
    }

    /// The model's answer for each of `windows`, in one run: frames × classes, log-softmax. Windows are cut or
    /// filled up with silence to that of `geometry`, one of this model's two.
    pub fn run(
        &mut self,
        geometry: &Geometry,
        windows: &[&[f32]],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>, RunError> {
        let at_once = self.batch.unwrap_or(windows.len()).max(1);
        let mut answers = Vec::with_capacity(windows.len());
        for part in windows.chunks(at_once) {
            answers.extend(self.run_at_once(geometry, part, self.batch.unwrap_or(part.len()), cancel)?);
        }
        Ok(answers)
    }

    /// `batch` windows, silent behind the last of `windows`.
    fn run_at_once(
        &mut self,
        geometry: &Geometry,
        windows: &[&[f32]],
        batch: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>, RunError> {
        let length = geometry.window;
        let shape = [batch, 1, length];
        let output = match windows {
            [window] if batch == 1 && window.len() == length => {
                self.model.run(&shape, window, None, 0, cancel)?
            }
            _ => {
                let mut samples = vec![0.0; batch * length];
                for (place, window) in samples.chunks_exact_mut(length).zip(windows) {
                    let given = window.len().min(length);
                    place[..given].copy_from_slice(&window[..given]);
                }
                self.model.run(&shape, &samples, None, 0, cancel)?
            }
        };
        let per_window = geometry.frames * self.powerset.classes();
        if output.values.len() != batch * per_window {
            return Err(RunError::Failed(format!(
                "the segmentation model gave {:?} values for {batch} windows, and {} frames of {} each were expected",
                output.shape,
                geometry.frames,
                self.powerset.classes()
            )));
        }
        let answers = output.values.chunks_exact(per_window.max(1));
        Ok(answers.take(windows.len()).map(<[f32]>::to_vec).collect())
    }

    /// Runs it once on silence. How many frames a window of `window` samples has.
    fn probe(&mut self, file: &ModelFile<'_>, window: usize) -> Result<usize, LoadError> {
        let batch = self.batch.unwrap_or(1);
        let output = self
            .model
            .run(
                &[batch, 1, window],
                &vec![0.0; batch * window],
                None,
                0,
                &Cancel::default(),
            )
            .map_err(|e| file.does_not_run(format_args!("{window} samples"), &e))?;
        let classes = self.powerset.classes();
        let frames = match output.shape[..] {
            [n, frames, width] if n == batch as i64 && width == classes as i64 && frames > 0 => {
                frames as usize
            }
            _ => {
                return Err(file.wrong(format_args!(
                    "its output for {batch} windows is {:?}, and [{batch}, frames, {classes}] was expected",
                    output.shape
                )));
            }
        };
        // Whatever a model does at the edges, its frames cover the window once.
        let covered = frames * self.geometry.frame_step;
        if covered > window + self.geometry.receptive_field || 2 * covered < window {
            return Err(file.wrong(format_args!(
                "its {frames} frames of receptive_field_shift={} samples do not make up the window of {window}",
                self.geometry.frame_step
            )));
        }
        Ok(frames)
    }
}

/// The fixed batch and the fixed window of a model with the right input, each `None` where any will do.
fn input(model: &OnnxModel) -> Option<(Option<usize>, Option<usize>)> {
    if model.arity().0 != 1 {
        return None;
    }
    let fixed = |n: i64| usize::try_from(n).ok().filter(|n| *n > 0);
    match model.input_shape(0)?[..] {
        [batch, channels, window] if channels == 1 || channels < 0 => Some((fixed(batch), fixed(window))),
        _ => None,
    }
}

fn claims(file: &ModelFile<'_>, model: &OnnxModel) -> Result<Claims, LoadError> {
    let number = |key: &str, otherwise: usize| match model.metadata(key) {
        None => Ok(otherwise),
        Some(text) => match text.trim().parse::<usize>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(file.wrong(format_args!(
                "its metadata {key}={text} should be a whole number above 0"
            ))),
        },
    };
    let rate = number("sample_rate", SAMPLE_RATE as usize)?;
    if rate != SAMPLE_RATE as usize {
        return Err(file.wrong(format_args!(
            "it is for audio at {rate} Hz, and {SAMPLE_RATE} Hz was expected"
        )));
    }
    let pyannote = Geometry::PYANNOTE_3;
    let window = number("window_size", pyannote.window)?;
    if window > LONGEST_WINDOW {
        return Err(file.wrong(format_args!(
            "its metadata window_size={window} should be {LONGEST_WINDOW} samples at most"
        )));
    }
    Ok(Claims {
        window,
        speakers: number("num_speakers", pyannote.speakers)?,
        max_classes: number("powerset_max_classes", 2)?,
        classes: number("num_classes", 7)?,
        frame_step: number("receptive_field_shift", pyannote.frame_step)?,
        receptive_field: number("receptive_field_size", pyannote.receptive_field)?,
    })
}
