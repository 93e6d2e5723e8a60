//! Sorted runs: rows sorted in bounded memory. What does not fit is spilled, sorted, to temporary files and merged
//! when it is read. A [`Spool`] keeps rows in the order in which they came, likewise in bounded memory.
//!
//! Temporary files have no name (the system removes them with the process, however it ends).

mod file;
mod merge;
mod spool;

use std::{cmp::Ordering, io, path::Path, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use file::{RunFile, RunWriter};
pub(crate) use merge::Sorted;
pub(crate) use spool::{Spool, Spooled};

/// Files of one sort that are merged into one before there are more.
const MAX_FILES: usize = 32;

/// A row that can be sorted and spilled.
pub(crate) trait Row: Serialize + DeserializeOwned + 'static {
    /// The order of the sort. Rows that compare equal may come out in any order: make them interchangeable.
    fn order(&self, other: &Self) -> Ordering;

    /// Roughly how many bytes the row takes in memory.
    fn weight(&self) -> usize;
}

/// Collects rows to be sorted.
#[derive(Debug)]
pub(crate) struct SortedRuns<T> {
    tmp: Arc<Path>,
    budget: usize,
    weight: usize,
    memory: Vec<T>,
    files: Vec<RunFile>,
    len: u64,
}

impl<T: Row> SortedRuns<T> {
    /// An empty collection that spills into `tmp` past `budget` bytes.
    pub(crate) fn new(tmp: &Arc<Path>, budget: usize) -> Self {
        Self { tmp: Arc::clone(tmp), budget, weight: 0, memory: Vec::new(), files: Vec::new(), len: 0 }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: T) -> io::Result<()> {
        self.weight += row.weight();
        self.len += 1;
        self.memory.push(row);
        if self.weight > self.budget { self.spill() } else { Ok(()) }
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Sorts what was added.
    pub(crate) fn finish(mut self) -> Sorted<T> {
        self.memory.sort_by(T::order);
        Sorted::new(self.files, self.memory)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.memory.sort_by(T::order);
        let mut writer = RunWriter::create(&self.tmp)?;
        for row in self.memory.drain(..) {
            writer.write(&row)?;
        }
        self.memory = Vec::new();
        self.weight = 0;
        self.files.push(writer.finish()?);
        if self.files.len() >= MAX_FILES {
            self.merge_files()?;
        }
        Ok(())
    }

    fn merge_files(&mut self) -> io::Result<()> {
        let files = std::mem::take(&mut self.files);
        let mut writer = RunWriter::create(&self.tmp)?;
        for row in Sorted::<T>::new(files, Vec::new()).into_rows()? {
            writer.write(&row?)?;
        }
        self.files.push(writer.finish()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Row for (u32, String) {
        fn order(&self, other: &Self) -> Ordering {
            self.cmp(other)
        }

        fn weight(&self) -> usize {
            self.1.len() + 32
        }
    }

    fn tmp() -> Arc<Path> {
        std::env::temp_dir().into()
    }

    #[test]
    fn rows_that_do_not_fit_are_spilled_and_merged_more_than_once() {
        let mut runs = SortedRuns::new(&tmp(), 400);
        for number in 0..2_000u32 {
            runs.push((number.wrapping_mul(2_654_435_761) % 5_000, "x".to_owned())).unwrap();
        }
        assert!(!runs.files.is_empty() && runs.files.len() < MAX_FILES);
        assert!(runs.memory.len() < 20);
        assert_eq!(runs.len(), 2_000);
        let rows: Vec<_> = runs.finish().into_rows().unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2_000);
        assert!(rows.is_sorted());
    }

    proptest! {
        #[test]
        fn any_rows_come_out_sorted_twice_over(
            rows in proptest::collection::vec((any::<u32>(), "[a-z]{0,6}"), 0..200),
            budget in 0usize..4_000,
        ) {
            let mut runs = SortedRuns::new(&tmp(), budget);
            for row in &rows {
                runs.push(row.clone()).unwrap();
            }
            let sorted = runs.finish();
            let first: Vec<_> = sorted.iter().unwrap().map(|row| (*row.unwrap()).clone()).collect();
            let second: Vec<_> = sorted.into_rows().unwrap().map(Result::unwrap).collect();
            let mut expected = rows;
            expected.sort();
            prop_assert_eq!(&first, &expected);
            prop_assert_eq!(&second, &expected);
        }
    }
}
