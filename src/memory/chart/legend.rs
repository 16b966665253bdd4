//! What stands below a panel: how to read it, and what the numbers stand for.

use super::{
    heading,
    layout::{EDGE, Layout, WIDTH},
    panel::CHIP,
    svg::{Anchor, Svg},
    words,
};
use crate::memory::{
    timeline::Run,
    verdict::{CRITICAL, NOTICE},
};

/// Height of a line.
const ROW: f64 = 20.0;
const COLUMNS: usize = 2;

/// What the picture alone does not tell.
pub fn notes(run: &Run, layout: &Layout) -> Vec<String> {
    let share = words::share(&run.entries[layout.peak].record);
    let mut notes = Vec::new();
    match &layout.total {
        Some(_) if layout.whole_device => {}
        Some(total) => notes.push(format!(
            "The thresholds are above this chart: 70 % is {}, 85 % is {}. The peak is {share} of the device.",
            total.share(NOTICE),
            total.share(CRITICAL),
        )),
        None => notes.push("No thresholds: the log does not tell what the device has.".to_owned()),
    }
    let mut how = "Read at the checkpoints; between two of them the larger reading is drawn.".to_owned();
    if layout.bars.iter().any(|bar| bar.cleanup.is_some()) {
        how += " The coloured end of a bar is its cleanup.";
    }
    notes.push(how);
    if layout.bars.iter().any(|bar| bar.cut) {
        notes.push("A bar with a dashed end: the log ends before the stage does.".to_owned());
    }
    notes
}

/// The numbers and what they stand for, in the order of the log, column by column; gives its lower edge.
pub fn draw(svg: &mut Svg, run: &Run, layout: &Layout, top: f64) -> f64 {
    let rows = run.entries.len().div_ceil(COLUMNS);
    let width = (WIDTH - 2.0 * EDGE) / COLUMNS as f64;
    for (index, (entry, mark)) in run.entries.iter().zip(&layout.marks).enumerate() {
        let record = &entry.record;
        let x = EDGE + (index / rows) as f64 * width;
        let y = top + (index % rows) as f64 * ROW;
        svg.circle("chip", (x + CHIP, y - 4.0), CHIP - 1.0);
        let number = record.label.number().to_string();
        svg.text("number", (x + CHIP, y - 0.4), Anchor::Middle, &number);
        svg.text("", (x + 26.0, y), Anchor::Start, record.label.text());
        let columns = [
            (330.0, "", layout.unit.amount(record.allocated)),
            (388.0, "soft", words::share(record)),
            (460.0, "soft", words::seconds(mark.seconds)),
        ];
        for (right, class, text) in columns {
            svg.text(class, (x + right, y), Anchor::End, &text);
        }
        if let Some(cleanup) = mark.cleanup {
            heading::sign(svg, (x + 480.0, y - 4.0), Some(cleanup.verdict));
            let text = format!("{:.1} %", cleanup.freed);
            svg.text("", (x + 494.0, y), Anchor::Start, &text);
        }
    }
    top + (rows as f64 - 1.0) * ROW
}
