//! Pieces with their speakers → who is active in each frame of the recording.
//!
//! The pieces of neighbouring windows overlap, and each gives a frame to its speaker; most of them decide. Where two
//! speak, the second is whoever of the window's other local speakers is active, by the speaker of that one's
//! nearest piece. A frame of speech that no piece has goes with the nearest that one has.

use std::collections::VecDeque;
use std::ops::Range;

use crate::speech::diarize::{Activity, MAX_LOCAL_SPEAKERS, Vote};

/// A window, and the speakers of its pieces.
#[derive(Clone, Debug)]
pub struct Heard<'a> {
    /// The common frame of its first.
    pub first: u64,
    /// Who of the local speakers is active.
    pub activity: &'a Activity,
    /// Frames, local speaker and speaker of each piece.
    pub pieces: Vec<(Range<usize>, usize, Option<usize>)>,
}

/// What a piece counts for its own speaker, and for whoever speaks at the same time.
const VOTES: (u16, u16) = (2, 1);

/// The votes for one frame.
#[derive(Clone, Debug, Default)]
struct Frame(Vec<(usize, u16)>);

impl Frame {
    fn add(&mut self, speaker: usize, votes: u16) {
        match self.0.iter_mut().find(|(s, _)| *s == speaker) {
            Some((_, sum)) => *sum = sum.saturating_add(votes),
            None => self.0.push((speaker, votes)),
        }
    }

    /// The two with the most votes, of equals the one with the smaller number first, and the first one's share.
    fn decide(mut self) -> Option<Decided> {
        self.0
            .sort_by_key(|(speaker, votes)| (std::cmp::Reverse(*votes), *speaker));
        let all: u32 = self.0.iter().map(|(_, votes)| u32::from(*votes)).sum();
        let (first, votes) = self.0.first()?;
        Some(Decided {
            first: *first as u32,
            second: self.0.get(1).map(|(speaker, _)| *speaker as u32),
            share: (255 * u32::from(*votes) / all.max(1)) as u8,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Decided {
    first: u32,
    second: Option<u32>,
    /// Of 255.
    share: u8,
}

/// Collects the windows, which must come in order.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    decided: Vec<Option<Decided>>,
    open: VecDeque<Frame>,
}

impl Timeline {
    /// Adds a window.
    pub fn add(&mut self, heard: &Heard) {
        self.close_before(heard.first as usize);
        for (frames, local, speaker) in &heard.pieces {
            let Some(speaker) = speaker else { continue };
            for i in frames.clone() {
                let bits = heard.activity.frames().get(i).copied().unwrap_or(0);
                if bits == 0 {
                    continue;
                }
                let others = if bits.count_ones() > 1 {
                    bits & !(1 << local)
                } else {
                    0
                };
                let mut others = (0..MAX_LOCAL_SPEAKERS).filter(|other| others >> other & 1 == 1);
                let second = others.find_map(|other| nearest_of(&heard.pieces, other, i));
                if let Some(frame) = self.frame(heard.first as usize + i) {
                    frame.add(*speaker, VOTES.0);
                    if let Some(second) = second.filter(|second| second != speaker) {
                        frame.add(second, VOTES.1);
                    }
                }
            }
        }
    }

    /// Who is active in each frame: as many as `counts` says, frame by frame, the first speaker before the second.
    pub fn finish(mut self, counts: &[u8], mut found: impl FnMut(Vote)) {
        self.close_before(self.decided.len() + self.open.len());
        let at = |frame: usize| self.decided.get(frame).copied().flatten();
        let mut start = 0;
        while start < counts.len() {
            let same = |frame: &usize| (counts[*frame] > 0) == (counts[start] > 0);
            let end = (start..counts.len())
                .find(|frame| !same(frame))
                .unwrap_or(counts.len());
            if counts[start] > 0 {
                let known: Vec<usize> = (start..end).filter(|frame| at(*frame).is_some()).collect();
                for (frame, count) in counts.iter().enumerate().take(end).skip(start) {
                    let behind = known.partition_point(|k| *k < frame);
                    let around = [behind.checked_sub(1), Some(behind)].into_iter().flatten();
                    let nearest = around
                        .filter_map(|i| known.get(i))
                        .min_by_key(|k| k.abs_diff(frame));
                    let Some(decided) = nearest.and_then(|k| at(*k)) else {
                        continue;
                    };
                    let agreement = f32::from(decided.share) / 255.0;
                    let mut give = |speaker: u32, agreement: f32| {
                        found(Vote {
                            frame: frame as u64,
                            speaker: speaker as usize,
                            agreement,
                        });
                    };
                    give(decided.first, agreement);
                    if let Some(second) = decided.second.filter(|_| *count > 1) {
                        give(second, 1.0 - agreement);
                    }
                }
            }
            start = end;
        }
    }

    fn frame(&mut self, number: usize) -> Option<&mut Frame> {
        let place = number.checked_sub(self.decided.len())?;
        if place >= self.open.len() {
            self.open.resize_with(place + 1, Frame::default);
        }
        self.open.get_mut(place)
    }

    fn close_before(&mut self, frame: usize) {
        while self.decided.len() < frame {
            let votes = self.open.pop_front();
            self.decided.push(votes.and_then(Frame::decide));
        }
    }
}

/// The speaker of the piece of a local speaker that is nearest to a frame.
fn nearest_of(pieces: &[(Range<usize>, usize, Option<usize>)], local: usize, frame: usize) -> Option<usize> {
    let of_it = pieces
        .iter()
        .filter(|(_, speaker, found)| *speaker == local && found.is_some());
    let distance = |frames: &Range<usize>| {
        frames
            .start
            .saturating_sub(frame)
            .max((frame + 1).saturating_sub(frames.end))
    };
    of_it
        .min_by_key(|(frames, _, _)| distance(frames))
        .and_then(|(_, _, found)| *found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::diarize::Scores;

    /// A character a frame: the local speaker who is active, `x` for both, `-` for nobody.
    fn activity(text: &str) -> Activity {
        let frame = |c: char| [c == '0' || c == 'x', c == '1' || c == 'x'].map(|b| f32::from(u8::from(b)));
        let scores = Scores {
            speakers: 2,
            values: text.chars().flat_map(frame).collect(),
        };
        Activity::new(&scores, text.len())
    }

    type Piece = (Range<usize>, usize, Option<usize>);

    /// A letter a frame: the speaker from `a` on, capital where a second one speaks, whose letter is in the other line.
    #[track_caller]
    fn check(windows: &[(u64, &str, &[Piece])], counts: &str, expected: [&str; 2]) {
        let mut timeline = Timeline::default();
        for (first, text, pieces) in windows {
            timeline.add(&Heard {
                first: *first,
                activity: &activity(text),
                pieces: pieces.to_vec(),
            });
        }
        let counts: Vec<u8> = counts.bytes().map(|c| c - b'0').collect();
        let mut lines = [vec!['-'; counts.len()], vec!['-'; counts.len()]];
        timeline.finish(&counts, |vote| {
            let line = usize::from(lines[0][vote.frame as usize] != '-');
            lines[line][vote.frame as usize] = (b'a' + vote.speaker as u8) as char;
        });
        assert_eq!(lines.map(|line| line.into_iter().collect::<String>()), expected);
    }

    #[test]
    fn each_frame_goes_to_the_speaker_of_its_piece() {
        let pieces = [(0..4, 0, Some(2)), (5..8, 1, Some(0))];
        check(&[(0, "0000-111", &pieces)], "11110111", ["cccc-aaa", "--------"]);
    }

    #[test]
    fn most_windows_decide() {
        let (a, b) = ([(0..4, 0, Some(0))], [(0..4, 1, Some(1))]);
        check(
            &[(0, "0000", &a), (1, "1111", &b), (2, "1111", &b)],
            "111111",
            ["aabbbb", "------"],
        );
    }

    #[test]
    fn the_second_is_the_nearest_of_the_other_local_speaker() {
        let pieces = [(0..4, 0, Some(0)), (5..7, 1, Some(1)), (8..9, 1, Some(2))];
        check(
            &[(0, "00xx-11-1", &pieces)],
            "112201101",
            ["aaaa-bb-c", "--bb-----"],
        );
    }

    #[test]
    fn speech_without_a_piece_goes_with_the_nearest() {
        let pieces = [(1..3, 0, Some(0)), (6..8, 0, Some(1)), (9..10, 0, None)];
        check(
            &[(0, "-00---00-0-", &pieces)],
            "11111111010",
            ["aaaaabbb---", "-----------"],
        );
        check(&[], "0110", ["----", "----"]);
    }
}
