//! Models of others, by their interface and their metadata alone.

use gstscribe::infer::fbank::{Fbank, Features, Normalisation, Recipe};
use gstscribe::infer::model::Cancel;
use gstscribe::infer::onnx::{
    EmbeddingModel, FeatureProfile, ModelSource, SegmentationModel, SpeakersConfig,
};
use gstscribe::infer::speaker_models::SpeakerModels;
use gstscribe::speech::diarize::Geometry;

use super::{analyse, common, config, data, load, on_one_thread, windows};

fn segmentation(source: &ModelSource) -> SegmentationModel {
    SegmentationModel::open(source, &on_one_thread()).unwrap_or_else(|e| panic!("{e}"))
}

fn embedding(name: &str, profile: FeatureProfile) -> EmbeddingModel {
    EmbeddingModel::open(&data(name), &on_one_thread(), profile).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_bundled_models_have_the_interfaces_of_pyannote_and_wespeaker() {
    let facts = load(&config()).unwrap().facts();
    assert_eq!((facts.geometry, facts.dimension), (Geometry::PYANNOTE_3, 256));
    assert_eq!((facts.online.window, facts.online.frames), (80_000, 293));
}

#[test]
fn pyannote_s_own_model_runs_as_it_is() {
    let Some(path) = common::shared("models/pyannote-segmentation-3-0.damaged.int8.onnx") else {
        return;
    };
    let mut model = segmentation(&ModelSource::File(path));
    assert_eq!(model.geometry(), Geometry::PYANNOTE_3);
    let windows = windows(3, 160_000);
    let samples: Vec<&[f32]> = windows.iter().map(|w| w.samples.as_slice()).collect();
    let answers = model
        .run(&model.geometry(), &samples, &Cancel::default())
        .unwrap();
    assert_eq!(answers.len(), 3);
    for answer in &answers {
        assert_eq!(answer.len(), 589 * 7);
        assert!(answer.iter().all(|v| v.is_finite()));
        for frame in answer.chunks_exact(7) {
            let sum: f32 = frame.iter().map(|v| v.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-3, "log-softmax: {sum}");
        }
    }
}

/// A tone, loud from 1 s to 2 s.
fn burst(length: usize) -> Vec<f32> {
    let sample = |i: usize| {
        let level = if (16_000..32_000).contains(&i) { 0.3 } else { 0.001 };
        level * (i as f32 * 0.17).sin()
    };
    (0..length).map(sample).collect()
}

#[test]
fn frames_and_classes_are_read_as_pyannote_means_them() {
    let mut model = segmentation(&data("segmentation.onnx"));
    let geometry = model.online();
    assert_eq!((geometry.frames, geometry.speakers), (293, 3));
    let answers = model
        .run(&geometry, &[&burst(80_000)], &Cancel::default())
        .unwrap();
    let scores = model.hard(&answers[0]);
    for (i, frame) in scores.frames().enumerate() {
        let centre = 495 + 270 * i;
        // The level is the mean over 991 samples, and the threshold a quarter of the tone's.
        let expected = (16_000..32_000).contains(&centre);
        if centre.abs_diff(16_000) > 500 && centre.abs_diff(32_000) > 500 {
            assert_eq!(frame, [f32::from(u8::from(expected)), 0.0, 0.0], "frame {i}");
        }
    }
    let soft = model.soft(&answers[0]);
    assert!(soft.values.iter().all(|v| (0.0..=1.0001).contains(v)));
}

#[test]
fn a_model_without_metadata_and_of_a_fixed_size_is_pyannote_s_by_its_shape() {
    let mut model = segmentation(&data("segmentation-fixed.onnx"));
    let geometry = model.geometry();
    assert_eq!(
        (geometry.window, geometry.frames, geometry.frame_step),
        (32_000, 115, 270)
    );
    let (loud, quiet) = (vec![0.2; 32_000], vec![0.0; 32_000]);
    let answers = model
        .run(&geometry, &[&loud, &quiet, &loud[..8_000]], &Cancel::default())
        .unwrap();
    let active: Vec<f32> = answers
        .iter()
        .map(|a| model.hard(a).values.iter().sum())
        .collect();
    assert_eq!(active[0], 115.0);
    assert_eq!(active[1], 0.0);
    assert!(
        (25.0..35.0).contains(&active[2]),
        "a window that was filled up: {}",
        active[2]
    );
}

/// The fakes give the mean and the mean square of each band: of the features that they should have been fed with.
#[track_caller]
fn check_features(model: &mut EmbeddingModel, recipe: Recipe) {
    let audio = &common::decode(&common::recording("conversation.flac"))[..80_000];
    let features = model.features(0, audio).as_ref().clone();
    let found = model.embed(features, &Cancel::default()).unwrap().unwrap();
    let mut expected = Fbank::new(recipe.options).compute(audio);
    recipe.normalisation.apply(&mut expected);
    let statistics = statistics(&expected);
    assert_eq!(found.len(), statistics.len());
    for (i, (found, expected)) in found.iter().zip(&statistics).enumerate() {
        assert!(
            (found - expected).abs() < 1e-3 * expected.abs().max(1.0),
            "{i}: {found}, expected {expected}"
        );
    }
}

fn statistics(features: &Features) -> Vec<f32> {
    let rows = features.rows();
    let mean = |band: usize, power: i32| {
        let sum: f64 = (0..rows)
            .map(|r| f64::from(features.row(r)[band]).powi(power))
            .sum();
        (sum / rows as f64) as f32
    };
    (0..80)
        .map(|b| mean(b, 1))
        .chain((0..80).map(|b| mean(b, 2)))
        .collect()
}

#[test]
fn each_framework_gets_the_features_it_learned_from() {
    for (name, recipe) in [
        ("wespeaker.onnx", Recipe::wespeaker()),
        ("3d-speaker.onnx", Recipe::three_d_speaker()),
        ("nemo.onnx", Recipe::nemo()),
        ("nameless.onnx", Recipe::wespeaker()),
    ] {
        let mut model = embedding(name, FeatureProfile::Auto);
        assert_eq!(model.dimension(), 160, "{name}");
        check_features(&mut model, recipe);
    }
}

#[test]
fn a_profile_goes_before_what_a_model_learned_from() {
    check_features(
        &mut embedding("wespeaker.onnx", FeatureProfile::Sherpa),
        Recipe::sherpa(),
    );
    let mut scaled = Recipe::wespeaker();
    scaled.options.scale = 1.0; // the file says normalize_samples=1
    scaled.normalisation = Normalisation::Mean;
    check_features(
        &mut embedding("3d-speaker.onnx", FeatureProfile::Wespeaker),
        scaled,
    );
    check_features(
        &mut embedding("nemo.onnx", FeatureProfile::Sherpa),
        Recipe::nemo(),
    );
}

#[test]
fn a_maker_s_threshold_is_read() {
    assert_eq!(
        embedding("3d-speaker.onnx", FeatureProfile::Auto).threshold(),
        Some(0.65)
    );
    assert_eq!(
        embedding("wespeaker.onnx", FeatureProfile::Auto).threshold(),
        None
    );
}

#[test]
fn features_are_cut_where_a_speaker_is_alone() {
    let config = SpeakersConfig {
        segmentation: data("segmentation.onnx"),
        embedding: data("wespeaker.onnx"),
        ..config()
    };
    let mut speakers = load(&config).unwrap();
    let mut window = windows(1, 80_000).remove(0);
    window.samples = burst(80_000);
    let found = analyse(&mut speakers, &[window]).remove(0);
    assert_eq!(
        found.embeddings.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, false]
    );
    // What is left is nearly all of one level: squares about the mean that are far below those of the whole.
    let whole = {
        let mut model = embedding("wespeaker.onnx", FeatureProfile::Auto);
        let features = model.features(0, &burst(80_000)).as_ref().clone();
        model.embed(features, &Cancel::default()).unwrap().unwrap()
    };
    let squares = |embedding: &[f32]| embedding[80..].iter().sum::<f32>();
    let cut = found.embeddings[0].as_ref().unwrap();
    assert!(
        squares(cut) < 0.5 * squares(&whole),
        "{} {}",
        squares(cut),
        squares(&whole)
    );
}
