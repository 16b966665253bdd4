//! The output does not depend on how the input is cut, and nothing makes the element panic.

use gst::ClockTime;
use gst_audio::AudioFormat;
use proptest::prelude::*;

use crate::rig::*;

#[test]
fn pts_are_exact_over_many_odd_buffers() {
    for rate in [8_000, 11_025, 44_099, 44_100, 48_000, 96_000] {
        let mut rig = Rig::new(&caps(AudioFormat::S16le, rate, 2));
        let start = ClockTime::from_nseconds(1_234_567_891);
        let mut fed = 0;
        for n in 0..600 {
            let frames = 1 + n * 37 % 1_500;
            // Milliseconds, as many containers have it.
            let pts = start + frames_to_time(fed, rate);
            let pts = if n == 0 {
                pts
            } else {
                ClockTime::from_mseconds(pts.mseconds())
            };
            rig.push(buffer(stereo(fed..fed + frames), pts));
            fed += frames;
        }
        let due = (fed as f64 * 16_000.0 / f64::from(rate)).round() as usize;
        assert_eq!(joined(&rig.eos(), start).len(), due, "{rate} Hz");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_output_does_not_depend_on_the_cuts(
        rate in proptest::sample::select(vec![8_000u32, 16_000, 44_099, 44_100, 48_000]),
        cuts in proptest::collection::vec(1usize..2_500, 1..24),
    ) {
        let total = cuts.iter().sum();
        let caps = caps(AudioFormat::S16le, rate, 2);
        let mut whole = Rig::new(&caps);
        whole.push(buffer(stereo(0..total), ms(0)));
        let mut parts = Rig::new(&caps);
        let mut at = 0;
        for cut in cuts {
            parts.push(buffer(stereo(at..at + cut), frames_to_time(at, rate)));
            at += cut;
        }
        prop_assert_eq!(joined(&whole.eos(), ms(0)), joined(&parts.eos(), ms(0)));
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push {
        frames: usize,
        pts: Option<u64>,
        flags: u32,
        cut: bool,
    },
    Gap {
        start: u64,
        duration: Option<u64>,
    },
    Caps(u32),
    Flush,
    Segment,
    Eos,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let time = prop_oneof![0..2_000_000_000u64, (u64::MAX - 3)..u64::MAX];
    let flags = proptest::sample::select(vec![
        gst::BufferFlags::empty().bits(),
        gst::BufferFlags::DISCONT.bits(),
        gst::BufferFlags::GAP.bits(),
        (gst::BufferFlags::GAP | gst::BufferFlags::DISCONT).bits(),
    ]);
    let push = (
        0usize..3_000,
        proptest::option::of(time.clone()),
        flags,
        proptest::bool::weighted(0.05),
    );
    let op = prop_oneof![
        8 => push.prop_map(|(frames, pts, flags, cut)| Op::Push { frames, pts, flags, cut }),
        1 => (time.clone(), proptest::option::of(time)).prop_map(|(start, duration)| Op::Gap { start, duration }),
        1 => proptest::sample::select(vec![1_000u32, 16_000, 44_099, 44_100, 768_000]).prop_map(Op::Caps),
        1 => Just(Op::Flush),
        1 => Just(Op::Segment),
        1 => Just(Op::Eos),
    ];
    proptest::collection::vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_input_makes_it_panic(ops in ops()) {
        let segment = || gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new());
        let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
        for op in ops {
            match op {
                Op::Push { frames, pts, flags, cut } => {
                    let mut buffer = gst::Buffer::from_mut_slice(stereo(0..frames)[usize::from(cut && frames > 0)..].to_vec());
                    buffer.get_mut().unwrap().set_pts(pts.map(ClockTime::from_nseconds));
                    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::from_bits_retain(flags));
                    let _ = rig.harness.push(buffer); // refused behind EOS, and when cut
                }
                Op::Gap { start, duration } => {
                    let gap = gst::event::Gap::builder(ClockTime::from_nseconds(start));
                    rig.harness.push_event(gap.duration(duration.map(ClockTime::from_nseconds)).build());
                }
                Op::Caps(rate) => {
                    rig.harness.push_event(gst::event::Caps::new(&caps(AudioFormat::S16le, rate, 2)));
                }
                Op::Flush => {
                    rig.harness.push_event(gst::event::FlushStart::new());
                    rig.harness.push_event(gst::event::FlushStop::new(true));
                    rig.harness.push_event(segment());
                }
                Op::Segment => {
                    rig.harness.push_event(segment());
                }
                Op::Eos => {
                    rig.harness.push_event(gst::event::Eos::new());
                }
            }
        }
        for error in rig.errors() {
            prop_assert!(error.contains("whole number of frames"), "{}", error);
        }
    }
}
