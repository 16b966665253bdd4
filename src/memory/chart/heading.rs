//! What stands above a panel, and the signs of the verdicts.

use super::{
    Sheet,
    layout::{EDGE, Layout, WIDTH},
    style,
    svg::{Anchor, Svg},
    words,
};
use crate::memory::{timeline::Run, verdict::Verdict};

/// Letters for which there is room: of a title, of the summary beside it, of a device's name.
const TITLE: usize = 60;
const SUMMARY: usize = 50;
const DEVICE: usize = 60;

/// What is known of a run besides its readings.
fn about(run: &Run, layout: &Layout) -> String {
    let mut parts = vec![match run.device() {
        "" => "Memory held on an unknown device".to_owned(),
        "host" => "Memory held on the host".to_owned(),
        name => format!("Memory held on {}", words::short(name, DEVICE)),
    }];
    if let Some(total) = &layout.total {
        parts.push(total.words());
    }
    parts.extend(run.pid().map(|pid| format!("process {pid}")));
    parts.extend(run.entries.iter().find_map(|entry| words::date(entry.date?)));
    let s = if run.entries.len() == 1 { "" } else { "s" };
    parts.push(format!("{} checkpoint{s}", run.entries.len()));
    parts.join("  ·  ")
}

/// The title, what is known of the run and the verdict on it.
pub fn draw(svg: &mut Svg, sheet: &Sheet, layout: &Layout) {
    svg.text(
        "title",
        (EDGE, 40.0),
        Anchor::Start,
        &words::short(sheet.title, TITLE),
    );
    svg.text("subtitle", (EDGE, 63.0), Anchor::Start, &about(sheet.run, layout));
    let (text, verdict) = words::summary(sheet.run);
    let text = words::short(&text, SUMMARY);
    svg.text("summary", (WIDTH - EDGE - 24.0, 40.0), Anchor::End, &text);
    sign(svg, (WIDTH - EDGE - 9.0, 35.0), verdict);
}

/// A verdict as a shape: check, exclamation mark, cross; a dash for none.
pub fn sign(svg: &mut Svg, (x, y): (f64, f64), verdict: Option<Verdict>) {
    svg.circle(style::class(verdict), (x, y), 8.0);
    match verdict {
        Some(Verdict::Good) => {
            svg.polyline(
                "sign",
                &[(x - 3.5, y + 0.3), (x - 1.0, y + 3.0), (x + 3.7, y - 2.8)],
            );
        }
        Some(Verdict::Partial) => {
            svg.line("sign", (x, y - 3.8), (x, y + 0.6));
            svg.line("sign", (x, y + 3.7), (x, y + 3.8));
        }
        Some(Verdict::Leak) => {
            svg.line("sign", (x - 3.0, y - 3.0), (x + 3.0, y + 3.0));
            svg.line("sign", (x - 3.0, y + 3.0), (x + 3.0, y - 3.0));
        }
        None => svg.line("sign", (x - 3.2, y), (x + 3.2, y)),
    }
}
