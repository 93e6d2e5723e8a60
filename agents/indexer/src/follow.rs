//! Brings the index of a catalogue to a manifest: the difference by key, in one commit.
//!
//! Chunks that both manifests have are not even read. In the others, the keys that the index has are walked beside
//! the manifest's rows, both in order. An index that is missing, damaged, of another version or made with other
//! fields is built anew from the manifest: it holds nothing that the manifest does not.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use quire_proto::{
    Digest, PackSlice,
    manifest::{Chunk, Manifest},
};
use quire_runtime::{Store, manifests};
use tantivy::Term;

use crate::{
    IndexError,
    files::{create, open},
    old::{OldKeys, ranges_without},
    rows::{self, EntryRow},
    schema::{FieldSpec, Fields},
    state::{ChunkRef, Followed, State},
    writer::{Writer, update_writer},
};

/// What following did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Whether the index was built anew.
    pub rebuilt: bool,
    /// Documents written.
    pub written: u64,
    /// Keys removed.
    pub removed: u64,
}

/// Brings the index in `dir` to the newest manifest of `catalogue`; without a manifest there is nothing to do.
///
/// # Errors
/// [`IndexError::Busy`] while another process does so; otherwise if the store or the folder cannot be used. A damaged
/// index is no error: it is built anew.
pub fn follow(store: &Store, dir: &Path, catalogue: &str) -> Result<Applied, IndexError> {
    follow_while(store, dir, catalogue, &|| true)
}

/// As [`follow`], as long as `go_on` says so: it is asked before every chunk of rows.
///
/// # Errors
/// As [`follow`], and [`IndexError::Stopped`].
pub fn follow_while(
    store: &Store,
    dir: &Path,
    catalogue: &str,
    go_on: &dyn Fn() -> bool,
) -> Result<Applied, IndexError> {
    match manifests::newest(store, catalogue)? {
        Some((manifest, digest)) => apply_while(store, dir, &manifest, &digest, go_on),
        None => Ok(Applied::default()),
    }
}

/// Has the next [`follow`] build the index in `dir` anew: queries have found it damaged.
///
/// # Errors
/// [`IndexError::Io`].
pub fn distrust(dir: &Path) -> Result<(), IndexError> {
    State::remove(dir).map_err(|source| IndexError::Io { doing: "distrust", source })
}

/// Brings the index in `dir` to `manifest`, whose bytes have the digest `digest`.
///
/// # Errors
/// As [`follow`].
pub fn apply(store: &Store, dir: &Path, manifest: &Manifest, digest: &Digest) -> Result<Applied, IndexError> {
    apply_while(store, dir, manifest, digest, &|| true)
}

fn apply_while(
    store: &Store,
    dir: &Path,
    manifest: &Manifest,
    digest: &Digest,
    go_on: &dyn Fn() -> bool,
) -> Result<Applied, IndexError> {
    let _lock = lock(dir)?;
    let target = Target { store, dir, manifest, digest, fields: Fields::new(), go_on };
    match catch_unwind(AssertUnwindSafe(|| target.update())) {
        Ok(Ok(applied)) => return Ok(applied),
        Ok(Err(error)) if !error.is_damage() => return Err(error),
        Ok(Err(IndexError::Missing(_))) => {}
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(dir = %dir.display(), error, "search index is damaged and is built anew");
        }
        Err(_) => tracing::warn!(dir = %dir.display(), "search index is damaged and is built anew"),
    }
    target.rebuild()
}

/// Where to bring which index.
struct Target<'a> {
    store: &'a Store,
    dir: &'a Path,
    manifest: &'a Manifest,
    digest: &'a Digest,
    fields: Fields,
    go_on: &'a dyn Fn() -> bool,
}

impl Target<'_> {
    /// Applies the difference to the index that is there.
    fn update(&self) -> Result<Applied, IndexError> {
        let missing = || IndexError::Missing(self.dir.to_owned());
        let state = State::read(self.dir).ok_or_else(missing)?;
        let index = open(self.dir, &self.fields)?;
        if !state.fits(self.dir, &index) {
            return Err(missing());
        }
        if state.manifest == *self.digest {
            return Ok(Applied::default());
        }
        let specs = self.specs(&state)?;
        if state.fields != specs
            || state.basis != self.basis()
            || state.catalogue != self.manifest.catalogue.name
        {
            return Err(missing());
        }
        let new: BTreeSet<PackSlice> = self.manifest.entries.iter().map(|chunk| chunk.rows).collect();
        let old: BTreeSet<PackSlice> = state.chunks.iter().map(|chunk| chunk.rows).collect();
        if new == old {
            self.write_state(&index, specs)?;
            return Ok(Applied::default());
        }
        let ranges = ranges_without(&state.chunks, |chunk| new.contains(&chunk.rows));
        let mut old_keys = OldKeys::new(&index, &self.fields, ranges).map_err(failed("read"))?;
        let mut writer = update_writer(&index).map_err(failed("write"))?;
        let changed = self.manifest.entries.iter().filter(|chunk| !old.contains(&chunk.rows));
        let applied = self.merge(changed, &mut old_keys, &mut writer, &specs)?;
        if applied != Applied::default() {
            writer.finish().map_err(failed("commit"))?;
        }
        self.write_state(&index, specs)?;
        Ok(applied)
    }

    /// Walks the rows of `chunks` beside the old keys, both in order.
    fn merge<'c>(
        &self,
        chunks: impl Iterator<Item = &'c Chunk>,
        old: &mut OldKeys,
        writer: &mut Writer,
        specs: &[FieldSpec],
    ) -> Result<Applied, IndexError> {
        let mut applied = Applied::default();
        for chunk in chunks {
            for row in self.rows(chunk)? {
                let key = &row.record.key;
                while let Some(gone) = old.peek().map_err(failed("read"))?.filter(|old| old.key < *key) {
                    writer.delete(Term::from_field_text(self.fields.key, &gone.key));
                    applied.removed += 1;
                    old.take();
                }
                let known =
                    old.peek().map_err(failed("read"))?.filter(|old| old.key == *key).map(|old| old.print);
                if known.is_some() {
                    old.take();
                }
                if known != Some(row.print(&self.basis())) {
                    writer.delete(Term::from_field_text(self.fields.key, key));
                    self.add(&row, writer, specs)?;
                    applied.written += 1;
                }
            }
        }
        while let Some(gone) = old.peek().map_err(failed("read"))? {
            writer.delete(Term::from_field_text(self.fields.key, &gone.key));
            applied.removed += 1;
            old.take();
        }
        Ok(applied)
    }

    /// Makes the index from nothing but the manifest.
    fn rebuild(&self) -> Result<Applied, IndexError> {
        clear(self.dir).map_err(|source| IndexError::Io { doing: "clear", source })?;
        let specs = rows::fields(self.store, &self.manifest.catalogue)?;
        let count = self.manifest.entries.iter().map(|chunk| u64::from(chunk.count)).sum();
        let mut writer = create(self.dir, &self.fields, count)?;
        for chunk in &self.manifest.entries {
            for row in self.rows(chunk)? {
                self.add(&row, &mut writer, &specs)?;
            }
        }
        let index = writer.finish().map_err(failed("commit"))?;
        self.write_state(&index, specs)?;
        Ok(Applied { rebuilt: true, written: count, removed: 0 })
    }

    /// The rows of a chunk, unless it is time to stop.
    fn rows(&self, chunk: &Chunk) -> Result<Vec<EntryRow>, IndexError> {
        if (self.go_on)() { rows::rows(self.store, chunk) } else { Err(IndexError::Stopped) }
    }

    fn add(&self, row: &EntryRow, writer: &mut Writer, specs: &[FieldSpec]) -> Result<(), IndexError> {
        let document = rows::document(self.store, row)?;
        let made = self
            .fields
            .document(specs, &row.record, &document, row.print(&self.basis()))
            .map_err(|source| IndexError::Decode { what: "a row", source })?;
        writer.add(made).map_err(failed("write"))
    }

    /// The fields, without compiling the catalogue while nothing that documents depend on has changed.
    fn specs(&self, state: &State) -> Result<Vec<FieldSpec>, IndexError> {
        if state.basis == self.basis() && self.manifest.basis.index.is_some() {
            return Ok(state.fields.clone());
        }
        rows::fields(self.store, &self.manifest.catalogue)
    }

    /// Digest of what documents depend on besides the record.
    fn basis(&self) -> Digest {
        self.manifest.basis.index.unwrap_or(self.manifest.catalogue.bundle)
    }

    fn write_state(&self, index: &tantivy::Index, fields: Vec<FieldSpec>) -> Result<(), IndexError> {
        let chunk = |chunk: &Chunk| ChunkRef { rows: chunk.rows, last: chunk.last.clone() };
        let followed = Followed {
            catalogue: self.manifest.catalogue.name.clone(),
            epoch: self.manifest.epoch,
            manifest: *self.digest,
            basis: self.basis(),
            chunks: self.manifest.entries.iter().map(chunk).collect(),
            fields,
        };
        let written = State::write(self.dir, index, followed);
        written.map(drop).map_err(|source| IndexError::Io { doing: "write the state of", source })
    }
}

fn failed(doing: &'static str) -> impl Fn(tantivy::TantivyError) -> IndexError {
    move |source| IndexError::Index { doing, source }
}

fn lock(dir: &Path) -> Result<File, IndexError> {
    let io = |source| IndexError::Io { doing: "lock", source };
    fs::create_dir_all(dir).map_err(io)?;
    let file = File::create(dir.join("lock")).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Busy(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Removes everything but the lock.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != "lock" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
