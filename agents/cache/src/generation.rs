//! One generation of the folder: one sled database, every call contained.
//!
//! sled answers some damage with an error and some with a panic, and a thread of its own may have died
//! unseen. So every call goes through [`contain`], and a database in trouble is [`leaked`](Generation::leak)
//! rather than dropped, because its drop waits for its threads. Whoever called starts a new generation.

use std::{
    collections::HashMap,
    io, mem,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    entry::{Head, TOMBSTONE, parse_key, stored_key},
    folder::Folder,
};

/// Memory that sled may use for pages; two generations are open at once.
const PAGE_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// How often sled writes out what was put, in milliseconds.
const FLUSH_EVERY_MS: u64 = 200;

/// How long a database may take to close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// A call into sled went wrong; the generation is not to be used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the store below reported an error")]
    Store(#[from] sled::Error),
    #[error("the store below panicked")]
    Panicked,
    #[error("the store below does not come to an end")]
    Stuck,
    #[error("a file is not as it was when the store was closed")]
    Broken,
    #[error("the folder cannot be changed")]
    Folder(#[from] io::Error),
}

/// What a look-up on disk found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Bytes whose checksum is right.
    Value {
        /// When they were put.
        stamp: u64,
        /// The encoded value.
        bytes: Vec<u8>,
    },
    /// Nothing under that key.
    Nothing,
    /// Something that says that the key was removed.
    Removed,
    /// Something damaged.
    Damaged,
}

/// What was under a key before it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    Tombstone,
    Value,
}

/// A key, and whether it was removed.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) key: Vec<u8>,
    pub(crate) removed: bool,
}

/// A cache's part of the database.
#[derive(Debug, Clone)]
struct Part {
    tree: sled::Tree,
    /// Entries that came since the database was opened and that no other generation has taken over.
    count: Arc<AtomicU64>,
}

/// An open database.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    db: sled::Db,
    parts: Mutex<HashMap<String, Part>>,
}

impl Generation {
    pub(crate) fn open(folder: &Folder, number: u64) -> Result<Self, Trouble> {
        let db = contain(|| {
            sled::Config::new()
                .path(folder.generation(number))
                .cache_capacity(PAGE_CACHE_BYTES)
                .flush_every_ms(Some(FLUSH_EVERY_MS))
                .mode(sled::Mode::LowSpace)
                .open()
        })?;
        Ok(Self { number, db, parts: Mutex::default() })
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Closes the database: everything put is written out. Its drop waits for a thread that may be dead, so
    /// this waits for the drop only so long; `false` if that did not do.
    pub(crate) fn close(self) -> bool {
        let (ended, wait) = mpsc::channel();
        let closer = thread::Builder::new().name("quire-cache-close".into()).spawn(move || {
            let closed = contain(move || {
                self.db.flush()?;
                drop(self);
                Ok(())
            });
            let _ = ended.send(closed);
        });
        let closed = closer
            .map_err(Trouble::from)
            .and_then(|_| wait.recv_timeout(CLOSE_PATIENCE).unwrap_or(Err(Trouble::Stuck)));
        if let Err(trouble) = &closed {
            tracing::warn!(error = trouble as &dyn std::error::Error, "cache generation did not close well");
        }
        closed.is_ok()
    }

    /// Leaves the database and its threads to the end of the process.
    pub(crate) fn leak(self) {
        mem::forget(self);
    }

    pub(crate) fn flush(&self) -> Result<(), Trouble> {
        contain(|| self.db.flush().map(drop))
    }

    pub(crate) fn get(&self, name: &str, key: &[u8]) -> Result<Found, Trouble> {
        let part = self.part(name)?;
        contain(|| read(&part.tree, name, key))
    }

    pub(crate) fn has(&self, name: &str, key: &[u8]) -> Result<bool, Trouble> {
        let part = self.part(name)?;
        let (before, _) = contain(|| stored(&part.tree, key))?;
        Ok(before == Before::Value)
    }

    /// Keeps the pieces of a value, or a tombstone.
    pub(crate) fn put(&self, name: &str, key: &[u8], pieces: Vec<Vec<u8>>) -> Result<Before, Trouble> {
        let part = self.part(name)?;
        let is_value = pieces.first().is_some_and(|piece| piece != TOMBSTONE);
        let before = contain(|| write(&part.tree, key, pieces))?;
        match (before == Before::Value, is_value) {
            (false, true) => part.add(),
            (true, false) => part.subtract(),
            _ => {}
        }
        Ok(before)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) -> Result<(), Trouble> {
        let part = self.part(name)?;
        if contain(|| remove(&part.tree, key))? == Before::Value {
            part.subtract();
        }
        Ok(())
    }

    /// Up to `most` keys after `after`, sorted.
    pub(crate) fn list(&self, name: &str, after: Option<&[u8]>, most: usize) -> Result<Vec<Listed>, Trouble> {
        let part = self.part(name)?;
        contain(|| {
            let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(stored_key(key, 0)));
            let mut listed = Vec::new();
            for entry in part.tree.range((from, Bound::Unbounded)) {
                let (stored, piece) = entry?;
                if let Some((key, 0)) = parse_key(&stored) {
                    listed.push(Listed { key: key.to_vec(), removed: piece == TOMBSTONE });
                    if listed.len() == most {
                        break;
                    }
                }
            }
            Ok(listed)
        })
    }

    /// One entry less: another generation has it now, or what replaces it.
    pub(crate) fn uncount(&self, name: &str) -> Result<(), Trouble> {
        self.part(name)?.subtract();
        Ok(())
    }

    /// How many entries go with this generation, by cache.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        self.parts().iter().map(|(name, part)| (name.clone(), part.count.load(Relaxed))).collect()
    }

    fn part(&self, name: &str) -> Result<Part, Trouble> {
        let mut parts = self.parts();
        if let Some(part) = parts.get(name) {
            return Ok(part.clone());
        }
        let part = Part { tree: contain(|| self.db.open_tree(name))?, count: Arc::default() };
        parts.insert(name.to_owned(), part.clone());
        Ok(part)
    }

    fn parts(&self) -> MutexGuard<'_, HashMap<String, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn add(&self) {
        self.count.fetch_add(1, Relaxed);
    }

    /// Entries that were there when the database was opened are not counted, so there may be none left.
    fn subtract(&self) {
        let _ = self.count.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1));
    }
}

fn read(tree: &sled::Tree, name: &str, key: &[u8]) -> sled::Result<Found> {
    let Some(piece) = tree.get(stored_key(key, 0))? else { return Ok(Found::Nothing) };
    if piece == TOMBSTONE {
        return Ok(Found::Removed);
    }
    let Some((head, first)) = Head::read(&piece) else { return Ok(Found::Damaged) };
    let mut bytes = Vec::with_capacity(head.len);
    bytes.extend_from_slice(first);
    for number in 1..head.pieces() {
        match tree.get(stored_key(key, number))? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return Ok(Found::Damaged),
        }
    }
    if !head.fits(name, key, &bytes) {
        return Ok(Found::Damaged);
    }
    Ok(Found::Value { stamp: head.stamp, bytes })
}

/// What is under `key`, and in how many pieces.
fn stored(tree: &sled::Tree, key: &[u8]) -> sled::Result<(Before, u16)> {
    Ok(told_by(tree.get(stored_key(key, 0))?.as_deref()))
}

/// [`stored`], by piece 0.
fn told_by(piece: Option<&[u8]>) -> (Before, u16) {
    match piece {
        None => (Before::Nothing, 0),
        Some(TOMBSTONE) => (Before::Tombstone, 1),
        Some(piece) => (Before::Value, Head::read(piece).map_or(1, |(head, _)| head.pieces())),
    }
}

fn write(tree: &sled::Tree, key: &[u8], pieces: Vec<Vec<u8>>) -> sled::Result<Before> {
    let now = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
    if now == 1
        && let Some(piece) = pieces.first()
    {
        let (before, pieces) = told_by(tree.insert(stored_key(key, 0), piece.as_slice())?.as_deref());
        for number in 1..pieces {
            tree.remove(stored_key(key, number))?;
        }
        return Ok(before);
    }
    let (before, then) = stored(tree, key)?;
    let mut batch = sled::Batch::default();
    for (number, piece) in (0..now).zip(pieces) {
        batch.insert(stored_key(key, number), piece);
    }
    for number in now..then {
        batch.remove(stored_key(key, number));
    }
    tree.apply_batch(batch)?;
    Ok(before)
}

fn remove(tree: &sled::Tree, key: &[u8]) -> sled::Result<Before> {
    let (before, then) = stored(tree, key)?;
    if then == 1 {
        tree.remove(stored_key(key, 0))?;
        return Ok(before);
    }
    let mut batch = sled::Batch::default();
    for number in 0..then {
        batch.remove(stored_key(key, number));
    }
    tree.apply_batch(batch)?;
    Ok(before)
}

/// Runs `call`, which may panic: sled does so on some damage.
fn contain<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(Trouble::Panicked),
    }
}
