//! Frames: a head that says how long the rest is, and bounds that no length may pass.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first bytes of every frame.
const MAGIC: [u8; 3] = *b"SCR";
/// Of the frames and messages; raised with every change of either. It follows the magic.
pub const VERSION: u8 = 3;
/// Bytes of a head: magic, version, then the lengths of message and audio in bytes, 32 bits each, little-endian.
pub const HEAD: usize = 12;
/// Bytes of a message at most. The longest is what speaker models say of the largest batch: 256 windows of 10 s with
/// 589 frames of 3 scores and 3 embeddings of 512 values take 3.4 MB. A hypothesis has 448 tokens of some 30 bytes.
pub const MOST_MESSAGE: usize = 16 << 20;
/// Bytes of audio at most: the largest batch of the diarizer, 256 windows of 10 s, which are 164 MB.
pub const MOST_AUDIO: usize = 160 << 20;

/// Why bytes are no frame, or something is too long for one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProtocolError {
    /// The first bytes are somebody else's.
    #[error("a frame begins with {0:02x?}: that is no scribe-worker, or its standard output is mixed in")]
    Foreign([u8; 3]),
    /// Another version of this format.
    #[error(
        "the protocol's version is {0}, expected {VERSION}: plugin and scribe-worker are of different releases. Install \
         both from the same one"
    )]
    Version(u8),
    /// More than a message or a window can have.
    #[error("{what} of {bytes} bytes, at most {most} are allowed")]
    TooLong {
        /// "a message" or "audio".
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// The input ends within a frame.
    #[error("the connection ends in the middle of a frame")]
    CutShort,
    /// The message is none of this version's.
    #[error("a message cannot be read: {0}")]
    Malformed(String),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(String),
}

impl From<io::Error> for ProtocolError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ProtocolError::CutShort,
            _ => ProtocolError::Connection(error.to_string()),
        }
    }
}

/// A message and the audio that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame<T> {
    /// The message.
    pub message: T,
    /// Samples; empty for most messages.
    pub audio: Vec<f32>,
}

/// The frame of `message` with the samples of `audio` one behind the other.
///
/// # Errors
/// [`ProtocolError::TooLong`], or [`ProtocolError::Malformed`] where the message holds a path that is no UTF-8.
pub fn encode<T: Serialize>(message: &T, audio: &[&[f32]]) -> Result<Vec<u8>, ProtocolError> {
    let message = postcard::to_stdvec(message).map_err(|e| ProtocolError::Malformed(e.to_string()))?;
    let samples: usize = audio.iter().map(|part| part.len()).sum();
    let head = Head {
        message: message.len(),
        audio: samples * size_of::<f32>(),
    };
    head.check()?;
    let mut bytes = Vec::with_capacity(HEAD + head.message + head.audio);
    bytes.extend(head.to_bytes());
    bytes.extend(message);
    for part in audio {
        bytes.extend(part.iter().flat_map(|sample| sample.to_le_bytes()));
    }
    Ok(bytes)
}

/// The next frame of `input`; `None` where it ends between two.
///
/// # Errors
/// The input is no use any more then: where the next frame begins is not known.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<Frame<T>>, ProtocolError> {
    let start = exactly(input, HEAD)?;
    let Ok(head) = <[u8; HEAD]>::try_from(start.as_slice()) else {
        return if start.is_empty() {
            Ok(None)
        } else {
            Err(ProtocolError::CutShort)
        };
    };
    let head = Head::of_bytes(&head)?;
    let message = exactly(input, head.message)?;
    let audio = exactly(input, head.audio)?;
    if message.len() < head.message || audio.len() < head.audio {
        return Err(ProtocolError::CutShort);
    }
    let (message, rest) =
        postcard::take_from_bytes(&message).map_err(|e| ProtocolError::Malformed(e.to_string()))?;
    if !rest.is_empty() {
        return Err(ProtocolError::Malformed(format!(
            "{} bytes are left over",
            rest.len()
        )));
    }
    let (samples, _) = audio.as_chunks::<4>(); // the head's length is a multiple of 4
    Ok(Some(Frame {
        message,
        audio: samples.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    }))
}

/// `length` bytes, or fewer at the end of the input. Memory is taken as they come, whatever was announced.
fn exactly(input: &mut impl Read, length: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut bytes = Vec::new();
    input.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Lengths in bytes.
struct Head {
    message: usize,
    audio: usize,
}

impl Head {
    fn check(&self) -> Result<(), ProtocolError> {
        for (what, bytes, most) in [
            ("a message", self.message, MOST_MESSAGE),
            ("audio", self.audio, MOST_AUDIO),
        ] {
            if bytes > most {
                return Err(ProtocolError::TooLong { what, bytes, most });
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = VERSION;
        // Checked: both are far below 4 GiB.
        bytes[4..8].copy_from_slice(&(self.message as u32).to_le_bytes());
        bytes[8..].copy_from_slice(&(self.audio as u32).to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; HEAD]) -> Result<Self, ProtocolError> {
        let [a, b, c, version, m0, m1, m2, m3, a0, a1, a2, a3] = *bytes;
        if [a, b, c] != MAGIC {
            return Err(ProtocolError::Foreign([a, b, c]));
        }
        if version != VERSION {
            return Err(ProtocolError::Version(version));
        }
        let head = Head {
            message: u32::from_le_bytes([m0, m1, m2, m3]) as usize,
            audio: u32::from_le_bytes([a0, a1, a2, a3]) as usize,
        };
        head.check()?;
        if !head.audio.is_multiple_of(size_of::<f32>()) {
            return Err(ProtocolError::Malformed(format!(
                "{} bytes of audio are no whole samples",
                head.audio
            )));
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Text = Vec<String>;

    fn frame(texts: &[&str], audio: &[f32]) -> Vec<u8> {
        let texts: Text = texts.iter().map(|text| (*text).to_owned()).collect();
        encode(&texts, &[audio]).unwrap()
    }

    fn first(mut bytes: &[u8]) -> Result<Option<Frame<Text>>, ProtocolError> {
        read(&mut bytes)
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut bytes = frame(&["a", "bé"], &[]);
        bytes.extend(encode(&vec!["x".to_owned()], &[&[0.5, -1.0], &[f32::MIN_POSITIVE]]).unwrap());
        let mut input = bytes.as_slice();
        let one: Frame<Text> = read(&mut input).unwrap().unwrap();
        assert_eq!((one.message, one.audio), (vec!["a".into(), "bé".into()], vec![]));
        let two: Frame<Text> = read(&mut input).unwrap().unwrap();
        assert_eq!(two.audio, [0.5, -1.0, f32::MIN_POSITIVE]);
        assert_eq!(read::<Text>(&mut input), Ok(None));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = frame(&["one", "two"], &[0.25; 3]);
        assert_eq!(first(&[]), Ok(None));
        for length in 1..whole.len() {
            assert_eq!(first(&whole[..length]), Err(ProtocolError::CutShort), "{length}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |at: usize, bytes: &[u8]| {
            let mut frame = frame(&["text"], &[1.0]);
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            frame
        };
        let huge = u32::MAX.to_le_bytes();
        for (bytes, text) in [
            (with(0, b"GET"), "no scribe-worker"),
            (with(3, &[9]), "the protocol's version is 9, expected 3"),
            (with(4, &huge), "a message of 4294967295 bytes, at most 16777216"),
            (with(8, &huge), "audio of 4294967295 bytes, at most 167772160"),
            (with(8, &3_u32.to_le_bytes()), "no whole samples"),
            (with(HEAD, &[0]), "bytes are left over"),
            (with(HEAD, &[200]), "cannot be read"),
            (with(HEAD + 2, &[0xff]), "cannot be read"),
        ] {
            let error = first(&bytes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        let long = vec!["x".repeat(MOST_MESSAGE)];
        assert!(matches!(encode(&long, &[]), Err(ProtocolError::TooLong { .. })));
        let audio = vec![0.0; MOST_AUDIO / 4 + 1];
        assert!(matches!(
            encode(&(), &[&audio]),
            Err(ProtocolError::TooLong { .. })
        ));
    }

    /// Gives out `left` zeros and says how many were taken.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            self.0 += buffer.len();
            Ok(buffer.len())
        }
    }

    #[test]
    fn no_more_is_read_than_a_head_allows() {
        let head = Head {
            message: MOST_MESSAGE,
            audio: MOST_AUDIO,
        };
        let head = head.to_bytes();
        let mut bytes = head.as_slice().chain(Endless(0));
        assert!(read::<Text>(&mut bytes).is_err());
        let (_, Endless(taken)) = bytes.into_inner();
        assert_eq!(taken, MOST_MESSAGE + MOST_AUDIO);
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_a_message(garbage in proptest::collection::vec(any::<u8>(), 0..600)) {
            // Behind a good head, so that the message is looked at, too.
            let head = Head { message: garbage.len(), audio: 0 };
            let mut bytes = head.to_bytes().to_vec();
            bytes.extend(&garbage);
            let _ = first(&garbage);
            if let Ok(found) = first(&bytes) {
                prop_assert!(found.is_some());
            }
        }
    }
}
