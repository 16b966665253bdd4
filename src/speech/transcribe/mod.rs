//! Audio → windows → words: the transcription session.

pub mod speech_map;
