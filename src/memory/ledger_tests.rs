use super::{
    super::verdict::{NEXT_TO_NOTHING, Verdict},
    *,
};
use Label::*;

const MIB: u64 = 1 << 20;

/// Books each reading (in MiB) and compares the judgements, as (freed in whole per cent, verdict).
#[track_caller]
fn check(steps: &[(Owner, Label, u64)], judgements: &[(Label, u64, Verdict)]) {
    let mut ledger = Ledger::default();
    let judged: Vec<_> = steps
        .iter()
        .filter_map(|&(owner, label, mib)| {
            let cleanup = ledger.record(owner, label, mib * MIB)?;
            Some((label, cleanup.freed.round() as u64, cleanup.verdict))
        })
        .collect();
    assert_eq!(judged, judgements);
}

fn whisper(before: u64, held: u64, after: u64) -> [(Owner, Label, u64); 4] {
    [
        (1, BeforeTranscription, before),
        (1, BeforeWhisperCleanup, held),
        (1, AfterWhisperCleanup, after),
        (1, AfterTranscription, after),
    ]
}

#[test]
fn a_cleanup_is_judged_by_what_the_stage_took() {
    for ((before, held, after), freed, verdict) in [
        ((0, 7400, 184), 98, Verdict::Good),
        ((0, 7400, 5550), 25, Verdict::Leak),
        // What was there before is not the stage's to give back.
        ((1000, 1100, 1002), 98, Verdict::Good),
        ((1000, 1100, 1030), 70, Verdict::Partial),
        // More gone than was taken, and more held than before the release.
        ((100, 200, 50), 100, Verdict::Good),
        ((100, 200, 250), 0, Verdict::Leak),
    ] {
        check(
            &whisper(before, held, after),
            &[(AfterWhisperCleanup, freed, verdict)],
        );
    }
}

#[test]
fn next_to_nothing_is_no_leak() {
    let floor = NEXT_TO_NOTHING / MIB;
    check(&whisper(100, 100 + floor - 1, 100 + floor - 1), &[]);
    check(&whisper(100, 90, 90), &[]);
    check(
        &whisper(100, 100 + floor, 100 + floor),
        &[(AfterWhisperCleanup, 0, Verdict::Leak)],
    );
}

#[test]
fn a_cleanup_without_its_before_is_not_judged() {
    check(
        &[(1, BeforeWhisperCleanup, 500), (1, AfterWhisperCleanup, 500)],
        &[],
    );
    check(&[(1, BeforeTranscription, 0), (1, AfterWhisperCleanup, 500)], &[]);
}

#[test]
fn the_run_is_judged_around_its_stages() {
    check(
        &[
            (9, PipelineInitialization, 10),
            (1, BeforeTranscription, 10),
            (9, BeforeFinalCleanup, 210),
            (1, BeforeWhisperCleanup, 210),
            (1, AfterWhisperCleanup, 12),
            (1, AfterTranscription, 12),
            (9, AfterFinalCleanup, 11),
        ],
        &[
            (AfterWhisperCleanup, 99, Verdict::Good),
            (AfterFinalCleanup, 99, Verdict::Good),
        ],
    );
    // The process around the run holds 100 MiB at its end, and the run none of it.
    check(
        &[
            (9, PipelineInitialization, 10),
            (1, BeforeTranscription, 110),
            (1, BeforeWhisperCleanup, 310),
            (1, AfterWhisperCleanup, 120),
            (9, BeforeFinalCleanup, 120),
            (9, AfterFinalCleanup, 120),
        ],
        &[
            (AfterWhisperCleanup, 95, Verdict::Partial),
            (AfterFinalCleanup, 95, Verdict::Partial),
        ],
    );
    // Without a stage, it answers for all.
    check(
        &[
            (9, PipelineInitialization, 10),
            (9, BeforeFinalCleanup, 110),
            (9, AfterFinalCleanup, 90),
        ],
        &[(AfterFinalCleanup, 20, Verdict::Leak)],
    );
    // Stages that freed all they took leave the run nothing to free.
    check(
        &[
            (9, PipelineInitialization, 10),
            (9, BeforeFinalCleanup, 11),
            (9, AfterFinalCleanup, 11),
        ],
        &[],
    );
}

#[test]
fn stages_at_the_same_time_are_not_charged_for_each_other() {
    // The resampler comes while the transcriber holds 150 and goes first: 86 more came in between.
    check(
        &[
            (1, BeforeTranscription, 40),
            (2, BeforeAudioPreprocessing, 190),
            (2, BeforeWaveformCleanup, 276),
            (2, AfterWaveformCleanup, 276),
            (1, BeforeWhisperCleanup, 276),
            (1, AfterWhisperCleanup, 41),
        ],
        &[(AfterWhisperCleanup, 100, Verdict::Good)],
    );
    // The same, the transcriber first. What is gone with it was its own.
    check(
        &[
            (1, BeforeTranscription, 40),
            (2, BeforeAudioPreprocessing, 190),
            (1, BeforeWhisperCleanup, 276),
            (1, AfterWhisperCleanup, 41),
            (2, BeforeWaveformCleanup, 41),
            (2, AfterWaveformCleanup, 41),
        ],
        &[(AfterWhisperCleanup, 100, Verdict::Good)],
    );
}

#[test]
fn what_leaks_among_several_is_owed_by_the_last() {
    check(
        &[
            (2, BeforeAudioPreprocessing, 40),
            (1, BeforeTranscription, 40),
            (1, BeforeWhisperCleanup, 240),
            (1, AfterWhisperCleanup, 240),
            (2, BeforeWaveformCleanup, 240),
            (2, AfterWaveformCleanup, 240),
        ],
        &[(AfterWaveformCleanup, 0, Verdict::Leak)],
    );
}

#[test]
fn what_is_said_to_be_taken_is_charged_to_the_taker() {
    let mut ledger = Ledger::default();
    ledger.record(2, BeforeAudioPreprocessing, 40 * MIB);
    ledger.record(1, BeforeTranscription, 40 * MIB);
    ledger.taken(1, Stage::Transcription, 240 * MIB);
    ledger.record(1, BeforeWhisperCleanup, 240 * MIB);
    let leak = ledger.record(1, AfterWhisperCleanup, 240 * MIB).unwrap();
    assert_eq!((leak.took, leak.verdict), (200 * MIB, Verdict::Leak));
    ledger.record(2, BeforeWaveformCleanup, 240 * MIB);
    assert_eq!(ledger.record(2, AfterWaveformCleanup, 240 * MIB), None);
}

#[test]
fn who_told_its_own_is_not_charged_for_what_others_keep() {
    // (held before the cleanup, after it) → judgement: 200 were told, then it grew to `held`.
    for (held, after, freed, verdict) in [
        (240, 40, 100, Verdict::Good),
        (250, 50, 100, Verdict::Good),  // a decoder keeps 10
        (640, 440, 100, Verdict::Good), // or its frames
        (326, 40, 100, Verdict::Good),  // working memory, gone with the model
        (726, 440, 100, Verdict::Good), // both
        (240, 140, 50, Verdict::Partial),
        (726, 626, 50, Verdict::Partial),
        (250, 250, 0, Verdict::Leak),
    ] {
        let mut ledger = Ledger::default();
        ledger.record(1, BeforeTranscription, 40 * MIB);
        ledger.taken(1, Stage::Transcription, 240 * MIB);
        ledger.record(1, BeforeWhisperCleanup, held * MIB);
        let cleanup = ledger.record(1, AfterWhisperCleanup, after * MIB).unwrap();
        assert_eq!(
            (cleanup.freed.round() as u64, cleanup.verdict),
            (freed, verdict),
            "{held} → {after}"
        );
    }
}

#[test]
fn what_came_before_a_stage_takes_something_is_not_its_own() {
    let mut ledger = Ledger::default();
    ledger.record(1, BeforeAudioPreprocessing, 40 * MIB);
    ledger.taking(1, Stage::AudioPreprocessing, 140 * MIB); // decoders came up meanwhile
    ledger.taken(1, Stage::AudioPreprocessing, 141 * MIB);
    ledger.record(1, BeforeWaveformCleanup, 150 * MIB);
    assert_eq!(ledger.record(1, AfterWaveformCleanup, 149 * MIB), None);
}

#[test]
fn who_starts_anew_leaves_nothing_to_others() {
    let mut ledger = Ledger::default();
    ledger.record(1, BeforeTranscription, 0);
    ledger.record(2, BeforeAudioPreprocessing, 0);
    ledger.forget(1);
    ledger.record(1, BeforeTranscription, 100 * MIB);
    ledger.record(1, BeforeWhisperCleanup, 300 * MIB);
    let good = ledger.record(1, AfterWhisperCleanup, 100 * MIB).unwrap();
    assert_eq!(good.verdict, Verdict::Good);
}

#[test]
fn what_died_is_nobodys_leak() {
    let mut ledger = Ledger::default();
    ledger.record(1, BeforeTranscription, 10 * MIB);
    ledger.taken(1, Stage::Transcription, 110 * MIB);
    ledger.lost(1, Stage::Transcription, 12 * MIB);
    assert_eq!(ledger.record(1, BeforeWhisperCleanup, 12 * MIB), None);
    assert_eq!(ledger.record(1, AfterWhisperCleanup, 12 * MIB), None);
    // What took its place is the stage's again.
    ledger.record(1, BeforeTranscription, 10 * MIB);
    ledger.taken(1, Stage::Transcription, 110 * MIB);
    ledger.lost(1, Stage::Transcription, 12 * MIB);
    ledger.taken(1, Stage::Transcription, 112 * MIB);
    ledger.record(1, BeforeWhisperCleanup, 112 * MIB);
    let cleanup = ledger.record(1, AfterWhisperCleanup, 111 * MIB).unwrap();
    assert_eq!(cleanup.verdict, Verdict::Leak);
}
