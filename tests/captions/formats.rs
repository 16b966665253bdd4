//! The exact bytes of each format, and which one is chosen.

use gstscribe::elements::word::to_buffer;

use crate::common::*;

/// Two speakers, markup in a word, a pause; then the end.
fn dialogue(captions: &mut Captions) {
    let mut ana = word("<b>R&D</b>", 1_000, 1_300);
    ana.speaker = Some("Ana".into());
    ana.language = Some("en".into());
    let mut also = word("-->\nstopped.", 1_300, 2_500);
    also.speaker = ana.speaker.clone();
    let mut bob = word("Why?", 3_000, 3_400);
    bob.speaker = Some("Bob & Co".into());
    captions.push([ana, also, bob].iter().map(to_buffer));
    captions.eos();
}

#[track_caller]
fn check_file(caps: &str, properties: &str, expected: &str) {
    let mut captions = Captions::new(caps, properties);
    dialogue(&mut captions);
    assert_eq!(captions.text(), expected);
}

#[test]
fn webvtt() {
    let (first, second) = ("00:00:01.000 --> 00:00:02.500", "00:00:03.000 --> 00:00:03.833");
    check_file(
        "application/x-subtitle-vtt",
        "",
        &format!(
            "WEBVTT\n\n{first}\n<v Ana>&lt;b&gt;R&amp;D&lt;/b&gt; --&gt; stopped.</v>\n\n\
             {second}\n<v Bob &amp; Co>Why?</v>\n\n"
        ),
    );
    check_file(
        "application/x-subtitle-vtt",
        "speaker-labels=false",
        &format!("WEBVTT\n\n{first}\n&lt;b&gt;R&amp;D&lt;/b&gt; --&gt; stopped.\n\n{second}\nWhy?\n\n"),
    );
}

#[test]
fn subrip() {
    check_file(
        "application/x-subtitle",
        "",
        "1\n00:00:01,000 --> 00:00:02,500\nAna: <\u{2060}b>R&D<\u{2060}/b> --\u{2060}> stopped.\n\n\
         2\n00:00:03,000 --> 00:00:03,833\nBob & Co: Why?\n\n",
    );
}

#[test]
fn plain_text() {
    check_file(
        "text/x-raw, format=utf8",
        "",
        "Ana: <b>R&D</b> --> stopped.\nBob & Co: Why?\n",
    );
    check_file(
        "text/x-raw, format=utf8",
        "speaker-labels=false max-line-length=12",
        "<b>R&D</b>\n--> stopped.\nWhy?\n",
    );
}

#[test]
fn pango_markup() {
    check_file(
        "text/x-raw, format=pango-markup",
        "speaker-labels=false speaker-colors=true",
        "<span foreground=\"#FFFFFF\">&lt;b&gt;R&amp;D&lt;/b&gt; --&gt; stopped.</span>\
         <span foreground=\"#FFFF00\">Why?</span>",
    );
}

#[test]
fn transcript_json() {
    check_file(
        "application/x-json, format=transcript",
        "",
        concat!(
            r#"{"text":"<b>R&D</b> --> stopped.","start":1.0,"end":2.5,"speaker":"Ana","language":"en","words":["#,
            r#"{"text":"<b>R&D</b>","start":1.0,"end":1.3,"confidence":0.5},"#,
            r#"{"text":"-->","start":1.3,"end":1.62725,"confidence":0.5},"#,
            r#"{"text":"stopped.","start":1.62725,"end":2.5,"confidence":0.5}]}"#,
            "\n",
            r#"{"text":"Why?","start":3.0,"end":3.833,"speaker":"Bob & Co","language":null,"words":["#,
            r#"{"text":"Why?","start":3.0,"end":3.4,"confidence":0.5}]}"#,
            "\n"
        ),
    );
}

#[test]
fn a_stream_without_a_word_is_a_valid_file() {
    for (caps, expected) in [
        ("application/x-subtitle-vtt", "WEBVTT\n\n"),
        ("application/x-subtitle", ""),
        ("text/x-raw, format=utf8", ""),
    ] {
        let mut captions = Captions::new(caps, "");
        captions.eos();
        assert_eq!(captions.text(), expected, "{caps}");
    }
}

#[test]
fn the_format_that_downstream_takes_is_chosen() {
    for (downstream, expected) in [
        ("ANY", "application/x-subtitle-vtt"),
        (
            "text/x-raw, format={ utf8, pango-markup }",
            "text/x-raw, format=(string)pango-markup",
        ),
        (
            "subtitle/x-kate; text/x-raw, format=utf8; application/x-ass",
            "text/x-raw, format=(string)utf8",
        ),
        (
            "application/x-subtitle; application/x-subtitle-vtt",
            "application/x-subtitle-vtt",
        ),
        (
            "application/x-json",
            "application/x-json, format=(string)transcript",
        ),
    ] {
        let captions = Captions::new(downstream, "");
        captions.check(&[&format!("caps {expected}"), "segment 0"]);
    }
}
