//! Which characters belong to scripts that put no space between words, and which are punctuation.

/// Scripts written without spaces: each character is a word of its own, as in OpenAI's
/// `whisper/tokenizer.py` (`split_to_word_tokens`: zh, ja, th, lo, my, yue). Unicode block ranges.
pub fn is_spaceless(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF      // Thai, Lao
        | 0x1000..=0x109F    // Myanmar
        | 0x1780..=0x17FF    // Khmer
        | 0x3040..=0x30FF    // Hiragana, Katakana
        | 0x31F0..=0x31FF    // Katakana phonetic extensions
        | 0x3400..=0x4DBF    // CJK extension A
        | 0x4E00..=0x9FFF    // CJK unified
        | 0xF900..=0xFAFF    // CJK compatibility
        | 0xFF66..=0xFF9F    // half-width Katakana
        | 0x2_0000..=0x3_134F // CJK extensions B and later
    )
}

/// A mark that attaches to the character before it: vowel signs and tones of Thai, Lao, Khmer and
/// Myanmar, the Japanese length and iteration marks.
pub fn is_combining(c: char) -> bool {
    matches!(u32::from(c),
        0x0300..=0x036F
        | 0x0E30..=0x0E3A | 0x0E45..=0x0E4E   // Thai
        | 0x0EB0..=0x0EBC | 0x0EC8..=0x0ECE   // Lao
        | 0x102B..=0x103E | 0x1056..=0x1059   // Myanmar
        | 0x17B4..=0x17D3                     // Khmer
        | 0x3005 | 0x3099..=0x309E | 0x30FC..=0x30FE | 0xFF70 | 0xFF9E | 0xFF9F
        | 0x3041 | 0x3043 | 0x3045 | 0x3047 | 0x3049 | 0x3063 | 0x3083 | 0x3085 | 0x3087
        | 0x30A1 | 0x30A3 | 0x30A5 | 0x30A7 | 0x30A9 | 0x30C3 | 0x30E3 | 0x30E5 | 0x30E7
    )
}

/// Punctuation that opens: it belongs to the word that follows (`prepend_punctuations` of
/// OpenAI's `whisper/timing.py`).
pub fn is_opening(c: char) -> bool {
    "\"'“¿([{-‘«‹「『（【《〈".contains(c)
}

/// Any punctuation: a token of nothing else is no word.
pub fn is_punctuation(c: char) -> bool {
    is_opening(c)
        || c.is_ascii_punctuation()
        || matches!(u32::from(c), 0x2010..=0x2027 | 0x2030..=0x205E | 0x3001..=0x3003 | 0x3008..=0x301F | 0xFF01..=0xFF0F | 0xFF1A..=0xFF20 | 0xFF3B..=0xFF40 | 0xFF5B..=0xFF65)
        || "¡¿«»·।॥،؛؟".contains(c)
}
