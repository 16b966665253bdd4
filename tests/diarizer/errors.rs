//! What goes wrong is an ERROR that says what to do, and never more than that.

use std::path::Path;
use std::sync::Arc;

use gst::prelude::*;
use gstscribe::elements::diarizer::LoaderFactory;
use gstscribe::infer::model::{Cancel, RunError};
use gstscribe::infer::speaker_models::{Decode, SpeakerFacts, SpeakerModels};
use gstscribe::speech::diarize::{Analysis, Embedding, Window};

use crate::common::{self, RATE};
use crate::rig::*;

/// The text of the ERROR on the way to PAUSED, and whether READY was reached.
#[track_caller]
fn refusal(element: &gst::Element) -> (String, bool) {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let ready = element.set_state(gst::State::Ready).is_ok();
    assert!(
        !ready || element.set_state(gst::State::Paused).is_err(),
        "it must not reach PAUSED"
    );
    element.set_state(gst::State::Null).unwrap();
    element.set_bus(None);
    let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an ERROR");
    let gst::MessageView::Error(error) = error.view() else {
        unreachable!()
    };
    (error.error().message().to_owned(), ready)
}

#[track_caller]
fn check(properties: &[(&str, &str)], says: &[&str]) {
    common::init();
    let element = gst::ElementFactory::make("scribediarizer").build().unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let (text, _) = refusal(&element);
    for word in says {
        assert!(
            text.contains(word),
            "{properties:?}: {text:?} does not say {word:?}"
        );
    }
}

#[test]
fn files_that_are_no_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("text.onnx"), "not a model\n").unwrap();
    std::fs::write(path("empty.onnx"), "").unwrap();
    for property in ["segmentation-model", "embedding-model"] {
        check(&[(property, "/nowhere/model.onnx")], &["/nowhere/model.onnx"]);
        check(&[(property, &path("text.onnx"))], &["text.onnx"]);
        check(&[(property, &path("empty.onnx"))], &["empty.onnx"]);
        check(
            &[(property, folder.path().to_str().unwrap())],
            &[folder.path().to_str().unwrap()],
        );
    }
    check(&[("plda", "/nowhere")], &["/nowhere", "plda.npz"]);
}

#[test]
fn settings_that_contradict_are_refused() {
    check(
        &[("min-speakers", "4"), ("max-speakers", "2")],
        &["min-speakers", "max-speakers"],
    );
    check(&[("onset", "0.4"), ("offset", "0.6")], &["onset", "offset"]);
    check(&[("device", "gpu")], &["device", "gpu", "cuda:0"]);
    check(&[("device", "cuda:7")], &["cuda:7"]);
}

#[test]
fn people_who_cannot_be_enrolled_are_named() {
    let voices = |fill: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        let element = element(reading(&Arc::default()));
        element.set_property("enrollment", folder.path().to_str().unwrap());
        refusal(element.upcast_ref()).0
    };
    let nobody = voices(&|_| {});
    assert!(
        nobody.contains("no recordings") && nobody.contains("Name.wav"),
        "{nobody}"
    );
    let silent = voices(&|f| common::write_wav(&f.join("Ann.wav"), &recording(2.0, &[])));
    assert!(
        silent.contains("Ann.wav") && silent.contains("too little speech"),
        "{silent}"
    );
    let text = voices(&|f| std::fs::write(f.join("Ann.wav"), "hello").unwrap());
    assert!(text.contains("Ann.wav") && text.contains("WAV"), "{text}");
    let twice = voices(&|f| {
        common::write_wav(&f.join("Ann.wav"), &recording(2.0, &[(ANN, 0.0, 2.0)]));
        common::write_wav(&f.join("Ann.WAV"), &recording(2.0, &[(ANN, 0.0, 2.0)]));
    });
    assert!(twice.contains("two recordings of Ann"), "{twice}");
    let element = element(reading(&Arc::default()));
    element.set_property("enrollment", "/nowhere/people");
    let absent = refusal(element.upcast_ref()).0;
    assert!(absent.contains("/nowhere/people"), "{absent}");
}

/// Fails in the third window, by an error or a panic.
struct Failing {
    panics: bool,
}

impl SpeakerModels for Failing {
    fn facts(&self) -> SpeakerFacts {
        facts()
    }

    fn analyse(&mut self, windows: &[Window], _: Decode, _: &Cancel) -> Result<Vec<Analysis>, RunError> {
        assert!(!self.panics || windows[0].start < 2 * RATE, "out of cheese");
        if windows[0].start >= 2 * RATE {
            return Err(RunError::Failed("the model said no".into()));
        }
        Ok(windows.iter().map(read).collect())
    }

    fn embed(&mut self, _: &[f32], _: &Cancel) -> Result<Option<Embedding>, RunError> {
        Ok(None)
    }
}

#[test]
fn a_model_that_fails_or_panics_ends_the_stream_with_an_error() {
    for (panics, says) in [(false, "the model said no"), (true, "out of cheese")] {
        let factory: LoaderFactory =
            Arc::new(move || Box::new(move |_| Ok(Box::new(Failing { panics }) as Box<dyn SpeakerModels>)));
        let diarizer = element(factory);
        diarizer.set_property("batch-size", 1_u32);
        let mut h = harness_of(&diarizer);
        let bus = gst::Bus::new();
        diarizer.set_bus(Some(&bus));
        h.play();
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for i in 0..100 {
            flow = h.push(buffer(i * RATE, &recording(1.0, &[(ANN, 0.0, 1.0)])));
            if flow.is_err() {
                break;
            }
        }
        assert_eq!(flow, Err(gst::FlowError::Error));
        let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an ERROR");
        let gst::MessageView::Error(error) = error.view() else {
            unreachable!()
        };
        assert!(error.error().message().contains(says), "{error:?}");
        diarizer.set_bus(None);
    }
}

#[test]
fn what_downstream_cannot_take_is_told() {
    let mut h = harness(&[]);
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.set_sink_caps(gst::Caps::new_empty_simple("application/x-json"));
    h.play();
    let element = h.element().unwrap();
    let source = element.static_pad("src").unwrap();
    assert!(
        source.current_caps().is_some(),
        "JSON of no particular kind takes speaker turns"
    );
    element.set_bus(None);

    common::init();
    let pipeline = "appsrc name=s ! scribediarizer name=d ! text/x-raw ! fakesink";
    assert!(
        gst::parse::launch(pipeline).is_err(),
        "turns are no text, and linking says so"
    );
}

#[test]
fn input_that_has_no_times_is_refused() {
    let mut h = harness(&[]);
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.play();
    h.push_event(gst::event::Segment::new(&gst::FormattedSegment::<
        gst::format::Bytes,
    >::new()));
    let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an ERROR");
    let gst::MessageView::Error(error) = error.view() else {
        unreachable!()
    };
    assert!(error.error().message().contains("TIME"), "{error:?}");
    h.element().unwrap().set_bus(None);
}

/// 4 TiB in a sparse file: whatever this machine has, it is not that.
#[test]
fn models_that_do_not_fit_are_refused_before_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.onnx");
    std::fs::write(&path, [0x08]).unwrap(); // as ONNX begins
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 42).unwrap();
    let path = path.to_str().unwrap();
    check(
        &[("embedding-model", path)],
        &[
            "out of memory: ",
            path,
            "needs 41943", // MiB, and the other model's
            "memory-fraction=85 lets",
            "Free memory",
            "or use the bundled models",
        ],
    );
}
