//! Properties of `scriberesample`.

/// What a user can set.
#[derive(Debug, Default, Clone)]
pub struct Settings {
    /// File for the memory checkpoints, as JSON lines; none without it.
    pub memory_log: Option<String>,
}
