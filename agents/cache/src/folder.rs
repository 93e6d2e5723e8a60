//! The folder's layout: which generation is current, and what may be removed.
//!
//! ```text
//! lock         held while a process uses the folder
//! current      number of the current generation, replaced by rename
//! gen-<n>/     a generation; any but the current one is left over from a crash
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The paths below a cache folder.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
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

    /// The current generation's number: what `current` says, else the greatest there is, else 1.
    pub(crate) fn current(&self) -> u64 {
        let said =
            fs::read_to_string(self.dir.join("current")).ok().and_then(|text| text.trim().parse().ok());
        said.filter(|number| self.generation(*number).is_dir())
            .or_else(|| self.generations().into_iter().max())
            .unwrap_or(1)
    }

    /// Makes `number` the current generation.
    pub(crate) fn point_to(&self, number: u64) -> io::Result<()> {
        let new = self.dir.join("current.new");
        fs::write(&new, format!("{number}\n"))?;
        fs::rename(new, self.dir.join("current"))
    }

    /// Removes all generations but `number`. What cannot be removed now is tried again at the next opening.
    pub(crate) fn keep_only(&self, number: u64) {
        for other in self.generations().into_iter().filter(|other| *other != number) {
            self.remove(other);
        }
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

    fn generations(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("gen-")?.parse().ok())
            .collect()
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
    fn the_pointer_decides_and_a_lost_one_is_made_up_for() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        assert_eq!(folder.current(), 1);
        for number in [3, 4] {
            fs::create_dir(folder.generation(number)).unwrap();
        }
        assert_eq!(folder.current(), 4);
        folder.point_to(3).unwrap();
        assert_eq!(folder.current(), 3);
        fs::write(dir.path().join("current"), b"\xff").unwrap();
        assert_eq!(folder.current(), 4);
        folder.keep_only(4);
        assert_eq!(folder.generations(), [4]);
    }
}
