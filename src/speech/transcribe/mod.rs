//! Audio → windows → words: the transcription session.
