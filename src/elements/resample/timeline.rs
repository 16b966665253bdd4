//! Where on the PTS line the sample count begins, and when it must begin anew.

use gst::ClockTime;

use crate::time::samples_to_time;

/// A PTS further than this from where the last buffer ended begins a new count; anything nearer is
/// jitter (containers round to milliseconds) and the count goes on. As GStreamer's own
/// `alignment-threshold` of audio sinks.
pub const RESYNC_THRESHOLD: ClockTime = ClockTime::from_mseconds(40);

/// The start of the present count, if one is running, and where the next should begin.
#[derive(Debug, Default)]
pub struct Timeline {
    base: Option<ClockTime>,
    /// Where the next buffer begins if the stream goes on smoothly.
    expected: Option<ClockTime>,
}

/// What a buffer's arrival means for the count.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It goes on.
    Continues,
    /// It begins anew behind a pause that downstream knows of.
    Resumes,
    /// It begins anew, and downstream must be told.
    Jumps,
}

impl Timeline {
    /// Judges a buffer that begins at `pts`, with or without the DISCONT flag, when the count has
    /// taken `fed` so far. After `Resumes` and `Jumps` the count begins at this buffer.
    pub fn arrive(&mut self, pts: Option<ClockTime>, discont: bool, fed: ClockTime) -> Arrival {
        let expected = self.base.map(|base| base.saturating_add(fed)).or(self.expected);
        let smooth = match (pts, expected) {
            (Some(pts), Some(expected)) => {
                pts.max(expected).saturating_sub(pts.min(expected)) <= RESYNC_THRESHOLD
            }
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if smooth && !discont && self.base.is_some() {
            return Arrival::Continues;
        }
        self.base = pts.or(expected).or(Some(ClockTime::ZERO));
        self.expected = None;
        if smooth && !discont {
            Arrival::Resumes
        } else {
            Arrival::Jumps
        }
    }

    /// Ends the count. The stream is expected to go on at `next`, where that is known.
    pub fn interrupt(&mut self, next: Option<ClockTime>) {
        *self = Self {
            base: None,
            expected: next,
        };
    }

    /// Time of sample `n` of the count.
    pub fn time(&self, n: u64) -> ClockTime {
        self.base
            .unwrap_or(ClockTime::ZERO)
            .saturating_add(samples_to_time(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals() {
        let ms = ClockTime::from_mseconds;
        let running = || Timeline {
            base: Some(ms(100)),
            expected: None,
        };
        let paused = || Timeline {
            base: None,
            expected: Some(ms(150)),
        };
        // Timeline, PTS, DISCONT, what it is, where sample 0 is afterwards; 50 ms are fed.
        for (mut timeline, pts, discont, arrival, zero) in [
            (Timeline::default(), Some(ms(7)), false, Arrival::Jumps, ms(7)),
            (Timeline::default(), None, false, Arrival::Jumps, ms(0)),
            (running(), Some(ms(150)), false, Arrival::Continues, ms(100)),
            (running(), Some(ms(190)), false, Arrival::Continues, ms(100)),
            (running(), Some(ms(110)), false, Arrival::Continues, ms(100)),
            (running(), None, false, Arrival::Continues, ms(100)),
            (running(), Some(ms(191)), false, Arrival::Jumps, ms(191)),
            (running(), Some(ms(109)), false, Arrival::Jumps, ms(109)),
            (running(), Some(ms(150)), true, Arrival::Jumps, ms(150)),
            (running(), None, true, Arrival::Jumps, ms(150)),
            (paused(), Some(ms(151)), false, Arrival::Resumes, ms(151)),
            (paused(), None, false, Arrival::Resumes, ms(150)),
            (paused(), Some(ms(500)), false, Arrival::Jumps, ms(500)),
            (paused(), Some(ms(150)), true, Arrival::Jumps, ms(150)),
        ] {
            let case = format!("{timeline:?} {pts:?} {discont}");
            assert_eq!(timeline.arrive(pts, discont, ms(50)), arrival, "{case}");
            assert_eq!(timeline.time(0), zero, "{case}");
        }
    }

    #[test]
    fn no_time_overflows() {
        let mut timeline = Timeline::default();
        timeline.arrive(Some(ClockTime::MAX), false, ClockTime::ZERO);
        timeline.arrive(Some(ClockTime::ZERO), false, ClockTime::MAX);
        timeline.arrive(Some(ClockTime::MAX), true, ClockTime::MAX);
        assert_eq!(timeline.time(1 << 40), ClockTime::MAX);
    }
}
