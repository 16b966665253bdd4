//! Colours and type. Literal in every rule, as programs other than browsers know no CSS variables.

use crate::memory::verdict::Verdict;

struct Palette {
    paper: &'static str,
    ink: &'static str,
    soft: &'static str,
    grid: &'static str,
    leader: &'static str,
    held: &'static str,
    stage: &'static str,
    notice: &'static str,
    critical: &'static str,
    good: &'static str,
    partial: &'static str,
    leak: &'static str,
}

/// The colours with a meaning are Okabe and Ito's, which colour-blind people tell apart (Color Universal Design,
/// 2008): blue, bluish green, orange, vermilion. None is the only sign of its meaning.
const LIGHT: Palette = Palette {
    paper: "#ffffff",
    ink: "#1b1f24",
    soft: "#5b636d",
    grid: "#e3e7eb",
    leader: "#c2c9d1",
    held: "#0072b2",
    stage: "#b9c4d0",
    notice: "#b87800",
    critical: "#c04a00",
    good: "#009e73",
    partial: "#e69f00",
    leak: "#d55e00",
};

/// The same hues, lighter, for dark paper.
const DARK: Palette = Palette {
    paper: "#14171b",
    ink: "#e8ebef",
    soft: "#a3acb7",
    grid: "#2a3038",
    leader: "#4b545f",
    held: "#56b4e9",
    stage: "#4a5563",
    notice: "#f0b429",
    critical: "#ff8a4c",
    good: "#2cc295",
    partial: "#f0b429",
    leak: "#ff7a33",
};

/// Rules of a chart on light paper: what a file alone has, as documents are.
pub fn chart() -> String {
    rules(&LIGHT)
}

/// Rules of a page with charts, light or dark as its reader likes.
pub fn page() -> String {
    let both = |palette: &Palette| {
        let Palette { paper, ink, grid, .. } = palette;
        format!(
            "{}body{{background:{paper};color:{ink}}}\nth,td{{border-color:{grid}}}\n",
            rules(palette)
        )
    };
    format!(
        "{}@media (prefers-color-scheme: dark) {{\n{}}}\n",
        both(&LIGHT),
        both(&DARK)
    )
}

/// The class of a verdict's sign.
pub fn class(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Good) => "good",
        Some(Verdict::Partial) => "partial",
        Some(Verdict::Leak) => "leak",
        None => "none",
    }
}

fn rules(palette: &Palette) -> String {
    let Palette {
        paper,
        ink,
        soft,
        grid,
        leader,
        held,
        stage,
        notice,
        critical,
        good,
        partial,
        leak,
    } = palette;
    format!(
        "\
.m{{font-family:system-ui,-apple-system,\"Segoe UI\",\"Liberation Sans\",\"DejaVu Sans\",Arial,sans-serif;font-size:12px}}
.m text{{fill:{ink}}}
.m .paper{{fill:{paper}}}
.m .title{{font-size:19px;font-weight:600}}
.m .subtitle{{font-size:13px;fill:{soft}}}
.m .summary{{font-size:14px;font-weight:600}}
.m .soft{{fill:{soft}}}
.m .peak{{font-size:13px;font-weight:600;stroke:{paper};stroke-width:4px;stroke-linejoin:round;paint-order:stroke}}
.m .grid{{stroke:{grid}}}
.m .axis{{stroke:{soft}}}
.m .leader{{stroke:{leader};stroke-width:.9;fill:none}}
.m .area{{fill:{held};fill-opacity:.16}}
.m .held{{stroke:{held};stroke-width:2;fill:none;stroke-linejoin:round}}
.m .mark{{fill:{paper};stroke:{held};stroke-width:2}}
.m .most{{fill:{held};stroke:{paper};stroke-width:2}}
.m .chip{{fill:{paper};stroke:{soft}}}
.m .number{{font-size:10.5px;font-weight:600}}
.m .notice{{stroke:{notice};stroke-width:1.5;stroke-dasharray:7 5}}
.m .critical{{stroke:{critical};stroke-width:1.5;stroke-dasharray:7 5}}
.m .device{{stroke:{soft};stroke-width:1}}
.m .notice-zone{{fill:{notice};fill-opacity:.07}}
.m .critical-zone{{fill:{critical};fill-opacity:.09}}
.m .lane{{fill:{grid};fill-opacity:.45}}
.m .work{{fill:{stage}}}
.m .cut{{stroke:{ink};stroke-width:1.5;stroke-dasharray:3 3}}
.m .good{{fill:{good}}}
.m .partial{{fill:{partial}}}
.m .leak{{fill:{leak}}}
.m .none{{fill:{soft}}}
.m .sign{{fill:none;stroke:{paper};stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}}
"
    )
}
