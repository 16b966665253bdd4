//! How good a place the space between two words is for ending a line or a cue.

use crate::speech::Word;
use crate::speech::sentence::{CLOSERS, SENTENCE, ends_sentence, is_in};

/// From best to worst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boundary {
    /// After the end of a sentence.
    Sentence,
    /// After a comma, semicolon, colon or dash.
    Clause,
    /// Before a conjunction or preposition.
    Phrase,
    /// Nothing speaks for it or against it.
    Plain,
    /// Between words that belong together: an article and its noun, a word and its closing bracket.
    Bound,
}

impl Boundary {
    /// What a break here is worth. The order is that of Netflix' "Line Treatment" (after punctuation,
    /// before conjunctions and prepositions, never between article and noun) and of BBC Subtitle
    /// Guidelines 3.4; the size is ours. 1 is as much as a line pair of 15 % and 85 % costs in evenness
    /// ([`super::lines`]), so that a clause end wins over even lines until one of them is a scrap.
    pub fn weight(self) -> f64 {
        match self {
            Self::Sentence => 1.3,
            Self::Clause => 1.0,
            Self::Phrase => 0.3,
            Self::Plain => 0.0,
            Self::Bound => -0.5,
        }
    }
}

const CLAUSE: &[char] = &[',', ';', ':', '–', '—', '،', '؛', '、', '，', '；', '：'];

/// English words to break before: conjunctions and prepositions.
const OPENERS: &[&str] = &[
    "and", "but", "or", "nor", "so", "yet", "because", "although", "though", "while", "when", "where",
    "which", "who", "that", "if", "unless", "until", "since", "than", "of", "in", "on", "at", "by", "for",
    "from", "with", "without", "about", "into", "through", "over", "under", "between", "after", "before",
    "during", "to",
];

/// English words never to break after: articles, possessives, conjunctions and prepositions.
const BINDERS: &[&str] = &[
    "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these", "those", "and",
    "but", "or", "of", "in", "on", "at", "by", "for", "from", "with", "to", "into", "i", "he", "she", "we",
    "they", "is", "are", "was", "were", "not", "very", "mr", "mrs", "ms", "dr", "prof",
];

fn ends_clause(text: &str) -> bool {
    text.trim_end_matches(CLOSERS).ends_with(CLAUSE) || text == "-"
}

/// The place between two words that follow each other in one language.
pub fn between(left: &Word, right: &Word) -> Boundary {
    if right
        .text
        .starts_with(|c| CLOSERS[2..].contains(&c) || CLAUSE.contains(&c) || SENTENCE.contains(&c))
    {
        return Boundary::Bound; // a line never begins with closing punctuation (in Japanese: kinsoku)
    }
    if ends_sentence(&left.text) && !right.text.starts_with(char::is_lowercase) {
        return Boundary::Sentence;
    }
    if ends_clause(&left.text) || ends_sentence(&left.text) {
        return Boundary::Clause;
    }
    let english = left
        .language
        .as_deref()
        .is_none_or(|l| l == "en" || l.starts_with("en-"));
    if !english {
        return Boundary::Plain;
    }
    if is_in(BINDERS, &left.text) {
        Boundary::Bound
    } else if is_in(OPENERS, &right.text) {
        Boundary::Phrase
    } else {
        Boundary::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, language: Option<&str>) -> Word {
        Word {
            text: text.into(),
            start: 0,
            end: 0,
            confidence: 1.0,
            segment: 0,
            speaker: None,
            language: language.map(Into::into),
        }
    }

    #[test]
    fn places_between_words() {
        use Boundary::*;
        for (left, right, language, expected) in [
            ("stopped.", "We", None, Sentence),
            ("etc.", "and", None, Clause),
            ("stopped,", "we", None, Clause),
            ("(stopped),", "we", None, Clause),
            ("went", "because", None, Phrase),
            ("went", "because", Some("en-GB"), Phrase),
            ("the", "garden", None, Bound),
            ("Dr.", "Brown", None, Bound),
            ("the", "garden", Some("fr"), Plain),
            ("red", "garden", None, Plain),
            ("终于", "，", Some("zh"), Bound),
            ("said", "“yes", None, Plain),
        ] {
            let found = between(&word(left, language), &word(right, language));
            assert_eq!(found, expected, "{left} | {right}");
        }
    }
}
