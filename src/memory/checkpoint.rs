//! The 19 checkpoints: their texts, their stages, and what each says about its stage.

use std::fmt;

/// What a run does, one after the other or at once; every checkpoint belongs to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The whole run, around all others.
    Pipeline,
    /// Audio → 16 kHz mono.
    AudioPreprocessing,
    /// Audio → words.
    Transcription,
    /// Audio → speaker turns.
    Diarization,
    /// Words and turns → words with speakers.
    SpeakerAlignment,
}

impl Stage {
    /// The name in messages and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Stage::Pipeline => "pipeline",
            Stage::AudioPreprocessing => "audio-preprocessing",
            Stage::Transcription => "transcription",
            Stage::Diarization => "diarization",
            Stage::SpeakerAlignment => "speaker-alignment",
        }
    }

    /// What its cleanup is called in the labels.
    pub fn cleanup(self) -> &'static str {
        match self {
            Stage::Pipeline => "Final Cleanup",
            Stage::AudioPreprocessing => "Waveform Cleanup",
            Stage::Transcription => "Whisper Cleanup",
            Stage::Diarization => "Diarization Model Cleanup",
            Stage::SpeakerAlignment => "Alignment Tensors Cleanup",
        }
    }
}

/// What a checkpoint says about its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Before the stage takes anything: what it takes is measured from here.
    Opens,
    /// The stage's work is over.
    Closes,
    /// Before the stage's release.
    CleanupBegins,
    /// After the stage's release: here it is judged.
    CleanupEnds,
}

/// One of the 19 checkpoints, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the texts, see `TABLE`
pub enum Label {
    PipelineInitialization,
    BeforeAudioPreprocessing,
    AfterAudioPreprocessing,
    BeforeTranscription,
    AfterTranscription,
    BeforeDiarization,
    AfterDiarization,
    BeforeSpeakerAlignment,
    AfterSpeakerAlignment,
    BeforeFinalCleanup,
    AfterFinalCleanup,
    BeforeWhisperCleanup,
    AfterWhisperCleanup,
    BeforeWaveformCleanup,
    AfterWaveformCleanup,
    BeforeDiarizationModelCleanup,
    AfterDiarizationModelCleanup,
    BeforeAlignmentTensorsCleanup,
    AfterAlignmentTensorsCleanup,
}

use Label::*;
use Role::*;
use Stage::*;

/// The reference card's checkpoints, row n − 1 being number n.
const TABLE: [(Label, &str, Stage, Role); 19] = [
    (PipelineInitialization, "Pipeline Initialization", Pipeline, Opens),
    (
        BeforeAudioPreprocessing,
        "Before Audio Preprocessing",
        AudioPreprocessing,
        Opens,
    ),
    (
        AfterAudioPreprocessing,
        "After Audio Preprocessing",
        AudioPreprocessing,
        Closes,
    ),
    (BeforeTranscription, "Before Transcription", Transcription, Opens),
    (
        AfterTranscription,
        "After Transcription (post-cleanup)",
        Transcription,
        Closes,
    ),
    (BeforeDiarization, "Before Diarization", Diarization, Opens),
    (
        AfterDiarization,
        "After Diarization (post-cleanup)",
        Diarization,
        Closes,
    ),
    (
        BeforeSpeakerAlignment,
        "Before Speaker Alignment",
        SpeakerAlignment,
        Opens,
    ),
    (
        AfterSpeakerAlignment,
        "After Speaker Alignment (post-cleanup)",
        SpeakerAlignment,
        Closes,
    ),
    (
        BeforeFinalCleanup,
        "Before Final Cleanup",
        Pipeline,
        CleanupBegins,
    ),
    (AfterFinalCleanup, "After Final Cleanup", Pipeline, CleanupEnds),
    (
        BeforeWhisperCleanup,
        "Before Whisper Cleanup",
        Transcription,
        CleanupBegins,
    ),
    (
        AfterWhisperCleanup,
        "After Whisper Cleanup",
        Transcription,
        CleanupEnds,
    ),
    (
        BeforeWaveformCleanup,
        "Before Waveform Cleanup",
        AudioPreprocessing,
        CleanupBegins,
    ),
    (
        AfterWaveformCleanup,
        "After Waveform Cleanup",
        AudioPreprocessing,
        CleanupEnds,
    ),
    (
        BeforeDiarizationModelCleanup,
        "Before Diarization Model Cleanup",
        Diarization,
        CleanupBegins,
    ),
    (
        AfterDiarizationModelCleanup,
        "After Diarization Model Cleanup",
        Diarization,
        CleanupEnds,
    ),
    (
        BeforeAlignmentTensorsCleanup,
        "Before Alignment Tensors Cleanup",
        SpeakerAlignment,
        CleanupBegins,
    ),
    (
        AfterAlignmentTensorsCleanup,
        "After Alignment Tensors Cleanup",
        SpeakerAlignment,
        CleanupEnds,
    ),
];

impl Label {
    /// All labels, number 1 first.
    pub fn all() -> impl Iterator<Item = Label> {
        TABLE.iter().map(|row| row.0)
    }

    /// The text in the log, as the reference card has it.
    pub fn text(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// 1 to 19.
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The stage it belongs to.
    pub fn stage(self) -> Stage {
        TABLE[self as usize].2
    }

    /// What it says about its stage.
    pub fn role(self) -> Role {
        TABLE[self as usize].3
    }

    /// The label whose [`text`](Self::text) is exactly this.
    pub fn from_text(text: &str) -> Option<Label> {
        TABLE.iter().find(|row| row.1 == text).map(|row| row.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_their_numbers_say() {
        for (index, label) in Label::all().enumerate() {
            assert_eq!(label as usize, index);
            assert_eq!(label.number() as usize, index + 1);
            assert_eq!(Label::from_text(label.text()), Some(label));
        }
        assert_eq!(Label::from_text("Before Lunch"), None);
    }

    #[test]
    fn every_stage_opens_and_is_cleaned_once() {
        for stage in [
            Pipeline,
            AudioPreprocessing,
            Transcription,
            Diarization,
            SpeakerAlignment,
        ] {
            let with = |role| Label::all().filter(move |l| l.stage() == stage && l.role() == role);
            assert_eq!(with(Opens).count(), 1, "{stage:?}");
            for (role, when) in [(CleanupBegins, "Before"), (CleanupEnds, "After")] {
                let texts: Vec<_> = with(role).map(Label::text).collect();
                assert_eq!(texts, [format!("{when} {}", stage.cleanup())]);
            }
        }
    }
}
