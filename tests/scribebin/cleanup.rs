//! The action signal `cleanup-models` of the bin.

use std::sync::atomic::Ordering;

use gst::prelude::*;

use crate::rig::*;

#[test]
fn it_frees_what_is_held_and_the_run_goes_on() {
    let rig = Rig::new("");
    rig.bin.emit_by_name::<()>("cleanup-models", &[]);
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    rig.push(0, &talk(65)[..20 * 16_000]);
    rig.bin.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(rig.words.alive.load(Ordering::SeqCst), 0);
    rig.push(20, &talk(65)[20 * 16_000..]);
    rig.source().end_of_stream().unwrap();
    let mut outcome = Outcome::default();
    outcome.hear(&rig.bus(), Some(gst::ClockTime::from_seconds(60)));
    outcome.take(&rig.sink());
    assert_eq!(outcome.words, heard(65));
    assert_eq!(rig.words.loaded.load(Ordering::SeqCst), 2);
    rig.bin.emit_by_name::<()>("cleanup-models", &[]);
    rig.stop(&mut outcome);
    rig.bin.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!(outcome.errors, [""; 0]);
}
