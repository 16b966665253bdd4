//! What the device path does to sound, by its twin: level, place, aliases, and nothing that depends on the cuts.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::twin::Twin;

const TO: u32 = 16_000;

/// `seconds` of a tone at -6 dBFS, resampled.
fn tone(rate: u32, hz: f64, seconds: u32) -> Vec<f32> {
    let step = TAU * hz / f64::from(rate);
    let input: Vec<f32> = (0..rate * seconds)
        .map(|n| (0.5 * (f64::from(n) * step).sin()) as f32)
        .collect();
    whole(rate, &input)
}

fn whole(rate: u32, input: &[f32]) -> Vec<f32> {
    let mut resampler = Twin::resampler(rate, TO);
    let mut out = Vec::new();
    resampler.push(input, &mut out).unwrap();
    let due = (input.len() as u64 * u64::from(TO) + u64::from(rate) / 2) / u64::from(rate);
    resampler.finish(due as usize - out.len(), &mut out).unwrap();
    out
}

/// What there is of a tone of `hz` in the second second: its level in dB against -6 dBFS, by how many samples it is late,
/// and the rest in dB.
fn found(out: &[f32], hz: f64) -> (f64, f64, f64) {
    let step = TAU * hz / f64::from(TO);
    let middle = 16_000..32_000; // whole cycles, far from both ends
    let (mut along, mut across) = (0.0, 0.0);
    for n in middle.clone() {
        let (sin, cos) = (n as f64 * step).sin_cos();
        along += f64::from(out[n]) * sin * 2.0 / 16_000.0;
        across += f64::from(out[n]) * cos * 2.0 / 16_000.0;
    }
    let rest: f64 = middle
        .map(|n| {
            let (sin, cos) = (n as f64 * step).sin_cos();
            (f64::from(out[n]) - along * sin - across * cos).powi(2)
        })
        .sum();
    let level = |amplitude: f64| 20.0 * (amplitude / 0.5).max(1e-12).log10();
    (
        level(along.hypot(across)),
        -across.atan2(along) / step,
        level((rest / 8_000.0).sqrt()),
    )
}

/// As the CPU's path is: flat to 94 % of the lower Nyquist frequency, in phase, and clean.
#[test]
fn the_pass_band_is_flat_and_in_place() {
    // Rates whose rows are exact, and two between whose rows is interpolated.
    for (rate, noise) in [
        (48_000, -125.0),
        (44_100, -125.0),
        (96_000, -120.0),
        (8_000, -125.0),
        (11_025, -125.0),
        (44_099, -120.0),
        (1_001, -110.0),
    ] {
        let nyquist = f64::from(rate.min(TO)) / 2.0;
        for part in [0.02, 0.3, 0.7, 0.93] {
            let hz = (nyquist * part).round();
            let (level, late, rest) = found(&tone(rate, hz, 3), hz);
            assert!(level.abs() < 0.01, "{rate} Hz, tone of {hz}: {level} dB");
            assert!(late.abs() < 1e-3, "{rate} Hz, tone of {hz}: {late} samples late");
            assert!(rest < noise, "{rate} Hz, tone of {hz}: rest {rest} dB");
        }
    }
}

/// Everything above the lower Nyquist frequency is gone, wherever it would fold to.
#[test]
fn there_are_no_aliases() {
    for (rate, floor) in [(48_000, -120.0), (44_100, -120.0), (44_099, -115.0)] {
        for hz in [8_000.0, 8_400.0, 11_000.0, 15_999.0, 21_000.0] {
            let out = tone(rate, hz, 3);
            let peak = out[16_000..32_000]
                .iter()
                .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let level = 20.0 * (f64::from(peak) / 0.5).max(1e-12).log10();
            assert!(level < floor, "{rate} Hz, tone of {hz}: {level} dB");
        }
    }
}

#[test]
fn a_finished_stream_starts_anew() {
    for rate in [48_000, 44_099, 1_000] {
        let input: Vec<f32> = (0..rate / 2).map(|n| (n as f32 * 0.05).sin()).collect();
        let mut resampler = Twin::resampler(rate, TO);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for out in [&mut first, &mut second] {
            resampler.push(&input, out).unwrap();
            resampler.finish(8_000 - out.len(), out).unwrap();
        }
        assert_eq!(first, second, "{rate} Hz");
        let mut after_reset = Vec::new();
        resampler.push(&input, &mut Vec::new()).unwrap();
        resampler.reset();
        resampler.push(&input, &mut after_reset).unwrap();
        resampler
            .finish(8_000 - after_reset.len(), &mut after_reset)
            .unwrap();
        assert_eq!(first, after_reset, "{rate} Hz, behind a reset");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn the_output_does_not_depend_on_the_cuts(
        rate in proptest::sample::select(vec![1_000_u32, 1_001, 8_000, 11_025, 44_099, 44_100, 48_000]),
        cuts in proptest::collection::vec(1_usize..4_000, 1..20),
    ) {
        let total: usize = cuts.iter().sum();
        let input: Vec<f32> = (0..total).map(|n| ((n * n) as f32 * 1e-3).sin()).collect();
        let expected = whole(rate, &input);
        let mut resampler = Twin::resampler(rate, TO);
        let (mut parts, mut rest, mut fed) = (Vec::new(), &input[..], 0);
        for cut in cuts {
            resampler.push(&rest[..cut], &mut parts).unwrap();
            rest = &rest[cut..];
            fed += cut;
            let late = fed as i64 - (parts.len() as u64 * u64::from(rate) / u64::from(TO)) as i64;
            prop_assert!(late <= resampler.latency() as i64, "{late} frames are held back");
        }
        resampler.finish(expected.len() - parts.len(), &mut parts).unwrap();
        prop_assert_eq!(parts, expected);
    }
}
