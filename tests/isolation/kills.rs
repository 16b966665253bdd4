//! Workers killed at random moments, two hundred times in one stream.
//!
//! The stream is the same few seconds of speech again and again, with so much silence between that each time is a window of
//! its own, cut at the same place: so what must be heard of each is known to the bit from a few that nobody disturbs.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gstscribe::speech::Word;

use crate::common::RATE;
use crate::rig::*;

const KILLS: usize = 200;
/// Far more than are needed.
const MOST_BLOCKS: u64 = 600;
/// In seconds: a window of 30 s and some silence that belongs to none.
const BLOCK: u64 = 32;
const SPEECH: u64 = 6;
/// Each window by itself, and nothing drawn by lot.
const PROPERTIES: &str = "isolation=process max-context=0 temperature-increment=0";

/// Numerical Recipes' linear congruential generator.
struct Dice(u32);

impl Dice {
    /// Seeded by the process's own randomness, and told, so that a failure says what it was.
    fn new() -> Self {
        let seed = RandomState::new().hash_one(KILLS) as u32;
        eprintln!("seed {seed}");
        Dice(seed)
    }

    /// 0 to 1, small ones more often: the cube of an even draw. So some windows are killed twice and most not.
    fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(self.0 >> 8) / f64::from(1 << 24)).powi(3)
    }
}

/// Blocks, second by second: until `enough` is set and two more are out, which show that the last kill is survived.
fn blocks(most: u64, enough: &AtomicBool) -> impl Iterator<Item = Vec<f32>> + Send {
    let speech = conversation(1);
    let mut last = most;
    (0..most)
        .take_while(move |block| {
            if enough.load(Ordering::SeqCst) {
                last = last.min(block + 2);
            }
            *block < last
        })
        .flat_map(move |_| {
            let seconds = speech.chunks(RATE as usize).take(SPEECH as usize);
            let silence = vec![vec![0.0; RATE as usize]; (BLOCK - SPEECH) as usize];
            seconds.map(<[f32]>::to_vec).chain(silence).collect::<Vec<_>>()
        })
}

/// A word, counted from its block's start: text, start, end, confidence.
type Said = (String, u64, u64, f32);

fn in_block(words: &[Word], block: u64) -> Vec<Said> {
    let (from, until) = (block * BLOCK * RATE, (block + 1) * BLOCK * RATE);
    let words = words.iter().filter(|w| (from..until).contains(&w.start));
    words
        .map(|w| (w.text.clone(), w.start - from, w.end - from, w.confidence))
        .collect()
}

/// Blocks whose window is declared to be lost.
fn lost(run: &Run) -> BTreeSet<u64> {
    let warnings = run.warnings.iter().filter(|w| w.contains("left without text"));
    let block = |warning: &String| {
        let (_, rest) = warning.split_once("The window at ").unwrap();
        let time = rest.split(' ').next().unwrap();
        let seconds = time
            .split(':')
            .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
        // It begins up to half a second before the speech.
        (seconds + 1.0) as u64 / BLOCK
    };
    warnings.map(block).collect()
}

/// Kills each new worker after a part of `most`, which the dice choose.
fn kill_all(mut dice: Dice, most: Duration) {
    let mut last = 0;
    for _ in 0..KILLS {
        let new = || workers(std::process::id()).into_iter().find(|pid| *pid != last);
        last = eventually("a new worker", new);
        std::thread::park_timeout(most.mul_f64(dice.throw())); // nobody unparks it
        assert!(signal(last, "KILL"));
    }
}

/// Words and GAPs lie one behind the other from the first sample on, without a hole and without overlap.
fn assert_seamless(run: &Run) {
    let words = run.words.iter().map(|w| (w.start, w.end));
    let mut spans: Vec<(u64, u64)> = words.chain(run.gaps.iter().copied()).collect();
    spans.sort_unstable();
    let mut covered = 0;
    for (start, end) in spans {
        assert!(
            start.abs_diff(covered) <= 1,
            "{covered} to {start} is not covered"
        ); // rounding of nanoseconds
        covered = end;
    }
}

#[test]
fn of_two_hundred_kills_nothing_is_left_but_declared_gaps() {
    let never = AtomicBool::new(false);
    let begin = Instant::now();
    let healthy = transcribe_stream(blocks(4, &never), PROPERTIES, |_| {});
    let window = begin.elapsed() / 4;
    let first = in_block(&healthy.words, 0);
    let usual = in_block(&healthy.words, 1);
    assert!(first.len() > 5 && usual.len() > 5, "{:?}", healthy.words);
    for block in [2, 3] {
        assert_eq!(
            in_block(&healthy.words, block),
            usual,
            "the stream repeats itself"
        );
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();

    let enough = AtomicBool::new(false);
    let properties = format!("{PROPERTIES} restart-limit=1000");
    let run = transcribe_stream(blocks(MOST_BLOCKS, &enough), &properties, |_| {
        kill_all(Dice::new(), window * 2);
        enough.store(true, Ordering::SeqCst);
    });

    assert_eq!(run.error, None);
    assert_eq!(run.warnings.len(), KILLS, "each death is told once");
    assert!(
        run.warnings.iter().all(|w| w.contains("SIGKILL")),
        "{:#?}",
        run.warnings
    );
    assert_seamless(&run);
    let lost = lost(&run);
    let end = run.gaps.iter().map(|gap| gap.1).max().unwrap();
    let blocks = end.div_ceil(BLOCK * RATE);
    eprintln!("{} of {blocks} windows lost, {window:?} a window", lost.len());
    for block in 0..blocks {
        let expected = match block {
            _ if lost.contains(&block) => &Vec::new(),
            0 => &first,
            _ => &usual,
        };
        assert_eq!(
            &in_block(&run.words, block),
            expected,
            "block {block} of {blocks}"
        );
    }
    assert!((lost.len() as u64) < blocks - 10, "too few were left alone");
    assert_eq!(children(std::process::id()), [0; 0], "no zombie");
    assert_eq!(descriptors(), before, "no socket");
}
