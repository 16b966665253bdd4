//! One run, drawn.

use super::{
    Sheet, heading,
    layout::{Across, EDGE, LANE, LEFT, Layout, RIGHT},
    legend, scale, style,
    svg::{Anchor, Svg},
    words,
};
use crate::memory::{
    timeline::{Outcome, Run},
    verdict::{CRITICAL, Level, NOTICE},
};

/// A run's drawing and how high it is.
pub struct Panel {
    pub drawing: String,
    pub height: f64,
}

/// Half of a chip.
pub const CHIP: f64 = 9.5;
/// The least width of a bar or a cleanup that is seen.
const SEEN: f64 = 4.0;
/// Letters of an element's name for which there is room.
const ELEMENT: usize = 20;
/// Width of a letter of the peak's label, on the average of a wide font.
const LETTER: f64 = 7.4;

/// `sheet`, with a legend of the numbers unless a table stands beside it.
pub fn draw(sheet: &Sheet, with_legend: bool) -> Panel {
    let run = sheet.run;
    let layout = Layout::of(run);
    let mut svg = Svg::default();
    heading::draw(&mut svg, sheet, &layout);
    grid(&mut svg, &layout);
    thresholds(&mut svg, &layout);
    lanes(&mut svg, &layout);
    leaders(&mut svg, &layout);
    held(&mut svg, &layout);
    marks(&mut svg, run, &layout);
    peak(&mut svg, run, &layout);
    let mut y = axis_title(&mut svg, run, &layout);
    for note in legend::notes(run, &layout) {
        y += 18.0;
        svg.text("soft", (LEFT, y), Anchor::Start, &note);
    }
    if with_legend {
        y = legend::draw(&mut svg, run, &layout, y + 30.0);
    }
    Panel {
        drawing: svg.into_text(),
        height: y + EDGE,
    }
}

fn grid(svg: &mut Svg, layout: &Layout) {
    let step = layout.memory_step;
    for (value, y) in layout.memory_ticks() {
        svg.line("grid", (LEFT, y), (RIGHT, y));
        let text = format!("{} {}", scale::label(value, step), layout.unit.name());
        svg.text("soft", (LEFT - 8.0, y + 4.0), Anchor::End, &text);
    }
    for (value, x) in layout.time_ticks() {
        svg.line("grid", (x, layout.ceiling()), (x, layout.floor + 5.0));
        // Counting the checkpoints here would look like their numbers, which stand above.
        if layout.across == Across::Seconds {
            let text = scale::label(value, layout.time_step);
            svg.text("soft", (x, layout.floor + 19.0), Anchor::Middle, &text);
        }
    }
    svg.line("axis", (LEFT, layout.ground()), (RIGHT, layout.ground()));
    svg.line("axis", (LEFT, layout.ceiling()), (LEFT, layout.ground()));
}

fn thresholds(svg: &mut Svg, layout: &Layout) {
    let lines = layout.thresholds();
    for (nth, (percent, y)) in lines.iter().enumerate() {
        let amount = layout
            .total
            .map(|total| total.share(*percent))
            .unwrap_or_default();
        let (class, name) = match *percent {
            p if p == NOTICE => ("notice", "notice"),
            p if p == CRITICAL => ("critical", "critical"),
            _ => ("device", "device"),
        };
        if let Some((_, above)) = lines.get(nth + 1) {
            svg.rect(
                &format!("{class}-zone"),
                (LEFT, *above),
                RIGHT - LEFT,
                y - above,
                0.0,
            );
        }
        svg.line(class, (LEFT, *y), (RIGHT, *y));
        let text = format!("{percent} % ({amount}) {name}");
        svg.text("", (RIGHT + 10.0, y + 4.0), Anchor::Start, &text);
    }
}

fn lanes(svg: &mut Svg, layout: &Layout) {
    for bar in &layout.bars {
        let (top, height) = (bar.top + 3.0, LANE - 6.0);
        let middle = bar.top + LANE / 2.0;
        let stage = bar.lane.stage;
        let several = layout
            .bars
            .iter()
            .filter(|other| other.lane.stage == stage)
            .count()
            > 1;
        let name = match bar.lane.element.filter(|_| several) {
            Some(element) => words::short(element, ELEMENT),
            None => words::stage(stage).to_owned(),
        };
        let outcome = words::outcome(bar.lane.outcome);
        let verdict = match bar.lane.outcome {
            Some(Outcome::Judged(cleanup)) => Some(cleanup.verdict),
            _ => None,
        };
        let element = bar
            .lane
            .element
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        let title = format!("{}{element}\n{}: {outcome}", words::stage(stage), stage.cleanup());
        svg.titled(&title, |svg| {
            svg.rect("lane", (LEFT, top), RIGHT - LEFT, height, 3.0);
            let (from, to) = bar.span;
            svg.rect("work", (from, top), (to - from).max(SEEN), height, 3.0);
            if let Some((from, to)) = bar.cleanup {
                let width = (to - from).max(SEEN);
                svg.rect(style::class(verdict), (to - width, top), width, height, 2.0);
            }
            if bar.cut {
                svg.line("cut", (to + 3.0, top - 2.0), (to + 3.0, top + height + 2.0));
            }
        });
        svg.text("", (LEFT - 8.0, middle + 4.0), Anchor::End, &name);
        heading::sign(svg, (RIGHT + 18.0, middle), verdict);
        svg.text("", (RIGHT + 32.0, middle + 4.0), Anchor::Start, &outcome);
    }
}

fn leaders(svg: &mut Svg, layout: &Layout) {
    for mark in &layout.marks {
        let bend = (mark.at.0, layout.ceiling() - 4.0);
        let points = [(mark.chip.0, mark.chip.1 + CHIP), bend, mark.at];
        svg.polyline("leader", &points);
    }
}

fn held(svg: &mut Svg, layout: &Layout) {
    let outline = layout.outline();
    if let (Some(first), Some(last)) = (outline.first(), outline.last()) {
        let ground = layout.ground();
        let mut area = outline.clone();
        area.extend([(last.0, ground), (first.0, ground)]);
        svg.polygon("area", &area);
        svg.polyline("held", &outline);
    }
}

fn marks(svg: &mut Svg, run: &Run, layout: &Layout) {
    for (index, (entry, mark)) in run.entries.iter().zip(&layout.marks).enumerate() {
        let record = &entry.record;
        let mut title = format!(
            "{} {}\n{} ({} bytes), {}",
            record.label.number(),
            record.label,
            layout.unit.amount(record.allocated),
            bytes(run, record.allocated),
            words::share(record)
        );
        if let Some(seconds) = mark.seconds {
            title += &format!("\nat {seconds:.3} s");
        }
        if record.level != Level::Normal {
            title += &format!("\n{}", record.level.id());
        }
        if let Some(cleanup) = mark.cleanup {
            title += &format!("\n{:.1} % freed, {}", cleanup.freed, cleanup.verdict.id());
        }
        if let Some(element) = entry.element() {
            title += &format!("\n{element}");
        }
        let number = record.label.number().to_string();
        svg.titled(&title, |svg| {
            svg.circle("chip", mark.chip, CHIP);
            svg.text(
                "number",
                (mark.chip.0, mark.chip.1 + 3.8),
                Anchor::Middle,
                &number,
            );
            let (class, radius) = if index == layout.peak {
                ("most", 5.5)
            } else {
                ("mark", 3.5)
            };
            svg.circle(class, mark.at, radius);
        });
    }
}

/// Bytes as exact as the log has them.
pub fn bytes(run: &Run, bytes: u64) -> String {
    let about = if run.is_exact() || bytes == 0 { "" } else { "≈ " };
    format!("{about}{}", words::grouped(bytes))
}

fn peak(svg: &mut Svg, run: &Run, layout: &Layout) {
    let record = &run.entries[layout.peak].record;
    let (x, y) = layout.marks[layout.peak].at;
    let level = match record.level {
        Level::Normal => String::new(),
        level => format!(", {}", level.id()),
    };
    let amount = layout.unit.amount(record.allocated);
    let (share, number, label) = (words::share(record), record.label.number(), record.label);
    let text = format!("Peak {amount} ({share}{level}) at {number}, {label}");
    // Towards the wider side, within the plot; above unless that is outside of it.
    let width = text.chars().count() as f64 * LETTER;
    let (x, anchor) = match x > (LEFT + RIGHT) / 2.0 {
        true => ((x - 10.0).max(LEFT + width).min(RIGHT), Anchor::End),
        false => ((x + 10.0).min(RIGHT - width).max(LEFT), Anchor::Start),
    };
    let y = if y - 24.0 < layout.ceiling() {
        y + 22.0
    } else {
        y - 10.0
    };
    svg.text("peak", (x, y), anchor, &text);
}

fn axis_title(svg: &mut Svg, run: &Run, layout: &Layout) -> f64 {
    let text = match layout.across {
        Across::Seconds => format!("seconds since {}", run.entries[0].record.label),
        Across::Order => "checkpoints in the order of the log, which tells no times".to_owned(),
    };
    let y = layout.floor
        + if layout.across == Across::Seconds {
            38.0
        } else {
            22.0
        };
    svg.text("soft", ((LEFT + RIGHT) / 2.0, y), Anchor::Middle, &text);
    y
}
