//! Where the parts of a panel are. User units of the SVG, from the panel's upper left corner.

use super::{
    device::Total,
    scale::{Axis, step, ticks},
    spread::spread,
    svg::Point,
    words::Unit,
};
use crate::memory::{
    checkpoint::Role,
    timeline::{Entry, Lane, Outcome, Run},
    verdict::{CRITICAL, Cleanup, NOTICE},
};

/// Of every panel.
pub const WIDTH: f64 = 1200.0;
/// Between the edge and what is written.
pub const EDGE: f64 = 28.0;
/// Where the plot begins and ends; the axis' labels and the lanes' names are before it, verdicts behind.
pub const LEFT: f64 = 168.0;
pub const RIGHT: f64 = 984.0;
/// Between the plot's ends and the first and last reading.
const MARGIN: f64 = 14.0;
/// Of the heading.
const HEADING: f64 = 84.0;
/// Between the centres of neighbouring chips, and of their rows.
const CHIP: f64 = 23.0;
/// From the chips to the plot: room for their leaders to bend.
const BEND: f64 = 30.0;
const PLOT: f64 = 290.0;
pub const LANE: f64 = 26.0;
/// Between the plot and the lanes.
const GAP: f64 = 10.0;

/// The device is drawn whole, with its thresholds, when the peak is at least this share of it. Below it the
/// readings would be squashed into the lowest part of the plot.
const LEAST_SHARE: f64 = 0.2;
/// Room above a peak for its label, where the plot does not end at the device's total.
const HEADROOM: f64 = 1.15;

/// What is below the plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Seconds since the first checkpoint.
    Seconds,
    /// The log has no times: places in its order.
    Order,
}

/// A checkpoint: where its reading and its number are.
pub struct Mark {
    pub at: Point,
    pub chip: Point,
    /// Seconds since the first.
    pub seconds: Option<f64>,
    /// What the cleanup that ends here came to; where the log does not say it, what follows from its lines.
    pub cleanup: Option<Cleanup>,
}

/// A stage's bar.
pub struct Bar<'a> {
    pub lane: Lane<'a>,
    /// Upper edge.
    pub top: f64,
    /// First and last checkpoint.
    pub span: (f64, f64),
    /// Where its cleanup begins and ends.
    pub cleanup: Option<(f64, f64)>,
    /// Whether it did not end.
    pub cut: bool,
}

/// A panel's parts.
pub struct Layout<'a> {
    pub across: Across,
    pub unit: Unit,
    /// Of `unit`.
    pub memory: Axis,
    pub memory_step: f64,
    /// Seconds, or checkpoints.
    pub time: Axis,
    pub time_step: f64,
    pub total: Option<Total>,
    /// Whether all of the device is on the memory axis.
    pub whole_device: bool,
    pub marks: Vec<Mark>,
    /// Index of the peak's mark.
    pub peak: usize,
    pub bars: Vec<Bar<'a>>,
    /// Lower edge of the lanes: the time axis.
    pub floor: f64,
}

impl<'a> Layout<'a> {
    pub fn of(run: &'a Run) -> Self {
        let total = Total::of(run);
        let held: Vec<f64> = run
            .entries
            .iter()
            .map(|entry| entry.record.allocated as f64)
            .collect();
        let most = held.iter().copied().fold(0.0, f64::max);
        // The first of equals is where it was reached.
        let peak = held.iter().position(|held| *held == most).unwrap_or(0);
        let device = total.map_or(0.0, |total| total.bytes());
        let whole_device = device > 0.0 && most >= LEAST_SHARE * device;
        let unit = Unit::of(if whole_device { device.max(most) } else { most });
        let most = most / unit.bytes();
        let top = if whole_device {
            (device / unit.bytes()).max(most * HEADROOM.min(1.05))
        } else {
            let least = (most * HEADROOM).max(1.0);
            let step = step(least, 5.0);
            (least / step).ceil() * step
        };

        let (across, values) = times(run);
        let last = values.iter().copied().fold(0.0, f64::max);
        let time = Axis {
            most: if last > 0.0 { last } else { 1.0 },
            from: LEFT + MARGIN,
            to: RIGHT - MARGIN,
        };
        let xs: Vec<f64> = values.iter().map(|value| time.at(*value)).collect();
        let chips = chips(&xs);
        let rows = chips.iter().map(|chip| chip.1).max().unwrap_or(0) as f64 + 1.0;
        let ceiling = HEADING + rows * CHIP + BEND;
        let memory = Axis {
            most: top,
            from: ceiling + PLOT,
            to: ceiling,
        };
        let bars = bars(run, &xs, ceiling + PLOT + GAP);
        let marks = (0..held.len())
            .map(|index| Mark {
                at: (xs[index], memory.at(held[index] / unit.bytes())),
                chip: (chips[index].0, HEADING + (chips[index].1 as f64 + 0.5) * CHIP),
                seconds: (across == Across::Seconds).then_some(values[index]),
                cleanup: judged(&run.entries[index], &bars),
            })
            .collect();
        Layout {
            across,
            unit,
            memory_step: step(top, 6.0),
            memory,
            time_step: match across {
                Across::Seconds => step(time.most, 10.0),
                Across::Order => step(time.most, 20.0).max(1.0),
            },
            time,
            total,
            whole_device,
            marks,
            peak,
            floor: ceiling + PLOT + GAP + LANE * bars.len() as f64,
            bars,
        }
    }

    pub fn ceiling(&self) -> f64 {
        self.memory.to
    }

    pub fn ground(&self) -> f64 {
        self.memory.from
    }

    /// Values and places of the time axis' ticks.
    pub fn time_ticks(&self) -> impl Iterator<Item = (f64, f64)> {
        ticks(self.time.most, self.time_step).map(|tick| (tick, self.time.at(tick)))
    }

    /// Values and places of the memory axis' ticks.
    pub fn memory_ticks(&self) -> impl Iterator<Item = (f64, f64)> {
        ticks(self.memory.most, self.memory_step).map(|tick| (tick, self.memory.at(tick)))
    }

    /// Shares in per cent and places of the card's thresholds, when they are on the axis.
    pub fn thresholds(&self) -> Vec<(f64, f64)> {
        let Some(total) = self.total.filter(|_| self.whole_device) else {
            return Vec::new();
        };
        let device = total.bytes() / self.unit.bytes();
        let at = |percent: f64| (percent, self.memory.at(device * percent / 100.0));
        vec![at(NOTICE), at(CRITICAL), at(100.0)]
    }

    /// The outline of what is held: between two readings the larger.
    pub fn outline(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for pair in self.marks.windows(2) {
            // Up is less.
            let higher = pair[0].at.1.min(pair[1].at.1);
            points.extend([
                pair[0].at,
                (pair[0].at.0, higher),
                (pair[1].at.0, higher),
                pair[1].at,
            ]);
        }
        points.dedup();
        points
    }
}

/// The checkpoints' places on the time axis. Threads may write lines in another order than that of their times;
/// then the line's order stands.
fn times(run: &Run) -> (Across, Vec<f64>) {
    let seconds: Option<Vec<f64>> = run.entries.iter().map(|entry| entry.seconds).collect();
    match seconds {
        Some(seconds) => {
            let mut latest = seconds[0];
            let values = seconds.iter().map(|now| {
                latest = latest.max(*now);
                latest - seconds[0]
            });
            (Across::Seconds, values.collect())
        }
        None => (
            Across::Order,
            (0..run.entries.len()).map(|index| index as f64).collect(),
        ),
    }
}

/// Place and row of each chip: as many rows as it takes for none to touch another.
fn chips(xs: &[f64]) -> Vec<(f64, usize)> {
    let room = (LEFT, RIGHT);
    let in_a_row = ((room.1 - room.0) / CHIP) as usize + 1;
    let rows = xs.len().div_ceil(in_a_row);
    let mut chips = vec![(0.0, 0); xs.len()];
    for row in 0..rows {
        let wanted: Vec<f64> = xs.iter().skip(row).step_by(rows).copied().collect();
        for (nth, place) in spread(&wanted, CHIP, room).into_iter().enumerate() {
            chips[row + nth * rows] = (place, row);
        }
    }
    chips
}

fn judged(entry: &Entry, bars: &[Bar]) -> Option<Cleanup> {
    let own =
        |bar: &&Bar| bar.lane.stage == entry.record.label.stage() && bar.lane.element == entry.element();
    match bars.iter().find(own)?.lane.outcome {
        Some(Outcome::Judged(cleanup)) if entry.record.label.role() == Role::CleanupEnds => Some(cleanup),
        _ => None,
    }
}

fn bars<'a>(run: &'a Run, xs: &[f64], top: f64) -> Vec<Bar<'a>> {
    let mut bars = Vec::new();
    for (nth, lane) in run.lanes().into_iter().enumerate() {
        let own: Vec<(Role, f64)> = run
            .entries
            .iter()
            .zip(xs)
            .filter(|(entry, _)| entry.record.label.stage() == lane.stage && entry.element() == lane.element)
            .map(|(entry, x)| (entry.record.label.role(), *x))
            .collect();
        let at = |role| own.iter().find(|part| part.0 == role).map(|part| part.1);
        let end_of_log = xs.iter().copied().fold(LEFT, f64::max);
        let begins = own.iter().map(|part| part.1).fold(f64::INFINITY, f64::min);
        let ends = own.iter().map(|part| part.1).fold(LEFT, f64::max);
        let cleaned = at(Role::CleanupEnds);
        let cut = cleaned.is_none() && at(Role::Closes).is_none();
        let ends = if cut { end_of_log } else { ends };
        bars.push(Bar {
            lane,
            top: top + nth as f64 * LANE,
            span: (begins.min(ends), ends),
            cleanup: match (at(Role::CleanupBegins), cleaned) {
                (Some(from), to) => Some((from, to.unwrap_or(ends).max(from))),
                (None, Some(to)) => Some((to, to)),
                (None, None) => None,
            },
            cut,
        });
    }
    bars
}
