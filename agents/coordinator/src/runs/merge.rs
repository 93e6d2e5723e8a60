//! Reading sorted runs: a k-way merge of the spilled ones and the one in memory.

use std::{borrow::Borrow, cmp::Ordering, collections::BinaryHeap, io, ops::Deref};

use super::{
    Row,
    file::{RunFile, RunReader},
};

/// Sorted rows; may be read several times.
#[derive(Debug)]
pub(crate) struct Sorted<T> {
    files: Vec<RunFile>,
    memory: Vec<T>,
}

impl<T: Row> Sorted<T> {
    pub(super) const fn new(files: Vec<RunFile>, memory: Vec<T>) -> Self {
        Self { files, memory }
    }

    /// The rows in order, by reference where they are in memory.
    pub(crate) fn iter(&self) -> io::Result<impl Iterator<Item = io::Result<Seen<'_, T>>>> {
        Merge::new(&self.files, self.memory.iter().map(Seen::Kept))
    }

    /// The rows in order, by value.
    pub(crate) fn into_rows(self) -> io::Result<impl Iterator<Item = io::Result<T>>> {
        let rows = Merge::new(&self.files, self.memory.into_iter().map(Seen::<'static, T>::Own))?;
        Ok(rows.map(|row| match row? {
            Seen::Own(row) => Ok(row),
            // Nothing is borrowed here: the memory was moved into the merge.
            Seen::Kept(_) => Err(io::ErrorKind::InvalidData.into()),
        }))
    }
}

/// A row from memory, or one that was read from a file.
#[derive(Debug)]
pub(crate) enum Seen<'a, T> {
    /// In memory.
    Kept(&'a T),
    /// Read, or moved out of memory.
    Own(T),
}

impl<T> Deref for Seen<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Kept(row) => row,
            Self::Own(row) => row,
        }
    }
}

impl<T> Borrow<T> for Seen<'_, T> {
    fn borrow(&self) -> &T {
        self
    }
}

/// Rows in order.
struct Merge<'a, T, I> {
    heap: BinaryHeap<Head<'a, T>>,
    files: Vec<RunReader<T>>,
    memory: I,
}

/// The next row of a source; the heap's greatest is the least row. Of equal rows the earlier source comes first.
struct Head<'a, T> {
    row: Seen<'a, T>,
    source: usize,
}

impl<'a, T: Row, I: Iterator<Item = Seen<'a, T>>> Merge<'a, T, I> {
    fn new(files: &[RunFile], memory: I) -> io::Result<Self> {
        let mut merge =
            Self { heap: BinaryHeap::new(), files: files.iter().map(RunFile::read).collect(), memory };
        for source in 0..merge.files.len() + usize::from(!merge.files.is_empty()) {
            if let Some(row) = merge.next_of(source)? {
                merge.heap.push(Head { row, source });
            }
        }
        Ok(merge)
    }

    /// The next row of a source: the files first, then the memory.
    fn next_of(&mut self, source: usize) -> io::Result<Option<Seen<'a, T>>> {
        match self.files.get_mut(source) {
            Some(file) => Ok(file.read()?.map(Seen::Own)),
            None => Ok(self.memory.next()),
        }
    }
}

impl<'a, T: Row, I: Iterator<Item = Seen<'a, T>>> Iterator for Merge<'a, T, I> {
    type Item = io::Result<Seen<'a, T>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.files.is_empty() {
            return self.memory.next().map(Ok);
        }
        let Head { row, source } = self.heap.pop()?;
        match self.next_of(source) {
            Ok(Some(next)) => self.heap.push(Head { row: next, source }),
            Ok(None) => {}
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(row))
    }
}

impl<T: Row> Ord for Head<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.row.order(&self.row).then(other.source.cmp(&self.source))
    }
}

impl<T: Row> PartialOrd for Head<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Row> PartialEq for Head<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Row> Eq for Head<'_, T> {}
