//! `scriberesample` from the outside: buffers and events in, buffers and events out.

use std::sync::{Arc, Mutex, Once};

use gst::{ClockTime, prelude::*};
use gst_audio::{AudioFormat, AudioInfo};
use proptest::prelude::*;

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstscribe::plugin_register_static().unwrap();
    });
}

/// What left the element, in order.
#[derive(Debug, Clone, PartialEq)]
enum Out {
    Audio {
        pts: ClockTime,
        samples: Vec<f32>,
        discont: bool,
        gap: bool,
    },
    Gap(ClockTime),
    Eos,
    Other(gst::EventType),
}

/// The element in a harness, and a record of what leaves it.
struct Rig {
    harness: gst_check::Harness,
    out: Arc<Mutex<Vec<Out>>>,
    bus: gst::Bus,
}

impl Rig {
    fn new(caps: &gst::Caps) -> Self {
        init();
        let element = gst::ElementFactory::make("scriberesample").build().unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let out = Arc::new(Mutex::new(Vec::new()));
        let record = out.clone();
        element
            .static_pad("src")
            .unwrap()
            .add_probe(
                gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
                move |_, info| {
                    match &info.data {
                        Some(gst::PadProbeData::Buffer(buffer)) => record.lock().unwrap().push(audio(buffer)),
                        Some(gst::PadProbeData::Event(event)) => {
                            record.lock().unwrap().push(match event.view() {
                                gst::EventView::Gap(gap) => Out::Gap(gap.get().0),
                                gst::EventView::Eos(_) => Out::Eos,
                                _ => Out::Other(event.type_()),
                            })
                        }
                        _ => {}
                    }
                    gst::PadProbeReturn::Ok
                },
            )
            .unwrap();
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_drop_buffers(true);
        harness.play();
        harness.set_src_caps(caps.clone());
        Self { harness, out, bus }
    }

    fn push(&mut self, buffer: gst::Buffer) {
        self.harness.push(buffer).unwrap();
    }

    fn event(&mut self, event: gst::Event) {
        assert!(self.harness.push_event(event));
    }

    fn eos(&mut self) -> Vec<Out> {
        self.event(gst::event::Eos::new());
        self.take()
    }

    /// What came since the last call, without the events that every stream begins with.
    fn take(&mut self) -> Vec<Out> {
        let mut out = std::mem::take(&mut *self.out.lock().unwrap());
        out.retain(|o| !matches!(o, Out::Other(_)));
        out
    }

    fn errors(&self) -> Vec<String> {
        let errors = std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Error]));
        errors
            .map(|message| match message.view() {
                gst::MessageView::Error(error) => error.error().to_string(),
                _ => unreachable!("filtered"),
            })
            .collect()
    }
}

fn audio(buffer: &gst::BufferRef) -> Out {
    let map = buffer.map_readable().unwrap();
    let samples: Vec<f32> = map.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let duration = ClockTime::from_nseconds(samples.len() as u64 * 62_500);
    assert_eq!(buffer.duration(), Some(duration));
    Out::Audio {
        pts: buffer.pts().unwrap(),
        samples,
        discont: buffer.flags().contains(gst::BufferFlags::DISCONT),
        gap: buffer.flags().contains(gst::BufferFlags::GAP),
    }
}

fn caps(format: AudioFormat, rate: u32, channels: u32) -> gst::Caps {
    init();
    AudioInfo::builder(format, rate, channels)
        .build()
        .unwrap()
        .to_caps()
        .unwrap()
}

/// `frames` frames of a wave in S16 stereo; every frame differs from its neighbours.
fn stereo(frames: std::ops::Range<usize>) -> Vec<u8> {
    let sample = |n: usize| ((n as f64 * 0.05).sin() * 9_000.0 + (n % 7) as f64) as i16;
    frames
        .flat_map(|n| [sample(n), sample(n + 3)])
        .flat_map(i16::to_le_bytes)
        .collect()
}

fn buffer(bytes: Vec<u8>, pts: ClockTime) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(pts);
    buffer
}

fn flagged(mut buffer: gst::Buffer, flags: gst::BufferFlags) -> gst::Buffer {
    buffer.get_mut().unwrap().set_flags(flags);
    buffer
}

fn frames_to_time(frames: usize, rate: u32) -> ClockTime {
    ClockTime::from_nseconds((frames as u128 * 1_000_000_000 / u128::from(rate)) as u64)
}

const fn ms(ms: u64) -> ClockTime {
    ClockTime::from_mseconds(ms)
}

/// All samples, after checking that the buffers join without a gap and begin at `start`.
#[track_caller]
fn joined(out: &[Out], start: ClockTime) -> Vec<f32> {
    let mut all = Vec::new();
    for o in out {
        if let Out::Audio {
            pts,
            samples,
            discont,
            gap,
        } = o
        {
            assert_eq!(*pts, start + ClockTime::from_nseconds(all.len() as u64 * 62_500));
            assert_eq!(*discont, all.is_empty(), "DISCONT at {pts}");
            assert!(!gap);
            all.extend_from_slice(samples);
        }
    }
    all
}

/// Level in dB of the 1 kHz tone in `samples`, and of everything else.
fn tone(samples: &[f32]) -> (f64, f64) {
    let middle = &samples[samples.len() / 4..][..samples.len() / 2 / 16 * 16];
    let (mut sin, mut cos, mut power) = (0.0, 0.0, 0.0);
    for (n, &s) in middle.iter().enumerate() {
        let phase = n as f64 * std::f64::consts::TAU / 16.0;
        sin += f64::from(s) * phase.sin();
        cos += f64::from(s) * phase.cos();
        power += f64::from(s).powi(2);
    }
    let half = middle.len() as f64 / 2.0;
    let amplitude = sin.hypot(cos) / half;
    let rest = (power / half - amplitude.powi(2)).max(1e-14);
    (20.0 * amplitude.log10(), 10.0 * rest.log10())
}

/// Runs a pipeline that ends in scriberesample to its end.
fn run(line: &str) -> Vec<f32> {
    init();
    let line = format!("{line} ! scriberesample ! fakesink name=end sync=false");
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let samples = Arc::new(Mutex::new(Vec::new()));
    let record = samples.clone();
    let pad = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(Out::Audio { samples, .. }) = info.buffer().map(|b| audio(b)) {
            record.lock().unwrap().extend(samples);
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(ClockTime::from_seconds(60), &wanted);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(message.unwrap().type_(), gst::MessageType::Eos, "{line}");
    std::mem::take(&mut *samples.lock().unwrap())
}

#[test]
fn every_format_in_both_layouts() {
    init();
    let formats: Vec<_> = AudioFormat::iter_raw().collect();
    assert!(formats.len() >= 30, "{formats:?}");
    for format in formats {
        for layout in ["interleaved", "non-interleaved"] {
            let depth = gst_audio::AudioFormatInfo::from_format(format).depth().min(20);
            let samples = run(&format!(
                "audiotestsrc num-buffers=20 samplesperbuffer=1200 freq=1000 volume=0.5 \
                 ! audio/x-raw,format=F64LE,rate=48000,channels=2 ! audioconvert dithering=none \
                 ! audio/x-raw,format={},layout={layout}",
                format.to_str()
            ));
            assert_eq!(samples.len(), 8_000, "{format} {layout}");
            let (level, rest) = tone(&samples);
            assert!((level + 6.02).abs() < 0.1, "{format} {layout}: {level} dB");
            let noise = -6.0 * f64::from(depth) + 2.0;
            assert!(
                rest < noise,
                "{format} {layout}: noise {rest} dB, expected {noise}"
            );
        }
    }
}

#[test]
fn every_rate_gives_the_tone_and_the_length() {
    for rate in [
        1_000, 1_001, 4_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_099, 44_100, 47_952, 48_000, 88_200,
        96_000, 192_000, 384_000, 767_999, 768_000,
    ] {
        let hz = if rate < 4_000 { 250 } else { 1_000 };
        let frames = rate / 10 * 9 + 7;
        let samples = run(&format!(
            "audiotestsrc num-buffers=3 samplesperbuffer={} freq={hz} volume=0.5 ! audio/x-raw,format=F64LE,rate={rate},channels=1",
            frames / 3
        ));
        let due = (f64::from(frames / 3 * 3) * 16_000.0 / f64::from(rate)).round() as usize;
        assert_eq!(samples.len(), due, "{rate} Hz");
        if hz == 1_000 {
            let (level, rest) = tone(&samples);
            assert!((level + 6.02).abs() < 0.05, "{rate} Hz: {level} dB");
            assert!(rest < -90.0, "{rate} Hz: rest {rest} dB");
        }
    }
}

#[test]
fn channels_are_mixed_as_audioconvert_does() {
    init();
    for channels in [1u32, 2, 3, 4, 5, 6, 7, 8] {
        let mask =
            gst_audio::AudioChannelPosition::positions_to_mask(fallback(channels).as_slice(), true).unwrap();
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", 16_000)
            .field("channels", channels as i32)
            .field(
                "channel-mask",
                gst::Bitmask::new(if channels == 1 { 0 } else { mask }),
            )
            .build();
        let frame = (0..channels).flat_map(|c| (500 * (c as i16 + 1)).to_le_bytes());
        let bytes: Vec<u8> = std::iter::repeat_n(frame, 64).flatten().collect();
        let mut theirs = gst_check::Harness::new_parse(
            "audioconvert ! capsfilter caps=audio/x-raw,format=F32LE,channels=1",
        );
        theirs.set_src_caps(caps.clone());
        let Out::Audio {
            samples: expected, ..
        } = audio(&theirs.push_and_pull(timed(buffer(bytes.clone(), ms(0)))).unwrap())
        else {
            unreachable!("audio() gives audio");
        };
        let mut rig = Rig::new(&caps);
        rig.push(buffer(bytes, ms(0)));
        let ours = joined(&rig.eos(), ms(0));
        assert_eq!(ours.len(), expected.len());
        for (a, b) in ours.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-6, "{channels} channels: {a}, audioconvert {b}");
        }
    }
}

fn timed(mut buffer: gst::Buffer) -> gst::Buffer {
    buffer.get_mut().unwrap().set_duration(ms(4));
    buffer
}

fn fallback(channels: u32) -> Vec<gst_audio::AudioChannelPosition> {
    let mask = gst_audio::AudioChannelPosition::fallback_mask(channels);
    let mut positions = vec![gst_audio::AudioChannelPosition::None; channels as usize];
    if channels == 1 {
        return vec![gst_audio::AudioChannelPosition::Mono];
    }
    gst_audio::AudioChannelPosition::positions_from_mask(mask, &mut positions).unwrap();
    positions
}

#[test]
fn up_to_64_channels_without_positions_are_averaged() {
    for channels in [2u32, 8, 29, 63, 64] {
        for layout in ["interleaved", "non-interleaved"] {
            for format in ["S16LE", "S16BE"] {
                init();
                let caps = gst::Caps::builder("audio/x-raw")
                    .field("format", format)
                    .field("layout", layout)
                    .field("rate", 16_000)
                    .field("channels", channels as i32)
                    .field("channel-mask", gst::Bitmask::new(0))
                    .build();
                // The same in both byte orders.
                let value = |c: u32| (c as u8 + 1).wrapping_mul(3);
                let planar = layout == "non-interleaved";
                let at = |n: u32| value(if planar { n / 10 } else { n % channels });
                let bytes: Vec<u8> = (0..10 * channels).flat_map(|n| [at(n), at(n)]).collect();
                let mut rig = Rig::new(&caps);
                rig.push(buffer(bytes, ms(0)));
                let out = joined(&rig.eos(), ms(0));
                let sum: f64 = (0..channels)
                    .map(|c| f64::from(i16::from_le_bytes([value(c), value(c)])) / 32_768.0)
                    .sum();
                let mean = (sum / f64::from(channels)) as f32;
                assert_eq!(out.len(), 10);
                assert!(
                    out.iter().all(|s| (s - mean).abs() < 1e-6),
                    "{channels} {layout}: {out:?}, {mean}"
                );
            }
        }
    }
}

#[test]
fn speech_audio_passes_without_a_copy() {
    let mut rig = Rig::new(&caps(AudioFormat::F32le, 16_000, 1));
    rig.harness.set_drop_buffers(false);
    for n in 0..3 {
        let input = buffer(vec![n; 400], ms(6) * u64::from(n));
        let (memory, pts) = (input.peek_memory(0).as_ptr(), input.pts());
        rig.push(timed_by_size(input));
        let output = rig.harness.pull().unwrap();
        assert_eq!((output.peek_memory(0).as_ptr(), output.pts()), (memory, pts));
    }
    assert_eq!(rig.harness.query_latency(), Some(ClockTime::ZERO));
}

fn timed_by_size(mut buffer: gst::Buffer) -> gst::Buffer {
    let duration = ClockTime::from_nseconds(buffer.size() as u64 / 4 * 62_500);
    buffer.get_mut().unwrap().set_duration(duration);
    buffer
}

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
    init();
    let idle = gst_check::Harness::new("scriberesample");
    assert_eq!(
        idle.query_latency(),
        Some(ClockTime::ZERO),
        "answered before there are caps"
    );
}

#[test]
fn a_cut_frame_is_an_error_that_says_what_to_do() {
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    let result = rig.harness.push(buffer(vec![0; 4 * 100 + 1], ms(0)));
    assert_eq!(result, Err(gst::FlowError::Error));
    let errors = rig.errors();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("401 bytes") && errors[0].contains("multiple of 4"),
        "{errors:?}"
    );
}

#[test]
fn audio_without_caps_is_an_error() {
    init();
    let element = gst::ElementFactory::make("scriberesample").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.push_event(gst::event::StreamStart::new("test"));
    harness.push_event(gst::event::Segment::new(
        &gst::FormattedSegment::<ClockTime>::new(),
    ));
    assert_eq!(
        harness.push(buffer(vec![0; 8], ms(0))),
        Err(gst::FlowError::NotNegotiated)
    );
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_some());
}

#[test]
fn caps_without_positions_for_many_channels_are_refused() {
    init();
    let mut rig = Rig::new(&caps(AudioFormat::S16le, 48_000, 2));
    let bare = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 48_000)
        .field("channels", 5)
        .build();
    // A sticky event counts as pushed; the refusal shows with the next buffer.
    rig.harness.push_event(gst::event::Caps::new(&bare));
    assert_eq!(
        rig.harness.push(buffer(vec![0; 10], ms(0))),
        Err(gst::FlowError::NotNegotiated)
    );
    assert!(rig.errors()[0].contains("channel-mask"));
}

#[test]
fn each_checkpoint_is_written_once() {
    init();
    for at_eos in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("memory.jsonl");
        let element = gst::ElementFactory::make("scriberesample")
            .property("memory-log", log.to_str().unwrap())
            .build()
            .unwrap();
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps(caps(AudioFormat::S16le, 48_000, 2));
        harness.push(buffer(stereo(0..4_800), ms(0))).unwrap();
        if at_eos {
            harness.push_event(gst::event::Eos::new());
        }
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
        let log = std::fs::read_to_string(log).unwrap();
        let labels: Vec<String> = log
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["label"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(
            labels,
            [
                "Before Audio Preprocessing",
                "After Audio Preprocessing",
                "Before Waveform Cleanup",
                "After Waveform Cleanup"
            ],
            "EOS: {at_eos}"
        );
    }
}
