//! Positions of a segment ↔ running time, in which words and turns meet.

use gst::{ClockTime, Signed};

pub(super) type Segment = gst::FormattedSegment<ClockTime>;

/// From where to where in running time `duration` from `start` on is. What lies before the segment is at its beginning.
pub(super) fn running_range(
    segment: &Segment,
    start: ClockTime,
    duration: ClockTime,
) -> (ClockTime, ClockTime) {
    let running = |at: ClockTime| match segment.to_running_time_full(at) {
        Some(Signed::Positive(running)) => running,
        _ => ClockTime::ZERO,
    };
    let (a, b) = (running(start), running(start.saturating_add(duration)));
    (a.min(b), a.max(b)) // played backwards, the end comes first
}

/// From where to where in the segment running time `from` to `until` is, within the segment. `None` when that is
/// no time at all.
pub(super) fn position_range(
    segment: &Segment,
    from: ClockTime,
    until: ClockTime,
) -> Option<(ClockTime, ClockTime)> {
    let position = |running: ClockTime| {
        let at = match segment.position_from_running_time_full(running) {
            Some(Signed::Positive(at)) => at,
            _ => ClockTime::ZERO,
        };
        let at = at.max(segment.start().unwrap_or_default());
        segment.stop().map_or(at, |stop| at.min(stop))
    };
    let (a, b) = (position(from), position(until));
    (a != b).then(|| (a.min(b), a.max(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(rate: f64, start: u64, stop: u64, base: u64) -> Segment {
        gst::init().unwrap();
        let mut segment = Segment::new();
        segment.set_rate(rate);
        segment.set_start(ClockTime::from_seconds(start));
        segment.set_stop(ClockTime::from_seconds(stop));
        segment.set_time(ClockTime::from_seconds(start));
        segment.set_base(ClockTime::from_seconds(base));
        segment
    }

    #[test]
    fn times_go_there_and_back() {
        let s = ClockTime::from_seconds;
        for (segment, start, end, running) in [
            (segment(1.0, 0, 100, 0), 3, 5, (3, 5)),
            (segment(1.0, 10, 100, 0), 12, 15, (2, 5)),
            (segment(1.0, 10, 100, 7), 12, 15, (9, 12)),
            (segment(2.0, 10, 100, 0), 12, 16, (1, 3)),
            (segment(-1.0, 10, 100, 0), 90, 95, (5, 10)),
        ] {
            let running = (s(running.0), s(running.1));
            assert_eq!(running_range(&segment, s(start), s(end - start)), running);
            assert_eq!(
                position_range(&segment, running.0, running.1),
                Some((s(start), s(end)))
            );
        }
    }

    #[test]
    fn what_is_outside_is_at_the_border() {
        let s = ClockTime::from_seconds;
        let segment = segment(1.0, 10, 20, 5);
        assert_eq!(running_range(&segment, s(1), s(2)), (s(0), s(0)));
        assert_eq!(position_range(&segment, s(1), s(8)), Some((s(10), s(13))));
        assert_eq!(position_range(&segment, s(13), s(99)), Some((s(18), s(20))));
        assert_eq!(position_range(&segment, s(1), s(5)), None);
        assert_eq!(position_range(&segment, s(50), s(60)), None);
        assert_eq!(
            running_range(&segment, ClockTime::MAX, ClockTime::MAX).0,
            ClockTime::MAX - s(5)
        );
    }
}
