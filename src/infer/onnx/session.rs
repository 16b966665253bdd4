//! One ONNX model, opened and checked, and run so that it can be stopped.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use ort::ErrorCode;
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::provider;
use super::runtime::{self, Runtime, runtime};
pub use crate::infer::model::ModelSource;
use crate::infer::model::{Cancel, LoadError, RunError};
use crate::infer::{full_memory, model_file};
use crate::memory::probes::Device;

/// How sessions run.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionOptions {
    /// Where. `Auto` is the first CUDA device if ONNX Runtime's CUDA provider and a device are there, else the CPU.
    pub device: Device,
    /// Threads on the CPU.
    pub threads: usize,
    /// Bytes that a session's arena may take on a CUDA device. The CUDA context, its kernels and cuDNN come on top.
    pub gpu_memory_limit: u64,
}

/// A model as the code that opens it knows it.
pub(super) struct ModelFile<'a> {
    /// The property that names it, such as "segmentation-model".
    pub property: &'static str,
    /// What it should be, such as "a segmentation model".
    pub kind: &'static str,
    /// The source, and what [`ModelSource::Bundled`] stands for.
    pub source: &'a ModelSource,
    pub bundled: &'static [u8],
}

impl fmt::Display for ModelFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            ModelSource::Bundled => write!(f, "the bundled {}", self.property),
            ModelSource::File(path) => write!(f, "the model file {} ({})", path.display(), self.property),
        }
    }
}

impl ModelFile<'_> {
    /// An error for a model that is not of the right kind: `problem` says what was found and what was expected.
    pub(super) fn wrong(&self, problem: impl fmt::Display) -> LoadError {
        LoadError::WrongFile(format!(
            "{self} is not {} that can be used: {problem}. Give another file with {}, or none for the bundled one",
            self.kind, self.property
        ))
    }

    /// An error for a model that does not run on `input` when it is tried.
    pub(super) fn does_not_run(&self, input: impl fmt::Display, error: &RunError) -> LoadError {
        match error {
            RunError::NoMemory { how, .. } => LoadError::NoMemory(how.clone()),
            error => self.wrong(format_args!("it does not run on {input} ({error})")),
        }
    }

    /// Bytes that it has.
    pub(super) fn size(&self) -> Result<u64, LoadError> {
        match self.source {
            ModelSource::Bundled => Ok(self.bundled.len() as u64),
            ModelSource::File(path) => std::fs::metadata(path).map(|file| file.len()).map_err(|e| {
                LoadError::NotFound(format!("cannot read {self}: {e}. Check {}", self.property))
            }),
        }
    }

    /// Finds out by its first bytes that a file is no ONNX model, where that shows.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let ModelSource::File(path) = self.source else {
            return Ok(());
        };
        let cannot = |e: std::io::Error| {
            LoadError::NotFound(format!("cannot read {self}: {e}. Check {}", self.property))
        };
        if !std::fs::metadata(path).map_err(cannot)?.is_file() {
            return Err(self.wrong("it is no file"));
        }
        let mut head = [0; 4];
        let mut file = File::open(path).map_err(cannot)?;
        if file.read(&mut head[..1]).map_err(cannot)? == 0 {
            return Err(self.wrong("it is empty"));
        }
        // ONNX begins with the field that holds the version of the format, a number.
        if head[0] == 0x08 {
            return Ok(());
        }
        if file.read_exact(&mut head[1..]).is_err() {
            return Err(self.wrong("it has fewer than 4 bytes"));
        }
        Err(self.wrong(format_args!(
            "it {}, and an ONNX model was expected",
            model_file::what_is(u32::from_le_bytes(head))
        )))
    }
}

/// A tensor that a model gave.
#[derive(Debug)]
pub(super) struct Output {
    /// Its dimensions.
    pub shape: Vec<i64>,
    /// Row by row.
    pub values: Vec<f32>,
}

/// An open model.
pub(super) struct OnnxModel {
    session: Session,
    /// The CUDA device it runs on.
    cuda: Option<u32>,
}

impl OnnxModel {
    /// Opens and optimises it: some 50 ms for 3 MB.
    pub(super) fn open(file: &ModelFile<'_>, options: &SessionOptions) -> Result<Self, LoadError> {
        file.check()?;
        let runtime = runtime()?;
        let cuda = provider::cuda_device(options.device, runtime)?;
        let session = match open(file, options, cuda, runtime) {
            Err(e) if cuda.is_some() && options.device == Device::Auto => {
                gst::warning!(super::CAT, "device auto runs {} on the CPU: {e}", file);
                return Self::open(
                    file,
                    &SessionOptions {
                        device: Device::Cpu,
                        ..options.clone()
                    },
                );
            }
            session => session.map_err(|e| explain(file, runtime, cuda, &e))?,
        };
        Ok(OnnxModel { session, cuda })
    }

    /// What the model's file says of itself under `key`.
    pub(super) fn metadata(&self, key: &str) -> Option<String> {
        self.session
            .metadata()
            .ok()?
            .custom(key)
            .filter(|value| !value.is_empty())
    }

    /// The dimensions of input `i`, negative where they are open; `None` when there is no such tensor of `f32`.
    pub(super) fn input_shape(&self, i: usize) -> Option<Vec<i64>> {
        tensor_shape(self.session.inputs().get(i)?, TensorElementType::Float32)
    }

    /// How many inputs it takes, and how many outputs it gives.
    pub(super) fn arity(&self) -> (usize, usize) {
        (self.session.inputs().len(), self.session.outputs().len())
    }

    /// Inputs and outputs as an error shows them.
    pub(super) fn interface(&self) -> String {
        let list = |outlets: &[Outlet]| {
            let each = outlets.iter().map(|o| format!("{} {}", o.name(), o.dtype()));
            each.collect::<Vec<_>>().join(", ")
        };
        format!(
            "inputs {}; outputs {}",
            list(self.session.inputs()),
            list(self.session.outputs())
        )
    }

    /// Runs it on `values` of the dimensions `shape`, and, for models with a second input, on the `lengths` of the
    /// rows; returns output `output`. Stops within an operator or two of `cancel` being set.
    pub(super) fn run(
        &mut self,
        shape: &[usize],
        values: &[f32],
        lengths: Option<&[i64]>,
        output: usize,
        cancel: &Cancel,
    ) -> Result<Output, RunError> {
        let mut options = RunOptions::new().map_err(failed)?;
        if let Some(index) = self.cuda {
            options
                .set("memory.enable_memory_arena_shrinkage", format!("gpu:{index}"))
                .map_err(failed)?;
        }
        let options = Arc::new(options);
        let to_stop = options.clone();
        let _listener = cancel.on_set(move || drop(to_stop.terminate()));
        if cancel.is_set() {
            return Err(RunError::Cancelled);
        }
        let tensor = TensorRef::from_array_view((shape, values)).map_err(failed)?;
        let mut inputs: Vec<SessionInputValue<'_>> = vec![tensor.into()];
        if let Some(lengths) = lengths {
            let tensor = TensorRef::from_array_view(([lengths.len()], lengths)).map_err(failed)?;
            inputs.push(tensor.into());
        }
        let outputs = match self.session.run_with_options(inputs.as_slice(), &*options) {
            Ok(outputs) => outputs,
            Err(_) if cancel.is_set() => return Err(RunError::Cancelled),
            Err(e) => return Err(failed(e)),
        };
        let (shape, values) = outputs[output].try_extract_tensor::<f32>().map_err(failed)?;
        Ok(Output {
            shape: shape.to_vec(),
            values: values.to_vec(),
        })
    }
}

fn tensor_shape(outlet: &Outlet, element: TensorElementType) -> Option<Vec<i64>> {
    let dtype = outlet.dtype();
    if dtype.tensor_type() != Some(element) {
        return None;
    }
    Some(dtype.tensor_shape()?.to_vec())
}

fn open(
    file: &ModelFile<'_>,
    options: &SessionOptions,
    cuda: Option<u32>,
    runtime: &Runtime,
) -> ort::Result<Session> {
    let mut providers = Vec::new();
    if let Some(index) = cuda {
        providers.push(provider::cuda_provider(index, options.gpu_memory_limit));
    }
    providers.push(provider::cpu_provider());
    let mut builder = Session::builder(runtime.environment())?
        .with_log_level(runtime::log_level())?
        .with_intra_threads(options.threads.max(1))?
        // Threads that wait for work would burn a core between windows.
        .with_intra_op_spinning(false)?
        // A plan for where tensors lie is of use only where each input is as long as the last.
        .with_memory_pattern(false)?
        .with_execution_providers(providers)?;
    match file.source {
        ModelSource::Bundled => builder.commit_from_memory(file.bundled),
        ModelSource::File(path) => builder.commit_from_file(path),
    }
}

/// What went wrong with `file`, and what to do about it.
fn explain(file: &ModelFile<'_>, runtime: &Runtime, cuda: Option<u32>, error: &ort::Error) -> LoadError {
    let said = error.message().lines().next().unwrap_or_default().trim();
    let version = runtime.version();
    match error.code() {
        _ if full_memory::is_told_in(said) => LoadError::NoMemory(format!(
            "out of memory: ONNX Runtime {version} has no room for {file} ({said}). Use a smaller model or device=cpu, or \
             free memory"
        )),
        ErrorCode::InvalidProtobuf | ErrorCode::NoModel => file.wrong(format_args!(
            "it is cut short, damaged, or no ONNX model at all ({said}). Download it again"
        )),
        ErrorCode::NotImplemented => file.wrong(format_args!(
            "it needs an operator that ONNX Runtime {version} does not have ({said}). Try a newer one"
        )),
        ErrorCode::InvalidGraph | ErrorCode::InvalidArgument if cuda.is_none() => file.wrong(format_args!(
            "ONNX Runtime {version} says that it is damaged or too new ({said}). Download it again, or try a newer \
             ONNX Runtime"
        )),
        _ => {
            let on = cuda.map_or_else(String::new, |index| {
                format!(
                    " on cuda:{index}. The CUDA provider needs the CUDA and cuDNN versions it was built with; \
                     or use device=cpu"
                )
            });
            LoadError::Failed(format!("ONNX Runtime {version} cannot open {file}{on}: {said}"))
        }
    }
}

fn failed<R>(error: ort::Error<R>) -> RunError {
    let said = error.message();
    if !full_memory::is_told_in(said) {
        return RunError::Failed(format!("ONNX Runtime cannot run the model: {said}"));
    }
    RunError::NoMemory {
        how: format!(
            "out of memory: ONNX Runtime could not run the model ({said}). Use a smaller model, batch-size=1 or device=cpu, or \
             free memory"
        ),
        begun: true,
        died: false,
    }
}
