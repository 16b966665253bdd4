//! What is no model, or not the right one: an error that names the file, says what is wrong and what to do.

use std::path::PathBuf;

use gstscribe::infer::model::LoadError;
use gstscribe::infer::onnx::{ModelSource, SpeakersConfig};
use gstscribe::memory::probes::Device;

use super::{common, config, data_path, load};

#[track_caller]
fn check(config: &SpeakersConfig, expected: &[&str]) {
    let text = match load(config) {
        Ok(_) => panic!("loaded: {config:?}"),
        Err(LoadError::NotFound(text) | LoadError::WrongFile(text)) => text,
        Err(other) => panic!("{other:?}"),
    };
    println!("{text}");
    for part in expected {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[track_caller]
fn check_segmentation(path: PathBuf, expected: &[&str]) {
    let named = path.display().to_string();
    let config = SpeakersConfig {
        segmentation: ModelSource::File(path),
        ..config()
    };
    check(&config, &[expected, &[&named, "segmentation-model"]].concat());
}

#[track_caller]
fn check_embedding(path: PathBuf, expected: &[&str]) {
    let named = path.display().to_string();
    let config = SpeakersConfig {
        embedding: ModelSource::File(path),
        ..config()
    };
    check(&config, &[expected, &[&named, "embedding-model"]].concat());
}

#[test]
fn files_that_are_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bundled = std::fs::read(common::root().join("models/scribe-segmentation.onnx")).unwrap();
    let half = &bundled[..bundled.len() / 2];
    for (path, expected) in [
        (folder.path().join("none.onnx"), "No such file"),
        (folder.path().to_owned(), "it is no file"),
        (written("empty.onnx", b""), "it is empty"),
        (written("short.onnx", b"ab"), "fewer than 4 bytes"),
        (
            written("text.onnx", b"a letter to nobody"),
            "an ONNX model was expected",
        ),
        (written("page.onnx", b"<!DOCTYPE html>"), "a web page"),
        (written("checkpoint.onnx", b"PK\x03\x04...."), "a zip archive"),
        (written("recording.onnx", b"fLaC...."), "a recording"),
        (PathBuf::from(common::demo_model()), "a ggml file"),
        (written("half.onnx", half), "cut short"),
        (
            written("noise.onnx", &[8, 7, 255, 255, 255, 255, 3, 1, 4, 1, 5]),
            "no ONNX model",
        ),
        (written("number.onnx", &[8, 7]), "ONNX"),
    ] {
        check_segmentation(path.clone(), &[expected]);
        check_embedding(path, &[expected]);
    }
}

#[test]
fn models_of_another_kind() {
    let bundled = |name: &str| common::root().join("models").join(name);
    check_segmentation(
        bundled("scribe-embedding.onnx"),
        &[
            "[1, frames, 7] was expected",
            "is not a speaker segmentation model",
        ],
    );
    check_embedding(
        bundled("scribe-segmentation.onnx"),
        &["[N, T, 80]", "is not a speaker embedding model"],
    );
    check_segmentation(data_path("nemo.onnx"), &["[N, 1, T]", "length"]);
}

#[test]
fn metadata_that_do_not_fit() {
    for (name, expected) in [
        (
            "segmentation-two-speakers.onnx",
            "num_classes=7 do not fit num_speakers=2",
        ),
        ("segmentation-8khz.onnx", "8000 Hz, and 16000 Hz was expected"),
        (
            "segmentation-no-number.onnx",
            "num_classes=many should be a whole number",
        ),
        (
            "segmentation-shift.onnx",
            "receptive_field_shift=27 samples do not make up",
        ),
        ("segmentation-5-classes.onnx", "[1, frames, 7] was expected"),
    ] {
        check_segmentation(data_path(name), &[expected]);
    }
    for (name, expected) in [
        (
            "embedding-unknown.onnx",
            "framework=cloud should be wespeaker, 3d-speaker or nemo",
        ),
        (
            "embedding-dimension.onnx",
            "have 160 values, and its metadata output_dim=256",
        ),
        ("embedding-16-bands.onnx", "[N, T, 16]"),
        ("embedding-as-nemo.onnx", "int64 lengths"),
    ] {
        check_embedding(data_path(name), &[expected]);
    }
}

#[test]
fn a_device_that_cannot_be_had_is_never_the_cpu_instead() {
    let config = SpeakersConfig {
        device: Device::Cuda(900),
        ..config()
    };
    check(&config, &["cuda:900", "device=cpu"]);
}
