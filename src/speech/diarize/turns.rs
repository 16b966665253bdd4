//! Active frames → turns.

use std::ops::Range;
use std::sync::Arc;

use super::{Grid, Turn, Vote};

/// What becomes a turn. Lengths in samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnRule {
    /// Pauses of one speaker that are shorter than this are bridged.
    pub min_duration_off: u64,
    /// Turns that are then shorter than this are dropped.
    pub min_duration_on: u64,
    /// A pause in which somebody else speaks is not bridged. pyannote bridges it.
    pub leave_others: bool,
}

/// Collects the frames of each speaker into stretches without a hole.
#[derive(Clone, Debug, Default)]
pub struct TurnBuilder {
    /// By speaker, in order.
    stretches: Vec<Vec<Stretch>>,
}

/// First frame, the frame behind the last, and the sum of the agreement in it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    start: u64,
    end: u64,
    agreement: f64,
}

impl TurnBuilder {
    /// Takes the next frame of a speaker; those of one speaker must come in order.
    pub fn push(&mut self, vote: Vote) {
        if vote.speaker >= self.stretches.len() {
            self.stretches.resize(vote.speaker + 1, Vec::new());
        }
        let stretches = &mut self.stretches[vote.speaker];
        match stretches.last_mut().filter(|last| last.end == vote.frame) {
            Some(last) => {
                last.end += 1;
                last.agreement += f64::from(vote.agreement);
            }
            None => stretches.push(Stretch {
                start: vote.frame,
                end: vote.frame + 1,
                agreement: f64::from(vote.agreement),
            }),
        }
    }

    /// Where anybody speaks, in order and apart.
    fn spoken(&self) -> Vec<Range<u64>> {
        let mut all: Vec<Range<u64>> = self.stretches.iter().flatten().map(|s| s.start..s.end).collect();
        all.sort_by_key(|range| range.start);
        all.dedup_by(|next, last| {
            let joins = next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        all
    }

    /// The turns of a recording of `samples` samples and `frames` frames, in order of their starts, then ends. They
    /// begin at the centre of the first active frame and end at that of the first inactive one, or at the end.
    ///
    /// Also tells who speaks: for each label, the number of the speaker. Labels are `SPEAKER_00` and so on by first
    /// appearance.
    pub fn finish(self, grid: &Grid, frames: u64, samples: u64, rule: &TurnRule) -> (Vec<Turn>, Vec<Named>) {
        let mut turns: Vec<(usize, u64, u64, f64)> = Vec::new();
        let spoken = if rule.leave_others {
            self.spoken()
        } else {
            Vec::new()
        };
        for (speaker, stretches) in self.stretches.into_iter().enumerate() {
            let mut before: Option<Stretch> = None;
            let begun = turns.len();
            for stretch in stretches {
                let start = grid.centre(stretch.start);
                let end = grid
                    .centre(stretch.end.min(frames.saturating_sub(1)))
                    .min(samples);
                if end <= start {
                    continue;
                }
                let agreement = stretch.agreement / (stretch.end - stretch.start) as f64;
                let pause = before.replace(stretch).map_or(0, |before| before.end)..stretch.start;
                let is_taken = spoken[spoken.partition_point(|s| s.end <= pause.start)..]
                    .first()
                    .is_some_and(|s| s.start < pause.end);
                match turns[begun..].last_mut() {
                    Some(last) if start - last.2 < rule.min_duration_off && !is_taken => {
                        // By length: a bridge says nothing of how sure the models were.
                        let (before, now) = ((last.2 - last.1) as f64, (end - start) as f64);
                        last.3 = (last.3 * before + agreement * now) / (before + now);
                        last.2 = end;
                    }
                    _ => turns.push((speaker, start, end, agreement)),
                }
            }
        }
        turns.retain(|(_, start, end, _)| end - start >= rule.min_duration_on);
        turns.sort_by_key(|(speaker, start, end, _)| (*start, *end, *speaker));
        let mut named: Vec<Named> = Vec::new();
        let mut labelled = Vec::with_capacity(turns.len());
        for (speaker, start, end, agreement) in turns {
            let known = named
                .iter()
                .position(|n| n.speaker == speaker)
                .unwrap_or_else(|| {
                    named.push(Named {
                        speaker,
                        label: format!("SPEAKER_{:02}", named.len()).into(),
                        speech: 0,
                    });
                    named.len() - 1
                });
            named[known].speech += end - start;
            labelled.push(Turn {
                speaker: named[known].label.clone(),
                start,
                end,
                confidence: agreement as f32,
            });
        }
        (labelled, named)
    }
}

/// A speaker who has turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The number in [`Vote::speaker`].
    pub speaker: usize,
    /// As in the turns.
    pub label: Arc<str>,
    /// Samples in which the speaker speaks.
    pub speech: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::diarize::Geometry;

    /// Ten samples a frame, centred at 5; a text a speaker, `#` is active and a digit is that many tenths of agreement.
    fn turns(tracks: &[&str], samples: u64, rule: TurnRule) -> Vec<(String, u64, u64, f32)> {
        let geometry = Geometry {
            window: 40,
            frames: 4,
            frame_step: 10,
            receptive_field: 10,
            speakers: 2,
        };
        let grid = Grid::new(geometry, 20);
        let mut builder = TurnBuilder::default();
        for (speaker, track) in tracks.iter().enumerate() {
            for (frame, c) in track.chars().enumerate().filter(|(_, c)| *c != '.') {
                builder.push(Vote {
                    frame: frame as u64,
                    speaker,
                    agreement: c.to_digit(10).map_or(1.0, |d| d as f32 / 10.0),
                });
            }
        }
        let frames = tracks[0].len() as u64;
        let (turns, named) = builder.finish(&grid, frames, samples, &rule);
        for named in named {
            let of_it = turns.iter().filter(|t| t.speaker == named.label);
            assert_eq!(named.speech, of_it.map(|t| t.end - t.start).sum::<u64>());
        }
        let shown = turns
            .into_iter()
            .map(|t| (t.speaker[8..].to_owned(), t.start, t.end, t.confidence));
        shown.collect()
    }

    fn turn(speaker: &str, start: u64, end: u64, confidence: f32) -> (String, u64, u64, f32) {
        (speaker.into(), start, end, confidence)
    }

    #[test]
    fn turns_go_from_centre_to_centre_and_are_named_in_order() {
        assert_eq!(
            turns(&["...##...", ".####..#", ".##.5..."], 999, TurnRule::default()),
            [
                turn("00", 15, 35, 1.0),
                turn("01", 15, 55, 1.0),
                turn("02", 35, 55, 1.0),
                turn("00", 45, 55, 0.5),
            ],
            "the last frame alone has no length"
        );
    }

    #[test]
    fn pauses_are_bridged_and_then_short_turns_dropped() {
        let rule = |min_duration_off, min_duration_on| TurnRule {
            min_duration_off,
            min_duration_on,
            leave_others: false,
        };
        let track = ["55.8..#........."];
        let all = [
            turn("00", 5, 25, 0.5),
            turn("00", 35, 45, 0.8),
            turn("00", 65, 75, 1.0),
        ];
        assert_eq!(
            turns(&track, 999, rule(10, 0)),
            all,
            "a pause that is as long stays"
        );
        assert_eq!(
            turns(&track, 999, rule(11, 0)),
            [turn("00", 5, 45, 0.6), turn("00", 65, 75, 1.0)]
        );
        assert_eq!(turns(&track, 999, rule(11, 11)), [turn("00", 5, 45, 0.6)]);
        assert_eq!(turns(&track, 999, rule(0, 11)), [turn("00", 5, 25, 0.5)]);
    }

    #[test]
    fn a_pause_in_which_another_speaks_may_be_left() {
        let rule = |leave_others| TurnRule {
            min_duration_off: 100,
            leave_others,
            ..TurnRule::default()
        };
        let tracks = ["##..##..##......", "......##........"];
        let (first, last) = (turn("00", 5, 65, 1.0), turn("01", 65, 85, 1.0));
        assert_eq!(
            turns(&tracks, 999, rule(false)),
            [turn("00", 5, 105, 1.0), last.clone()]
        );
        assert_eq!(
            turns(&tracks, 999, rule(true)),
            [first, last, turn("00", 85, 105, 1.0)]
        );
        let overlapped = ["##..##..........", ".####..........."];
        assert_eq!(
            turns(&overlapped, 999, rule(true)),
            [
                turn("00", 5, 25, 1.0),
                turn("01", 15, 55, 1.0),
                turn("00", 45, 65, 1.0)
            ]
        );
    }

    #[test]
    fn no_turn_outlasts_the_recording() {
        assert_eq!(
            turns(&["..####"], 48, TurnRule::default()),
            [turn("00", 25, 48, 1.0)]
        );
        assert_eq!(turns(&["..####"], 20, TurnRule::default()), []);
        assert_eq!(turns(&["......"], 20, TurnRule::default()), []);
    }
}
