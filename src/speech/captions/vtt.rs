//! WebVTT (W3C, <https://www.w3.org/TR/webvtt1/>).

use super::{Cue, markup};

/// The file's signature and the blank line that ends its header.
pub const HEADER: &str = "WEBVTT\n\n";

/// One cue block. `-->`, which would begin the next one, cannot appear in it: `>` is escaped. Nor can a
/// blank line: words hold no white space.
pub fn write(cue: &Cue, voices: bool) -> String {
    let (start, end) = (markup::clock(cue.start, '.'), markup::clock(cue.end, '.'));
    let text = markup::escape(&cue.lines.join("\n"));
    let voice = cue
        .speaker
        .as_deref()
        .filter(|_| voices)
        .map(annotation)
        .filter(|name| !name.is_empty());
    match voice {
        Some(name) => format!("{start} --> {end}\n<v {name}>{text}</v>\n\n"),
        None => format!("{start} --> {end}\n{text}\n\n"),
    }
}

/// A name as a tag's annotation: one line, single spaces.
fn annotation(name: &str) -> String {
    let parts = name
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|p| !p.is_empty());
    markup::escape(&parts.collect::<Vec<_>>().join(" "))
}
