//! Time, events and states.

use std::sync::{Arc, Mutex};

use gst::{ClockTime, prelude::*};
use gst_audio::AudioFormat;

use crate::rig::*;

#[test]
fn a_jump_or_discont_begins_a_new_count() {
    let smooth = ms(500);
    for (pts, discont, jumps) in [
        (smooth, false, false),
        (smooth + ms(39), false, false),
        (smooth - ms(39), false, false),
        (smooth + ms(41), false, true),
        (smooth - ms(41), false, true),
        (smooth + ms(5_000), false, true),
        (smooth, true, true),
    ] {
        let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
        rig.push(buffer(stereo(0..24_000), ms(0)));
        let second = buffer(stereo(0..24_000), pts);
        rig.push(if discont {
            flagged(second, gst::BufferFlags::DISCONT)
        } else {
            second
        });
        let out = rig.eos();
        let restarts: Vec<_> = out
            .iter()
            .filter_map(|o| match o {
                Out::Audio {
                    pts, discont: true, ..
                } => Some(*pts),
                _ => None,
            })
            .collect();
        assert_eq!(
            restarts,
            if jumps { vec![ms(0), pts] } else { vec![ms(0)] },
            "{pts} {discont}"
        );
        let (old, new): (Vec<_>, Vec<_>) = {
            let at = out
                .iter()
                .rposition(|o| matches!(o, Out::Audio { discont: true, .. }))
                .unwrap();
            (out[..at].to_vec(), out[at..].to_vec())
        };
        if jumps {
            assert_eq!(joined(&old, ms(0)).len(), 8_000, "the old tail is complete");
            assert_eq!(joined(&new, pts).len(), 8_000);
        } else {
            assert_eq!(joined(&new, ms(0)).len(), 16_000);
        }
    }
}

#[test]
fn a_gap_buffer_becomes_as_much_flagged_silence() {
    // 1000 frames of 44.1 kHz are no whole number of samples.
    let rate = 44_100;
    let mut rig = Rig::new(&caps(AudioFormat::S16le, rate, 2));
    let mut fed = 0;
    for n in 0..30 {
        let input = buffer(stereo(fed..fed + 1_000), frames_to_time(fed, rate));
        rig.push(if n % 3 == 1 {
            flagged(input, gst::BufferFlags::GAP)
        } else {
            input
        });
        fed += 1_000;
    }
    let (mut at, mut silent) = (0usize, 0usize);
    for o in rig.eos() {
        if let Out::Audio {
            pts,
            samples,
            discont,
            gap,
        } = o
        {
            assert_eq!(pts, ClockTime::from_nseconds(at as u64 * 62_500));
            assert_eq!(discont, at == 0);
            if gap {
                let exact = samples.len() as f64 - 1_000.0 * 16_000.0 / f64::from(rate);
                assert!(exact.abs() <= 1.0, "{exact}");
                assert!(samples.iter().all(|&s| s == 0.0));
                silent += 1;
            }
            at += samples.len();
        }
    }
    assert_eq!(
        (at, silent),
        ((30_000.0 * 16_000.0 / f64::from(rate)).round() as usize, 10)
    );
}

#[test]
fn gap_events_stay_in_order() {
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    rig.push(buffer(stereo(0..4_800), ms(0)));
    rig.event(gst::event::Gap::builder(ms(100)).duration(ms(400)).build());
    rig.push(buffer(stereo(0..4_800), ms(500)));
    let empty = flagged(buffer(Vec::new(), ms(600)), gst::BufferFlags::GAP);
    let mut empty = empty;
    empty.get_mut().unwrap().set_duration(ms(50));
    rig.push(empty);
    rig.push(buffer(stereo(0..4_800), ms(650)));
    let out = rig.eos();
    let gaps: Vec<_> = (0..out.len())
        .filter(|&n| matches!(out[n], Out::Gap(_)))
        .collect();
    let [first, second] = gaps[..] else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (&out[first], &out[second]),
        (&Out::Gap(ms(100)), &Out::Gap(ms(600)))
    );
    assert_eq!(joined(&out[..first], ms(0)).len(), 1_600);
    for (part, start) in [(&out[first + 1..second], ms(500)), (&out[second + 1..], ms(650))] {
        let mut samples = 0;
        for o in part {
            if let Out::Audio {
                pts,
                samples: s,
                discont,
                ..
            } = o
            {
                assert_eq!(*pts, start + ClockTime::from_nseconds(samples * 62_500));
                assert!(!discont, "downstream knows of the gap");
                samples += s.len() as u64;
            }
        }
        assert_eq!(samples, 1_600);
    }
    assert_eq!(out.last(), Some(&Out::Eos));
}

#[test]
fn a_flush_forgets() {
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    rig.push(buffer(stereo(0..5_000), ms(0)));
    rig.event(gst::event::FlushStart::new());
    rig.event(gst::event::FlushStop::new(true));
    rig.event(gst::event::Segment::new(
        &gst::FormattedSegment::<ClockTime>::new(),
    ));
    rig.take();
    rig.push(buffer(stereo(0..48_000), ms(9_000)));
    let after = joined(&rig.eos(), ms(9_000));
    let mut fresh = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    fresh.push(buffer(stereo(0..48_000), ms(9_000)));
    assert_eq!(after, joined(&fresh.eos(), ms(9_000)));
}

#[test]
fn new_caps_come_behind_the_tail_of_the_old() {
    let audio = |rate: u32| match rate {
        16_000 => (caps(AudioFormat::F32le, rate, 1), vec![0u8; 4 * 16_000]),
        _ => (caps(AudioFormat::S16le, rate, 2), stereo(0..rate as usize)),
    };
    let (first, bytes) = audio(48_000);
    let mut rig = Rig::new(&first);
    rig.push(buffer(bytes, ms(0)));
    for (n, rate) in [8_000, 44_100, 16_000, 44_099, 48_000].into_iter().enumerate() {
        let (caps, bytes) = audio(rate);
        rig.event(gst::event::Caps::new(&caps));
        let before = rig.take();
        let samples: usize = before
            .iter()
            .map(|o| {
                if let Out::Audio { samples, .. } = o {
                    samples.len()
                } else {
                    0
                }
            })
            .sum();
        assert_eq!(samples, 16_000, "before {rate} Hz");
        rig.push(timed_by_size(buffer(bytes, ms(1_000) * (n as u64 + 1))));
    }
    let last = rig.eos();
    assert_eq!(joined(&last, ms(5_000)).len(), 16_000);
    assert!(rig.errors().is_empty());
}

#[test]
fn equal_caps_and_new_segments_lose_nothing() {
    let caps = caps(AudioFormat::S16le, 48_000, 2);
    let mut rig = Rig::new(&caps);
    rig.push(buffer(stereo(0..4_799), ms(0)));
    rig.event(gst::event::Caps::new(&caps));
    rig.push(buffer(stereo(4_799..48_000), frames_to_time(4_799, 48_000)));
    rig.event(gst::event::Segment::new(
        &gst::FormattedSegment::<ClockTime>::new(),
    ));
    assert_eq!(joined(&rig.take(), ms(0)).len(), 16_000);
}

#[test]
fn the_tail_comes_at_eos() {
    for (rate, frames) in [
        (48_000, 1),
        (48_000, 2),
        (48_000, 100),
        (8_000, 1),
        (44_100, 4_410),
        (44_099, 3),
        (768_000, 24),
    ] {
        let mut rig = Rig::new(&caps(AudioFormat::S16le, rate, 2));
        rig.push(buffer(stereo(0..frames), ms(40)));
        let out = rig.eos();
        let due = (frames as f64 * 16_000.0 / f64::from(rate)).round() as usize;
        assert_eq!(joined(&out, ms(40)).len(), due, "{frames} frames of {rate} Hz");
        assert_eq!(out.last(), Some(&Out::Eos));
    }
    let mut empty = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    assert_eq!(empty.eos(), [Out::Eos]);
}

#[test]
fn every_start_is_like_the_first() {
    let line = "audiotestsrc wave=ticks num-buffers=30 ! audio/x-raw,format=S16LE,rate=44100,channels=2 \
                ! scriberesample ! fakesink name=end sync=false";
    init();
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let out = Arc::new(Mutex::new(Vec::new()));
    let record = out.clone();
    let pad = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        record.lock().unwrap().extend(info.buffer().map(|b| audio(b)));
        gst::PadProbeReturn::Ok
    });
    let mut cycles = Vec::new();
    for _ in 0..3 {
        pipeline.set_state(gst::State::Playing).unwrap();
        let message = pipeline
            .bus()
            .unwrap()
            .timed_pop_filtered(ClockTime::from_seconds(60), &[gst::MessageType::Eos]);
        assert!(message.is_some());
        pipeline.set_state(gst::State::Ready).unwrap();
        cycles.push(std::mem::take(&mut *out.lock().unwrap()));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(!cycles[0].is_empty());
    assert_eq!(cycles[0], cycles[1]);
    assert_eq!(cycles[1], cycles[2]);
}

#[test]
fn the_latency_is_what_is_held_back() {
    for (rate, latency) in [
        (48_000, 48),
        (44_100, 60),
        (8_000, 96),
        (192_000, 48),
        (16_000, 0),
    ] {
        let mut rig = Rig::new(&caps(AudioFormat::S16le, rate, 2));
        assert_eq!(rig.harness.query_latency(), Some(ms(latency)), "{rate} Hz");
        let posted = rig.bus.pop_filtered(&[gst::MessageType::Latency]).is_some();
        assert_eq!(posted, latency > 0);
        // Never more is held back than that.
        for n in 0..200u64 {
            let frames = rate as usize / 100;
            rig.push(buffer(stereo(0..frames), ms(10) * n));
            let out: usize = rig
                .out
                .lock()
                .unwrap()
                .iter()
                .map(|o| {
                    if let Out::Audio { samples, .. } = o {
                        samples.len()
                    } else {
                        0
                    }
                })
                .sum();
            let held = (n as usize + 1) * 160 - out;
            assert!(held <= latency as usize * 16, "{rate} Hz: {held} samples held");
        }
    }
    let mut behind = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    behind.harness.set_upstream_latency(ms(20));
    assert_eq!(
        behind.harness.query_latency(),
        Some(ms(68)),
        "the sum with upstream's"
    );
    let idle = gst_check::Harness::new("scriberesample");
    assert_eq!(
        idle.query_latency(),
        Some(ClockTime::ZERO),
        "answered before there are caps"
    );
}
