//! Where audio goes that is too much for memory: a temporary file without a name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes at positions, outside of memory.
pub trait Medium {
    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    /// What the system says; nothing is known of what lies behind `position` then.
    fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` with what was written at `position`.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&mut self, position: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Gives the space back: nothing written is needed any more.
    fn clear(&mut self);
}

/// A file in the system's folder for temporary files (`TMPDIR`), made at the first write. It has no name, so it is
/// gone with the process, however that ends.
#[derive(Default)]
pub struct TemporaryFile(Option<File>);

impl Medium for TemporaryFile {
    fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.0 {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(position))?;
        file.write_all(bytes)
    }

    fn read_at(&mut self, position: u64, bytes: &mut [u8]) -> io::Result<()> {
        let Some(file) = &mut self.0 else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(bytes)
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_cleared() {
        let mut file = TemporaryFile::default();
        file.write_at(0, b"abcd").unwrap();
        file.write_at(2, b"xyz").unwrap();
        let mut read = [0; 5];
        file.read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"abxyz");
        file.clear();
        assert!(file.read_at(0, &mut read).is_err());
        file.write_at(0, b"again").unwrap();
        file.read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"again");
    }
}
