//! Files that are whole, cut short, damaged or something else.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::forged_model::Forged;
use super::model::LoadError;
use super::model_file::{check, survey, survey_bytes};

/// The smallest file that passes: width 32, one layer each.
static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut file = Cursor::new(Vec::new());
    Forged::SMALL.write(&mut file, 2, 18).unwrap(); // q4_0
    file.into_inner()
});

/// Where it holds what.
const SHAPE: usize = 4;
const FILTERS: usize = SHAPE + 44;
const VOCABULARY: usize = FILTERS + 8 + 80 * 201 * 4;
const TENSORS: usize = VOCABULARY + 4 + 5;

#[test]
fn a_whole_file_passes() {
    let found = survey_bytes(&MODEL, "x").unwrap();
    assert_eq!(found.shape.n_text_state, 32);
    assert_eq!(found.weights, Forged::SMALL.values() / 32 * 18);
}

#[test]
fn a_file_is_read_by_its_structure_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    Forged::HUGE.write(&mut file.as_file(), 0, 128).unwrap();
    let found = survey(file.path()).unwrap();
    assert_eq!(found.weights, Forged::HUGE.values() * 4);
    assert_eq!(found.shape.n_audio_layer, 64);
}

/// The most that was resident in this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib * 1024
}

#[test]
fn no_length_in_a_file_is_taken_for_memory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    Forged::HUGE.write(&mut file.as_file(), 0, 128).unwrap();
    let damaged: Vec<_> = [FILTERS, FILTERS + 4, VOCABULARY, VOCABULARY + 4]
        .into_iter()
        .chain((TENSORS..TENSORS + 20).step_by(4))
        .map(|at| with(at, i32::MAX))
        .collect();
    let before = peak();
    survey(file.path()).unwrap();
    for bytes in damaged {
        problem(&bytes);
    }
    // The kernel counts in batches, so the second reading may even be the smaller one.
    let grown = peak().saturating_sub(before);
    assert!(grown < 8 << 20, "{} MiB", grown >> 20);
}

/// The model with a number at a place.
fn with(at: usize, value: i32) -> Vec<u8> {
    let mut bytes = MODEL.clone();
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[track_caller]
fn problem(bytes: &[u8]) -> String {
    let LoadError::WrongFile(text) = survey_bytes(bytes, "x.bin").unwrap_err() else {
        panic!("a wrong kind of error")
    };
    assert!(text.starts_with("the model x.bin "), "{text}");
    text
}

#[test]
fn what_is_wrong_is_said() {
    let whole = &MODEL[..];
    let one_tensor = 20 + 1 + 18;
    let longer = [whole, &[0; 7]].concat();
    for (bytes, expected) in [
        (&[][..], "is empty"),
        (&b"GG"[..], "is cut short"),
        (&b"GGUF0000"[..], "a GGUF file"),
        (&b"<!DOCTYPE html>"[..], "a web page"),
        (&whole[..whole.len() - 1], "is cut short"),
        (&whole[..1000], "in the mel filters"),
        (&whole[..TENSORS], "holds 0 tensors, expected 50"),
        (
            &whole[..whole.len() - one_tensor],
            "holds 49 tensors, expected 50",
        ),
        (&longer, "goes on for 7 bytes behind its 50 tensors"),
        (&with(SHAPE + 8, 7), "another architecture"),
        (&with(SHAPE + 4, -1), "audio context -1, expected 1 to 1500"),
        (&with(FILTERS, i32::MAX), "mel filters are 2147483647"),
        (&with(VOCABULARY, -3), "holds -3 tokens"),
        (&with(VOCABULARY + 4, -1), "a token of 4294967295 bytes"),
        (&with(TENSORS, 9), "damaged behind its tensor 0"),
        (&with(TENSORS + 4, i32::MAX), "damaged behind its tensor 0"),
        (&with(TENSORS + 8, 77), "unknown type 77"),
        (&with(TENSORS + 12, 0), "a dimension of 0"),
        (&with(TENSORS + 12, i32::MAX - 31), "cut short"),
        (&with(TENSORS + 12, 33), "rows of 33"),
    ] {
        let text = problem(bytes);
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    }
}

/// whisper.cpp makes room by the hyper-parameters: tensors that are too small for them must not pass.
#[test]
fn tensors_that_do_not_fill_the_shape_are_told() {
    let mut fewer = MODEL.clone();
    let rows = i32::from_le_bytes(fewer[TENSORS + 16..TENSORS + 20].try_into().unwrap());
    fewer[TENSORS + 16..TENSORS + 20].copy_from_slice(&(rows - 1).to_le_bytes());
    fewer.drain(TENSORS + 21..TENSORS + 21 + 18);
    let values = Forged::SMALL.values();
    let text = problem(&fewer);
    assert!(
        text.contains(&format!("hold {} values", values - 32)) && text.contains(&format!("makes {values}")),
        "{text}"
    );
    // Four times the encoder's positions, which nothing else in the file tells.
    let text = problem(&with(SHAPE + 4, 750));
    assert!(text.contains("values, and its shape"), "{text}");
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    for path in ["/nowhere/ggml-none.bin", "/"] {
        let LoadError::NotFound(text) = check(Path::new(path)).unwrap_err() else {
            panic!("{path}")
        };
        assert!(text.contains(path), "{text}");
    }
}

proptest! {
    /// A number in the header that is another, and an end that comes early.
    #[test]
    fn no_number_makes_it_panic(at in 0..TENSORS + 200, value: i32, cut in 0_usize..1_200_000) {
        let bytes = with(at, value);
        let _ = survey_bytes(&bytes[..cut.min(bytes.len())], "x");
    }

    /// A bit of the header is wrong: it passes only where the bit says nothing about sizes.
    #[test]
    fn a_flipped_bit_is_found(at in 0..FILTERS + 8, bit in 0..8_u32) {
        let mut bytes = MODEL.clone();
        bytes[at] ^= 1 << bit;
        // The heads and the file's type are in no size.
        let free = [SHAPE + 12, SHAPE + 28, SHAPE + 40].iter().any(|n| (*n..n + 4).contains(&at));
        prop_assert!(free || survey_bytes(&bytes, "x").is_err());
    }

    /// Cut anywhere, it is cut short.
    #[test]
    fn a_part_is_no_model(cut in 0.0..1.0_f64) {
        let cut = (MODEL.len() as f64 * cut) as usize;
        prop_assert!(survey_bytes(&MODEL[..cut], "x").is_err());
    }

    #[test]
    fn noise_is_no_model(noise in proptest::collection::vec(any::<u8>(), 0..2000), with_magic: bool) {
        let mut bytes = if with_magic { MODEL[..SHAPE].to_vec() } else { Vec::new() };
        bytes.extend(noise);
        prop_assert!(survey_bytes(&bytes, "x").is_err());
    }
}
