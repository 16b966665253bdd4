//! Against `kaldi-native-fbank`: `tests/data/fbank/make.py` wrote the expected values.

use super::*;

const EXPECTED: &[u8] = include_bytes!("../../../tests/data/fbank/expected.bin");
/// Frames of each recipe in the file.
const ROWS: [usize; 4] = [6, 8, 8, 8];

/// The same integers as in make.py.
fn signal() -> Vec<f32> {
    let (mut state, mut phase) = (1_u32, 0_i32);
    let sample = |n: i32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 20).cast_signed() - 2048;
        phase = (phase + 400 + 3 * n) & 0xffff;
        let saw = (phase >> 3) - 4096;
        let quiet = if n < 400 { 16 } else { 1 };
        ((saw + noise).div_euclid(quiet) + 300) as f32 / 32_768.0
    };
    (0..1200).map(sample).collect()
}

fn recipes() -> [FbankOptions; 4] {
    [
        Recipe::wespeaker(),
        Recipe::sherpa(),
        Recipe::three_d_speaker(),
        Recipe::nemo(),
    ]
    .map(|recipe| recipe.options)
}

#[test]
fn every_recipe_is_kaldi_s_to_a_thousandth() {
    let mut expected = EXPECTED
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    for (options, rows) in recipes().into_iter().zip(ROWS) {
        let features = Fbank::new(options.clone()).compute(&signal());
        assert_eq!((features.rows(), features.bands), (rows, 80), "{options:?}");
        let mut worst = 0.0_f32;
        for value in &features.values {
            worst = worst.max((value - expected.next().unwrap()).abs());
        }
        println!("{:?}: {worst:.1e}", options.window);
        assert!(worst < 1e-3, "{options:?} is off by {worst}");
    }
    assert!(expected.next().is_none(), "values left over");
}

#[test]
fn too_little_audio_gives_no_frame_where_the_edges_are_snipped() {
    let mut snipped = Fbank::new(Recipe::wespeaker().options);
    let mut mirrored = Fbank::new(Recipe::sherpa().options);
    for (samples, in_snipped, in_mirrored) in [
        (0, 0, 0),
        (1, 0, 0),
        (79, 0, 0),
        (80, 0, 1),
        (399, 0, 2),
        (400, 1, 3),
        (160_000, 998, 1000),
    ] {
        let audio = vec![0.1; samples];
        assert_eq!(snipped.compute(&audio).rows(), in_snipped, "{samples}");
        assert_eq!(mirrored.compute(&audio).rows(), in_mirrored, "{samples}");
    }
}

#[test]
fn frames_lie_where_they_say() {
    for options in recipes() {
        let mut fbank = Fbank::new(options);
        let row = 30;
        let mut audio = vec![0.0; 16_000];
        audio[fbank.centre(row)] = 1.0;
        let features = fbank.compute(&audio);
        let sum = |row: usize| features.row(row).iter().sum::<f32>();
        for other in (0..features.rows()).filter(|other| *other != row) {
            assert!(sum(row) > sum(other), "frame {other} is louder than {row}");
        }
    }
}

#[test]
fn silence_is_at_the_floor() {
    for options in recipes() {
        let features = Fbank::new(options).compute(&[0.0; 800]);
        assert!(features.rows() > 2);
        assert!(features.values.iter().all(|v| *v == f32::EPSILON.ln()));
    }
}

#[test]
fn each_band_is_normalised_by_itself() {
    let features = || Features {
        bands: 2,
        values: vec![1.0, 7.0, 3.0, 7.0, 8.0, 7.0],
    };
    let after = |normalisation: Normalisation| {
        let mut features = features();
        normalisation.apply(&mut features);
        features.values
    };
    assert_eq!(after(Normalisation::None), features().values);
    assert_eq!(after(Normalisation::Mean), [-3.0, 0.0, -1.0, 0.0, 4.0, 0.0]);
    let deviation = 13.0_f32.sqrt(); // (9 + 1 + 16) / 2
    for (value, expected) in after(Normalisation::MeanAndDeviation).iter().zip([
        -3.0 / deviation,
        0.0,
        -1.0 / deviation,
        0.0,
        4.0 / deviation,
        0.0,
    ]) {
        assert!((value - expected).abs() < 1e-5, "{value} {expected}");
    }
    let mut nothing = Features::default();
    Normalisation::MeanAndDeviation.apply(&mut nothing);
    assert_eq!(nothing, Features::default());
}
