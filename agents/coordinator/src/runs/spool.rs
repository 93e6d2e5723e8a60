//! Rows kept in the order in which they came.

use std::{io, path::Path, sync::Arc};

use super::{
    Row,
    file::{RunFile, RunReader, RunWriter},
};

/// Collects rows; the first ones stay in memory, what goes past the budget goes to a file.
pub(crate) struct Spool<T> {
    tmp: Arc<Path>,
    budget: usize,
    weight: usize,
    memory: Vec<T>,
    writer: Option<RunWriter>,
}

impl<T: Row> Spool<T> {
    /// An empty spool that spills into `tmp` past `budget` bytes.
    pub(crate) fn new(tmp: &Arc<Path>, budget: usize) -> Self {
        Self { tmp: Arc::clone(tmp), budget, weight: 0, memory: Vec::new(), writer: None }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: T) -> io::Result<()> {
        if let Some(writer) = &mut self.writer {
            return writer.write(&row);
        }
        self.weight += row.weight();
        self.memory.push(row);
        if self.weight > self.budget {
            self.writer = Some(RunWriter::create(&self.tmp)?);
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn finish(self) -> io::Result<Spooled<T>> {
        let file = self.writer.map(RunWriter::finish).transpose()?;
        Ok(Spooled { memory: self.memory, file })
    }
}

/// Rows in the order in which they came.
#[derive(Debug)]
pub(crate) struct Spooled<T> {
    memory: Vec<T>,
    file: Option<RunFile>,
}

impl<T: Row> Spooled<T> {
    /// The rows, by value.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = io::Result<T>> {
        let file: Option<RunReader<T>> = self.file.map(|file| file.read());
        self.memory.into_iter().map(Ok).chain(file.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in_whether_they_fit_or_not() {
        let tmp: Arc<Path> = std::env::temp_dir().into();
        for budget in [0, 100, 1_000_000] {
            let mut spool = Spool::new(&tmp, budget);
            let rows: Vec<(u32, String)> = (0..50).rev().map(|number| (number, "y".repeat(5))).collect();
            for row in &rows {
                spool.push(row.clone()).unwrap();
            }
            let read: Vec<_> = spool.finish().unwrap().into_rows().map(Result::unwrap).collect();
            assert_eq!(read, rows);
        }
    }
}
