//! The elements on a GPU, with stand-ins for NVIDIA's libraries: what is asked of them, what is given back, and what is said
//! where they fail.

#![cfg(target_os = "linux")] // LD_LIBRARY_PATH and the names of the libraries

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/drivers.rs"]
mod drivers;
mod full;
mod resample;
mod transcriber;

use gst::prelude::*;

/// The domain's code, the text and what else was said, of all ERRORs or all WARNINGs that are on the bus.
fn said(bus: &gst::Bus, kind: gst::MessageType) -> Vec<gst::glib::Error> {
    std::iter::from_fn(|| bus.pop_filtered(&[kind]))
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error(),
            gst::MessageView::Warning(warning) => warning.error(),
            _ => unreachable!("filtered"),
        })
        .collect()
}

/// An element with a bus, and these properties.
fn element(factory: &str, properties: &[(&str, &str)]) -> (gst::Element, gst::Bus) {
    common::init();
    let element = gst::ElementFactory::make(factory).build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    (element, bus)
}

/// The one ERROR of an element that cannot go to PAUSED.
#[track_caller]
fn refusal(factory: &str, properties: &[(&str, &str)]) -> gst::glib::Error {
    let (element, bus) = element(factory, properties);
    assert!(element.set_state(gst::State::Paused).is_err(), "{properties:?}");
    let mut errors = said(&bus, gst::MessageType::Error);
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}
