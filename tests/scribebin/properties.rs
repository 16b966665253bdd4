//! The children's properties on the bin, and the children themselves.

use gst::prelude::*;

use crate::common;

fn bin() -> gst::Element {
    common::init();
    gst::ElementFactory::make("scribebin").build().unwrap()
}

#[test]
fn every_property_that_can_be_set_is_kept() {
    let bin = bin();
    for pspec in bin.list_properties() {
        let flags = pspec.flags();
        if pspec.owner_type() != bin.type_() || !flags.contains(gst::glib::ParamFlags::WRITABLE) {
            continue;
        }
        let name = pspec.name();
        let other = if let Some(p) = pspec.downcast_ref::<gst::glib::ParamSpecUInt>() {
            (p.maximum() - 1).to_value()
        } else if let Some(p) = pspec.downcast_ref::<gst::glib::ParamSpecInt>() {
            (p.maximum() - 1).to_value()
        } else if let Some(p) = pspec.downcast_ref::<gst::glib::ParamSpecFloat>() {
            ((p.minimum() + p.maximum()) / 4.0).to_value()
        } else if let Some(p) = pspec.downcast_ref::<gst::glib::ParamSpecBoolean>() {
            (!p.default_value()).to_value()
        } else if pspec.value_type() == gst::glib::Type::STRING {
            "something".to_value()
        } else {
            let class = gst::glib::EnumClass::with_type(pspec.value_type()).expect(name);
            class.to_value(class.values().last().unwrap().value()).unwrap()
        };
        bin.set_property_from_value(name, &other);
        let kept = bin.property_value(name);
        assert_eq!(format!("{kept:?}"), format!("{other:?}"), "{name}");
    }
}

/// The speaker models have no smaller ones.
#[test]
fn on_oom_goes_to_both_as_far_as_they_know_it() {
    let bin = bin();
    let proxy = bin.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    let nick = |child: &str| {
        let value = proxy.child_property_value(child);
        let (_, value) = gst::glib::EnumValue::from_value(&value).unwrap();
        value.nick().to_owned()
    };
    let nicks = |element: &str| {
        let element = gst::ElementFactory::make(element).build().unwrap();
        let kind = element.find_property("on-oom").unwrap().value_type();
        let class = gst::glib::EnumClass::with_type(kind).unwrap();
        let nicks: Vec<String> = class.values().iter().map(|v| v.nick().to_owned()).collect();
        nicks
    };
    for whisper in ["scribetranscriber", "scribebin"] {
        assert_eq!(nicks(whisper), ["fail", "smaller-model", "cpu"], "{whisper}");
    }
    assert_eq!(nicks("scribediarizer"), ["fail", "cpu"]);
    for (set, speakers) in [("cpu", "cpu"), ("smaller-model", "fail"), ("fail", "fail")] {
        bin.set_property_from_str("on-oom", set);
        assert_eq!(
            (nick("transcriber::on-oom"), nick("diarizer::on-oom")),
            (set.to_owned(), speakers.to_owned())
        );
    }
}

#[test]
fn a_property_of_several_goes_to_all_of_them() {
    let bin = bin();
    bin.set_property("threads", 3_u32);
    bin.set_property("memory-log", "memory.jsonl");
    bin.set_property("language-code", "de");
    bin.set_property("num-speakers", 2_u32);
    bin.set_property("max-line-length", 32_u32);
    bin.set_property("latency", 1_000_u32);
    let proxy = bin.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    for (child, value) in [
        ("transcriber::threads", "3"),
        ("diarizer::threads", "3"),
        ("resample::memory-log", "memory.jsonl"),
        ("aligner::memory-log", "memory.jsonl"),
        ("transcriber::language-code", "de"),
        ("diarizer::num-speakers", "2"),
        ("captions::max-line-length", "32"),
        ("transcriber::latency", "1000"),
        ("diarizer::latency", "2000"),
    ] {
        let found = proxy.child_property_value(child);
        let text = found.transform::<String>().unwrap().get::<String>().unwrap();
        assert_eq!(text, value, "{child}");
    }
    proxy.set_child_property("diarizer::latency", 500_u32);
    assert_eq!(proxy.child_property::<u32>("diarizer::latency"), 500);
}

#[test]
fn caps_are_those_of_what_is_at_either_end() {
    let bin = bin();
    let (sink, source) = (bin.static_pad("sink").unwrap(), bin.static_pad("src").unwrap());
    let takes: gst::Caps = "audio/x-raw, format=S16LE, rate=48000, channels=2, layout=interleaved"
        .parse()
        .unwrap();
    assert!(sink.query_caps(None).can_intersect(&takes));
    assert!(
        !sink
            .query_caps(None)
            .can_intersect(&gst::Caps::new_empty_simple("video/x-raw"))
    );
    for caps in [
        "application/x-subtitle-vtt",
        "application/x-subtitle",
        "text/x-raw, format=utf8",
        "application/x-json, format=transcript",
    ] {
        assert!(
            source
                .query_caps(None)
                .can_intersect(&caps.parse::<gst::Caps>().unwrap()),
            "{caps}"
        );
    }
}
