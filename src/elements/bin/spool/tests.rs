//! The spool between two pads.

use std::sync::{Arc, mpsc};
use std::thread;

use gst::{prelude::*, subclass::prelude::ObjectSubclassIsExt};
use parking_lot::{Condvar, Mutex};

use super::{MOST_WAITING, Spool, block::SECOND};
use crate::elements::speech_audio_caps;
use crate::time::samples_to_time;

/// What arrives behind the spool.
#[derive(Debug, PartialEq)]
enum Seen {
    Audio(Option<gst::ClockTime>, Vec<u8>),
    Event(gst::EventType),
}

/// What the pad behind the spool does with a buffer.
#[derive(Clone, Copy, PartialEq)]
enum Downstream {
    Takes,
    /// Keeps the push waiting.
    Waits,
    Says(gst::FlowError),
}

struct Rig {
    spool: Spool,
    upstream: gst::Pad,
    downstream: gst::Pad,
    gate: Arc<(Mutex<Downstream>, Condvar)>,
    seen: mpsc::Receiver<Seen>,
    bus: gst::Bus,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.behave(Downstream::Says(gst::FlowError::Flushing));
        self.spool.set_state(gst::State::Null).unwrap();
    }
}

impl Rig {
    fn new(behaviour: Downstream) -> Self {
        gst::init().unwrap();
        let (tell, seen) = mpsc::channel();
        let gate = Arc::new((Mutex::new(behaviour), Condvar::new()));
        let spool = Spool::new();
        let bus = gst::Bus::new();
        spool.set_bus(Some(&bus));
        let (told, passes) = (tell.clone(), gate.clone());
        let flushes = gate.clone();
        let downstream = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                let (behaviour, changed) = &*passes;
                let mut now = behaviour.lock();
                changed.wait_while(&mut now, |now| *now == Downstream::Waits);
                if let Downstream::Says(error) = *now {
                    return Err(error);
                }
                let bytes = buffer.map_readable().unwrap().to_vec();
                told.send(Seen::Audio(buffer.pts(), bytes)).unwrap();
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(move |_, _, event| {
                if event.type_() == gst::EventType::FlushStart {
                    *flushes.0.lock() = Downstream::Says(gst::FlowError::Flushing);
                    flushes.1.notify_all();
                }
                tell.send(Seen::Event(event.type_())).is_ok()
            })
            .build();
        let upstream = gst::Pad::new(gst::PadDirection::Src);
        upstream.link(&spool.static_pad("sink").unwrap()).unwrap();
        spool.static_pad("src").unwrap().link(&downstream).unwrap();
        downstream.set_active(true).unwrap();
        upstream.set_active(true).unwrap();
        spool.set_state(gst::State::Playing).unwrap();
        Rig {
            spool,
            upstream,
            downstream,
            gate,
            seen,
            bus,
        }
    }

    fn behave(&self, behaviour: Downstream) {
        *self.gate.0.lock() = behaviour;
        self.gate.1.notify_all();
    }

    fn begin(&self) {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        for event in [
            gst::event::StreamStart::new("audio"),
            gst::event::Caps::new(&speech_audio_caps()),
            gst::event::Segment::new(&segment),
        ] {
            assert!(self.upstream.push_event(event));
        }
    }

    fn end(&self) {
        assert!(self.upstream.push_event(gst::event::Eos::new()));
    }

    /// Pushes a second of audio.
    fn second(&self, n: usize) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.upstream.push(audio(n * 16_000, 16_000))
    }

    /// What arrives, to the first event of this type.
    fn until(&self, last: gst::EventType) -> Vec<Seen> {
        let mut all = Vec::new();
        while all.last() != Some(&Seen::Event(last)) {
            all.push(self.seen.recv().unwrap());
        }
        all
    }

    fn error(&self) -> (gst::glib::Error, String) {
        let message = self.bus.timed_pop_filtered(None, &[gst::MessageType::Error]);
        match message.unwrap().view() {
            gst::MessageView::Error(e) => (e.error(), e.debug().unwrap_or_default().into()),
            _ => unreachable!(),
        }
    }

    /// Pushes seconds on another thread until one is refused; returns when that thread has to wait, or would have
    /// to if the spool were bounded.
    fn push_until_refused(&self) -> thread::JoinHandle<(usize, gst::FlowError)> {
        let upstream = self.upstream.clone();
        let pusher = thread::spawn(move || {
            let mut n = 0;
            loop {
                match upstream.push(audio(n * 16_000, 16_000)) {
                    Ok(_) => n += 1,
                    Err(error) => return (n, error),
                }
            }
        });
        while self.spool.stored() <= MOST_WAITING {
            thread::yield_now();
        }
        pusher
    }
}

fn tone(from: usize, n: usize) -> Vec<u8> {
    (from..from + n).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn audio(from: usize, n: usize) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(tone(from, n));
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(samples_to_time(from as u64));
    writable.set_duration(samples_to_time(n as u64));
    buffer
}

#[test]
fn held_nothing_leaves_and_open_all_comes_in_order() {
    use gst::EventType::*;
    let rig = Rig::new(Downstream::Takes);
    rig.spool.set_memory(1 << 20);
    rig.spool.hold();
    rig.begin();
    for i in 0..150 {
        rig.upstream.push(audio(i * 160, 160)).unwrap();
    }
    let gap = gst::event::Gap::builder(samples_to_time(24_000)).duration(samples_to_time(8_000));
    assert!(rig.upstream.push_event(gap.build()));
    rig.upstream.push(audio(32_000, 160)).unwrap();
    rig.end();
    assert_eq!(rig.spool.stored(), 151 * 640);
    assert_eq!(rig.spool.duration(), gst::ClockTime::from_mseconds(1510));
    assert_eq!(rig.spool.stored_time(), rig.spool.duration());
    assert!(rig.seen.try_recv().is_err());
    assert!(
        rig.downstream
            .sticky_event::<gst::event::StreamStart>(0)
            .is_none()
    );
    rig.spool.open();
    rig.spool.open();
    let at = |sample| Some(samples_to_time(sample));
    assert_eq!(
        rig.until(Eos),
        [
            Seen::Event(StreamStart),
            Seen::Event(Caps),
            Seen::Event(Segment),
            Seen::Audio(at(0), tone(0, 16_000)),
            Seen::Audio(at(16_000), tone(16_000, 8_000)),
            Seen::Event(Gap),
            Seen::Audio(at(32_000), tone(32_000, 160)),
            Seen::Event(Eos),
        ]
    );
    assert_eq!(rig.spool.stored(), 0);
    assert_eq!(rig.spool.duration(), gst::ClockTime::from_mseconds(1510));
}

#[test]
fn held_it_never_blocks_and_what_follows_comes_behind() {
    let rig = Rig::new(Downstream::Takes);
    rig.spool.set_memory(3 * SECOND as u64);
    rig.spool.hold();
    rig.begin();
    for n in 0..60 {
        rig.second(n).unwrap();
    }
    assert_eq!(rig.spool.stored_time(), gst::ClockTime::from_seconds(60));
    rig.spool.open();
    for n in 60..90 {
        rig.second(n).unwrap();
    }
    rig.end();
    let bytes: Vec<u8> = rig
        .until(gst::EventType::Eos)
        .into_iter()
        .flat_map(|seen| match seen {
            Seen::Audio(_, bytes) => bytes,
            Seen::Event(_) => Vec::new(),
        })
        .collect();
    assert!(bytes == tone(0, 90 * 16_000));
}

#[test]
fn open_it_takes_two_seconds_and_blocks() {
    let rig = Rig::new(Downstream::Waits);
    rig.begin();
    let pusher = rig.push_until_refused();
    for _ in 0..10_000 {
        thread::yield_now(); // what is not blocked goes on
    }
    assert!(rig.spool.stored() <= MOST_WAITING + SECOND as u64);
    rig.behave(Downstream::Takes);
    let mut arrived = 0;
    while arrived < 20 {
        arrived += usize::from(matches!(rig.seen.recv().unwrap(), Seen::Audio(..)));
        assert!(rig.spool.stored() <= MOST_WAITING + SECOND as u64);
    }
    rig.behave(Downstream::Says(gst::FlowError::NotLinked));
    let (pushed, error) = pusher.join().unwrap();
    assert!(pushed >= 20);
    assert_eq!(error, gst::FlowError::NotLinked);
}

#[test]
fn a_flush_frees_upstream_and_forgets() {
    let rig = Rig::new(Downstream::Waits);
    rig.begin();
    let pusher = rig.push_until_refused();
    assert!(rig.upstream.push_event(gst::event::FlushStart::new()));
    assert_eq!(pusher.join().unwrap().1, gst::FlowError::Flushing);
    assert_eq!(rig.spool.stored(), 0);
    assert!(rig.upstream.push_event(gst::event::FlushStop::new(true)));
    assert_eq!(rig.spool.duration(), gst::ClockTime::ZERO);
    rig.until(gst::EventType::FlushStop);
    rig.behave(Downstream::Takes);
    rig.begin();
    rig.second(7).unwrap();
    rig.end();
    let seen = rig.until(gst::EventType::Eos);
    assert!(seen.contains(&Seen::Audio(
        Some(gst::ClockTime::from_seconds(7)),
        tone(7 * 16_000, 16_000)
    )));
}

#[test]
fn a_flush_leaves_it_held() {
    let rig = Rig::new(Downstream::Takes);
    rig.spool.hold();
    rig.begin();
    rig.second(0).unwrap();
    assert!(rig.upstream.push_event(gst::event::FlushStart::new()));
    assert!(rig.upstream.push_event(gst::event::FlushStop::new(true)));
    rig.behave(Downstream::Takes);
    rig.begin();
    rig.second(1).unwrap();
    assert_eq!(rig.spool.stored_time(), gst::ClockTime::SECOND);
    let events = rig.seen.try_iter().collect::<Vec<_>>();
    assert_eq!(
        events,
        [
            Seen::Event(gst::EventType::FlushStart),
            Seen::Event(gst::EventType::FlushStop)
        ]
    );
}

#[test]
fn ready_frees_upstream_and_the_store() {
    let rig = Rig::new(Downstream::Waits);
    rig.begin();
    let pusher = rig.push_until_refused();
    // As a parent does it: what is behind goes down first.
    rig.behave(Downstream::Says(gst::FlowError::Flushing));
    rig.spool.set_state(gst::State::Ready).unwrap();
    assert_eq!(pusher.join().unwrap().1, gst::FlowError::Flushing);
    assert_eq!(rig.spool.stored(), 0);
    rig.behave(Downstream::Takes);
    rig.spool.set_state(gst::State::Playing).unwrap();
    rig.begin();
    rig.second(0).unwrap();
    rig.end();
    assert!(rig.until(gst::EventType::Eos).len() >= 5);
}

#[test]
fn ready_frees_what_is_held() {
    let rig = Rig::new(Downstream::Takes);
    rig.spool.hold();
    rig.begin();
    rig.second(0).unwrap();
    rig.spool.set_state(gst::State::Ready).unwrap();
    assert_eq!(rig.spool.stored(), 0);
    assert!(rig.seen.try_recv().is_err());
}

#[test]
fn an_error_behind_is_told_where_it_can_be_heard() {
    // Upstream has ended: on the bus, and with EOS behind it.
    let rig = Rig::new(Downstream::Says(gst::FlowError::NotNegotiated));
    rig.spool.hold();
    rig.begin();
    rig.second(0).unwrap();
    rig.second(1).unwrap();
    rig.end();
    rig.spool.open();
    let (error, debug) = rig.error();
    assert!(error.matches(gst::StreamError::Failed), "{error}");
    assert!(debug.contains("(-4)"), "{debug}");
    rig.until(gst::EventType::Eos);
    // It ends after its last buffer was refused: at EOS.
    let rig = Rig::new(Downstream::Says(gst::FlowError::NotLinked));
    rig.begin();
    rig.second(0).unwrap();
    while rig.second(1).is_ok() {}
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    assert!(!rig.upstream.push_event(gst::event::Eos::new()));
    assert!(rig.error().0.matches(gst::StreamError::Failed));
}

#[test]
fn a_new_segment_follows_an_end_that_downstream_made() {
    let rig = Rig::new(Downstream::Says(gst::FlowError::Eos));
    rig.begin();
    while rig.second(0).is_ok() {}
    assert_eq!(rig.second(1), Err(gst::FlowError::Eos));
    rig.behave(Downstream::Takes);
    rig.begin();
    rig.second(2).unwrap();
    rig.end();
    let seen = rig.until(gst::EventType::Eos);
    assert!(matches!(seen[seen.len() - 2], Seen::Audio(..)), "{seen:?}");
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
}

#[test]
fn a_full_disk_is_an_error_that_says_what_to_do() {
    use std::io::{Error, ErrorKind};
    let rig = Rig::new(Downstream::Takes);
    for (kind, domain) in [
        (ErrorKind::StorageFull, gst::ResourceError::NoSpaceLeft),
        (ErrorKind::PermissionDenied, gst::ResourceError::Write),
    ] {
        rig.spool.imp().post_full(&Error::from(kind));
        let (error, _) = rig.error();
        assert!(error.matches(domain), "{error}");
        let folder = std::env::temp_dir().display().to_string();
        for part in [&*folder, "TMPDIR", "spool-memory", "219 MiB"] {
            assert!(error.message().contains(part), "{error}");
        }
    }
}

#[test]
fn queries_do_not_wait_behind_what_is_stored() {
    let rig = Rig::new(Downstream::Takes);
    rig.spool.hold();
    rig.begin();
    rig.second(0).unwrap();
    let mut allocation = gst::query::Allocation::new(Some(&speech_audio_caps()), false);
    assert!(!rig.upstream.peer_query(&mut allocation));
    assert!(rig.upstream.peer_query(&mut gst::query::Drain::new()));
    assert!(rig.upstream.peer_query_accept_caps(&speech_audio_caps()));
    assert!(rig.seen.try_recv().is_err());
}
