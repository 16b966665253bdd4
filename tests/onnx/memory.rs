//! What the models take is given back.

use gstscribe::infer::heap;

use super::{analyse, common, config, load, windows};

#[test]
fn ten_lives_leave_nothing_behind() {
    let windows = windows(4, 160_000);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let life = || {
        let before = common::resident();
        let mut speakers = load(&config()).unwrap();
        let loaded = common::resident();
        let answers = analyse(&mut speakers, &windows);
        let ran = common::resident();
        drop((answers, speakers));
        heap::give_back();
        let after = common::resident();
        println!(
            "{:.1} MB, loaded {:.1}, after a run {:.1}, after the end {:.1}",
            megabytes(before),
            megabytes(loaded),
            megabytes(ran),
            megabytes(after)
        );
        (loaded.max(ran) - before, after)
    };
    life(); // loads the runtime itself, which stays
    let lives: Vec<_> = (0..10).map(|_| life()).collect();
    // malloc gives back whole pages, so what stays differs by some MB from life to life. It must not climb: halves
    // are compared, and a leak of either model's weights would be five times 5 MB.
    let least = |lives: &[(u64, u64)]| lives.iter().map(|(_, after)| *after).min();
    let (early, late) = (least(&lives[..5]).unwrap(), least(&lives[5..]).unwrap());
    let took = lives.iter().map(|(took, _)| *took).min().unwrap();
    assert!(
        took > 4_000_000,
        "the models take {took} bytes, so this measures something"
    );
    assert!(late < early + 4_000_000, "{early} bytes, five lives later {late}");
}
