//! Words → lines: joining, counting columns, choosing where a line ends.

use unicode_width::UnicodeWidthStr;

/// What a line costs for each column beyond the limit: more than everything else together.
const OVERFLOW: f64 = 1_000.0;
/// What a line costs that holds one short word beside longer lines.
const ORPHAN: f64 = 1.0;

/// Something that is never torn apart, and what ending a line behind it is worth.
pub struct Piece<'a> {
    pub text: &'a str,
    pub break_after: f64,
}

/// Columns of `text` on the screen: a wide character takes two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Columns of `texts` in one line.
pub fn columns<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let (mut columns, mut previous) = (0, "");
    for text in texts {
        columns += usize::from(spaced(previous, text)) + width(text);
        previous = text;
    }
    columns
}

/// The texts in one line, a space between them where their script has spaces.
pub fn join(texts: &[&str]) -> String {
    let mut line = String::new();
    for (i, text) in texts.iter().enumerate() {
        if i > 0 && spaced(texts[i - 1], text) {
            line.push(' ');
        }
        line.push_str(text);
    }
    line
}

/// Whether `left` and `right` are written with a space between them.
fn spaced(left: &str, right: &str) -> bool {
    match (left.chars().next_back(), right.chars().next()) {
        (Some(l), Some(r)) => !(is_wide_mark(l) || is_wide_mark(r) || is_unspaced(l) && is_unspaced(r)),
        _ => false,
    }
}

/// Full-width punctuation, whose glyph holds the space.
fn is_wide_mark(c: char) -> bool {
    matches!(u32::from(c), 0x3000..=0x303F | 0xFF01..=0xFF0F | 0xFF1A..=0xFF20 | 0xFF3B..=0xFF40 | 0xFF5B..=0xFF65)
}

/// Scripts that write words without spaces between them (Unicode blocks; Korean does use spaces).
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1780..=0x17FF // Khmer
        | 0x3000..=0x30FF // CJK punctuation, Hiragana, Katakana
        | 0x31F0..=0x31FF // Katakana extensions
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF // Han
        | 0xFF00..=0xFF9F) // full-width forms, half-width Katakana
}

/// The fewest lines of `limit` columns that hold `texts`, each of them whole.
pub fn count<'a>(texts: impl IntoIterator<Item = &'a str>, limit: usize) -> usize {
    let (mut lines, mut column, mut previous) = (0, 0, "");
    for text in texts {
        let with_space = column + usize::from(spaced(previous, text)) + width(text);
        if lines > 0 && with_space <= limit {
            column = with_space;
        } else {
            lines += 1;
            column = width(text);
        }
        previous = text;
    }
    lines
}

/// The pieces as at most `max_lines` lines of `limit` columns, and as few as will do (Netflix, "Line
/// Treatment": one line unless it exceeds the limit). Among those the breaks that are worth most and
/// leave the lines most even. Only pieces that cannot fit make a line longer than `limit`.
pub fn lay_out(pieces: &[Piece], limit: usize, max_lines: usize) -> Vec<String> {
    let wanted = count(pieces.iter().map(|p| p.text), limit).min(max_lines.max(1));
    let breaks = best_breaks(pieces, limit, wanted);
    breaks
        .windows(2)
        .map(|pair| {
            let texts: Vec<&str> = pieces[pair[0]..pair[1]].iter().map(|p| p.text).collect();
            join(&texts)
        })
        .collect()
}

/// The ends of `lines` lines, 0 in front: shortest path over (lines used, pieces placed).
fn best_breaks(pieces: &[Piece], limit: usize, lines: usize) -> Vec<usize> {
    let n = pieces.len();
    let measure = Measure::new(pieces);
    let ideal = measure.columns(0, n) as f64 / lines.max(1) as f64;
    let mut cost = vec![vec![f64::INFINITY; n + 1]; lines + 1];
    let mut from = vec![vec![0; n + 1]; lines + 1];
    cost[0][0] = 0.0;
    for line in 1..=lines {
        for end in line..=n {
            for start in line - 1..end {
                let last = line == lines && end == n;
                let gain = if last { 0.0 } else { pieces[end - 1].break_after };
                let total = cost[line - 1][start] + measure.cost(start, end, limit, ideal) - gain;
                if total < cost[line][end] {
                    cost[line][end] = total;
                    from[line][end] = start;
                }
            }
        }
    }
    let mut breaks = vec![n];
    for line in (1..=lines).rev() {
        breaks.push(from[line][breaks[breaks.len() - 1]]);
    }
    breaks.reverse();
    breaks
}

/// Columns of any run of pieces, by prefix sums.
struct Measure {
    /// Columns of the pieces before this one, with the space in front of each.
    before: Vec<usize>,
    space: Vec<usize>,
}

impl Measure {
    fn new(pieces: &[Piece]) -> Self {
        let (mut before, mut space, mut previous) = (vec![0], Vec::new(), "");
        for piece in pieces {
            let gap = usize::from(spaced(previous, piece.text));
            space.push(gap);
            before.push(before[before.len() - 1] + gap + width(piece.text));
            previous = piece.text;
        }
        Self { before, space }
    }

    fn columns(&self, start: usize, end: usize) -> usize {
        if start >= end {
            0
        } else {
            self.before[end] - self.before[start] - self.space[start]
        }
    }

    fn cost(&self, start: usize, end: usize, limit: usize, ideal: f64) -> f64 {
        let columns = self.columns(start, end);
        let uneven = (columns as f64 - ideal) / ideal.max(1.0);
        let orphan = end - start == 1 && (columns as f64) < ideal / 2.0;
        uneven * uneven + columns.saturating_sub(limit) as f64 * OVERFLOW + if orphan { ORPHAN } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[(&str, f64)], limit: usize, max_lines: usize, expected: &[&str]) {
        let pieces: Vec<Piece> = pieces
            .iter()
            .map(|&(text, break_after)| Piece { text, break_after })
            .collect();
        assert_eq!(lay_out(&pieces, limit, max_lines), expected);
    }

    #[test]
    fn joining_knows_scripts_without_spaces() {
        for (texts, expected) in [
            (&["Hello", "world"][..], "Hello world"),
            (&["你", "好", "，", "世界"], "你好，世界"),
            (&["用", "Rust", "写"], "用 Rust 写"),
            (&["好，", "Rust", "。"], "好，Rust。"),
            (&["안녕", "하세요"], "안녕 하세요"),
            (&["สวัส", "ดี"], "สวัสดี"),
            (&[], ""),
        ] {
            assert_eq!(join(texts), expected);
        }
    }

    #[test]
    fn one_line_while_it_fits() {
        check(&[("Yes,", 1.0), ("I", 0.0), ("do.", 0.0)], 42, 2, &["Yes, I do."]);
    }

    #[test]
    fn lines_are_even_when_no_break_is_better() {
        let plain: Vec<(&str, f64)> = ["one", "two", "six", "ten"].iter().map(|&t| (t, 0.0)).collect();
        check(&plain, 11, 2, &["one two", "six ten"]);
    }

    #[test]
    fn a_valued_break_wins_over_evenness_but_not_for_a_scrap() {
        check(
            &[("aaaa", 1.0), ("bb", 0.0), ("cc", 0.0), ("dd", 0.0)],
            10,
            2,
            &["aaaa", "bb cc dd"],
        );
        check(
            &[("a,", 1.0), ("bbbb", 0.0), ("cccc", 0.0)],
            9,
            2,
            &["a, bbbb", "cccc"],
        );
    }

    #[test]
    fn a_piece_longer_than_the_line_stays_whole() {
        check(
            &[("a", 0.0), ("incomprehensible", 0.0), ("b", 0.0)],
            8,
            3,
            &["a", "incomprehensible", "b"],
        );
    }

    #[test]
    fn too_much_for_the_lines_overflows_as_little_as_possible() {
        check(
            &[("Ana:", -2.0), ("incomprehensible", 0.0)],
            8,
            1,
            &["Ana: incomprehensible"],
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("你好a"), 5);
        assert_eq!(count(["你", "好", "世", "界"], 4), 2);
        check(
            &[("你", 0.0), ("好", 0.0), ("世", 0.0), ("界", 0.0)],
            4,
            2,
            &["你好", "世界"],
        );
    }
}
