//! The seal of a generation that was closed in good order: the digest of every file.
//!
//! The store below notices most damage by itself, some only by a panic, and a lost end of its log not at all: an older
//! value comes back. So a generation is sealed when it is closed, and a seal that does not fit condemns it before it is
//! opened. After a kill there is no seal: then the store's own recovery is trusted, and the checksum of every value.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

const NAME: &str = "seal";
/// Largest file that is sealed as a whole; of a larger one, this much of its start and of its end.
const SEALED_BYTES: u64 = 32 * 1024 * 1024;

/// What the seal says of a generation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// Every file is as it was when the generation was closed.
    Whole,
    /// There is no seal: the generation is new, or its process was killed.
    None,
    /// Some file is not as it was.
    Broken,
}

/// Compares the generation in `dir` with its seal, and takes the seal off: it is about to be changed.
pub(crate) fn take(dir: &Path) -> Seal {
    let Ok(sealed) = fs::read_to_string(dir.join(NAME)) else {
        // Bytes that are not text are no seal of ours.
        return if dir.join(NAME).exists() { Seal::Broken } else { Seal::None };
    };
    let whole = lines(dir).is_ok_and(|lines| lines == sealed);
    match (whole, fs::remove_file(dir.join(NAME))) {
        (true, Ok(())) => Seal::Whole,
        _ => Seal::Broken,
    }
}

/// Seals the generation in `dir`, which has been closed.
pub(crate) fn put(dir: &Path) -> io::Result<()> {
    let new = dir.join("seal.new");
    fs::write(&new, lines(dir)?)?;
    fs::rename(new, dir.join(NAME))
}

/// One line a file, sorted: its name, its length, its digest.
fn lines(dir: &Path) -> io::Result<String> {
    let mut found = BTreeMap::new();
    collect(dir, "", &mut found)?;
    Ok(found.into_iter().map(|(name, (len, digest))| format!("{name} {len} {digest}\n")).collect())
}

fn collect(dir: &Path, prefix: &str, found: &mut BTreeMap<String, (u64, blake3::Hash)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), found)?;
        } else if name != NAME && name != "seal.new" {
            found.insert(name, digest(&entry.path())?);
        }
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<(u64, blake3::Hash)> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader((&mut file).take(SEALED_BYTES))?;
    if len > SEALED_BYTES {
        file.seek(SeekFrom::Start(len.saturating_sub(SEALED_BYTES).max(SEALED_BYTES)))?;
        hasher.update_reader(file.take(SEALED_BYTES))?;
    }
    Ok((len, hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_notices_every_change_and_is_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("blobs")).unwrap();
        file("db", "some bytes");
        file("blobs/1", "more");
        assert_eq!(take(dir.path()), Seal::None);
        let changes: [&dyn Fn(); 4] =
            [&|| file("db", "some bytez"), &|| file("blobs/1", ""), &|| file("blobs/2", ""), &|| {
                fs::remove_file(dir.path().join("db")).unwrap()
            }];
        for change in changes {
            put(dir.path()).unwrap();
            assert_eq!(take(dir.path()), Seal::Whole);
            assert_eq!(take(dir.path()), Seal::None);
            put(dir.path()).unwrap();
            change();
            assert_eq!(take(dir.path()), Seal::Broken);
        }
    }
}
