//! The low-pass filter of a change of rate, sampled for each place that an output sample can have between two input
//! samples.

use std::f64::consts::{PI, TAU};

/// Points at the lower of the two rates, as the CPU's resampler has (`elements/resample/rate.rs`).
const POINTS: u64 = 512;

/// Half the width of the main lobe of the squared Blackman-Harris window, in bins of the transform: four terms make
/// four bins (Harris 1978, table 1), squaring doubles them.
const LOBE_BINS: u64 = 8;

/// So many rows for each sample at the lower rate; between them the filter is interpolated. A straight line between two
/// points of a sine at the Nyquist frequency is off by π²/8 divided by the square of this: −130 dB.
const ROWS: u64 = 2048;

/// The cosine terms of the Blackman-Harris window, from the same table.
const BLACKMAN_HARRIS: [f64; 4] = [0.35875, -0.48829, 0.14128, -0.01168];

/// A filter from one rate to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Output samples of the shortest stretch that is whole at both rates.
    pub up: u32,
    /// Input frames of it.
    pub down: u32,
    /// Taps of a row, a multiple of 4: the input frames that an output sample is made of.
    pub width: u32,
    /// Rows within an input frame. There is one more, for those who interpolate behind the last.
    pub phases: u32,
    /// Row by row.
    pub taps: Vec<f32>,
}

impl Filter {
    /// From `from` Hz to `to` Hz.
    pub fn new(from: u32, to: u32) -> Self {
        let common = gcd(from, to).max(1);
        let (up, down) = (u64::from(to / common).max(1), u64::from(from / common).max(1));
        // Input frames for each sample at the lower rate.
        let stretch = (down as f64 / up as f64).max(1.0);
        let half = (POINTS as f64 / 2.0 * stretch).ceil() as u64;
        let half = half.next_multiple_of(2);
        // As many rows as there are places, so that none is interpolated, or as many as are close enough.
        let phases = up.min((ROWS as f64 / stretch).ceil() as u64).max(1);
        let width = 2 * half;
        let mut taps = Vec::with_capacity((width * (phases + 1)) as usize);
        for row in 0..=phases {
            let behind = row as f64 / phases as f64;
            let at = |tap: u64| response((tap as f64 + 1.0 - half as f64 - behind) / stretch);
            let values: Vec<f64> = (0..width).map(at).collect();
            // Each row by itself: a constant stays what it was, wherever the output sample lies.
            let sum: f64 = values.iter().sum();
            taps.extend(values.iter().map(|value| (value / sum) as f32));
        }
        // None is larger than a rate in Hz, or 2048, or 24,576.
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Filter {
            up: small(up),
            down: small(down),
            width: small(width),
            phases: small(phases),
            taps,
        }
    }

    /// Input frames on each side of an output sample.
    pub fn half(&self) -> usize {
        self.width as usize / 2
    }
}

/// The impulse response at `t` samples of the lower rate from its middle.
fn response(t: f64) -> f64 {
    let reach = POINTS as f64 / 2.0;
    if t.abs() >= reach {
        return 0.0;
    }
    // As high as it can be with no alias: the lobe ends at the Nyquist frequency.
    let cutoff = 1.0 - 2.0 * LOBE_BINS as f64 / POINTS as f64;
    sinc(cutoff * t) * window(t / reach)
}

fn sinc(t: f64) -> f64 {
    match t {
        0.0 => 1.0,
        t => (PI * t).sin() / (PI * t),
    }
}

/// The squared Blackman-Harris window from −1 to 1.
fn window(at: f64) -> f64 {
    let turn = TAU * (at + 1.0) / 2.0;
    let terms = (0..).zip(BLACKMAN_HARRIS);
    let sum: f64 = terms.map(|(n, a)| a * (f64::from(n) * turn).cos()).sum();
    sum * sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_from_the_rates() {
        for (rate, expected) in [
            // up, down, width, phases
            (48_000, [1, 3, 1536, 1]),
            (44_100, [160, 441, 1412, 160]),
            (8_000, [2, 1, 512, 2]),
            (11_025, [640, 441, 512, 640]),
            (1_000, [16, 1, 512, 16]),
            (768_000, [1, 48, 24_576, 1]),
            (44_099, [16_000, 44_099, 1412, 744]),
            (1_001, [16_000, 1_001, 512, 2048]),
            (767_999, [16_000, 767_999, 24_576, 43]),
        ] {
            let f = Filter::new(rate, 16_000);
            assert_eq!([f.up, f.down, f.width, f.phases], expected, "{rate} Hz");
            assert_eq!(f.taps.len(), (f.width * (f.phases + 1)) as usize);
        }
    }

    #[test]
    fn every_row_keeps_a_constant_and_is_in_the_middle() {
        for rate in [48_000, 44_100, 11_025, 1_001] {
            let filter = Filter::new(rate, 16_000);
            for (row, taps) in filter.taps.chunks(filter.width as usize).enumerate() {
                let sum: f64 = taps.iter().map(|&tap| f64::from(tap)).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{rate} Hz, row {row}: {sum}");
                let centre = taps
                    .iter()
                    .enumerate()
                    .map(|(n, &tap)| n as f64 * f64::from(tap))
                    .sum::<f64>();
                let expected = filter.half() as f64 - 1.0 + row as f64 / f64::from(filter.phases);
                assert!((centre - expected).abs() < 1e-3, "{rate} Hz, row {row}: {centre}");
            }
        }
    }
}
