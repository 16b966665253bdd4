//! Words → cues → caption formats.
