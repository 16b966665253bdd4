//! Where a sentence ends, as far as the words show it.

/// Closing quotes and brackets, which stand behind the punctuation that ends a sentence.
pub(super) const CLOSERS: &[char] = &[
    '"', '\'', '”', '’', '»', ')', ']', '}', '」', '』', '）', '】', '》',
];
/// What ends a sentence, in the scripts that Whisper writes.
pub(super) const SENTENCE: &[char] = &['.', '!', '?', '…', '。', '！', '？', '．', '؟', '।', '۔'];

/// English titles before a name, the abbreviations that a speech model writes with a full stop.
const TITLES: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "no", "gen", "sen", "rep",
];

/// Whether a sentence ends with `text`, as far as the word alone shows it.
pub fn ends_sentence(text: &str) -> bool {
    let body = text.trim_end_matches(CLOSERS);
    let stem = body.trim_end_matches(SENTENCE);
    if stem.len() == body.len() {
        return false;
    }
    // "J." and "U.S." are initials, "Dr." is a title; with any other mark, or with several, it is an end.
    let one_full_stop = body.strip_suffix('.') == Some(stem);
    let initials = stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic) || stem.contains('.');
    !(one_full_stop && (initials || is_in(TITLES, stem)))
}

/// Whether `list` has the word, whatever its case and the punctuation around it.
pub(super) fn is_in(list: &[&str], word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    list.iter().any(|entry| bare.eq_ignore_ascii_case(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentence_ends() {
        for (text, expected) in [
            ("done.", true),
            ("done.\"", true),
            ("Really?!", true),
            ("well...", true),
            ("what…", true),
            ("终于。", true),
            ("done", false),
            ("done,", false),
            ("Dr.", false),
            ("J.", false),
            ("U.S.", false),
            ("3.5", false),
            ("12.", true),
            ("", false),
        ] {
            assert_eq!(ends_sentence(text), expected, "{text}");
        }
    }
}
