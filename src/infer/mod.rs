//! Ring 2: the only place that names a model runtime.

pub mod audio_convert;
pub mod cuda;
pub mod heap;
