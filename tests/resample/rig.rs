//! The element in a harness, and what leaves it.

use std::sync::{Arc, Mutex, Once};

use gst::{ClockTime, prelude::*};
use gst_audio::{AudioFormat, AudioInfo};

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstscribe::plugin_register_static().unwrap();
    });
}

/// What left the element, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
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
pub struct Rig {
    pub harness: gst_check::Harness,
    pub out: Arc<Mutex<Vec<Out>>>,
    pub bus: gst::Bus,
}

impl Rig {
    pub fn new(caps: &gst::Caps) -> Self {
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

    pub fn push(&mut self, buffer: gst::Buffer) {
        self.harness.push(buffer).unwrap();
    }

    pub fn event(&mut self, event: gst::Event) {
        assert!(self.harness.push_event(event));
    }

    pub fn eos(&mut self) -> Vec<Out> {
        self.event(gst::event::Eos::new());
        self.take()
    }

    /// What came since the last call, without the events that every stream begins with.
    pub fn take(&mut self) -> Vec<Out> {
        let mut out = std::mem::take(&mut *self.out.lock().unwrap());
        out.retain(|o| !matches!(o, Out::Other(_)));
        out
    }

    pub fn errors(&self) -> Vec<String> {
        let errors = std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Error]));
        errors
            .map(|message| match message.view() {
                gst::MessageView::Error(error) => error.error().to_string(),
                _ => unreachable!("filtered"),
            })
            .collect()
    }
}

pub fn audio(buffer: &gst::BufferRef) -> Out {
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

pub fn caps(format: AudioFormat, rate: u32, channels: u32) -> gst::Caps {
    init();
    AudioInfo::builder(format, rate, channels)
        .build()
        .unwrap()
        .to_caps()
        .unwrap()
}

/// `frames` frames of a wave in S16 stereo; every frame differs from its neighbours.
pub fn stereo(frames: std::ops::Range<usize>) -> Vec<u8> {
    let sample = |n: usize| ((n as f64 * 0.05).sin() * 9_000.0 + (n % 7) as f64) as i16;
    frames
        .flat_map(|n| [sample(n), sample(n + 3)])
        .flat_map(i16::to_le_bytes)
        .collect()
}

pub fn buffer(bytes: Vec<u8>, pts: ClockTime) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(pts);
    buffer
}

pub fn flagged(mut buffer: gst::Buffer, flags: gst::BufferFlags) -> gst::Buffer {
    buffer.get_mut().unwrap().set_flags(flags);
    buffer
}

pub fn frames_to_time(frames: usize, rate: u32) -> ClockTime {
    ClockTime::from_nseconds((frames as u128 * 1_000_000_000 / u128::from(rate)) as u64)
}

pub const fn ms(ms: u64) -> ClockTime {
    ClockTime::from_mseconds(ms)
}

/// All samples, after checking that the buffers join without a gap and begin at `start`.
#[track_caller]
pub fn joined(out: &[Out], start: ClockTime) -> Vec<f32> {
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
pub fn tone(samples: &[f32]) -> (f64, f64) {
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
pub fn run(line: &str) -> Vec<f32> {
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

pub fn timed_by_size(mut buffer: gst::Buffer) -> gst::Buffer {
    let duration = ClockTime::from_nseconds(buffer.size() as u64 / 4 * 62_500);
    buffer.get_mut().unwrap().set_duration(duration);
    buffer
}
