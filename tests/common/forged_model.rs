//! Model files that are whole in their structure and hold nothing: as large as a test wants, in a sparse file.

use std::io::{self, Seek, SeekFrom, Write};

/// What a forged model claims to be. Its vocabulary has one token, and two heads look at 80 bands.
#[derive(Clone, Copy)]
pub struct Forged {
    /// A multiple of 32.
    pub width: i32,
    /// Of the encoder, and of the decoder.
    pub layers: i32,
}

impl Forged {
    /// The smallest that may be.
    pub const SMALL: Forged = Forged { width: 32, layers: 1 };
    /// 30 thousand million values, 120 GB.
    pub const HUGE: Forged = Forged {
        width: 4096,
        layers: 64,
    };

    const VOCABULARY: i32 = 51_864;

    /// Values of all tensors, counted as OpenAI's code makes them.
    pub fn values(self) -> u64 {
        let (d, layers) = (self.width as u64, self.layers as u64);
        let linear = |rows: u64, columns: u64| rows * columns + rows;
        let attention = 3 * linear(d, d) + d * d; // the key has no bias
        let network = linear(4 * d, d) + linear(d, 4 * d);
        let norm = 2 * d;
        let encoder = 1500 * d + linear(d, 3 * 80) + linear(d, 3 * d) + norm;
        let decoder = Self::VOCABULARY as u64 * d + 448 * d + norm;
        encoder
            + decoder
            + layers * (attention + network + 2 * norm)
            + layers * (2 * attention + network + 3 * norm)
    }

    /// Writes it with tensors of the type `kind` (0: f32, 2: q4_0), whose blocks have `block` bytes and 32 values. All
    /// the values but a row for each are in the first tensor.
    pub fn write(self, out: &mut (impl Write + Seek), kind: i32, block: u64) -> io::Result<()> {
        let numbers = [
            0x6767_6d6c,
            Self::VOCABULARY,
            1500,
            self.width,
            2,
            self.layers,
            448,
            self.width,
            2,
            self.layers,
            80,
            1,
            80,
            201,
        ];
        put(out, &numbers)?;
        out.seek(SeekFrom::Current(80 * 201 * 4))?;
        put(out, &[1, 1])?;
        out.write_all(b"a")?;
        let tensors = 11 + 39 * self.layers as u64;
        let width = self.width as u64;
        for tensor in 0..tensors {
            let rows = match tensor {
                0 => self.values() / width - (tensors - 1),
                _ => 1,
            };
            put(out, &[2, 1, kind, self.width, rows as i32])?;
            out.write_all(b"t")?;
            out.seek(SeekFrom::Current((rows * width / 32 * block) as i64 - 1))?;
            out.write_all(&[0])?; // a file ends where it was written last
        }
        Ok(())
    }
}

fn put(out: &mut impl Write, numbers: &[i32]) -> io::Result<()> {
    numbers.iter().try_for_each(|n| out.write_all(&n.to_le_bytes()))
}
