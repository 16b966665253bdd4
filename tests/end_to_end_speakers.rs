//! Who said what, by the real elements with the bundled models: in a line made by hand, and in the bin.

mod common;

use std::path::Path;

use common::{demo_model, plain, quoted, recording};
use gst::prelude::*;
use gstscribe::elements::word;
use gstscribe::speech::Word;
use serde::Deserialize;

#[derive(Deserialize)]
struct TrueWord {
    word: String,
    speaker: String,
}

/// The words of `file` with their speakers. Ordinary queues: nothing may wait for the other branch.
fn who_said_what(file: &Path) -> Vec<Word> {
    common::init();
    let line = format!(
        "filesrc location={} ! decodebin ! scriberesample ! tee name=t \
         scribealigner name=a ! appsink name=sink sync=false \
         t. ! queue ! scribetranscriber threads=1 model-path=\"{}\" ! a.words \
         t. ! queue ! scribediarizer threads=1 ! a.turns",
        quoted(file),
        demo_model()
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    let bin = pipeline.downcast_ref::<gst::Bin>().unwrap();
    let sink = bin
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok());
    let words = samples
        .map(|sample| word::from_buffer(sample.buffer().unwrap()).unwrap())
        .collect();
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{error:?}");
    words
}

/// What the bin makes of it, as texts and speakers.
fn by_the_bin(file: &Path, properties: &str) -> Vec<(String, Option<String>)> {
    common::init();
    let line = format!(
        "filesrc location={} ! decodebin ! scribebin threads=1 whisper-model=bundled {properties} ! \
         application/x-json,format=transcript ! appsink name=sink sync=false",
        quoted(file),
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    let bin = pipeline.downcast_ref::<gst::Bin>().unwrap();
    let sink: gst_app::AppSink = bin.by_name("sink").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut words = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let bytes = sample.buffer().unwrap().map_readable().unwrap().to_vec();
        let cue: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let speaker = cue["speaker"].as_str().map(str::to_owned);
        let texts = cue["words"].as_array().unwrap().iter();
        words.extend(texts.map(|w| (w["text"].as_str().unwrap().to_owned(), speaker.clone())));
    }
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{error:?}");
    words
}

/// The longest way through both in which equal texts meet: pairs of positions.
fn matched(truth: &[String], heard: &[String]) -> Vec<(usize, usize)> {
    let mut most = vec![vec![0_usize; heard.len() + 1]; truth.len() + 1];
    for i in (0..truth.len()).rev() {
        for j in (0..heard.len()).rev() {
            most[i][j] = if truth[i] == heard[j] {
                most[i + 1][j + 1] + 1
            } else {
                most[i + 1][j].max(most[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < truth.len() && j < heard.len() {
        if truth[i] == heard[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if most[i + 1][j] >= most[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

struct Score {
    words: usize,
    matched: usize,
    wrong: usize,
}

impl Score {
    /// Share of the words that were heard and have another speaker than the truth, or none.
    fn error(&self) -> f64 {
        self.wrong as f64 / self.matched.max(1) as f64
    }
}

/// Two speakers: the labels go to the two names in the way that fits better.
fn score(file: &Path) -> Score {
    let text = std::fs::read_to_string(file.with_extension("words.json")).unwrap();
    let truth: Vec<TrueWord> = serde_json::from_str(&text).unwrap();
    let heard = who_said_what(file);
    let one = |text: &str| plain(text).concat();
    let true_texts: Vec<String> = truth.iter().map(|w| one(&w.word)).collect();
    let heard_texts: Vec<String> = heard.iter().map(|w| one(&w.text)).collect();
    let pairs = matched(&true_texts, &heard_texts);
    let mut names: Vec<&str> = truth.iter().map(|w| w.speaker.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let wrong = |labels: [&str; 2]| {
        let fits = |(i, j): &&(usize, usize)| {
            let label = labels
                .iter()
                .position(|l| heard[*j].speaker.as_deref() == Some(*l));
            label.and_then(|at| names.get(at)) == Some(&truth[*i].speaker.as_str())
        };
        pairs.len() - pairs.iter().filter(fits).count()
    };
    let score = Score {
        words: truth.len(),
        matched: pairs.len(),
        wrong: wrong(["SPEAKER_00", "SPEAKER_01"]).min(wrong(["SPEAKER_01", "SPEAKER_00"])),
    };
    println!(
        "{}: {} of {} words heard, {} with a wrong speaker: {:.1} % word-speaker error",
        file.display(),
        score.matched,
        score.words,
        score.wrong,
        100.0 * score.error()
    );
    score
}

#[test]
fn the_words_of_the_bundled_conversation_have_their_speakers() {
    let score = score(&recording("conversation.flac"));
    assert!(score.matched * 10 >= score.words * 9, "too few words to judge by");
    assert!(score.error() <= 0.05, "{:.3}", score.error());
}

/// Human readers of digits, which the bundled models know less well: printed for whoever looks.
#[test]
fn the_words_of_two_people_who_read_digits_are_measured() {
    if let Some(file) = common::shared("audio/digits-2spk.flac") {
        let score = score(&file);
        assert!(score.matched <= score.words);
    }
}

#[test]
fn the_bin_says_what_the_line_made_by_hand_says() {
    let file = recording("conversation.flac");
    let by_hand: Vec<_> = who_said_what(&file)
        .into_iter()
        .map(|word| (word.text, word.speaker.map(|s| s.to_string())))
        .collect();
    assert!(by_hand.len() > 100);
    for residency in ["sequential", "concurrent"] {
        let words = by_the_bin(&file, &format!("residency={residency}"));
        assert_eq!(words, by_hand, "{residency}");
    }
}
