//! `scriberesample device=cuda:N`.

use gst::prelude::*;
use gst_audio::{AudioFormat, AudioInfo};
use gst_check::Harness;

use crate::drivers::{STATE, is_inner, with_drivers};
use crate::{element, refusal, said};

const DRIVER: (&str, &str) = ("cuda_compute.cpp", "libcuda.so.1");
const NVRTC: (&str, &str) = ("nvrtc.c", "libnvrtc.so");

/// What the stand-in holds: contexts, allocations. And how often the kernel ran.
fn held() -> (i64, i64, i64) {
    let text = std::fs::read_to_string(std::env::var_os(STATE).unwrap()).unwrap();
    let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

/// A harness around the element on `device`, which takes mono F32 of `rate`.
fn harness(rate: u32, device: &str) -> (Harness, gst::Element, gst::Bus) {
    let (element, bus) = element("scriberesample", &[("device", device)]);
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    let info = AudioInfo::builder(AudioFormat::F32le, rate, 1).build().unwrap();
    harness.set_src_caps(info.to_caps().unwrap());
    (harness, element, bus)
}

fn sound(rate: u32) -> Vec<f32> {
    let at = |n: u32| f64::from(n) / f64::from(rate);
    let loudness = |n: u32| 0.5 * (std::f64::consts::PI * at(n)).sin().powi(2);
    (0..rate)
        .map(|n| (loudness(n) * (at(n) * 1_500.0).sin()) as f32)
        .collect()
}

fn buffer(samples: &[f32], pts: gst::ClockTime) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    buffer.get_mut().unwrap().set_pts(pts);
    buffer
}

/// Pushes `samples` in pieces of 10 ms from time 0 on.
fn push(harness: &mut Harness, rate: u32, samples: &[f32]) {
    for (n, piece) in (0..).zip(samples.chunks(rate as usize / 100)) {
        let pts = gst::ClockTime::from_mseconds(10 * n);
        harness.push(buffer(piece, pts)).unwrap();
    }
}

/// All that came, and the first time.
fn pull(harness: &mut Harness) -> (Vec<f32>, Option<gst::ClockTime>) {
    let (mut samples, mut first) = (Vec::new(), None);
    while let Some(buffer) = harness.try_pull() {
        first = first.or(buffer.pts());
        let map = buffer.map_readable().unwrap();
        samples.extend(map.as_chunks::<4>().0.iter().map(|s| f32::from_le_bytes(*s)));
    }
    (samples, first)
}

#[test]
fn a_device_that_is_not_there_fails_the_state_change() {
    let error = refusal("scriberesample", &[("device", "cuda:999")]);
    let text = error.message();
    assert!(error.matches(gst::ResourceError::NotFound), "{text}");
    assert!(
        text.starts_with("device=cuda:999: ") && text.contains("device=cpu"),
        "{text}"
    );
    let error = refusal("scriberesample", &[("device", "auto")]);
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
}

#[test]
fn without_nvrtc_the_kernel_cannot_be_made() {
    with_drivers(&[DRIVER], "resample::inner_without_nvrtc", &[]);
}

#[test]
fn inner_without_nvrtc() {
    if is_inner() {
        let error = refusal("scriberesample", &[("device", "cuda:0")]);
        let text = error.message();
        assert!(
            text.contains("libnvrtc.so") && text.contains("LD_LIBRARY_PATH"),
            "{text}"
        );
        let error = refusal("scriberesample", &[("device", "cuda:1")]);
        assert!(error.message().contains("knows no such device"), "{error}");
    }
}

#[test]
fn the_gpu_gives_what_the_cpu_gives_and_gives_all_back() {
    with_drivers(&[DRIVER, NVRTC], "resample::inner_same_as_the_cpu", &[]);
}

#[test]
fn inner_same_as_the_cpu() {
    if !is_inner() {
        return;
    }
    for rate in [48_000, 44_100, 8_000] {
        let [cpu, gpu] = ["cpu", "cuda:0"].map(|device| {
            let (mut harness, element, bus) = harness(rate, device);
            push(&mut harness, rate, &sound(rate));
            harness.push_event(gst::event::Eos::new());
            if device == "cuda:0" {
                let (contexts, allocations, launches) = held();
                assert_eq!(
                    (contexts, allocations),
                    (1, 3),
                    "the filter, the waveform, the output"
                );
                assert!(launches > 10, "{launches} launches for a second");
            }
            let heard = pull(&mut harness);
            assert!(said(&bus, gst::MessageType::Error).is_empty());
            element.set_state(gst::State::Ready).unwrap();
            heard
        });
        assert_eq!((held().0, held().1), (0, 0), "what is left at READY");
        assert_eq!((gpu.0.len(), gpu.1), (16_000, cpu.1), "{rate} Hz");
        assert_eq!(cpu.0.len(), 16_000);
        let apart = cpu
            .0
            .iter()
            .zip(&gpu.0)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "{rate} Hz: {apart} apart");
    }
}

#[test]
fn a_flush_forgets_what_the_device_holds() {
    with_drivers(&[DRIVER, NVRTC], "resample::inner_flush", &[]);
}

#[test]
fn inner_flush() {
    if !is_inner() {
        return;
    }
    let rate = 48_000;
    let (mut harness, element, _bus) = harness(rate, "cuda:0");
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let mut once = || {
        push(&mut harness, rate, &sound(rate));
        pull(&mut harness); // the tail is still there
        harness.push_event(gst::event::FlushStart::new());
        harness.push_event(gst::event::FlushStop::new(true));
        harness.push_event(gst::event::Segment::new(&segment));
        push(&mut harness, rate, &sound(rate));
        harness.push_event(gst::event::Gap::builder(gst::ClockTime::SECOND).build());
        pull(&mut harness).0
    };
    let (first, second) = (once(), once());
    assert_eq!(first.len(), 16_000);
    assert_eq!(first, second);
    // At rest it can be given back, and is taken again with the next audio.
    harness.push_event(gst::event::Eos::new());
    element.emit_by_name::<()>("cleanup-models", &[]);
    assert_eq!((held().0, held().1), (0, 0));
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&segment));
    pull(&mut harness);
    push(&mut harness, rate, &sound(rate));
    assert_eq!((held().0, held().1), (1, 3));
    element.set_state(gst::State::Null).unwrap();
    assert_eq!((held().0, held().1), (0, 0));
}

#[test]
fn a_full_device_is_an_error() {
    with_drivers(
        &[DRIVER, NVRTC],
        "resample::inner_full",
        &[("FAKE_GPU_FULL", "1")],
    );
}

#[test]
fn inner_full() {
    if !is_inner() {
        return;
    }
    let (mut harness, element, bus) = harness(48_000, "cuda:0");
    assert!(
        harness
            .push(buffer(&sound(48_000), gst::ClockTime::ZERO))
            .is_err()
    );
    let errors = said(&bus, gst::MessageType::Error);
    let text = errors[0].message();
    assert!(
        text.contains("device=cuda:0") && text.contains("out of memory"),
        "{text}"
    );
    assert!(text.contains("or use device=cpu"), "{text}");
    element.set_state(gst::State::Null).unwrap();
    assert_eq!((held().0, held().1), (0, 0));
}
