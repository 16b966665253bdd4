//! Reads and checks a ggml Whisper file before whisper.cpp sees it.
//!
//! whisper.cpp trusts what it reads: a truncated file leaks every weight buffer, a wrong length reads past a
//! buffer or allocates without bound. So the whole structure is walked first: magic, hyper-parameters, filter
//! bank, vocabulary, and a table of tensors that must end exactly where the file ends.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::model::LoadError;

/// "ggml" as a number; its bytes stand in the file as "lmgg" (`GGML_FILE_MAGIC`).
const MAGIC: u32 = 0x6767_6d6c;
/// `GGML_QNT_VERSION_FACTOR`: the file type is the quantisation version times this, plus the type.
const QUANTISATION_FACTOR: i32 = 1000;
/// Tensors of the encoder and decoder outside of layers, in an encoder layer, in a decoder layer.
const TENSORS: (u64, u64, u64) = (11, 15, 24);

/// The hyper-parameters of a Whisper model, as they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // OpenAI's own names, dimensions of the model
pub struct ModelShape {
    pub n_vocab: i32,
    pub n_audio_ctx: i32,
    pub n_audio_state: i32,
    pub n_audio_head: i32,
    pub n_audio_layer: i32,
    pub n_text_ctx: i32,
    pub n_text_state: i32,
    pub n_text_head: i32,
    pub n_text_layer: i32,
    pub n_mels: i32,
    pub ftype: i32,
}

impl ModelShape {
    /// English-only models have the GPT-2 vocabulary (51864 tokens), multilingual ones a larger one
    /// (`whisper_vocab::is_multilingual`).
    pub fn is_multilingual(&self) -> bool {
        self.n_vocab >= 51865
    }

    /// Values of all tensors, as the architecture has them: embeddings and positions, two convolutions over three
    /// frames, and layers of attention (four matrices, three biases), a network of fourfold width, and norms.
    fn parameters(&self) -> u64 {
        let positive = |n: i32| u64::try_from(n).unwrap_or(0);
        let d = positive(self.n_text_state);
        let attention = 4 * d * d + 3 * d;
        let network = 8 * d * d + 5 * d;
        let norm = 2 * d;
        let encoder = positive(self.n_audio_ctx) * d
            + 3 * d * positive(self.n_mels)
            + 3 * d * d
            + 2 * d
            + norm
            + positive(self.n_audio_layer) * (attention + network + 2 * norm);
        let decoder = (positive(self.n_vocab) + positive(self.n_text_ctx)) * d
            + norm
            + positive(self.n_text_layer) * (2 * attention + network + 3 * norm);
        encoder + decoder
    }
}

/// What the walk through a file finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The hyper-parameters.
    pub shape: ModelShape,
    /// Bytes of all tensors: what the model takes beside caches and compute buffers.
    pub weights: u64,
}

impl fmt::Display for ModelShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = if self.is_multilingual() {
            "multilingual"
        } else {
            "English only"
        };
        write!(
            f,
            "Whisper, {language}, width {}, {} + {} layers, {} mel bands",
            self.n_text_state, self.n_audio_layer, self.n_text_layer, self.n_mels
        )
    }
}

/// Checks the file at `path` and says what is in it.
///
/// # Errors
/// [`LoadError::NotFound`] when it cannot be opened, [`LoadError::WrongFile`] when it is empty, cut short, of
/// another format or damaged; each names the file and what to do.
pub fn survey(path: &Path) -> Result<Survey, LoadError> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|e| {
        LoadError::NotFound(format!(
            "cannot open the model file {shown}: {e}. Give an existing ggml Whisper model with model-path; \
             scripts/get-model downloads one"
        ))
    })?;
    if !metadata.is_file() {
        return Err(LoadError::NotFound(format!(
            "the model path {shown} is not a file. Give a ggml Whisper model file (ggml-*.bin) with model-path"
        )));
    }
    let file = File::open(path).map_err(|e| {
        LoadError::NotFound(format!(
            "cannot open the model file {shown}: {e}. Check its permissions"
        ))
    })?;
    Walk {
        reader: BufReader::with_capacity(1 << 16, file),
        at: 0,
        size: metadata.len(),
    }
    .survey()
    .map_err(|problem| LoadError::WrongFile(format!("the model file {shown} {problem}")))
}

/// As [`survey`], of which it returns the shape.
///
/// # Errors
/// As [`survey`].
pub fn check(path: &Path) -> Result<ModelShape, LoadError> {
    survey(path).map(|survey| survey.shape)
}

/// Checks a model in memory, which errors call `name`.
///
/// # Errors
/// [`LoadError::WrongFile`], as [`survey`].
pub fn survey_bytes(bytes: &[u8], name: &str) -> Result<Survey, LoadError> {
    Walk {
        reader: BufReader::new(Cursor::new(bytes)),
        at: 0,
        size: bytes.len() as u64,
    }
    .survey()
    .map_err(|problem| LoadError::WrongFile(format!("the model {name} {problem}")))
}

struct Walk<R> {
    reader: BufReader<R>,
    at: u64,
    size: u64,
}

const AGAIN: &str = "Download or convert it again";

impl<R: Read + Seek> Walk<R> {
    fn survey(&mut self) -> Result<Survey, String> {
        if self.size == 0 {
            return Err(format!("is empty. {AGAIN}"));
        }
        let magic = self.u32("the magic number")?;
        if magic != MAGIC {
            return Err(format!(
                "is not a ggml Whisper model: it {}. Give a file made for whisper.cpp (ggml-*.bin)",
                what_is(magic)
            ));
        }
        let mut numbers = [0_i32; 11];
        for n in &mut numbers {
            *n = self.i32("the hyper-parameters")?;
        }
        let [
            n_vocab,
            n_audio_ctx,
            n_audio_state,
            n_audio_head,
            n_audio_layer,
            ..,
        ] = numbers;
        let [
            ..,
            n_text_ctx,
            n_text_state,
            n_text_head,
            n_text_layer,
            n_mels,
            ftype,
        ] = numbers;
        let shape = ModelShape {
            n_vocab,
            n_audio_ctx,
            n_audio_state,
            n_audio_head,
            n_audio_layer,
            n_text_ctx,
            n_text_state,
            n_text_head,
            n_text_layer,
            n_mels,
            ftype: ftype % QUANTISATION_FACTOR,
        };
        check_shape(&shape)?;
        self.filters(&shape)?;
        self.vocabulary(&shape)?;
        let weights = self.tensors(&shape)?;
        Ok(Survey { shape, weights })
    }

    fn filters(&mut self, shape: &ModelShape) -> Result<(), String> {
        let mels = self.i32("the mel filters")?;
        let bins = self.i32("the mel filters")?;
        // 201 = 400 / 2 + 1 bins of whisper's 400-point transform.
        if mels != shape.n_mels || bins != 201 {
            return Err(format!(
                "is damaged: its mel filters are {mels} × {bins}, expected {} × 201. {AGAIN}",
                shape.n_mels
            ));
        }
        self.skip(mels as u64 * bins as u64 * 4, "the mel filters")
    }

    fn vocabulary(&mut self, shape: &ModelShape) -> Result<(), String> {
        let n = self.i32("the vocabulary")?;
        if n < 1 || n > shape.n_vocab {
            return Err(format!(
                "is damaged: it holds {n} tokens, expected 1 to {}. {AGAIN}",
                shape.n_vocab
            ));
        }
        for _ in 0..n {
            let length = self.u32("the vocabulary")?;
            // The longest token of OpenAI's vocabularies has 128 bytes.
            if length > 1024 {
                return Err(format!(
                    "is damaged: a token of {length} bytes in its vocabulary. {AGAIN}"
                ));
            }
            self.skip(u64::from(length), "the vocabulary")?;
        }
        Ok(())
    }

    /// Their bytes.
    fn tensors(&mut self, shape: &ModelShape) -> Result<u64, String> {
        let (rest, encoder, decoder) = TENSORS;
        let expected = rest + encoder * shape.n_audio_layer as u64 + decoder * shape.n_text_layer as u64;
        let (mut found, mut values, mut weights) = (0_u64, 0_u64, 0_u64);
        while self.at < self.size {
            if found == expected {
                return Err(format!(
                    "goes on for {} bytes behind its {expected} tensors: it is damaged, or of another architecture. \
                     {AGAIN}",
                    self.size - self.at
                ));
            }
            let dimensions = self.i32("a tensor's header")?;
            let name_length = self.i32("a tensor's header")?;
            let kind = self.i32("a tensor's header")?;
            if !(1..=4).contains(&dimensions) || !(1..=128).contains(&name_length) {
                return Err(format!("is damaged behind its tensor {found}. {AGAIN}"));
            }
            let mut elements = 1_u64;
            let mut row = 1_u64;
            for d in 0..dimensions {
                let n = self.i32("a tensor's header")?;
                if n < 1 {
                    return Err(format!(
                        "is damaged: its tensor {found} has a dimension of {n}. {AGAIN}"
                    ));
                }
                if d == 0 {
                    row = n as u64;
                }
                elements = elements.saturating_mul(n as u64);
            }
            self.skip(name_length as u64, "a tensor's name")?;
            let (block, bytes) = block_of(kind).ok_or_else(|| {
                format!(
                    "holds a tensor of the unknown type {kind}: made by a newer tool, or damaged. {AGAIN}"
                )
            })?;
            if !row.is_multiple_of(block) {
                return Err(format!(
                    "is damaged: rows of {row} in its tensor {found}. {AGAIN}"
                ));
            }
            let bytes = (elements / block).saturating_mul(bytes);
            self.skip(bytes, "the weights")?;
            found += 1;
            values = values.saturating_add(elements);
            weights = weights.saturating_add(bytes);
        }
        if found != expected {
            return Err(format!(
                "holds {found} tensors, expected {expected} for its shape ({shape}): it is cut short, or of \
                 another architecture. {AGAIN}"
            ));
        }
        // whisper.cpp makes room by the hyper-parameters, whatever the tensors say.
        if values != shape.parameters() {
            return Err(format!(
                "is damaged: its tensors hold {values} values, and its shape ({shape}) makes {}. {AGAIN}",
                shape.parameters()
            ));
        }
        Ok(weights)
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        let mut bytes = [0; 4];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|_| self.short(4, what))?;
        self.at += 4;
        Ok(u32::from_le_bytes(bytes))
    }

    fn i32(&mut self, what: &str) -> Result<i32, String> {
        self.u32(what).map(u32::cast_signed)
    }

    fn skip(&mut self, n: u64, what: &str) -> Result<(), String> {
        if n > self.size - self.at {
            return Err(self.short(n, what));
        }
        self.reader
            .seek_relative(n as i64) // keeps the buffer: most steps are a few bytes
            .map_err(|e| format!("cannot be read: {e}"))?;
        self.at += n;
        Ok(())
    }

    fn short(&self, n: u64, what: &str) -> String {
        format!(
            "is cut short: it ends after {} bytes, in {what}, which need {} more. {AGAIN}",
            self.size,
            n.saturating_sub(self.size - self.at)
        )
    }
}

/// Bounds far wider than any Whisper model (large-v3: width 1280, 32 layers, 51866 tokens, 128 bands), so
/// that a damaged number cannot make whisper.cpp allocate without end.
fn check_shape(s: &ModelShape) -> Result<(), String> {
    let rows = [
        ("vocabulary", s.n_vocab, 51_864, 60_000),
        ("audio context", s.n_audio_ctx, 1, 1_500),
        ("width", s.n_audio_state, 32, 4_096),
        ("audio heads", s.n_audio_head, 1, 64),
        ("encoder layers", s.n_audio_layer, 1, 64),
        ("text context", s.n_text_ctx, 8, 448),
        ("text width", s.n_text_state, 32, 4_096),
        ("text heads", s.n_text_head, 1, 64),
        ("decoder layers", s.n_text_layer, 1, 64),
        ("mel bands", s.n_mels, 80, 128),
        ("file type", s.ftype, 0, 25),
    ];
    for (name, value, least, most) in rows {
        if !(least..=most).contains(&value) {
            return Err(format!(
                "is for another architecture, or damaged: {name} {value}, expected {least} to {most}. {AGAIN}"
            ));
        }
    }
    if s.n_audio_state != s.n_text_state
        || s.n_audio_state % s.n_audio_head != 0
        || s.n_text_state % s.n_text_head != 0
    {
        return Err(format!(
            "is for another architecture, or damaged: width {} with {} heads in the encoder, {} with {} in the \
             decoder. {AGAIN}",
            s.n_audio_state, s.n_audio_head, s.n_text_state, s.n_text_head
        ));
    }
    Ok(())
}

/// (elements, bytes) of a block of a ggml tensor type, from the type traits in ggml.c.
fn block_of(kind: i32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),      // f32
        1 => (1, 2),      // f16
        2 => (32, 18),    // q4_0
        3 => (32, 20),    // q4_1
        6 => (32, 22),    // q5_0
        7 => (32, 24),    // q5_1
        8 => (32, 34),    // q8_0
        10 => (256, 84),  // q2_K
        11 => (256, 110), // q3_K
        12 => (256, 144), // q4_K
        13 => (256, 176), // q5_K
        14 => (256, 210), // q6_K
        30 => (1, 2),     // bf16
        _ => return None,
    })
}

/// What a file with other first bytes most likely is.
pub(super) fn what_is(magic: u32) -> &'static str {
    match &magic.to_le_bytes() {
        b"GGUF" => "is a GGUF file, as language models use",
        b"PK\x03\x04" => "is a zip archive, such as a PyTorch checkpoint; convert it first",
        b"ggml" => "has its bytes in the wrong order",
        b"<!DO" | b"<htm" | b"<HTM" => "is a web page: the download brought an error page",
        b"lmgg" => "is a ggml file, as whisper.cpp takes",
        [0x08, ..] => "looks like an ONNX model",
        b"fLaC" | b"RIFF" | b"OggS" => "is a recording; is model-path swapped with the input?",
        _ => "begins with other bytes",
    }
}
