//! The folder's layout: which generations count, and what may be removed.
//!
//! ```text
//! lock         held while a process uses the folder
//! current      numbers of the young and the old generation, and a checksum; replaced by rename
//! gen-<n>/     a generation; any that `current` does not name is left over from a crash
//! ```
//!
//! A folder whose `current` is missing or damaged counts as empty: a guess could take an old generation for the
//! young one, and what was overwritten long ago would come back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The paths below a cache folder.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

/// The generations that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) young: u64,
    pub(crate) old: Option<u64>,
}

impl Folder {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn generation(&self, number: u64) -> PathBuf {
        self.dir.join(format!("gen-{number}"))
    }

    /// The generations that count, if all of them are there.
    pub(crate) fn current(&self) -> Option<Pointer> {
        let pointer = Pointer::parse(&fs::read_to_string(self.dir.join("current")).ok()?)?;
        pointer.numbers().all(|number| self.generation(number).is_dir()).then_some(pointer)
    }

    /// Makes `pointer` say which generations count.
    pub(crate) fn point_to(&self, pointer: Pointer) -> io::Result<()> {
        let new = self.dir.join("current.new");
        fs::write(&new, pointer.text())?;
        fs::rename(new, self.dir.join("current"))
    }

    /// Empties the folder. The pointer goes first, so that a kill in between leaves an empty folder as well.
    pub(crate) fn clear(&self) {
        if let Err(error) = fs::remove_file(self.dir.join("current"))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %self.dir.display(), %error, "cache pointer cannot be removed");
        }
        self.generations().into_iter().for_each(|number| self.remove(number));
    }

    /// Removes all generations but those of `pointer`. What cannot be removed is tried again at the next opening.
    pub(crate) fn keep_only(&self, pointer: Pointer) {
        let left_over = |number: &u64| pointer.numbers().all(|kept| kept != *number);
        self.generations().into_iter().filter(left_over).for_each(|number| self.remove(number));
    }

    /// Removes one generation.
    pub(crate) fn remove(&self, number: u64) {
        if let Err(error) = fs::remove_dir_all(self.generation(number))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %self.dir.display(), %error, "old cache generation cannot be removed");
        }
    }

    /// Bytes of a generation on disk.
    pub(crate) fn bytes(&self, number: u64) -> u64 {
        folder_bytes(&self.generation(number)).unwrap_or(0)
    }

    /// Bytes of the whole folder on disk.
    pub(crate) fn all_bytes(&self) -> u64 {
        folder_bytes(&self.dir).unwrap_or(0)
    }

    /// The greatest number that a generation has, whether it counts or not.
    pub(crate) fn greatest(&self) -> u64 {
        self.generations().into_iter().max().unwrap_or(0)
    }

    fn generations(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("gen-")?.parse().ok())
            .collect()
    }
}

impl Pointer {
    pub(crate) fn numbers(self) -> impl Iterator<Item = u64> {
        std::iter::once(self.young).chain(self.old)
    }

    fn text(self) -> String {
        let old = self.old.map_or_else(|| "-".to_owned(), |old| old.to_string());
        let said = format!("{} {old}", self.young);
        let checksum = blake3::hash(said.as_bytes()).to_hex();
        format!("{said} {checksum}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let young = words.next()?.parse().ok()?;
        let old = words.next()?.parse().ok();
        let pointer = Self { young, old };
        (pointer.text() == text).then_some(pointer)
    }
}

/// Bytes of all files in a folder, however deep; a file that vanishes meanwhile counts nothing.
fn folder_bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()).unwrap_or(0),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pointer_that_is_whole_counts() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        assert_eq!(folder.current(), None);
        for pointer in [Pointer { young: 4, old: Some(3) }, Pointer { young: 4, old: None }] {
            let _ = fs::create_dir(folder.generation(3));
            fs::create_dir(folder.generation(4)).unwrap();
            folder.point_to(pointer).unwrap();
            assert_eq!(folder.current(), Some(pointer));
            let text = fs::read(dir.path().join("current")).unwrap();
            for bit in 0..text.len() * 8 {
                let mut damaged = text.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                fs::write(dir.path().join("current"), damaged).unwrap();
                assert_eq!(folder.current(), None, "bit {bit}");
            }
            fs::write(dir.path().join("current"), text).unwrap();
            fs::remove_dir(folder.generation(4)).unwrap();
            assert_eq!(folder.current(), None);
        }
    }

    #[test]
    fn what_the_pointer_does_not_name_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        (1..=4).for_each(|number| fs::create_dir(folder.generation(number)).unwrap());
        folder.keep_only(Pointer { young: 3, old: Some(2) });
        let mut left = folder.generations();
        left.sort_unstable();
        assert_eq!((left, folder.greatest()), (vec![2, 3], 3));
        folder.clear();
        assert_eq!((folder.generations(), folder.greatest()), (vec![], 0));
    }
}
