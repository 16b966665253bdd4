//! Tokens → words, from bytes: a token may hold a part of a character, and a script may have no spaces.

use super::script::{is_combining, is_opening, is_punctuation, is_spaceless};
use super::{Segment, Token};
use crate::speech::Word;

/// The longest time that one word may take, in samples: 2 s. Longer ones come from a token whose time
/// was stretched over a pause; people say no word so slowly (compare suitenumerique/meet#1323).
const LONGEST_WORD: u64 = 2 * crate::time::SAMPLE_RATE as u64;

/// One or more tokens that end on a character border, as text.
struct Piece {
    text: String,
    start: u64,
    end: u64,
    /// Sum and number of the token probabilities.
    probability: (f32, u32),
}

/// The words of `segment`, whose window begins at sample `origin` and whose number is `number`.
///
/// A word begins at a token that begins with a space, and at each character of a script without
/// spaces. Punctuation joins the word before it, opening punctuation the word after it. The confidence
/// of a word is the mean probability of its tokens. Times are clamped to the segment.
pub fn words_of_segment(segment: &Segment, origin: u64, number: u32) -> Vec<Word> {
    let mut words: Vec<(Piece, bool)> = Vec::new(); // bool: still only opening punctuation
    for piece in pieces(&segment.tokens) {
        for piece in split_spaceless(piece) {
            let joins = match words.last() {
                None => false,
                Some((_, true)) => true,
                Some((last, false)) => !begins_word(&last.text, &piece.text),
            };
            let opening = piece.text.trim().chars().all(is_opening);
            match words.last_mut() {
                Some((last, was_opening)) if joins => {
                    last.text.push_str(if last.text.trim().is_empty() {
                        piece.text.trim_start()
                    } else {
                        &piece.text
                    });
                    last.end = last.end.max(piece.end);
                    last.probability.0 += piece.probability.0;
                    last.probability.1 += piece.probability.1;
                    *was_opening &= opening;
                }
                _ => words.push((piece, opening)),
            }
        }
    }
    let ends: Vec<u64> = words
        .iter()
        .skip(1)
        .map(|(next, _)| next.start)
        .chain([segment.end])
        .collect();
    words
        .into_iter()
        .zip(ends)
        .filter_map(|((piece, _), next)| {
            let text: String = piece.text.split_whitespace().collect::<Vec<_>>().join("\u{a0}");
            if text.is_empty() {
                return None;
            }
            let start = piece.start.clamp(segment.start, segment.end);
            // Onset-only times: the word lasts until the next one begins.
            let end = if piece.end > piece.start { piece.end } else { next };
            let end = end.clamp(start, segment.end.max(start)).min(start + LONGEST_WORD);
            Some(Word {
                text,
                start: origin + start,
                end: origin + end,
                confidence: (piece.probability.0 / piece.probability.1.max(1) as f32).clamp(0.0, 1.0),
                segment: number,
                speaker: None,
                language: None,
            })
        })
        .collect()
}

/// Joins tokens until their bytes end on a character border. Bytes that are no UTF-8 at all become U+FFFD.
fn pieces(tokens: &[Token]) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut open: Option<(Vec<u8>, Piece)> = None;
    for token in tokens {
        let (mut bytes, mut piece) = open.take().unwrap_or_else(|| {
            (
                Vec::new(),
                Piece {
                    text: String::new(),
                    start: token.start,
                    end: token.end,
                    probability: (0.0, 0),
                },
            )
        });
        bytes.extend_from_slice(&token.bytes);
        piece.end = piece.end.max(token.end);
        piece.probability = (piece.probability.0 + token.probability, piece.probability.1 + 1);
        match std::str::from_utf8(&bytes) {
            // `error_len() == None`: the bytes so far are right and end inside a character.
            Err(error) if error.error_len().is_none() => open = Some((bytes, piece)),
            _ => {
                piece.text = String::from_utf8_lossy(&bytes).into_owned();
                out.push(piece);
            }
        }
    }
    if let Some((bytes, mut piece)) = open {
        piece.text = String::from_utf8_lossy(&bytes).into_owned();
        out.push(piece);
    }
    out
}

/// Cuts a piece of a script without spaces into its characters, sharing its time evenly.
fn split_spaceless(piece: Piece) -> Vec<Piece> {
    if !piece.text.chars().any(is_spaceless) {
        return vec![piece];
    }
    let mut texts: Vec<String> = Vec::new();
    for c in piece.text.chars() {
        match texts.last_mut() {
            Some(last) if is_combining(c) || !(is_spaceless(c) || last.chars().all(is_spaceless)) => {
                last.push(c)
            }
            _ => texts.push(c.to_string()),
        }
    }
    let n = texts.len() as u64;
    let length = piece.end.saturating_sub(piece.start);
    (0..n)
        .zip(texts)
        .map(|(i, text)| Piece {
            text,
            start: piece.start + length * i / n,
            end: piece.start + length * (i + 1) / n,
            probability: piece.probability,
        })
        .collect()
}

/// Whether `piece` begins a new word behind one that ends in `last`.
fn begins_word(last: &str, piece: &str) -> bool {
    let bare = piece.trim();
    if bare.is_empty() {
        return false;
    }
    if bare.chars().all(is_punctuation) {
        // " (" and " “" open the next word; ")" and "," close this one.
        return piece.starts_with(char::is_whitespace)
            && bare.chars().all(is_opening)
            && bare != "'"
            && bare != "-"
            || bare.chars().all(|c| "「『（【《〈“‘«‹([{¿".contains(c));
    }
    let first = bare.chars().next().unwrap_or(' ');
    piece.starts_with(char::is_whitespace)
        || last.ends_with(char::is_whitespace)
        || (is_spaceless(first) && !is_combining(first))
        || last
            .chars()
            .next_back()
            .is_some_and(|c| is_spaceless(c) && first.is_alphanumeric() && !is_combining(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens of one second each.
    fn segment(tokens: &[&[u8]]) -> Segment {
        let tokens: Vec<Token> = tokens
            .iter()
            .zip(0u64..)
            .map(|(bytes, i)| Token {
                bytes: bytes.to_vec(),
                probability: 0.5,
                start: i * 16_000,
                end: (i + 1) * 16_000,
            })
            .collect();
        Segment {
            start: 0,
            end: tokens.len() as u64 * 16_000,
            tokens,
        }
    }

    #[track_caller]
    fn check(tokens: &[&str], expected: &[&str]) {
        let bytes: Vec<&[u8]> = tokens.iter().map(|t| t.as_bytes()).collect();
        let words = words_of_segment(&segment(&bytes), 0, 0);
        let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn words_begin_at_spaces_and_keep_their_punctuation() {
        check(&[" And", " so", ",", " my"], &["And", "so,", "my"]);
        check(&[" cam", "era", " nine", "."], &["camera", "nine."]);
        check(&["Hello", " world", "!"], &["Hello", "world!"]);
        check(&[" well", "-", "known", " it", "'s"], &["well-known", "it's"]);
        check(&[" he", " said", " \"", "yes", "\""], &["he", "said", "\"yes\""]);
        check(&[" (", "maybe", ")", " not"], &["(maybe)", "not"]);
        check(&[" wait", "...", " what", "?"], &["wait...", "what?"]);
        check(
            &[" three", " -", " four"],
            &["three -".replace(' ', "\u{a0}").as_str(), "four"],
        );
        check(&[], &[]);
        check(&[" "], &[]);
    }

    #[test]
    fn scripts_without_spaces_give_a_word_a_character() {
        check(
            &["今日", "は", "いい", "天気", "。"],
            &["今", "日", "は", "い", "い", "天", "気。"],
        );
        check(&["ラー", "メン"], &["ラー", "メ", "ン"]);
        check(&["「", "はい", "」"], &["「は", "い」"]);
        check(&["สวัส", "ดี"], &["ส", "วั", "ส", "ดี"]);
    }

    #[test]
    fn a_character_may_be_spread_over_tokens() {
        let e_acute = "é".as_bytes();
        let words = words_of_segment(
            &segment(&[b" caf", &e_acute[..1], &e_acute[1..], b" ol\xc3"]),
            0,
            0,
        );
        assert_eq!(
            words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(),
            ["café", "ol\u{fffd}"]
        );
        assert_eq!(
            (words[0].start, words[0].end),
            (0, 3 * 16_000 - 16_000),
            "longest word is 2 s"
        );
    }

    #[test]
    fn times_stay_in_the_segment_and_onsets_last_until_the_next_word() {
        let mut s = segment(&[b" a", b" b"]);
        for t in &mut s.tokens {
            t.end = t.start;
        }
        s.end = 20_000;
        let words = words_of_segment(&s, 100, 7);
        assert_eq!((words[0].start, words[0].end), (100, 16_100));
        assert_eq!(
            (words[1].start, words[1].end, words[1].segment),
            (16_100, 20_100, 7)
        );
    }
}
