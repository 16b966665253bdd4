//! What WebVTT and Pango markup have in common: the three characters to escape.

/// `text` for use between tags. Quotes stay as they are: they only matter inside attributes, and a
/// format that markup is copied into (srtenc) would show their entities.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A time as `hh:mm:ss`, a mark and three digits. It rounds down, so cues that do not overlap in
/// samples do not overlap in milliseconds either.
pub fn clock(sample: u64, mark: char) -> String {
    let ms = sample / (u64::from(crate::time::SAMPLE_RATE) / 1_000);
    let (s, m, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    format!("{h:02}:{:02}:{:02}{mark}{:03}", m % 60, s % 60, ms % 1_000)
}
