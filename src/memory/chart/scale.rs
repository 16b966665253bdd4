//! Axes: values to places, and ticks at round numbers.

/// A straight scale from values to user units of the SVG.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Value at the end; the beginning is 0.
    pub most: f64,
    /// Place of 0.
    pub from: f64,
    /// Place of `most`.
    pub to: f64,
}

impl Axis {
    /// Where `value` is; one that is out of range is at the nearer end.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value / self.most).clamp(0.0, 1.0)
    }
}

/// The round step, 1, 2 or 5 times a power of ten, that makes at most `parts` parts of `most`.
pub fn step(most: f64, parts: f64) -> f64 {
    let least = most / parts;
    let power = 10f64.powf(least.log10().floor());
    // Powers of ten are not exact in binary: a step that is too small by rounding alone is good enough.
    let fits = |step: &f64| *step >= least * (1.0 - 1e-9);
    let steps = [power, 2.0 * power, 5.0 * power];
    steps.into_iter().find(fits).unwrap_or(10.0 * power)
}

/// Multiples of `step` from 0 to `most`.
pub fn ticks(most: f64, step: f64) -> impl Iterator<Item = f64> {
    let count = (most / step * (1.0 + 1e-9)).floor() as u32;
    (0..=count).map(move |n| f64::from(n) * step)
}

/// `value` with as many decimals as `step` needs.
pub fn label(value: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_at_round_numbers() {
        for (most, parts, labels) in [
            (24.0, 6.0, "0 5 10 15 20"),
            (61.3, 10.0, "0 10 20 30 40 50 60"),
            (0.06, 6.0, "0.00 0.01 0.02 0.03 0.04 0.05 0.06"),
            (80.0, 5.0, "0 20 40 60 80"),
            (1.0, 10.0, "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0"),
            (7200.0, 8.0, "0 1000 2000 3000 4000 5000 6000 7000"),
        ] {
            let step = step(most, parts);
            let found: Vec<_> = ticks(most, step).map(|tick| label(tick, step)).collect();
            assert_eq!(found.join(" "), labels, "{most}");
        }
    }

    #[test]
    fn places_stay_on_the_axis() {
        let axis = Axis {
            most: 10.0,
            from: 300.0,
            to: 100.0,
        };
        for (value, place) in [
            (0.0, 300.0),
            (5.0, 200.0),
            (10.0, 100.0),
            (11.0, 100.0),
            (-1.0, 300.0),
        ] {
            assert_eq!(axis.at(value), place, "{value}");
        }
    }
}
