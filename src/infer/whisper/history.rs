//! The text that a window is told: which tokens came before it.
//!
//! whisper.cpp keeps them in its state (`prompt_past1`) and gives them to nobody. Kept by the session instead, they outlive
//! a worker that dies, and one state can serve many streams. So they are put together again, by whisper.cpp's own rules
//! (`whisper_full_with_state` of 1.8.3), from what its decoders wrote and the segments that it made of that.

use std::collections::BTreeSet;

/// whisper.cpp gives no text to a decode at this temperature or above (`WHISPER_HISTORY_CONDITIONING_TEMP_CUTOFF`).
const COLD: f32 = 0.5;

/// What the decoders wrote at the last temperature.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// How many temperatures were tried.
    pub tries: usize,
    /// Token sequences; those of a beam search fork.
    sequences: Vec<Vec<i32>>,
}

/// The tokens with a meaning of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Text tokens are below it.
    pub end: i32,
    /// The timestamp 0.00; later ones are above it, 20 ms each.
    pub first_timestamp: i32,
}

impl Written {
    /// A decoder is about to choose a token behind `tokens`.
    pub fn note(&mut self, tokens: Vec<i32>) {
        let Some((_, before)) = tokens.split_last() else {
            // Asked once at the beginning of each temperature.
            *self = Written {
                tries: self.tries + 1,
                sequences: Vec::new(),
            };
            return;
        };
        match self.sequences.iter_mut().find(|known| *known == before) {
            Some(known) => *known = tokens,
            None => self.sequences.push(tokens),
        }
    }

    /// Every timestamp, in centiseconds of the window.
    pub fn timestamps(&self, marks: Marks) -> BTreeSet<i64> {
        let all = self.sequences.iter().flatten();
        all.filter(|id| **id > marks.first_timestamp)
            .map(|id| marks.centiseconds(*id))
            .collect()
    }

    /// The tokens of the best decoder that whisper.cpp would tell the next window, found by those that it put into
    /// `segments`: all but some timestamps. Those themselves where no sequence fits.
    pub fn said(&self, segments: &[i32], marks: Marks) -> Vec<i32> {
        let fitting = self
            .sequences
            .iter()
            .flat_map(|sequence| {
                // The last token is chosen without being told here.
                let whole = sequence.iter().chain(segments.last()).copied().collect();
                let ends = (1..sequence.len())
                    .rev()
                    .filter(|end| sequence[end - 1] > marks.first_timestamp);
                let cut = ends.map(|end| sequence[..end].to_vec());
                [sequence.clone(), whole]
                    .into_iter()
                    .chain(cut)
                    .collect::<Vec<_>>()
            })
            .find(|tokens| {
                marks.in_segments(marks.result(tokens)) == segments || marks.in_segments(tokens) == segments
            });
        let tokens = fitting.unwrap_or_else(|| segments.to_vec());
        marks.result(&tokens).to_vec()
    }
}

impl Marks {
    fn centiseconds(self, timestamp: i32) -> i64 {
        2 * i64::from(timestamp - self.first_timestamp)
    }

    /// The tokens up to where a decoder's result ends (`result_len`): its last timestamp that does not go back.
    fn result(self, tokens: &[i32]) -> &[i32] {
        let mut closed: Option<i64> = None;
        let mut length = 0;
        for (at, id) in tokens.iter().enumerate() {
            if *id > self.first_timestamp {
                let time = self.centiseconds(*id);
                if closed.is_some_and(|closed| closed > time) && length < at {
                    break;
                }
                closed = Some(time);
                length = at + 1;
            }
            if *id == self.end && length == 0 {
                length = at + 1;
            }
        }
        &tokens[..length]
    }

    /// The tokens that whisper.cpp puts into segments: a timestamp ends one, and those right behind it are dropped.
    fn in_segments(self, tokens: &[i32]) -> Vec<i32> {
        let mut segments = Vec::new();
        let mut segment = Vec::new();
        let mut is_behind_timestamp = false;
        for id in tokens {
            let is_timestamp = *id > self.first_timestamp;
            if is_timestamp && is_behind_timestamp {
                continue;
            }
            is_behind_timestamp = is_timestamp;
            segment.push(*id);
            if is_timestamp {
                self.close(&mut segment, &mut segments);
            }
        }
        self.close(&mut segment, &mut segments);
        segments
    }

    /// One without text is none.
    fn close(self, segment: &mut Vec<i32>, segments: &mut Vec<i32>) {
        if segment.iter().any(|id| *id < self.end) {
            segments.append(segment);
        }
        segment.clear();
    }
}

/// How whisper.cpp tells the text before, by its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Tokens told at most, the mark at their beginning counted in (`max_prompt_ctx`).
    pub most: usize,
    pub temperature: f32,
    pub increment: f32,
}

impl Rule {
    /// The history behind a window that was told `told`, took `tries` temperatures, and `said` these tokens.
    pub fn history(&self, told: &[i32], tries: usize, said: &[i32]) -> Vec<i32> {
        let told = match self.temperature_of(tries) < COLD {
            true => self.last(told),
            false => &[],
        };
        self.last(&[told, said].concat()).to_vec()
    }

    /// As many as can be told.
    fn last<'a>(&self, tokens: &'a [i32]) -> &'a [i32] {
        &tokens[tokens.len().saturating_sub(self.most.saturating_sub(1))..]
    }

    /// Of the last try, summed up as whisper.cpp does.
    fn temperature_of(&self, tries: usize) -> f32 {
        (1..tries).fold(self.temperature, |temperature, _| temperature + self.increment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        end: 100,
        first_timestamp: 200,
    };
    const T0: i32 = 200;
    const END: i32 = 100;

    fn written(sequences: &[&[i32]]) -> Written {
        let mut written = Written::default();
        written.note(vec![]);
        for length in 1..=sequences.iter().map(|s| s.len()).max().unwrap_or(0) {
            for sequence in sequences.iter().filter(|s| s.len() >= length) {
                written.note(sequence[..length].to_vec());
            }
        }
        written
    }

    #[test]
    fn the_timestamps_between_segments_are_found_again() {
        // <0.00> a b <1.00><1.20> c <2.00><2.00>, of which the segments hold all but the doubled ones.
        let tokens = [T0, 1, 2, T0 + 50, T0 + 60, 3, T0 + 100, T0 + 100];
        let segments = [T0, 1, 2, T0 + 50, 3, T0 + 100];
        assert_eq!(written(&[&tokens]).said(&segments, MARKS), tokens);
        assert_eq!(
            written(&[&tokens]).timestamps(MARKS),
            BTreeSet::from([100, 120, 200])
        );
    }

    #[test]
    fn a_beginning_behind_silence_belongs_to_the_text() {
        let tokens = [T0 + 30, 1, T0 + 90];
        assert_eq!(written(&[&tokens]).said(&[1, T0 + 90], MARKS), tokens);
    }

    #[test]
    fn the_last_token_is_taken_from_the_segments() {
        // The decoder was done with it, and asked for no more.
        assert_eq!(
            written(&[&[T0, 1]]).said(&[T0, 1, T0 + 90], MARKS),
            [T0, 1, T0 + 90]
        );
        assert_eq!(written(&[&[T0, 1]]).said(&[T0, 1, END], MARKS), [T0, 1, END]);
    }

    #[test]
    fn what_is_behind_the_last_timestamp_is_not_told() {
        // The model stopped in the middle of a sentence.
        let tokens = [T0, 1, T0 + 50, T0 + 50, 2, 3];
        assert_eq!(
            written(&[&tokens]).said(&[T0, 1, T0 + 50], MARKS),
            [T0, 1, T0 + 50, T0 + 50]
        );
    }

    #[test]
    fn the_best_of_several_decoders_is_told_by_its_text() {
        let lost: &[i32] = &[T0, 7, T0 + 80];
        let best: &[i32] = &[T0, 1, T0 + 50, T0 + 50, 2, T0 + 90];
        let written = written(&[lost, best]);
        assert_eq!(written.said(&[T0, 1, T0 + 50, 2, T0 + 90], MARKS), best);
        assert_eq!(
            written.said(&[T0, 1, T0 + 50], MARKS),
            best[..4],
            "a fork that ended"
        );
        assert_eq!(
            written.said(&[9], MARKS),
            [0; 0],
            "of nobody, and nothing was closed"
        );
    }

    #[test]
    fn a_window_without_text_says_nothing() {
        assert_eq!(written(&[&[T0, 1, T0 + 50]]).said(&[], MARKS), [0; 0]);
        assert_eq!(written(&[&[T0, T0 + 1500]]).said(&[], MARKS), [T0, T0 + 1500]);
    }

    #[test]
    fn times_that_go_back_end_the_result() {
        assert_eq!(MARKS.result(&[T0, 1, T0 + 50, 2, T0 + 40]), [T0, 1, T0 + 50]);
        assert_eq!(
            MARKS.result(&[T0, 1, END]),
            [T0, 1, END],
            "the end closes what nothing closed"
        );
    }

    #[test]
    fn a_hot_decode_forgets_and_the_rest_is_bounded() {
        let rule = Rule {
            most: 4,
            temperature: 0.0,
            increment: 0.2,
        };
        for (tries, expected) in [(1, [2, 3, 9]), (3, [2, 3, 9])] {
            assert_eq!(rule.history(&[1, 2, 3], tries, &[9]), expected, "{tries}");
        }
        assert_eq!(rule.history(&[1, 2, 3], 4, &[9]), [9], "0.6");
        let none = Rule { most: 0, ..rule };
        assert_eq!(none.history(&[1], 1, &[9]), [0; 0]);
    }

    #[test]
    fn another_temperature_begins_anew() {
        let mut written = written(&[&[T0, 1]]);
        written.note(vec![]);
        written.note(vec![T0]);
        assert_eq!((written.tries, written.sequences), (2, vec![vec![T0]]));
    }
}
