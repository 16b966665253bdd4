//! The Whisper models that people know by name: what each needs, which is the largest that fits, which is smaller.
//!
//! What a model needs is here known from its name alone, where there is no file to read: the published size, and the
//! [`estimate`](super::estimate) for the published dimensions, used as the transcriber does by default.

use std::path::Path;

use super::admission::Room;
use super::alignments;
use super::estimate::{Alignment, Dimensions, Place, Use};

/// The language that a model must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// English: models that know nothing else are better at it.
    English,
    /// A language of which they know nothing.
    Foreign,
    /// To be heard from the recording.
    Unknown,
}

impl Speech {
    /// Of a BCP-47 code, or "auto".
    pub fn of(code: Option<&str>) -> Self {
        let code = code.unwrap_or("auto").to_ascii_lowercase();
        match code.split(['-', '_']).next() {
            Some("auto" | "") | None => Speech::Unknown,
            Some("en") => Speech::English,
            Some(_) => Speech::Foreign,
        }
    }
}

/// Of the encoder and of the decoder: all of OpenAI's models have these.
const AUDIO_CONTEXT: u64 = 1500;
const TEXT_CONTEXT: u64 = 448;
/// Tokens of the multilingual vocabulary; the others differ by one or two.
const VOCABULARY: u64 = 51_865;
/// The transcriber's default: candidates at a temperature above 0.
pub const DECODERS: u64 = 5;

/// The dimensions of OpenAI's models.
struct Architecture {
    width: u64,
    heads: u64,
    decoder_layers: u64,
    alignment: Alignment,
}

const TINY: Architecture = architecture(384, 6, 4, alignments::TINY);
const TINY_EN: Architecture = architecture(384, 6, 4, alignments::TINY_EN);
const BASE: Architecture = architecture(512, 8, 6, alignments::BASE);
const BASE_EN: Architecture = architecture(512, 8, 6, alignments::BASE_EN);
const SMALL: Architecture = architecture(768, 12, 12, alignments::SMALL);
const SMALL_EN: Architecture = architecture(768, 12, 12, alignments::SMALL_EN);
const MEDIUM: Architecture = architecture(1024, 16, 24, alignments::MEDIUM);
const MEDIUM_EN: Architecture = architecture(1024, 16, 24, alignments::MEDIUM_EN);
const LARGE_V2: Architecture = architecture(1280, 20, 32, alignments::LARGE_V2);
const LARGE: Architecture = architecture(1280, 20, 32, alignments::LARGE_V3);
const TURBO: Architecture = architecture(1280, 20, 4, alignments::LARGE_V3_TURBO);

const fn architecture(width: u64, heads: u64, decoder_layers: u64, alignment: Alignment) -> Architecture {
    Architecture {
        width,
        heads,
        decoder_layers,
        alignment,
    }
}

impl Architecture {
    fn dimensions(&self) -> Dimensions {
        Dimensions {
            vocabulary: VOCABULARY,
            audio_context: AUDIO_CONTEXT,
            text_context: TEXT_CONTEXT,
            width: self.width,
            heads: self.heads,
            decoder_layers: self.decoder_layers,
        }
    }
}

/// A published file.
struct Model {
    name: &'static str,
    /// Of the file, in MiB: the weights, and a vocabulary of half of one.
    size: u64,
    architecture: &'static Architecture,
}

/// The files that `scripts/get-model` knows, the best first. Of a size the unquantised come first; large-v3-turbo
/// errs less than large-v2, says OpenAI.
static MODELS: [Model; 22] = [
    model("large-v3", 2952, &LARGE),
    model("large-v3-q5_0", 1031, &LARGE),
    model("large-v3-turbo", 1549, &TURBO),
    model("large-v3-turbo-q5_0", 547, &TURBO),
    model("large-v2", 2952, &LARGE_V2),
    model("large-v2-q5_0", 1031, &LARGE_V2),
    model("medium", 1463, &MEDIUM),
    model("medium-q5_0", 514, &MEDIUM),
    model("medium.en", 1463, &MEDIUM_EN),
    model("medium.en-q5_0", 514, &MEDIUM_EN),
    model("small", 466, &SMALL),
    model("small-q5_1", 181, &SMALL),
    model("small.en", 466, &SMALL_EN),
    model("small.en-q5_1", 181, &SMALL_EN),
    model("base", 142, &BASE),
    model("base-q5_1", 57, &BASE),
    model("base.en", 142, &BASE_EN),
    model("base.en-q5_1", 57, &BASE_EN),
    model("tiny", 75, &TINY),
    model("tiny-q5_1", 31, &TINY),
    model("tiny.en", 75, &TINY_EN),
    model("tiny.en-q5_1", 31, &TINY_EN),
];

const fn model(name: &'static str, size: u64, architecture: &'static Architecture) -> Model {
    Model {
        name,
        size,
        architecture,
    }
}

impl Model {
    fn need(&self, place: Place) -> u64 {
        let usage = Use {
            place,
            flash_attention: false,
            decoders: DECODERS,
            alignment: Some(self.architecture.alignment),
        };
        let dimensions = self.architecture.dimensions();
        dimensions.need(self.size << 20, &usage).total()
    }

    fn is_english_only(&self) -> bool {
        self.name.contains(".en")
    }
}

fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// All names, the best model first.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|model| model.name)
}

/// Bytes that the model of this name takes, with all that its inference needs. `None` for other names.
pub fn need(name: &str, place: Place) -> Option<u64> {
    find(name).map(|model| model.need(place))
}

/// The best of the models in `present` that fits, when no more than `percent` of the room may be in use then. A larger
/// model is better than a smaller one; of a size, what was made for English is the first choice for English and the
/// last for a language that is not known yet, and no choice for others. `need` tells the bytes.
pub fn largest_fitting(
    present: &[&str],
    speech: Speech,
    room: Room,
    percent: u32,
    need: impl Fn(&str) -> Option<u64>,
) -> Option<&'static str> {
    best(present, speech).find(|name| need(name).is_some_and(|need| need <= room.usable(percent)))
}

/// The model in `present` that needs least, of those that can do the language.
pub fn smallest(
    present: &[&str],
    speech: Speech,
    need: impl Fn(&str) -> Option<u64>,
) -> Option<&'static str> {
    best(present, speech).min_by_key(|name| need(name))
}

/// The models in `present` that can do the language, the best first.
fn best(present: &[&str], speech: Speech) -> impl Iterator<Item = &'static str> {
    let usable = |model: &&Model| {
        present.contains(&model.name) && !(speech == Speech::Foreign && model.is_english_only())
    };
    let mut models: Vec<_> = MODELS.iter().filter(usable).collect();
    if speech == Speech::English {
        // The table is in order of size, and a size is one width with one number of layers. Sorting is stable.
        let size = |model: &Model| MODELS.iter().position(|m| same_size(m, model));
        models.sort_by_key(|model| (size(model), !model.is_english_only()));
    }
    models.into_iter().map(|model| model.name)
}

/// Whether they are the same but for language and quantisation.
fn same_size(a: &Model, b: &Model) -> bool {
    fn size(model: &Model) -> &str {
        let name = model.name;
        let name = name.split_once("-q").map_or(name, |(name, _)| name);
        name.trim_end_matches(".en")
    }
    size(a) == size(b)
}

/// The best model that needs less than the one of this name and knows its languages: what to try when that one was
/// too much. `None` for the smallest, and for other names.
pub fn smaller_than(name: &str) -> Option<&'static str> {
    let large = find(name)?;
    MODELS
        .iter()
        .filter(|model| model.is_english_only() == large.is_english_only())
        .find(|model| model.need(Place::Host) < large.need(Place::Host))
        .map(|model| model.name)
}

/// The model's name in a file's: `base.en` of `ggml-base.en.bin`.
pub fn name_of_file(file: &str) -> Option<&str> {
    file.strip_prefix("ggml-")?.strip_suffix(".bin")
}

/// The model in this file, and the next smaller one.
pub fn smaller_than_file(file: &Path) -> Option<(&str, &'static str)> {
    let name = name_of_file(file.file_name()?.to_str()?)?;
    Some((name, smaller_than(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const GB: u64 = 1_000 * MB;

    fn room(total: u64, free: u64) -> Room {
        Room { total, free }
    }

    /// In MB, as `benches/estimate.rs` measures models of these shapes with five decoders.
    #[test]
    fn names_tell_what_was_measured() {
        for (name, measured) in [("tiny", 400), ("base", 525), ("small", 1093)] {
            let estimate = need(name, Place::Host).unwrap() / MB;
            let error = estimate.abs_diff(measured) * 100 / measured;
            assert!(error < 10, "{name}: {estimate} MB, measured {measured} MB");
        }
        assert_eq!(need("huge", Place::Host), None);
    }

    #[test]
    fn the_largest_that_fits_is_chosen() {
        use Speech::*;
        let all: Vec<&str> = names().collect();
        for (present, speech, total, free, expected) in [
            (&all[..], Unknown, 16 * GB, 16 * GB, Some("large-v3")),
            (&all, English, 16 * GB, 16 * GB, Some("large-v3")),
            // 85 % of 5.6 GB is 4.76 GB; large-v3 needs 5.30 on a GPU.
            (&all, Unknown, 56 * GB / 10, 56 * GB / 10, Some("large-v3-q5_0")),
            (&all, Unknown, 8 * GB, 3 * GB, Some("large-v3-turbo-q5_0")),
            (&all, Unknown, 24 * GB, 3 * GB, None),
            (&all, Unknown, 8 * GB, 4 * GB, Some("large-v3-turbo")),
            (&all, Unknown, 2 * GB, 2 * GB, Some("large-v3-turbo-q5_0")),
            (&all, Unknown, GB, GB, Some("base.en-q5_1")),
            (&all, English, GB, GB, Some("base.en-q5_1")),
            (&all, Unknown, 10 * MB, 10 * MB, None),
            (&["small.en", "base"], Unknown, 16 * GB, 16 * GB, Some("small.en")),
            (&["small.en", "base"], Foreign, 16 * GB, 16 * GB, Some("base")),
            (&["small.en"], Foreign, 16 * GB, 16 * GB, None),
            (&["small", "small.en"], Unknown, 16 * GB, 16 * GB, Some("small")),
            (
                &["small", "small.en"],
                English,
                16 * GB,
                16 * GB,
                Some("small.en"),
            ),
            (
                &["small", "small.en-q5_1"],
                English,
                16 * GB,
                16 * GB,
                Some("small.en-q5_1"),
            ),
            (&["tiny-q5_1", "tiny"], Unknown, 16 * GB, 16 * GB, Some("tiny")),
            (&["my-own"], Unknown, 16 * GB, 16 * GB, None),
            (&[], Unknown, 16 * GB, 16 * GB, None),
        ] {
            let found = largest_fitting(present, speech, room(total, free), 85, |name| {
                need(name, Place::Gpu)
            });
            assert_eq!(found, expected, "{present:?} {speech:?} {total} {free}");
        }
    }

    #[test]
    fn each_model_has_a_smaller_one_until_the_smallest() {
        for (name, smaller) in [
            ("large-v3", Some("large-v3-q5_0")),
            ("large-v3-q5_0", Some("large-v3-turbo")),
            ("large-v3-turbo", Some("large-v3-turbo-q5_0")),
            ("large-v3-turbo-q5_0", Some("small")),
            ("medium.en-q5_0", Some("small.en")),
            ("tiny", Some("tiny-q5_1")),
            ("tiny-q5_1", None),
            ("my-own", None),
        ] {
            assert_eq!(smaller_than(name), smaller, "{name}");
        }
        for name in names() {
            let mut steps = std::iter::successors(Some(name), |name| smaller_than(name));
            assert!(steps.all(|step| step.contains(".en") == name.contains(".en")));
        }
    }

    #[test]
    fn languages_are_told_by_their_codes() {
        for (code, speech) in [
            (None, Speech::Unknown),
            (Some("auto"), Speech::Unknown),
            (Some(""), Speech::Unknown),
            (Some("en"), Speech::English),
            (Some("EN-gb"), Speech::English),
            (Some("de-DE"), Speech::Foreign),
            (Some("enm"), Speech::Foreign),
        ] {
            assert_eq!(Speech::of(code), speech, "{code:?}");
        }
    }

    /// One table in the program, one in the script: they must say the same.
    #[test]
    fn the_download_script_knows_the_same_models() {
        let script =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/get-model")).unwrap();
        let (_, table) = script.split_once("MODELS='\n").unwrap();
        let (table, _) = table.split_once("\n'").unwrap();
        let mut theirs: Vec<(&str, u64)> = table
            .lines()
            .map(|line| {
                let mut columns = line.split_whitespace();
                (columns.next().unwrap(), columns.next().unwrap().parse().unwrap())
            })
            .collect();
        let mut ours: Vec<(&str, u64)> = MODELS.iter().map(|m| (m.name, m.size)).collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn files_are_named_for_their_models() {
        assert_eq!(name_of_file("ggml-base.en-q5_1.bin"), Some("base.en-q5_1"));
        assert_eq!(name_of_file("base.bin"), None);
    }
}
