//! SubRip (`.srt`). There is no standard; what players agree on is written here.

use super::{Cue, markup};

/// Stops what follows from being markup and is invisible. SubRip has no escapes: players show `&lt;` as
/// it is, take `<i>` and `<font …>` for HTML and `{\an8}` for a style, and split cues at `-->`.
const WORD_JOINER: char = '\u{2060}';

/// The cue with its number, which counts from 1.
pub fn write(cue: &Cue, number: u64) -> String {
    let (start, end) = (markup::clock(cue.start, ','), markup::clock(cue.end, ','));
    format!(
        "{number}\n{start} --> {end}\n{}\n\n",
        defuse(&cue.lines.join("\n"))
    )
}

fn defuse(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let tag = c == '<' && next.is_some_and(|n| n.is_ascii_alphabetic() || n == '/');
        let style = c == '{' && next == Some('\\');
        let arrow = c == '-' && next == Some('>') && safe.ends_with('-');
        safe.push(c);
        if tag || style || arrow {
            safe.push(WORD_JOINER);
        }
    }
    safe
}
