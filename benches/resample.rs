//! `scriberesample` against `audioconvert ! audioresample`, and the engines that were considered.
//!
//! `cargo bench --bench resample` prints, for 48 kHz stereo S16 → 16 kHz mono F32 first and then for
//! other rates: the throughput of whole pipelines as a ratio of pairs run one after the other, the
//! signal-to-noise ratio in the pass band, and the strongest alias of tones from 8 kHz to half the
//! input rate. Then what each engine costs by itself. Times depend on the machine; ratios hardly.

use std::{
    f64::consts::TAU,
    sync::{Arc, Mutex},
    time::Instant,
};

use gst::prelude::*;
use gst_audio::{AudioFormat, AudioInfo};
use gstscribe::infer::audio_convert::AudioConvert;
use rubato::{
    Async, Fft, FixedAsync, FixedSync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction, audioadapter_buffers::direct::SequentialSlice, calculate_cutoff,
};

const OURS: &str = "scriberesample";
const THEIRS: &str =
    "audioconvert ! audioresample ! audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";
const PAIRS: usize = 9;

fn main() {
    gst::init().expect("GStreamer starts");
    gstscribe::plugin_register_static().expect("the plugin registers");
    println!("whole pipelines of stereo S16 in buffers of 20 ms: {OURS} / {THEIRS}");
    for rate in [
        48_000, 44_100, 96_000, 192_000, 768_000, 11_025, 8_000, 1_000, 44_099, 767_999,
    ] {
        let (ratio, least, most, speed) = throughput(rate);
        println!(
            "{rate:>7} Hz: {ratio:.2} times the throughput (pairs from {least:.2} to {most:.2}); {speed:.0} times real time"
        );
    }
    println!("\nquality, tones at -6 dBFS: SNR up to 7 kHz, strongest alias, level at 7 kHz");
    for (format, rate) in [
        (AudioFormat::S16le, 48_000),
        (AudioFormat::F32le, 48_000),
        (AudioFormat::F32le, 44_100),
        (AudioFormat::F32le, 96_000),
        (AudioFormat::F32le, 192_000),
        (AudioFormat::F32le, 44_099),
    ] {
        for (name, line) in [(OURS, OURS), ("audioconvert ! audioresample", THEIRS)] {
            let (snr, alias, level) = quality(line, format, rate);
            println!(
                "{rate:>7} Hz {format}: SNR {snr:6.1} dB, alias {alias:7.1} dB, 7 kHz {level:6.2} dB  {name}"
            );
        }
    }
    engines();
}

/// How often the throughput of the baseline: median, least and most of the pairs, and times real time.
fn throughput(rate: u32) -> (f64, f64, f64, f64) {
    // About a quarter of a second for each run, so that starting and stopping do not count.
    let seconds = (300 * 48_000 / rate).clamp(20, 1_200);
    let (bytes, info) = tone(AudioFormat::S16le, rate, 997.0, 1);
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| {
            let [ours, theirs] = [OURS, THEIRS].map(|line| {
                let start = Instant::now();
                run(line, &info, &bytes, seconds, false);
                start.elapsed().as_secs_f64()
            });
            (theirs / ours, f64::from(seconds) / ours)
        })
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    (
        pairs[PAIRS / 2].0,
        pairs[0].0,
        pairs[PAIRS - 1].0,
        pairs[PAIRS / 2].1,
    )
}

/// SNR of the worst tone up to 7 kHz, level of the strongest alias, level at 7 kHz: dB.
fn quality(line: &str, format: AudioFormat, rate: u32) -> (f64, f64, f64) {
    let measure = |hz: f64| {
        let (bytes, info) = tone(format, rate, hz, 1);
        fit(&run(line, &info, &bytes, 1, true), hz)
    };
    let mut snr = f64::MAX;
    for step in 0..24 {
        let (tone, rest) = measure(20.0 + f64::from(step) * (7_000.0 - 20.0) / 23.0);
        snr = snr.min(tone - rest);
    }
    let nyquist = f64::from(rate) / 2.0;
    let near = (0..10).map(|n| 8_010.0 + 97.0 * f64::from(n));
    let far = (0..24).map(|n| 9_000.0 + f64::from(n) * (nyquist - 9_040.0) / 23.0);
    let alias = near
        .chain(far)
        .map(|hz| {
            let (tone, rest) = measure(hz);
            tone.max(rest) + 6.02
        })
        .fold(f64::MIN, f64::max);
    (snr, alias, measure(7_000.0).0 + 6.02)
}

/// RMS over that of full scale, in dB, of the tone `hz` in the middle of `samples` and of the rest.
fn fit(samples: &[f32], hz: f64) -> (f64, f64) {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let base = |n: usize| (TAU * hz * n as f64 / 16_000.0).sin_cos();
    let (mut ss, mut cc, mut sc, mut sy, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, &y) in middle.iter().enumerate() {
        let ((s, c), y) = (base(n), f64::from(y));
        (ss, cc, sc, sy, cy) = (ss + s * s, cc + c * c, sc + s * c, sy + s * y, cy + c * y);
    }
    let det = ss * cc - sc * sc;
    // A tone at a multiple of 8 kHz has no sine at 16 kHz: all of it is rest.
    let (a, b) = if det.abs() < 1e-6 {
        (0.0, 0.0)
    } else {
        ((sy * cc - cy * sc) / det, (cy * ss - sy * sc) / det)
    };
    let mut rest = 0.0;
    for (n, &y) in middle.iter().enumerate() {
        let (s, c) = base(n);
        rest += (f64::from(y) - a * s - b * c).powi(2);
    }
    let decibels = |power: f64| 10.0 * (2.0 * power).max(1e-20).log10();
    (
        decibels((a * a + b * b) / 2.0),
        decibels(rest / middle.len() as f64),
    )
}

/// Seconds of a stereo tone at -6 dBFS.
fn tone(format: AudioFormat, rate: u32, hz: f64, seconds: u32) -> (Vec<u8>, AudioInfo) {
    let info = AudioInfo::builder(format, rate, 2)
        .build()
        .expect("stereo of a known format");
    let step = TAU * hz / f64::from(rate);
    let wave = |n: u32| 0.5 * (f64::from(n) * step).sin();
    let bytes = (0..rate * seconds)
        .flat_map(|n| match format {
            AudioFormat::S16le => ((wave(n) * 32_767.0).round() as i16).to_le_bytes().repeat(2),
            _ => (wave(n) as f32).to_le_bytes().repeat(2),
        })
        .collect();
    (bytes, info)
}

/// Runs `bytes`, over and over for `seconds`, through a pipeline; returns its output when asked.
fn run(line: &str, info: &AudioInfo, bytes: &[u8], seconds: u32, keep: bool) -> Vec<f32> {
    let line = format!("appsrc name=in format=time ! {line} ! fakesink name=out sync=false");
    let pipeline = gst::parse::launch(&line).expect("the line parses");
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .expect("a line of elements is a pipeline");
    let source = pipeline
        .by_name("in")
        .and_downcast::<gst_app::AppSrc>()
        .expect("the line has an appsrc");
    source.set_caps(Some(&info.to_caps().expect("valid audio has caps")));
    let frames = (info.rate() / 50) as usize;
    let chunks: Vec<_> = bytes
        .chunks(frames * info.bpf() as usize)
        .map(|c| gst::Buffer::from_slice(c.to_vec()))
        .collect();
    let (mut next, total) = (0, chunks.len() * seconds as usize);
    let feed = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        if next == total {
            let _ = source.end_of_stream();
            return;
        }
        let mut buffer = chunks[next % chunks.len()].copy();
        buffer
            .make_mut()
            .set_pts(gst::ClockTime::from_mseconds(20 * next as u64));
        next += 1;
        let _ = source.push_buffer(buffer);
    });
    source.set_callbacks(feed.build());
    let samples = Arc::new(Mutex::new(Vec::new()));
    if keep {
        let record = samples.clone();
        let pad = pipeline
            .by_name("out")
            .and_then(|sink| sink.static_pad("sink"))
            .expect("a sink has a pad");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(map) = info.buffer().and_then(|b| b.map_readable().ok()) {
                let decoded = map.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
                record.lock().expect("no panic in a probe").extend(decoded);
            }
            gst::PadProbeReturn::Ok
        });
    }
    pipeline
        .set_state(gst::State::Playing)
        .expect("the pipeline starts");
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline
        .bus()
        .and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::NONE, &ends));
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    assert_eq!(end.map(|m| m.type_()), Some(gst::MessageType::Eos), "{line}");
    std::mem::take(&mut *samples.lock().expect("no panic in a probe"))
}

/// What the candidates cost by themselves, on a minute of audio in blocks of 1536 frames.
fn engines() {
    println!("\nengines alone, ms for a minute of 48 kHz (best of {PAIRS})");
    let (bytes, stereo) = tone(AudioFormat::S16le, 48_000, 997.0, 60);
    let mono = AudioInfo::builder(AudioFormat::F32le, 48_000, 1)
        .build()
        .expect("mono of a known format");
    let mut out: Vec<f32> = Vec::with_capacity(60 * 48_000);
    let convert = |info: &AudioInfo, rate: u32, bytes: &[u8], out: &mut Vec<f32>| {
        let mut converter = AudioConvert::to_mono(info, rate).expect("GStreamer converts this");
        for block in bytes.chunks(1536 * info.bpf() as usize) {
            let frames = block.len() / info.bpf() as usize;
            converter
                .convert(Some(&[block]), frames, out)
                .expect("whole frames convert");
        }
    };
    time("decode + mix, gst_audio_converter", || {
        out.clear();
        convert(&stereo, 48_000, &bytes, &mut out);
    });
    time("decode + mix, plain loop", || {
        out.clear();
        let sample = |b| f32::from(i16::from_le_bytes(b)) * (0.5 / 32_768.0);
        out.extend(
            bytes
                .as_chunks()
                .0
                .as_chunks()
                .0
                .iter()
                .map(|&[l, r]| sample(l) + sample(r)),
        );
    });
    let samples = out.clone();
    let floats: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    time("rate, gst_audio_converter", || {
        out.clear();
        convert(&mono, 16_000, &floats, &mut out);
    });
    for points in [256, 384, 512, 1024] {
        let fft = Fft::new_custom(
            48_000,
            16_000,
            points * 3,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        );
        let mut fft = fft.expect("rubato takes these rates");
        time(&format!("rate, rubato FFT of {points} points"), || {
            resample(&mut fft, &samples)
        });
    }
    // The second is what scriberesample takes for rates that the FFT cannot do.
    for (points, window, kind) in [
        (256, WindowFunction::BlackmanHarris2, SincInterpolationType::Cubic),
        (
            128,
            WindowFunction::BlackmanHarris,
            SincInterpolationType::Quadratic,
        ),
    ] {
        let filter = SincInterpolationParameters::new(3 * points, window)
            .f_cutoff(calculate_cutoff(points, window))
            .oversampling_factor(256)
            .interpolation(kind);
        let sinc = Async::new_sinc(1.0 / 3.0, 1.0, &filter, 1536, 1, FixedAsync::Input);
        let mut sinc = sinc.expect("rubato takes this ratio");
        time(
            &format!("rate, rubato sinc of {points} points, {window:?}, {kind:?}"),
            || resample(&mut sinc, &samples),
        );
    }
    time("all, gst_audio_converter", || {
        out.clear();
        convert(&stereo, 16_000, &bytes, &mut out);
    });
}

fn resample(engine: &mut dyn Resampler<f32>, samples: &[f32]) {
    let mut out = vec![0.0; engine.output_frames_max()];
    let room = out.len();
    for block in samples.chunks_exact(engine.input_frames_max()) {
        let source = SequentialSlice::new(block, 1, block.len()).expect("one channel of its own length");
        let mut target = SequentialSlice::new_mut(&mut out, 1, room).expect("one channel of its own length");
        engine
            .process_into_buffer(&source, &mut target, None)
            .expect("whole blocks resample");
    }
}

fn time(name: &str, mut f: impl FnMut()) {
    let best = (0..PAIRS)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min);
    println!("{:8.1}  {name}", best * 1e3);
}
