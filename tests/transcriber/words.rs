//! What comes out.

use std::sync::{Arc, Mutex};

use crate::common::RATE;
use gst::prelude::*;
use gstscribe::elements::word;
use gstscribe::speech::transcribe::Context;
use proptest::prelude::*;

use crate::rig::*;

#[test]
fn words_come_once_in_order_with_their_times() {
    let clock = Arc::new(Clock::default());
    let mut h = harness(saying(&clock));
    h.play();
    for second in 0..70 {
        assert_eq!(h.push(audio(f64::from(second), 1.0)), Ok(gst::FlowSuccess::Ok));
    }
    h.push_event(gst::event::Eos::new());
    let buffers: Vec<gst::Buffer> = std::iter::from_fn(|| h.try_pull()).collect();
    assert_eq!(buffers.len(), 70);
    for (second, buffer) in (0..).zip(&buffers) {
        let word = word::from_buffer(buffer).unwrap();
        assert_eq!(word.text, format!("w{second}"));
        assert_eq!(buffer.pts().unwrap().mseconds(), second * 1000 + 200);
        assert_eq!(buffer.duration().unwrap().mseconds(), 400);
        assert_eq!((word.confidence, word.language.as_deref()), (0.5, Some("en")));
    }
    let asked = clock.asked.lock().unwrap();
    assert_eq!(asked[0], (0, 31 * RATE as usize, Context::Start));
    assert_eq!(asked[1].2, Context::Carry);
    assert!(
        asked.iter().all(|(_, n, _)| *n <= 31 * RATE as usize),
        "a window is never longer"
    );
}

#[test]
fn gaps_and_words_cover_the_line_without_a_hole() {
    let mut h = harness(saying(&Arc::default()));
    h.play();
    let sink = h.element().unwrap().static_pad("src").unwrap();
    let line: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let seen = line.clone();
    sink.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
        move |_, info| {
            let stretch = match &info.data {
                Some(gst::PadProbeData::Buffer(b)) => Some((b.pts().unwrap(), b.duration().unwrap())),
                Some(gst::PadProbeData::Event(e)) => match e.view() {
                    gst::EventView::Gap(gap) => Some((gap.get().0, gap.get().1.unwrap())),
                    _ => None,
                },
                _ => None,
            };
            if let Some((start, duration)) = stretch {
                seen.lock()
                    .unwrap()
                    .push((start.nseconds(), (start + duration).nseconds()));
            }
            gst::PadProbeReturn::Ok
        },
    );
    for second in 0..40 {
        h.push(audio(f64::from(second), 1.0)).unwrap();
    }
    h.push_event(gst::event::Eos::new());
    let line = line.lock().unwrap();
    assert_eq!(line[0].0, 0);
    assert_eq!(line.last().unwrap().1, 40_000_000_000);
    for pair in line.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{pair:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_words_do_not_depend_on_the_buffers(sizes in prop::collection::vec(1_usize..60_000, 8..40)) {
        let mut h = harness(saying(&Arc::default()));
        h.play();
        let mut at = 0_usize;
        for n in &sizes {
            h.push(samples(at as f64 / RATE as f64, *n)).unwrap();
            at += n;
        }
        h.push_event(gst::event::Eos::new());
        let whole = ((at as f64 / RATE as f64) - 0.6 + 1.0).floor() as u32;
        prop_assert_eq!(words(&mut h), numbered(0..whole));
    }
}
