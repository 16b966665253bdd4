//! What upstream promises, and what this element adds to it.

use gst::prelude::*;

/// What both inputs together say of their latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Upstream {
    pub live: bool,
    /// How long after its time the last of what belongs to a moment is here.
    pub min: gst::ClockTime,
    /// How long upstream can wait, where that is limited.
    pub max: Option<gst::ClockTime>,
}

impl Upstream {
    /// Asks the elements in front of `pads`, of which those that are not linked or do not answer do not count. `None` when
    /// nobody answers.
    pub fn ask<'a>(pads: impl IntoIterator<Item = &'a gst::Pad>) -> Option<Self> {
        let answers: Vec<Self> = pads
            .into_iter()
            .filter_map(|pad| {
                let mut query = gst::query::Latency::new();
                pad.peer_query(&mut query).then(|| {
                    let (live, min, max) = query.result();
                    Self { live, min, max }
                })
            })
            .collect();
        Self::of(&answers)
    }

    /// The slower of two live inputs is waited for, and the one with less room limits the wait. What is not live waits for
    /// whatever it must.
    fn of(answers: &[Self]) -> Option<Self> {
        let live = answers.iter().any(|a| a.live);
        let counting = answers.iter().filter(|a| a.live == live);
        counting.copied().reduce(|a, b| Self {
            live,
            min: a.min.max(b.min),
            max: a.max.into_iter().chain(b.max).min(),
        })
    }

    /// With `own` on top, where it is live: what is said downstream.
    pub fn answer(self, own: gst::ClockTime, query: &mut gst::query::Latency) {
        let own = if self.live { own } else { gst::ClockTime::ZERO };
        let max = self.max.map(|max| max.saturating_add(own));
        query.set(self.live, self.min.saturating_add(own), max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::ClockTime;

    fn says(live: bool, min: u64, max: Option<u64>) -> Upstream {
        Upstream {
            live,
            min: ClockTime::from_seconds(min),
            max: max.map(ClockTime::from_seconds),
        }
    }

    #[test]
    fn the_slower_counts_and_the_one_with_less_room() {
        for (answers, expected) in [
            (vec![], None),
            (vec![says(true, 3, None)], Some(says(true, 3, None))),
            (
                vec![says(true, 3, Some(9)), says(true, 5, None)],
                Some(says(true, 5, Some(9))),
            ),
            (
                vec![says(true, 3, Some(9)), says(true, 1, Some(7))],
                Some(says(true, 3, Some(7))),
            ),
            (
                vec![says(false, 8, Some(8)), says(true, 1, None)],
                Some(says(true, 1, None)),
            ),
            (
                vec![says(false, 0, None), says(false, 2, None)],
                Some(says(false, 2, None)),
            ),
        ] {
            assert_eq!(Upstream::of(&answers), expected, "{answers:?}");
        }
    }
}
