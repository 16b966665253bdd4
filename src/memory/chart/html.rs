//! The page: each run's drawing and the table of its checkpoints. Well-formed as XML, too.

use super::{
    Sheet,
    layout::Layout,
    panel::{self, bytes},
    style,
    svg::{self, escape},
    words,
};
use crate::memory::{picture, report::Record, timeline::Run};

/// What only the page has.
const PAGE: &str = "\
body{margin:0 auto;padding:24px 16px 64px;max-width:1240px;font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"Liberation Sans\",\"DejaVu Sans\",Arial,sans-serif}
section{margin-bottom:56px}
figure{margin:0;overflow-x:auto}
figure svg{display:block;width:100%;min-width:900px;height:auto}
.wide{overflow-x:auto;padding:0 28px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:8px 0}
th,td{padding:5px 10px;border-bottom:1px solid;text-align:right;white-space:nowrap}
th:nth-child(2),td:nth-child(2),th:last-child,td:last-child{text-align:left}
.peak td{font-weight:600}
";

/// The whole file.
pub fn page(sheets: &[Sheet]) -> String {
    let sections: String = sheets.iter().map(section).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n\
         <style>\n{PAGE}{}</style>\n</head>\n<body>\n{sections}</body>\n</html>\n",
        escape(&title(sheets)),
        style::page()
    )
}

fn title(sheets: &[Sheet]) -> String {
    match sheets {
        [only] => format!("Memory: {}", only.title),
        _ => format!("Memory of {} runs", sheets.len()),
    }
}

fn section(sheet: &Sheet) -> String {
    let panel = panel::draw(sheet, false);
    format!(
        "<section>\n<figure>\n{}{}</svg>\n</figure>\n{}</section>\n",
        svg::open(panel.height, sheet.title, ""),
        panel.drawing,
        table(sheet.run)
    )
}

fn table(run: &Run) -> String {
    let layout = Layout::of(run);
    let rows: String = (0..run.entries.len())
        .map(|index| row(run, &layout, index))
        .collect();
    let peak = &run.entries[layout.peak].record;
    format!(
        "<div class=\"wide\">\n<table>\n<caption>Peak: {} ({}), {}, at {}. {}</caption>\n<thead><tr>\
         <th>#</th><th>checkpoint</th><th>time</th><th>held</th><th>bytes</th><th>of the device</th>\
         <th>level</th><th>freed</th><th>verdict</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        layout.unit.amount(peak.allocated),
        words::share(peak),
        peak.level.id(),
        escape(peak.label.text()),
        picture::advice(peak.level),
    )
}

fn row(run: &Run, layout: &Layout, index: usize) -> String {
    let record: &Record = &run.entries[index].record;
    let (seconds, cleanup) = (layout.marks[index].seconds, layout.marks[index].cleanup);
    let cells = [
        record.label.number().to_string(),
        record.label.text().to_owned(),
        seconds
            .map(|seconds| format!("{seconds:.3} s"))
            .unwrap_or_default(),
        layout.unit.amount(record.allocated),
        bytes(run, record.allocated),
        words::share(record),
        record.level.id().to_owned(),
        cleanup
            .map(|cleanup| format!("{:.1} %", cleanup.freed))
            .unwrap_or_default(),
        cleanup
            .map(|cleanup| cleanup.verdict.id().to_owned())
            .unwrap_or_default(),
    ];
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{}</td>", escape(cell)))
        .collect();
    let class = if index == layout.peak {
        " class=\"peak\""
    } else {
        ""
    };
    format!("<tr{class}>{cells}</tr>\n")
}
