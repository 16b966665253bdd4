//! The reader of model files, on files that nobody meant to be one.
//!
//!     cargo +nightly fuzz run model_file -- -malloc_limit_mb=4 -max_len=100000
//!
//! The reader keeps nothing of a file, so no allocation may be larger than the input here, whatever lengths the file
//! claims: the limit ends the run where one is. The sources are compiled by themselves, without GStreamer and whisper.cpp, so
//! this builds in seconds.
//!
//! The input's first byte says what the rest is: a file, the header of a file that is whole, or what stands behind the
//! filters of one. Else nothing would come past 64 kB of filters.

#![no_main]
#![allow(dead_code)] // the target needs a part of the sources

#[path = "../../tests/common/forged_model.rs"]
mod forged_model;
#[path = "../../src/infer/model.rs"]
mod model;
#[path = "../../src/infer/model_file.rs"]
mod model_file;

use std::io::Cursor;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut file = Cursor::new(Vec::new());
    forged_model::Forged::SMALL.write(&mut file, 2, 18).unwrap();
    file.into_inner()
});

/// The hyper-parameters and the filters' size, and where the filters end.
const HEADER: std::ops::Range<usize> = 4..4 + 44 + 8;
const VOCABULARY: usize = HEADER.end + 80 * 201 * 4;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => check(rest),
        1 => {
            let mut file = WHOLE.clone();
            let header = rest.len().min(HEADER.len());
            file[HEADER][..header].copy_from_slice(&rest[..header]);
            check(&file);
        }
        _ => check(&[&WHOLE[..VOCABULARY], rest].concat()),
    }
});

fn check(file: &[u8]) {
    if let Err(problem) = model_file::survey_bytes(file, "x") {
        assert!(problem.to_string().starts_with("the model x "), "{problem}");
    }
}
