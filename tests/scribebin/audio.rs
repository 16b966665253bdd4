//! `audio_src`: the input as it came, for recording beside.

use gst::prelude::*;

use crate::rig::*;

#[test]
fn the_input_goes_on_untouched_and_the_captions_do_not_wait_for_its_end() {
    let rig = Rig::new("");
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()
        .unwrap();
    rig.pipeline.add(&sink).unwrap();
    rig.bin.link_pads(Some("audio_src"), &sink, None).unwrap();
    let samples = talk(65);
    let outcome = rig.run(&samples);
    assert_eq!(outcome.errors, [""; 0]);
    assert_eq!(outcome.words.len(), 65);
    assert_eq!(outcome.sorted(), all());
    assert!(
        outcome.progress.iter().all(|(code, _)| code == "load"),
        "nothing waits for the end: {:?}",
        outcome.progress
    );
}

#[test]
fn every_byte_of_it_arrives() {
    let rig = Rig::new("residency=concurrent");
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .property("signal-handoffs", true)
        .build()
        .unwrap();
    let bytes = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = bytes.clone();
    sink.connect("handoff", false, move |values| {
        let buffer: gst::Buffer = values[1].get().unwrap();
        counted.fetch_add(buffer.size(), std::sync::atomic::Ordering::SeqCst);
        None
    });
    rig.pipeline.add(&sink).unwrap();
    rig.bin.link_pads(Some("audio_src"), &sink, None).unwrap();
    let samples = talk(65);
    assert_eq!(rig.run(&samples).words.len(), 65);
    assert_eq!(bytes.load(std::sync::atomic::Ordering::SeqCst), samples.len() * 4);
}

#[test]
fn it_can_be_released() {
    let rig = Rig::new("");
    let pad = rig.bin.request_pad_simple("audio_src").unwrap();
    assert!(rig.bin.request_pad_simple("audio_src").is_none(), "there is one");
    rig.bin.release_request_pad(&pad);
    let again = rig.bin.request_pad_simple("audio_src").unwrap();
    rig.bin.release_request_pad(&again);
    assert_eq!(rig.run(&talk(40)).words, heard(40));
}
