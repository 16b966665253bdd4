//! Other people's parsers read the files: `webvtt-py` and `pysubs2` (PyPI) and GStreamer's subparse.

use std::process::Command;

use crate::{common::*, pipelines::*};

const SCRIPT: &str = r#"
import json, sys, html
import pysubs2, webvtt
vtt, srt = sys.argv[1:]
def seconds(stamp):
    return round(1000 * sum(float(part) * unit for part, unit in zip(stamp.split(":"), (3600, 60, 1))))
print(json.dumps({
    "webvtt": [(seconds(c.start), seconds(c.end), html.unescape(c.text), c.voice) for c in webvtt.read(vtt)],
    "pysubs2 vtt": [(c.start, c.end, html.unescape(c.plaintext)) for c in pysubs2.load(vtt)],
    "pysubs2 srt": [(c.start, c.end, c.plaintext) for c in pysubs2.load(srt)],
}))
"#;

fn file(caps: &str) -> String {
    let mut captions = Captions::new(caps, "");
    let change = |name| {
        gst::Structure::builder("rstranscribe/speaker-change")
            .field("speaker", name)
            .build()
    };
    captions.custom(change("Ana Lima"));
    for (text, start) in SENTENCES {
        captions.say(text, start);
    }
    captions.custom(change("Bob"));
    captions.say("--> <i>Is</i> &amp; \u{4f60} ok?", 8_000);
    captions.eos();
    captions.text()
}

#[test]
fn python_parsers_read_what_was_said() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python)
        .args(["-c", "import webvtt, pysubs2"])
        .output();
    if !probe.is_ok_and(|out| out.status.success()) {
        println!("skipped: {python} cannot import webvtt and pysubs2 (pip install webvtt-py pysubs2)");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (vtt, srt) = (dir.path().join("a.vtt"), dir.path().join("a.srt"));
    std::fs::write(&vtt, file("application/x-subtitle-vtt")).expect("written");
    std::fs::write(&srt, file("application/x-subtitle")).expect("written");
    let out = Command::new(&python)
        .args(["-c", SCRIPT])
        .arg(&vtt)
        .arg(&srt)
        .output()
        .expect("python runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let found: serde_json::Value = serde_json::from_slice(&out.stdout).expect("the script prints JSON");

    let times = [(1_000, 4_300), (6_000, 7_800), (8_000, 9_500)];
    let plain = [
        "When the rain stopped,\nwe all went back into the garden.",
        "Salt & pepper: 1 < 2.",
        "--> <i>Is</i> &amp; \u{4f60} ok?",
    ];
    let voices = ["Ana Lima", "Ana Lima", "Bob"];
    for i in 0..3 {
        let (start, end) = times[i];
        assert_eq!(
            found["webvtt"][i],
            serde_json::json!([start, end, plain[i], voices[i]])
        );
        assert_eq!(found["pysubs2 vtt"][i], serde_json::json!([start, end, plain[i]]));
        let line = found["pysubs2 srt"][i].to_string().replace('\u{2060}', "");
        let label = ["Ana Lima: ", "", "Bob: "][i];
        let shown = label.to_owned() + plain[i];
        assert_eq!(line, serde_json::json!([start, end, shown]).to_string());
    }
    for parser in ["webvtt", "pysubs2 vtt", "pysubs2 srt"] {
        assert_eq!(found[parser].as_array().map(Vec::len), Some(3), "{parser}");
    }
}

#[test]
fn subparse_reads_what_was_said() {
    // subparse of 1.22 decodes neither WebVTT's escapes nor its voices, so of WebVTT only the words count.
    for (caps, expected) in [
        (
            "application/x-subtitle-vtt",
            "When the rain stopped,\nwe all went back into the garden.",
        ),
        ("application/x-subtitle", "Salt &amp; pepper: 1 &lt; 2."),
    ] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (path, out) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&path, file(caps)).expect("written");
        let line = format!(
            "filesrc location={} ! {caps} ! subparse ! text/x-raw,format=pango-markup ! filesink location={}",
            path.display(),
            out.display()
        );
        Pipeline::new(&line).run();
        let text = std::fs::read_to_string(&out).expect("the file was written");
        assert!(text.contains(expected), "{caps}: {text}");
    }
}
