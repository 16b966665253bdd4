//! What waits, in its order: audio in memory up to a limit and in a file beyond it, and what stands between.

use std::collections::VecDeque;
use std::io;

use super::block::{Label, SECOND};
use super::medium::{Medium, TemporaryFile};

/// Something that comes out of a [`Store`].
#[derive(Debug, PartialEq, Eq)]
pub enum Item<T> {
    Audio(Label, Vec<u8>),
    Other(T),
}

/// A queue of audio and of others, `T`. The audio in memory is never more than the limit and the one block that is
/// being filled.
pub struct Store<T, M = TemporaryFile> {
    entries: VecDeque<Entry<T>>,
    limit: u64,
    in_memory: u64,
    in_file: u64,
    /// Where the next block goes in the file.
    file_end: u64,
    medium: M,
}

enum Entry<T> {
    Audio(Label, Place),
    Other(T),
}

enum Place {
    Memory(Vec<u8>),
    File { position: u64, length: usize },
}

impl<T, M: Medium + Default> Default for Store<T, M> {
    fn default() -> Self {
        Store::over(M::default())
    }
}

impl<T, M: Medium> Store<T, M> {
    /// An empty store that puts into `medium` what is over its limit, which is 0.
    pub fn over(medium: M) -> Self {
        Store {
            entries: VecDeque::new(),
            limit: 0,
            in_memory: 0,
            in_file: 0,
            file_end: 0,
            medium,
        }
    }

    /// Audio of more than `bytes` goes to the file. What is stored stays where it is.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Appends audio. It is joined to what it continues, up to a second.
    ///
    /// # Errors
    /// What the file says. The audio is kept, in memory.
    pub fn push_audio(&mut self, label: Label, bytes: &[u8]) -> io::Result<()> {
        self.in_memory += bytes.len() as u64;
        if let Some(Entry::Audio(first, Place::Memory(begun))) = self.entries.back_mut()
            && begun.len() + bytes.len() <= SECOND
            && first.is_continued_by(begun.len(), &label)
        {
            // Once and for all: growing by halves would leave holes of the sizes in between.
            begun.reserve_exact(SECOND - begun.len());
            begun.extend_from_slice(bytes);
            *first = first.grown(begun.len());
            return Ok(());
        }
        let closed = self.close_block();
        self.entries
            .push_back(Entry::Audio(label, Place::Memory(bytes.to_vec())));
        closed
    }

    /// Appends another thing.
    ///
    /// # Errors
    /// As [`Store::push_audio`].
    pub fn push(&mut self, other: T) -> io::Result<()> {
        let closed = self.close_block();
        self.entries.push_back(Entry::Other(other));
        closed
    }

    /// The block at the end grows no more: what it does not fill is freed, and over the limit it leaves memory.
    fn close_block(&mut self) -> io::Result<()> {
        let Some(Entry::Audio(_, place)) = self.entries.back_mut() else {
            return Ok(());
        };
        let Place::Memory(bytes) = place else {
            return Ok(());
        };
        if self.in_memory <= self.limit {
            bytes.shrink_to_fit();
            return Ok(());
        }
        let length = bytes.len();
        self.medium.write_at(self.file_end, bytes)?;
        *place = Place::File {
            position: self.file_end,
            length,
        };
        self.file_end += length as u64;
        self.in_file += length as u64;
        self.in_memory -= length as u64;
        Ok(())
    }

    /// Takes what came first.
    ///
    /// # Errors
    /// What the file says; that block of audio is lost.
    pub fn pop(&mut self) -> io::Result<Option<Item<T>>> {
        Ok(match self.entries.pop_front() {
            None => None,
            Some(Entry::Other(other)) => Some(Item::Other(other)),
            Some(Entry::Audio(label, Place::Memory(bytes))) => {
                self.in_memory -= bytes.len() as u64;
                Some(Item::Audio(label, bytes))
            }
            Some(Entry::Audio(label, Place::File { position, length })) => {
                let mut bytes = vec![0; length];
                let read = self.medium.read_at(position, &mut bytes);
                self.in_file -= length as u64;
                if self.in_file == 0 {
                    self.medium.clear();
                    self.file_end = 0;
                }
                read?;
                Some(Item::Audio(label, bytes))
            }
        })
    }

    /// Forgets all and frees memory and file.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.in_memory = 0;
        self.in_file = 0;
        self.file_end = 0;
        self.medium.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of audio that wait.
    pub fn bytes(&self) -> u64 {
        self.in_memory + self.in_file
    }

    /// Bytes of audio that wait in the file.
    #[cfg(test)]
    pub fn bytes_in_file(&self) -> u64 {
        self.in_file
    }
}
