//! What comes out, in either residency, and in which order models come and go.

use std::sync::atomic::Ordering;

use gst::prelude::*;

use crate::rig::*;

/// One model after the other, and everything at its time.
const SEQUENTIAL: [u32; 19] = [1, 2, 4, 3, 12, 13, 5, 6, 16, 17, 7, 8, 18, 19, 9, 10, 14, 15, 11];

#[test]
fn every_word_has_its_speaker_and_every_checkpoint_its_place() {
    let rig = Rig::new("");
    let outcome = rig.run(&talk(65));
    assert_eq!(outcome.errors, [""; 0]);
    assert_eq!(outcome.words, heard(65));
    assert_eq!(outcome.checkpoints, SEQUENTIAL);
    assert_eq!(rig.words.alive.load(Ordering::SeqCst), 0);
    assert_eq!(rig.turns.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn all_models_at_once_say_the_same() {
    let outcome = Rig::new("residency=concurrent").run(&talk(65));
    assert_eq!(outcome.words, heard(65));
    assert_eq!(outcome.sorted(), all());
    let [init, load] = [&outcome.checkpoints[..1], &outcome.checkpoints[1..4]];
    assert_eq!(init, [1]);
    let mut load = load.to_vec();
    load.sort_unstable();
    assert_eq!(load, [2, 4, 6], "all are taken before the first sample");
}

#[test]
fn the_speaker_models_come_when_whisper_has_gone() {
    let rig = Rig::new("");
    let (words, turns) = (rig.words.clone(), rig.turns.clone());
    // Looked at whenever something is told.
    rig.bus().set_sync_handler(move |_, _| {
        let both = words.alive.load(Ordering::SeqCst) + turns.alive.load(Ordering::SeqCst);
        assert!(both <= 1, "two models at a time");
        gst::BusSyncReply::Pass
    });
    assert_eq!(rig.run(&talk(40)).words, heard(40));
    assert_eq!(rig.turns.loaded.load(Ordering::SeqCst), 1);
}

#[test]
fn waiting_audio_goes_through_a_file_when_it_must() {
    assert_eq!(Rig::new("spool-memory=0").run(&talk(65)).words, heard(65));
}

#[test]
fn without_speakers_there_are_words_alone() {
    let rig = Rig::new("diarize=false");
    let outcome = rig.run(&talk(40));
    let words: Vec<_> = heard(40).into_iter().map(|(word, _)| (word, None)).collect();
    assert_eq!(outcome.words, words);
    assert_eq!(outcome.checkpoints, [1, 2, 4, 3, 10, 12, 13, 5, 14, 15, 11]);
    assert_eq!(rig.turns.loaded.load(Ordering::SeqCst), 0);
    // And with them again.
    rig.bin.set_property("diarize", true);
    rig.sink().set_property("emit-signals", false);
    assert_eq!(rig.run(&talk(40)).words, heard(40));
}

#[test]
fn progress_tells_of_every_stage_and_ends() {
    use gst::ProgressType::{Complete, Continue, Start};
    let outcome = Rig::new("").run(&talk(65));
    let codes = ["load", "transcription", "load", "diarization", "alignment"];
    let stages: Vec<_> = outcome
        .progress
        .iter()
        .filter(|(_, kind)| *kind == Start)
        .collect();
    let begun: Vec<&str> = stages.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(begun, codes);
    let ended: Vec<&str> = outcome
        .progress
        .iter()
        .filter(|(_, kind)| *kind == Complete)
        .map(|(code, _)| code.as_str())
        .collect();
    assert_eq!(ended, codes, "and none is open when the next begins");
    assert!(
        outcome
            .progress
            .iter()
            .all(|(_, kind)| matches!(kind, Start | Continue | Complete))
    );
}

#[test]
fn a_run_can_be_repeated() {
    let rig = Rig::new("");
    for _ in 0..5 {
        let outcome = rig.run(&talk(40));
        assert_eq!(outcome.words, heard(40));
        assert_eq!(outcome.checkpoints, SEQUENTIAL);
    }
}

#[test]
fn a_seek_begins_anew_with_whisper() {
    let rig = Rig::new("");
    let source = rig.source();
    source.set_property_from_str("stream-type", "seekable");
    source.set_callbacks(gst_app::AppSrcCallbacks::builder().seek_data(|_, _| true).build());
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    rig.push(0, &talk(65));
    // The first window is being looked at, or has been, and the flush forgets it.
    let flags = gst::SeekFlags::FLUSH;
    rig.pipeline
        .seek_simple(flags, gst::ClockTime::from_seconds(20))
        .unwrap();
    rig.push(20, &talk(65)[20 * 16_000..]);
    rig.source().end_of_stream().unwrap();
    let mut outcome = Outcome::default();
    outcome.hear(&rig.bus(), Some(gst::ClockTime::from_seconds(60)));
    outcome.take(&rig.sink());
    rig.stop(&mut outcome);
    assert_eq!(outcome.errors, [""; 0]);
    let texts: Vec<&str> = outcome.words.iter().map(|(word, _)| word.as_str()).collect();
    let expected: Vec<String> = (20..65).map(|s| format!("w{s}")).collect();
    assert_eq!(texts, expected);
    assert_eq!(outcome.sorted(), all());
}

#[test]
fn a_live_source_gets_all_models_at_once() {
    let rig = Rig::new("");
    rig.source().set_is_live(true);
    let outcome = rig.run(&talk(65));
    assert_eq!(outcome.errors, [""; 0]);
    let texts: Vec<&str> = outcome.words.iter().map(|(word, _)| word.as_str()).collect();
    let expected: Vec<String> = (0..65).map(|s| format!("w{s}")).collect();
    assert_eq!(texts, expected, "each word once, in order");
    assert!(
        outcome.progress.iter().all(|(code, _)| code == "load"),
        "{:?}",
        outcome.progress
    );
    assert_eq!(outcome.sorted(), all());
}
