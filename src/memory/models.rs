//! The Whisper models that people know by name: what each needs, which is the largest that fits, which is smaller.
//!
//! An estimate from the names alone, before any file is read: weights + caches + compute buffers of whisper.cpp 1.8.3
//! as the transcriber uses it (no flash attention, five decoders), from the models' published dimensions.

/// Where a model would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Ordinary memory.
    Host,
    /// A CUDA device.
    Gpu,
}

/// What there is of a device's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What the device has.
    pub total: u64,
    /// What nobody uses.
    pub free: u64,
}

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

/// The share of a device, in per cent, above which the level is critical: no model may lead there.
const MOST_PERCENT: u128 = 85;

/// CUDA context, cuBLAS and memory pool of a process: 180 to 500 MB were seen, depending on driver and device.
const CUDA_OVERHEAD: u64 = 500_000_000;

/// Bytes of a value of the caches, which are f16.
const F16: u64 = 2;
/// Caches that the decoders may come to hold beside the first one: whisper.cpp keeps two more than it has decoders
/// (`whisper_full_with_state`, best_of = 5).
const CACHES: u64 = 5 + 2;
/// Slots of the decoders' cache, and of the encoder's output: `n_text_ctx` 448 and `n_audio_ctx` 1500, padded to 256.
const TEXT_SLOTS: u64 = 512;
const AUDIO_SLOTS: u64 = 1536;
/// Positions of the encoder and of the decoder.
const AUDIO_CONTEXT: u64 = 1500;
const TEXT_CONTEXT: u64 = 448;
/// Tokens of the multilingual vocabulary; the others differ by one or two.
const VOCABULARY: u64 = 51_865;
/// The graphs' own size, twice: in the convolution's and the decoder's buffer.
const GRAPH: u64 = 5_000_000;

/// The dimensions of OpenAI's models.
struct Architecture {
    width: u64,
    heads: u64,
    decoder_layers: u64,
}

impl Architecture {
    /// Bytes of what a model takes beside its weights. The factors of the compute buffers are fitted to what ggml
    /// reports for each of the models, and are right within 2 %.
    fn state(&self) -> u64 {
        let (d, layers) = (self.width, self.decoder_layers);
        let own = 2 * layers * TEXT_SLOTS * d * F16 * CACHES;
        let cross = 2 * layers * AUDIO_SLOTS * d * F16;
        let padding = 2 * AUDIO_SLOTS * d * F16;
        let convolution = 24_000 * d + GRAPH;
        let encoder = self.heads * AUDIO_CONTEXT * AUDIO_CONTEXT * 4 + 24_000 * d;
        let crossing = 6_000 * d;
        let decoder = TEXT_CONTEXT * VOCABULARY * 4 + GRAPH;
        own + cross + padding + convolution + encoder + crossing + decoder
    }
}

const TINY: Architecture = architecture(384, 6, 4);
const BASE: Architecture = architecture(512, 8, 6);
const SMALL: Architecture = architecture(768, 12, 12);
const MEDIUM: Architecture = architecture(1024, 16, 24);
const LARGE: Architecture = architecture(1280, 20, 32);
const TURBO: Architecture = architecture(1280, 20, 4);

const fn architecture(width: u64, heads: u64, decoder_layers: u64) -> Architecture {
    Architecture {
        width,
        heads,
        decoder_layers,
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
    model("large-v2", 2952, &LARGE),
    model("large-v2-q5_0", 1031, &LARGE),
    model("medium", 1463, &MEDIUM),
    model("medium-q5_0", 514, &MEDIUM),
    model("medium.en", 1463, &MEDIUM),
    model("medium.en-q5_0", 514, &MEDIUM),
    model("small", 466, &SMALL),
    model("small-q5_1", 181, &SMALL),
    model("small.en", 466, &SMALL),
    model("small.en-q5_1", 181, &SMALL),
    model("base", 142, &BASE),
    model("base-q5_1", 57, &BASE),
    model("base.en", 142, &BASE),
    model("base.en-q5_1", 57, &BASE),
    model("tiny", 75, &TINY),
    model("tiny-q5_1", 31, &TINY),
    model("tiny.en", 75, &TINY),
    model("tiny.en-q5_1", 31, &TINY),
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
        let overhead = match place {
            Place::Host => 0,
            Place::Gpu => CUDA_OVERHEAD,
        };
        (self.size << 20) + self.architecture.state() + overhead
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

/// Whether `need` bytes are free, and would leave the device below its critical level.
pub fn fits(need: u64, room: Room) -> bool {
    let used = u128::from(room.total.saturating_sub(room.free));
    need <= room.free && (used + u128::from(need)) * 100 <= u128::from(room.total) * MOST_PERCENT
}

/// The best of the models in `present` that fits. A larger model is better than a smaller one; of a size, what was
/// made for English is the first choice for English and the last for a language that is not known yet, and no choice
/// for others.
pub fn largest_fitting(present: &[&str], speech: Speech, room: Room, place: Place) -> Option<&'static str> {
    best(present, speech).find(|name| need(name, place).is_some_and(|need| fits(need, room)))
}

/// The model in `present` that needs least, of those that can do the language.
pub fn smallest(present: &[&str], speech: Speech, place: Place) -> Option<&'static str> {
    best(present, speech).min_by_key(|name| need(name, place))
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

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const GB: u64 = 1_000 * MB;

    fn room(total: u64, free: u64) -> Room {
        Room { total, free }
    }

    /// What ggml's buffers were measured to be, in MB: weights and state, and what five decoders add.
    #[test]
    fn the_estimate_is_what_was_measured() {
        for (name, weights, state, decoders) in [
            ("tiny", 77, 193, 19),
            ("base", 147, 232, 38),
            ("small", 487, 334, 113),
            ("medium", 1533, 512, 302),
            ("large-v3", 3094, 700, 503),
            ("large-v3-turbo", 1624, 407, 63),
            ("medium-q5_0", 539, 512, 302),
            ("large-v3-turbo-q5_0", 573, 407, 63),
        ] {
            let measured = (weights + state + decoders) as f64;
            let estimate = need(name, Place::Host).unwrap() as f64 / MB as f64;
            let error = (estimate - measured).abs() / measured;
            assert!(error < 0.02, "{name}: {estimate:.0} MB, measured {measured} MB");
            assert_eq!(
                need(name, Place::Gpu).unwrap() - need(name, Place::Host).unwrap(),
                CUDA_OVERHEAD
            );
        }
        assert_eq!(need("huge", Place::Host), None);
    }

    #[test]
    fn what_fits_is_free_and_leaves_the_level_uncritical() {
        for (need, total, free, expected) in [
            (50, 100, 100, true),
            (85, 100, 100, true),
            (86, 100, 100, false),
            (50, 100, 65, true),
            (50, 100, 64, false),
            (1, 100, 0, false),
            (0, 0, 0, true),
            (u64::MAX, u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(
                fits(need, room(total, free)),
                expected,
                "{need} of {total}, {free} free"
            );
        }
    }

    #[test]
    fn the_largest_that_fits_is_chosen() {
        use Speech::*;
        let all: Vec<&str> = names().collect();
        for (present, speech, total, free, expected) in [
            (&all[..], Unknown, 16 * GB, 16 * GB, Some("large-v3")),
            (&all, English, 16 * GB, 16 * GB, Some("large-v3")),
            // 85 % of 5.6 GB is 4.76 GB; large-v3 needs 4.80 on a GPU.
            (&all, Unknown, 56 * GB / 10, 56 * GB / 10, Some("large-v3-q5_0")),
            (&all, Unknown, 8 * GB, 3 * GB, Some("large-v3-turbo-q5_0")),
            (&all, Unknown, 24 * GB, 3 * GB, None),
            (&all, Unknown, 8 * GB, 4 * GB, Some("large-v3-q5_0")),
            (&all, Unknown, 2 * GB, 2 * GB, Some("large-v3-turbo-q5_0")),
            (&all, Unknown, GB, GB, Some("base-q5_1")),
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
            let found = largest_fitting(present, speech, room(total, free), Place::Gpu);
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
