//! Where whisper.cpp goes on, and where its segments begin: neither of which it says.

use std::collections::BTreeSet;

/// A whole window, in centiseconds.
const WINDOW_CS: i64 = 3000;

/// Where whisper.cpp would go on in a longer recording, in centiseconds of the window.
///
/// It keeps that number to itself: it is the last timestamp that its best decoder wrote, or the end of the window
/// when only one timestamp ends the answer (nothing is said behind it) or none was written. What comes out is
/// `progress`, that number in whole per cent of the `given` centiseconds, and, by the logits callback, all
/// `timestamps` of all decoders: the last of them with the right per cent is it.
pub(super) fn continue_at(timestamps: &BTreeSet<i64>, progress: i32, given: i64) -> i64 {
    let percent = |cs: i64| (100 * cs / given.max(1)) as i32;
    let whole = given.min(WINDOW_CS);
    let written = timestamps.iter().rev().find(|t| percent(**t) == progress);
    written.copied().unwrap_or(whole).min(whole)
}

/// When a segment begins, in centiseconds. whisper.cpp says `start`, the end of the segment before; the model wrote
/// the beginning itself, as the next timestamp behind that.
pub(super) fn begin_of(timestamps: &BTreeSet<i64>, start: i64, end: i64) -> i64 {
    timestamps
        .range(start + 1..end.max(start + 1))
        .next()
        .copied()
        .unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_begins_where_whisper_would_go_on() {
        let given = 3100; // centiseconds: a per cent is 31
        for (timestamps, percent, expected) in [
            (&[1000, 2860][..], 92, 2860),       // closed at 28.6 s
            (&[1000, 2860][..], 96, 3000),       // a single timestamp at the end: nothing behind it
            (&[][..], 96, 3000),                 // no timestamp at all
            (&[1000, 1490, 1500][..], 48, 1500), // the last two differ: the later one counts
            (&[1000, 2860][..], 32, 1000),       // another decoder was better
            (&[3000][..], 96, 3000),
        ] {
            let timestamps: BTreeSet<i64> = timestamps.iter().copied().collect();
            assert_eq!(
                continue_at(&timestamps, percent, given),
                expected,
                "{timestamps:?} {percent} %"
            );
        }
        assert_eq!(continue_at(&BTreeSet::from([400]), 80, 500), 400, "a short rest");
        assert_eq!(continue_at(&BTreeSet::from([400]), 100, 500), 500);
    }

    #[test]
    fn a_segment_begins_where_the_model_said() {
        let timestamps = BTreeSet::from([100, 300, 402, 567]);
        assert_eq!(begin_of(&timestamps, 300, 567), 402, "a pause before it");
        assert_eq!(begin_of(&timestamps, 100, 300), 100, "no pause");
        assert_eq!(begin_of(&timestamps, 0, 300), 100, "the first");
        assert_eq!(begin_of(&timestamps, 567, 567), 567);
    }
}
