//! The laws of the store: order, exact bytes, bounded memory.

use std::io;
use std::sync::{Arc, Mutex};

use gst::BufferFlags;
use proptest::prelude::*;

use super::block::{Label, SECOND};
use super::medium::{Medium, TemporaryFile};
use super::store::{Item, Store};
use crate::memory::probes::{HostProbe, Probe};
use crate::time::samples_to_time;

type Real = Store<&'static str, TemporaryFile>;

fn label(sample: usize) -> Label {
    Label {
        pts: Some(samples_to_time(sample as u64)),
        duration: None,
        offset: None,
        flags: BufferFlags::empty(),
    }
}

/// Bytes of `n` samples, different everywhere.
fn tone(from: usize, n: usize) -> Vec<u8> {
    (from..from + n).flat_map(|i| (i as u32).to_le_bytes()).collect()
}

fn all<M: Medium>(store: &mut Store<&'static str, M>) -> Vec<Item<&'static str>> {
    std::iter::from_fn(|| store.pop().unwrap()).collect()
}

#[test]
fn small_buffers_come_out_as_seconds() {
    let mut store = Real::default();
    store.set_limit(1 << 20);
    for i in 0..250 {
        store.push_audio(label(i * 160), &tone(i * 160, 160)).unwrap();
    }
    let out = all(&mut store);
    let lengths: Vec<_> = out
        .iter()
        .map(|item| match item {
            Item::Audio(label, bytes) => (
                label.pts.unwrap().mseconds(),
                label.duration.unwrap().mseconds(),
                bytes.len(),
            ),
            Item::Other(_) => unreachable!(),
        })
        .collect();
    assert_eq!(
        lengths,
        [(0, 1000, SECOND), (1000, 1000, SECOND), (2000, 500, SECOND / 2)]
    );
}

#[test]
fn others_stay_where_they_were() {
    for limit in [0, 1 << 20] {
        let mut store = Real::default();
        store.set_limit(limit);
        store.push("start").unwrap();
        store.push_audio(label(0), &tone(0, 10)).unwrap();
        store.push_audio(label(10), &tone(10, 10)).unwrap();
        store.push("gap").unwrap();
        store.push("tag").unwrap();
        store.push_audio(label(20), &tone(20, 10)).unwrap();
        store.push("eos").unwrap();
        assert_eq!(store.bytes(), 120);
        assert_eq!(store.bytes_in_file(), if limit == 0 { 120 } else { 0 });
        let out = all(&mut store);
        assert_eq!(
            out,
            [
                Item::Other("start"),
                Item::Audio(label(0).grown(80), tone(0, 20)),
                Item::Other("gap"),
                Item::Other("tag"),
                Item::Audio(label(20), tone(20, 10)),
                Item::Other("eos"),
            ],
            "limit {limit}"
        );
        assert_eq!(store.bytes(), 0);
    }
}

/// Ten minutes in buffers of 10 ms, in memory and in the file: what the process holds more.
#[test]
fn small_buffers_cost_their_bytes() {
    let probe = HostProbe::new().unwrap();
    let held = || probe.read().unwrap().allocated;
    let bytes = 600 * SECOND as u64;
    for (limit, expected) in [(u64::MAX, bytes), (0, 0)] {
        let mut store = Real::default();
        store.set_limit(limit);
        let before = held();
        for i in 0..60_000 {
            store.push_audio(label(i * 160), &tone(i * 160, 160)).unwrap();
        }
        let growth = held().saturating_sub(before);
        println!("limit {limit}: {bytes} bytes of audio, {growth} more are held");
        assert_eq!(store.bytes(), bytes);
        assert!(growth >= expected && growth <= expected + bytes / 20, "{growth}");
    }
}

#[test]
fn nothing_is_left_after_a_clear() {
    let mut store = Real::default();
    for i in 0..5 {
        store.push_audio(label(i * 16_000), &tone(0, 16_000)).unwrap();
    }
    assert!(store.bytes_in_file() > 0);
    store.clear();
    assert!(store.is_empty() && store.bytes() == 0 && store.bytes_in_file() == 0);
    assert_eq!(store.pop().unwrap(), None);
    store.push_audio(label(0), &tone(7, 3)).unwrap();
    assert_eq!(all(&mut store), [Item::Audio(label(0), tone(7, 3))]);
}

/// A file in memory whose size can be seen, and which is full at some size.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Disk {
    fn new(room: usize) -> Self {
        Disk {
            bytes: Arc::default(),
            room,
        }
    }

    fn size(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }
}

impl Medium for Disk {
    fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.bytes.lock().unwrap();
        let end = position as usize + bytes.len();
        if end > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let size = disk.len().max(end);
        disk.resize(size, 0);
        disk[position as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&mut self, position: u64, bytes: &mut [u8]) -> io::Result<()> {
        let disk = self.bytes.lock().unwrap();
        let position = position as usize;
        let wanted = disk.get(position..position + bytes.len());
        bytes.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.lock().unwrap().clear();
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let mut store = Store::over(Disk::new(2 * SECOND));
    let results: Vec<_> = (0..5)
        .map(|i| store.push_audio(label(i * 16_000), &tone(i * 16_000, 16_000)))
        .collect();
    assert!(results[..3].iter().all(Result::is_ok), "{results:?}");
    let error = results[3].as_ref().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let bytes: Vec<u8> = all_bytes(&mut store);
    assert_eq!(bytes, tone(0, 5 * 16_000));
}

fn all_bytes<M: Medium>(store: &mut Store<&'static str, M>) -> Vec<u8> {
    all(store)
        .into_iter()
        .flat_map(|item| match item {
            Item::Audio(_, bytes) => bytes,
            Item::Other(_) => Vec::new(),
        })
        .collect()
}

#[test]
fn the_file_is_used_again_when_it_has_been_read() {
    let disk = Disk::new(3 * SECOND);
    let mut store = Store::<&str, _>::over(disk.clone());
    for round in 0..10 {
        for i in 0..3 {
            let at = round * 1_000_000 + i * 20_000;
            store.push_audio(label(at), &tone(at, 16_000)).unwrap();
        }
        store.push("end").unwrap();
        assert_eq!(disk.size(), 3 * SECOND, "round {round}");
        all(&mut store);
        assert_eq!(disk.size(), 0, "round {round}");
    }
}

proptest! {
    #[test]
    fn bytes_come_back_exactly_and_memory_is_bounded(
        pieces in prop::collection::vec((0_usize..20_000, 0..10_u8, 0..4_u8), 1..60),
        limit in prop_oneof![Just(0_u64), 0..2_000_000_u64],
    ) {
        let disk = Disk::new(usize::MAX);
        let mut store = Store::over(disk);
        store.set_limit(limit);
        let (mut written, mut read, mut at) = (Vec::new(), Vec::new(), 0);
        let mut others = (0, 0);
        for (n, kind, pops) in pieces {
            match kind {
                0 => {
                    store.push("event").unwrap();
                    others.0 += 1;
                }
                1 => at += 5_000, // a hole in time
                _ => {}
            }
            let bytes = tone(at, n);
            store.push_audio(label(at), &bytes).unwrap();
            written.extend_from_slice(&bytes);
            at += n;
            // The block that is being filled is what may be too much.
            prop_assert!(store.bytes() - store.bytes_in_file() <= limit + 80_000);
            for _ in 0..pops / 3 {
                if let Some(Item::Audio(_, bytes)) = store.pop().unwrap().inspect(|item| {
                    others.1 += usize::from(matches!(item, Item::Other(_)));
                }) {
                    read.extend(bytes);
                }
            }
            prop_assert_eq!(store.bytes(), (written.len() - read.len()) as u64);
        }
        for item in all(&mut store) {
            match item {
                Item::Audio(_, bytes) => read.extend(bytes),
                Item::Other(_) => others.1 += 1,
            }
        }
        prop_assert_eq!(others.0, others.1);
        prop_assert!(read == written);
    }
}
