//! Elements of SVG as text, and the file.

use std::fmt::Write;

use super::{Sheet, layout, panel, style};

/// A point in user units.
pub type Point = (f64, f64);

/// Which part of a text is at its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// Elements, one a line.
#[derive(Default)]
pub struct Svg(String);

impl Svg {
    /// A group that shows `title` where the pointer rests on it.
    pub fn titled(&mut self, title: &str, draw: impl FnOnce(&mut Svg)) {
        self.put(format_args!("<g><title>{}</title>", escape(title)));
        draw(self);
        self.put(format_args!("</g>"));
    }

    pub fn text(&mut self, class: &str, (x, y): Point, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            number(x),
            number(y),
            escape(text)
        ));
    }

    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1)
        ));
    }

    pub fn rect(&mut self, class: &str, (x, y): Point, width: f64, height: f64, corner: f64) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
            number(x),
            number(y),
            number(width),
            number(height),
            number(corner)
        ));
    }

    pub fn circle(&mut self, class: &str, (x, y): Point, radius: f64) {
        self.put(format_args!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            number(x),
            number(y),
            number(radius)
        ));
    }

    pub fn polyline(&mut self, class: &str, points: &[Point]) {
        self.put(format_args!(
            "<polyline class=\"{class}\" points=\"{}\"/>",
            list(points)
        ));
    }

    pub fn polygon(&mut self, class: &str, points: &[Point]) {
        self.put(format_args!(
            "<polygon class=\"{class}\" points=\"{}\"/>",
            list(points)
        ));
    }

    pub fn into_text(self) -> String {
        self.0
    }

    fn put(&mut self, element: std::fmt::Arguments) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "{element}");
    }
}

fn list(points: &[Point]) -> String {
    let points: Vec<_> = points
        .iter()
        .map(|point| format!("{},{}", number(point.0), number(point.1)))
        .collect();
    points.join(" ")
}

/// To a hundredth of a unit, which no eye sees.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Any text as XML's character data. Characters that XML 1.0 cannot have at all are replaced.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' => safe.push(letter),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// The opening tag of an image of `height`, with `extra` attributes.
pub fn open(height: f64, what: &str, extra: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"m\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"{extra}>\n",
        number(layout::WIDTH),
        number(height),
        escape(what)
    )
}

/// A file of its own, on white paper.
pub fn file(sheets: &[Sheet]) -> String {
    let panels: Vec<_> = sheets.iter().map(|sheet| panel::draw(sheet, true)).collect();
    let height: f64 = panels.iter().map(|panel| panel.height).sum();
    let size = format!(
        " width=\"{}\" height=\"{}\"",
        number(layout::WIDTH),
        number(height)
    );
    let mut text = open(height, "GPU memory of a run at its checkpoints", &size);
    let _ = write!(text, "<style>\n{}</style>\n", style::chart());
    let mut paper = Svg::default();
    paper.rect("paper", (0.0, 0.0), layout::WIDTH, height, 0.0);
    text.push_str(&paper.into_text());
    let mut top = 0.0;
    for panel in panels {
        let _ = write!(
            text,
            "<g transform=\"translate(0 {})\">\n{}</g>\n",
            number(top),
            panel.drawing
        );
        top += panel.height;
    }
    text.push_str("</svg>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_character_data() {
        for (text, safe) in [
            ("a < b && \"c\" > d", "a &lt; b &amp;&amp; &quot;c&quot; &gt; d"),
            (
                "\u{1b}[31m\u{0}\u{85}\u{ffff}é",
                "\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}é",
            ),
        ] {
            assert_eq!(escape(text), safe);
        }
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_need() {
        for (value, text) in [
            (1.0, "1"),
            (100.0, "100"),
            (0.5, "0.5"),
            (1.0 / 3.0, "0.33"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
