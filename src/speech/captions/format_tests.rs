//! Each format's exact text.

use super::*;
use crate::{speech::Word, time::seconds};

fn cue(lines: &[&str], speaker: Option<&str>) -> Cue {
    let speaker: Option<Arc<str>> = speaker.map(Into::into);
    let words = lines
        .iter()
        .flat_map(|line| line.split(' '))
        .enumerate()
        .map(|(i, text)| Word {
            text: text.into(),
            start: seconds(3_661.25) + i as u64 * seconds(0.5),
            end: seconds(3_661.5) + i as u64 * seconds(0.5),
            confidence: 0.95,
            segment: 0,
            speaker: speaker.clone(),
            language: Some("en".into()),
        });
    Cue {
        start: seconds(3_661.25),
        end: seconds(3_663.0),
        speaker: speaker.clone(),
        language: Some("en".into()),
        words: words.collect(),
        lines: lines.iter().map(|&l| l.into()).collect(),
    }
}

#[track_caller]
fn check(format: Format, lines: &[&str], speaker: Option<&str>, expected: &str) {
    assert_eq!(
        Writer::new(format, true, true).write(&cue(lines, speaker)),
        expected
    );
}

#[test]
fn webvtt() {
    let time = "01:01:01.250 --> 01:01:03.000\n";
    check(
        Format::WebVtt,
        &["Hello", "world."],
        None,
        &format!("{time}Hello\nworld.\n\n"),
    );
    check(
        Format::WebVtt,
        &["a<b>&amp;", "-->"],
        None,
        &format!("{time}a&lt;b&gt;&amp;amp;\n--&gt;\n\n"),
    );
    check(
        Format::WebVtt,
        &["Hello"],
        Some("Ana >\n & Co"),
        &format!("{time}<v Ana &gt; &amp; Co>Hello</v>\n\n"),
    );
    check(
        Format::WebVtt,
        &["Hello"],
        Some(" \n"),
        &format!("{time}Hello\n\n"),
    );
    let text = Writer::new(Format::WebVtt, false, false).write(&cue(&["Hello"], Some("Ana")));
    assert_eq!(text, format!("{time}Hello\n\n"), "speakers are not wanted");
}

#[test]
fn only_webvtt_has_a_header() {
    for (format, expected) in [
        (Format::WebVtt, Some("WEBVTT\n\n")),
        (Format::SubRip, None),
        (Format::Transcript, None),
        (Format::Utf8, None),
        (Format::PangoMarkup, None),
    ] {
        assert_eq!(Writer::new(format, true, true).header(), expected, "{format:?}");
    }
}

#[test]
fn subrip_counts_and_starts_again() {
    let mut writer = Writer::new(Format::SubRip, true, false);
    let time = "01:01:01,250 --> 01:01:03,000";
    for number in [1, 2] {
        assert_eq!(
            writer.write(&cue(&["R&D", "now"], None)),
            format!("{number}\n{time}\nR&D\nnow\n\n")
        );
    }
    writer.restart();
    assert_eq!(writer.write(&cue(&["Hi"], None)), format!("1\n{time}\nHi\n\n"));
}

#[test]
fn subrip_text_is_never_markup() {
    let time = "1\n01:01:01,250 --> 01:01:03,000\n";
    for (line, expected) in [
        ("<i>no</i>", "<\u{2060}i>no<\u{2060}/i>"),
        ("{\\an8}", "{\u{2060}\\an8}"),
        ("-->", "--\u{2060}>"),
        ("1<2 {x} ->", "1<2 {x} ->"),
    ] {
        check(Format::SubRip, &[line], None, &format!("{time}{expected}\n\n"));
    }
}

#[test]
fn transcript() {
    check(
        Format::Transcript,
        &["\"Hi\"", "Bob"],
        Some("Ana"),
        concat!(
            r#"{"text":"\"Hi\" Bob","start":3661.25,"end":3663.0,"speaker":"Ana","language":"en","#,
            r#""words":[{"text":"\"Hi\"","start":3661.25,"end":3661.5,"confidence":0.95},"#,
            r#"{"text":"Bob","start":3661.75,"end":3662.0,"confidence":0.95}]}"#,
            "\n"
        ),
    );
    let mut odd = cue(&["a"], None);
    odd.words[0].confidence = f32::NAN;
    let text = Writer::new(Format::Transcript, true, true).write(&odd);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["speaker"].is_null());
    assert_eq!(value["words"][0]["confidence"], 0.0);
}

#[test]
fn plain_text_and_markup() {
    check(
        Format::Utf8,
        &["a<b>", "\"c\" & d"],
        Some("Ana"),
        "a<b>\n\"c\" & d",
    );
    check(
        Format::PangoMarkup,
        &["a<b>", "\"c\" & d"],
        None,
        "a&lt;b&gt;\n\"c\" &amp; d",
    );
}

#[test]
fn speakers_keep_their_colour() {
    let mut writer = Writer::new(Format::PangoMarkup, true, true);
    for (speaker, color) in [
        ("A", "#FFFFFF"),
        ("B", "#FFFF00"),
        ("A", "#FFFFFF"),
        ("C", "#00FFFF"),
        ("D", "#00FF00"),
        ("E", "#FFFFFF"),
        ("B", "#FFFF00"),
    ] {
        let expected = format!("<span foreground=\"{color}\">x</span>");
        assert_eq!(writer.write(&cue(&["x"], Some(speaker))), expected, "{speaker}");
        writer.restart();
    }
    let mut plain = Writer::new(Format::PangoMarkup, true, false);
    assert_eq!(plain.write(&cue(&["x"], Some("A"))), "x");
}
