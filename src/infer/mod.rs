//! Ring 2: the only place that names a model runtime.

pub mod cuda;
pub mod heap;
