//! How long after they were said words and captions leave, on a live source.

use gst::prelude::*;
use parking_lot::Mutex;

use super::pads;

/// The longest delay that was seen since READY.
#[derive(Default)]
pub(crate) struct Delay(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Whether upstream is live; asked once.
    live: Option<bool>,
    longest: gst::ClockTime,
}

impl Delay {
    pub fn reset(&self) {
        *self.0.lock() = Seen::default();
    }

    pub fn milliseconds(&self) -> u32 {
        self.0.lock().longest.mseconds().try_into().unwrap_or(u32::MAX)
    }

    /// What ended at the running time `said` leaves now. `true` when that is later than ever.
    pub fn observe(
        &self,
        element: &impl IsA<gst::Element>,
        sink: &gst::Pad,
        said: Option<gst::ClockTime>,
    ) -> bool {
        let known = self.0.lock().live;
        let live = known.unwrap_or_else(|| pads::is_live(sink));
        // There is no clock before PLAYING, and no delay either.
        let now = element.as_ref().current_running_time().filter(|_| live);
        let delay = now.zip(said).map(|(now, said)| now.saturating_sub(said));
        let mut seen = self.0.lock();
        seen.live = Some(live);
        let longer = delay.is_some_and(|delay| delay > seen.longest);
        if longer {
            seen.longest = delay.unwrap_or_default();
        }
        longer
    }
}
