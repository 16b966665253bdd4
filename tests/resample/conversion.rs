//! Formats, rates, channels: what comes out is what went in, at 16 kHz mono.

use gst::ClockTime;
use gst_audio::AudioFormat;

use crate::rig::*;

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
