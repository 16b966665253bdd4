//! Who speaks when, as far as it is known and still matters.
//!
//! Law: what the timeline says of samples before the one up to which it is settled is final, and it is the same whatever the
//! pieces in which the turns came.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::speech::diarize::Turn;

/// Samples that two stretches share.
pub fn shared(a: &Range<u64>, b: &Range<u64>) -> u64 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

/// Stretches of speech by speaker. Those of one speaker are apart from each other and in order; those of different
/// speakers may overlap.
#[derive(Debug, Default)]
pub struct Timeline {
    /// By name, so that whatever is equal in all else is decided in the same way each time.
    stretches: BTreeMap<Arc<str>, VecDeque<Range<u64>>>,
    complete: u64,
    ended: bool,
}

impl Timeline {
    /// Adds a turn. Turns come in the order of their starts; one that comes late counts for what is not decided yet.
    ///
    /// Turns of one speaker that adjoin become one stretch: a live diarization cuts a turn that goes on into pieces,
    /// and a turn that began long ago must not look as if it began now.
    pub fn push(&mut self, turn: &Turn) {
        self.settle(turn.start);
        if turn.start >= turn.end {
            return;
        }
        let own = self.stretches.entry(turn.speaker.clone()).or_default();
        let first = own.partition_point(|s| s.end < turn.start);
        let behind = own.partition_point(|s| s.start <= turn.end);
        let joined = own.range(first..behind).fold(turn.start..turn.end, |all, s| {
            all.start.min(s.start)..all.end.max(s.end)
        });
        own.drain(first..behind);
        own.insert(first, joined);
    }

    /// No turn that starts before `until` will come.
    pub fn settle(&mut self, until: u64) {
        self.complete = self.complete.max(until);
    }

    /// No turn will come, until [`Timeline::resume`].
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Turns will come behind those before.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    /// All turns that start at or before `at` are here.
    pub fn is_complete_at(&self, at: u64) -> bool {
        self.ended || self.complete > at
    }

    /// Drops what ends before `at`, unless a turn that will come could still adjoin it.
    pub fn forget_before(&mut self, at: u64) {
        let at = if self.ended { at } else { at.min(self.complete) };
        self.stretches.retain(|_, own| {
            while own.front().is_some_and(|s| s.end < at) {
                own.pop_front();
            }
            !own.is_empty()
        });
    }

    /// Gives back the room that was needed once.
    pub fn shrink(&mut self) {
        self.stretches.values_mut().for_each(VecDeque::shrink_to_fit);
    }

    /// The stretches that share samples with `span` or touch it, with the names of the speakers in order.
    pub fn around(&self, span: &Range<u64>) -> impl Iterator<Item = (&Arc<str>, Vec<Range<u64>>)> {
        self.stretches.iter().filter_map(move |(speaker, own)| {
            let from = own.partition_point(|s| s.end < span.start);
            let near = own.range(from..).take_while(|s| s.start <= span.end);
            let near: Vec<_> = near.cloned().collect();
            (!near.is_empty()).then_some((speaker, near))
        })
    }

    /// Samples of `span` in which `speaker` speaks.
    pub fn overlap(&self, speaker: &str, span: &Range<u64>) -> u64 {
        self.around(span)
            .filter(|(name, _)| ***name == *speaker)
            .flat_map(|(_, own)| own)
            .map(|s| shared(&s, span))
            .sum()
    }

    /// The stretch of `speaker` that shares most with `span`.
    pub fn stretch(&self, speaker: &str, span: &Range<u64>) -> Option<Range<u64>> {
        self.around(span)
            .filter(|(name, _)| ***name == *speaker)
            .flat_map(|(_, own)| own)
            .filter(|s| shared(s, span) > 0)
            .max_by_key(|s| shared(s, span))
    }

    /// Stretches held.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.stretches.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Turns of one letter each: `("A", 10, 20)`.
    pub fn timeline(turns: &[(&str, u64, u64)]) -> Timeline {
        let mut timeline = Timeline::default();
        for &(speaker, start, end) in turns {
            timeline.push(&turn(speaker, start, end));
        }
        timeline
    }

    pub fn turn(speaker: &str, start: u64, end: u64) -> Turn {
        Turn {
            speaker: speaker.into(),
            start,
            end,
            confidence: 1.0,
        }
    }

    fn all(timeline: &Timeline) -> Vec<(String, u64, u64)> {
        timeline
            .around(&(0..u64::MAX))
            .flat_map(|(name, own)| own.into_iter().map(|s| (name.to_string(), s.start, s.end)))
            .collect()
    }

    #[test]
    fn pieces_that_adjoin_are_one_stretch() {
        let a = |start, end| ("A".to_string(), start, end);
        for (turns, expected) in [
            (vec![("A", 0, 10), ("A", 10, 20)], vec![a(0, 20)]),
            (vec![("A", 0, 10), ("A", 11, 20)], vec![a(0, 10), a(11, 20)]),
            (vec![("A", 0, 30), ("A", 10, 20)], vec![a(0, 30)]),
            (vec![("A", 0, 10), ("A", 20, 30), ("A", 10, 20)], vec![a(0, 30)]),
            (vec![("A", 5, 5), ("A", 9, 3)], vec![]),
            (
                vec![("A", 0, 10), ("B", 5, 15), ("A", 10, 20)],
                vec![a(0, 20), ("B".into(), 5, 15)],
            ),
        ] {
            assert_eq!(all(&timeline(&turns)), expected, "{turns:?}");
        }
    }

    #[test]
    fn what_cannot_matter_any_more_is_dropped() {
        let mut t = timeline(&[("A", 0, 10), ("B", 5, 40), ("A", 12, 20), ("C", 30, 35)]);
        assert_eq!((t.complete, t.held()), (30, 4));
        t.forget_before(11);
        assert_eq!(t.held(), 3, "A until 10 is gone");
        t.forget_before(1_000);
        assert_eq!(
            t.held(),
            2,
            "a turn that starts at 30 could adjoin those that end behind"
        );
        t.settle(1_000);
        t.forget_before(1_000);
        assert_eq!((t.held(), t.stretches.len()), (0, 0));
    }

    #[test]
    fn overlaps_are_sums_and_the_longest_stretch_is_found() {
        let t = timeline(&[("A", 0, 10), ("B", 8, 30), ("A", 15, 18)]);
        for (speaker, span, overlap, stretch) in [
            ("A", 5..20, 8, Some(0..10)),
            ("A", 9..20, 4, Some(15..18)),
            ("B", 5..20, 12, Some(8..30)),
            ("A", 10..15, 0, None),
            ("C", 5..20, 0, None),
        ] {
            assert_eq!(t.overlap(speaker, &span), overlap, "{speaker} {span:?}");
            assert_eq!(t.stretch(speaker, &span), stretch, "{speaker} {span:?}");
        }
    }
}
