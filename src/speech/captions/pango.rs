//! Pango markup: text that is escaped, and coloured by speaker on request.

use super::{Cue, markup};

/// White, yellow, cyan and green, in this order: BBC Subtitle Guidelines, "Use colours". A fifth speaker
/// begins again.
pub const PALETTE: [&str; 4] = ["#FFFFFF", "#FFFF00", "#00FFFF", "#00FF00"];

pub fn write(cue: &Cue, color: Option<&str>) -> String {
    let text = markup::escape(&cue.lines.join("\n"));
    match color {
        Some(color) => format!("<span foreground=\"{color}\">{text}</span>"),
        None => text,
    }
}
