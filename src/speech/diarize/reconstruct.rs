//! The windows, each with its speakers known, → who is active in each frame of the recording.
//!
//! Each window votes for the speakers that it hears in a frame. As many as the windows count on average are active:
//! those with the most votes (pyannote's `reconstruct` and `to_diarization`). A frame is finished as soon as
//! no later window sees it, so what is held is one window of frames × speakers, however long the recording: the
//! reference's array of windows × frames × speakers is what runs out of memory there.

use super::count::speaker_count;
use super::{Activity, Grid, MAX_LOCAL_SPEAKERS};

/// A window, and the speaker of the recording for each of its local speakers.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// Its number.
    pub window: u64,
    /// Who is active in it.
    pub activity: &'a Activity,
    /// By local speaker; `None` is nobody.
    pub speakers: Vec<Option<usize>>,
}

/// A speaker is active in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// The common frame.
    pub frame: u64,
    /// Below the number of speakers; or from there on a stranger, when more speak at once than speakers are known.
    pub speaker: usize,
    /// The share of the windows that see the frame and hear the speaker, 0 to 1.
    pub agreement: f32,
}

/// What there is to be laid together.
#[derive(Clone, Copy, Debug)]
pub struct Reconstruction {
    /// Where windows lie.
    pub grid: Grid,
    /// Windows of the recording; those that are not given are silent.
    pub windows: u64,
    /// Speakers of the recording.
    pub speakers: usize,
    /// Speakers that may be active at once.
    pub at_once: u64,
}

impl Reconstruction {
    /// Gives who is active to `found`, frame after frame, the one with the most votes first; among equals, the one
    /// with the smaller number. The windows must come in order.
    pub fn run<'a>(&self, windows: impl IntoIterator<Item = Placed<'a>>, mut found: impl FnMut(Vote)) {
        let mut strip = Strip::new(self);
        for placed in windows {
            let first = self.grid.first_frame(placed.window);
            strip.finish_before(self, first, &mut found);
            strip.add(first, &placed);
        }
        strip.finish_before(self, u64::MAX, &mut found);
    }
}

/// The frames that are being worked on, in a ring.
struct Strip {
    frames: usize,
    columns: usize,
    /// The first frame that is not finished.
    from: u64,
    /// The first frame behind all windows so far.
    until: u64,
    /// Frames × columns.
    votes: Vec<u32>,
    /// Local speakers active in each frame, summed over the windows.
    active: Vec<u32>,
}

impl Strip {
    fn new(plan: &Reconstruction) -> Self {
        let frames = plan.grid.geometry().frames;
        // Room for strangers: no window counts more than its local speakers.
        let columns = plan.speakers + MAX_LOCAL_SPEAKERS;
        Self {
            frames,
            columns,
            from: 0,
            until: 0,
            votes: vec![0; frames * columns],
            active: vec![0; frames],
        }
    }

    fn add(&mut self, first: u64, placed: &Placed) {
        self.until = self.until.max(first + self.frames as u64);
        // Which local speakers are each speaker: the window votes once for a speaker, whoever of them is active.
        let mut members: Vec<(usize, u8)> = Vec::new();
        for (local, speaker) in placed.speakers.iter().enumerate().take(MAX_LOCAL_SPEAKERS) {
            let Some(speaker) = speaker.filter(|s| *s < self.columns) else {
                continue;
            };
            match members.iter_mut().find(|(s, _)| *s == speaker) {
                Some((_, bits)) => *bits |= 1 << local,
                None => members.push((speaker, 1 << local)),
            }
        }
        for (i, bits) in placed.activity.frames().iter().enumerate().take(self.frames) {
            let frame = first + i as u64;
            if *bits == 0 || frame < self.from {
                continue;
            }
            let slot = (frame % self.frames as u64) as usize;
            self.active[slot] += bits.count_ones();
            for (speaker, members) in &members {
                self.votes[slot * self.columns + speaker] += u32::from(bits & members != 0);
            }
        }
    }

    fn finish_before(&mut self, plan: &Reconstruction, end: u64, found: &mut impl FnMut(Vote)) {
        let last = plan.grid.frames_in(plan.windows);
        for frame in self.from..end.min(self.until) {
            let slot = (frame % self.frames as u64) as usize;
            let active = std::mem::take(&mut self.active[slot]);
            let votes = &mut self.votes[slot * self.columns..][..self.columns];
            if active > 0 && frame < last {
                let windows = plan.grid.windows_over(frame, plan.windows).max(1);
                let count = speaker_count(u64::from(active), windows, plan.at_once);
                for (speaker, votes) in most_voted(votes, count as usize) {
                    found(Vote {
                        frame,
                        speaker,
                        agreement: (votes as f32 / windows as f32).min(1.0),
                    });
                }
            }
            votes.fill(0);
        }
        self.from = self.from.max(end);
    }
}

/// The `count` columns with the most votes, most first, earlier ones first among equals.
fn most_voted(votes: &[u32], count: usize) -> Vec<(usize, u32)> {
    let mut chosen: Vec<(usize, u32)> = Vec::with_capacity(count + 1);
    for (column, votes) in votes.iter().enumerate() {
        let place = chosen.partition_point(|(_, v)| v >= votes);
        if place < count {
            chosen.insert(place, (column, *votes));
            chosen.truncate(count);
        }
    }
    chosen
}

#[cfg(test)]
#[path = "reconstruct_tests.rs"]
mod tests;
