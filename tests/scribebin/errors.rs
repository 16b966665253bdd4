//! What is wrong with what somebody asked for is said in one sentence.

use gst::prelude::*;

use crate::common;

#[track_caller]
fn refused(properties: &str) -> (String, gst::glib::Error) {
    common::init();
    let line = format!("audiotestsrc num-buffers=1 ! scribebin {properties} ! fakesink");
    let pipeline = gst::parse::launch(&line).unwrap();
    assert!(pipeline.set_state(gst::State::Paused).is_err(), "{line}");
    let message = pipeline
        .bus()
        .unwrap()
        .pop_filtered(&[gst::MessageType::Error])
        .expect("an ERROR");
    pipeline.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    (error.error().message().to_owned(), error.error())
}

#[test]
fn a_model_that_is_not_there_is_named_with_what_to_do() {
    let (text, error) = refused("whisper-model=nowhere/ggml-base.bin");
    assert!(text.contains("whisper-model=nowhere/ggml-base.bin"), "{text}");
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
    let (text, _) = refused("whisper-model=large-v9");
    assert!(text.contains("large-v9") && text.contains("get-model"), "{text}");
    let (text, _) = refused("whisper-model=bundled segmentation-model=nowhere.onnx");
    assert!(text.contains("nowhere.onnx"), "{text}");
}

#[test]
fn the_speaker_models_are_not_looked_for_where_nobody_wants_them() {
    common::init();
    let line = "audiotestsrc num-buffers=1 ! scribebin diarize=false whisper-model=bundled \
                segmentation-model=nowhere.onnx ! fakesink";
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
}
