//! One generation of the folder: one sled database, every call contained.
//!
//! sled answers some damage with an error and some with a panic, and a thread of its own may have died
//! unseen. So every call goes through [`contain`], and a database in trouble is [`leaked`](Generation::leak)
//! rather than dropped, because its drop waits for its threads. Whoever called starts a new generation.

use std::{
    collections::HashMap,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::entry::{Head, cut, parse_key, stored_key};

/// Memory that sled may use for pages.
const PAGE_CACHE_BYTES: u64 = 32 * 1024 * 1024;
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
    /// Something damaged, which is gone now.
    Damaged,
}

/// An entry as a rewrite sees it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) key: Vec<u8>,
    pub(crate) stamp: u64,
    pub(crate) bytes: u64,
}

/// An open database.
#[derive(Debug)]
pub(crate) struct Generation {
    db: sled::Db,
    trees: Mutex<HashMap<String, sled::Tree>>,
}

impl Generation {
    pub(crate) fn open(dir: &Path) -> Result<Self, Trouble> {
        let db = contain(|| {
            sled::Config::new()
                .path(dir)
                .cache_capacity(PAGE_CACHE_BYTES)
                .flush_every_ms(Some(FLUSH_EVERY_MS))
                .mode(sled::Mode::LowSpace)
                .open()
        })?;
        Ok(Self { db, trees: Mutex::default() })
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
        let tree = self.tree(name)?;
        contain(|| {
            // A value of several pieces may be replaced while it is read; the second look then fits.
            for _ in 0..2 {
                match read(&tree, name, key)? {
                    Found::Damaged => {}
                    found => return Ok(found),
                }
            }
            remove(&tree, key)?;
            Ok(Found::Damaged)
        })
    }

    /// `false`: the key or the value is too large.
    pub(crate) fn put(&self, name: &str, key: &[u8], stamp: u64, value: &[u8]) -> Result<bool, Trouble> {
        let tree = self.tree(name)?;
        let Some(pieces) = cut(name, key, stamp, value) else {
            contain(|| remove(&tree, key))?;
            return Ok(false);
        };
        contain(|| write(&tree, key, pieces))?;
        Ok(true)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) -> Result<(), Trouble> {
        let tree = self.tree(name)?;
        contain(|| remove(&tree, key))
    }

    /// Up to `most` keys after `after`, sorted.
    pub(crate) fn list(&self, name: &str, after: Option<&[u8]>, most: usize) -> Result<Vec<Listed>, Trouble> {
        let tree = self.tree(name)?;
        contain(|| {
            let from = after.map_or_else(Vec::new, |key| stored_key(key, u16::MAX));
            let mut listed = Vec::new();
            for entry in tree.range(from..) {
                let (stored, piece) = entry?;
                if let Some((key, 0)) = parse_key(&stored)
                    && after != Some(key)
                {
                    let (stamp, len) = Head::read(&piece).map_or((0, 0), |(head, _)| (head.stamp, head.len));
                    listed.push(Listed { key: key.to_vec(), stamp, bytes: (key.len() + len) as u64 });
                    if listed.len() == most {
                        break;
                    }
                }
            }
            Ok(listed)
        })
    }

    /// Names of the caches that ever had an entry here.
    pub(crate) fn names(&self) -> Result<Vec<String>, Trouble> {
        contain(|| {
            let default = sled::IVec::from(b"__sled__default".as_slice());
            let mut names: Vec<String> = self
                .db
                .tree_names()
                .into_iter()
                .filter(|name| *name != default)
                .filter_map(|name| String::from_utf8(name.to_vec()).ok())
                .collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    fn tree(&self, name: &str) -> Result<sled::Tree, Trouble> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(name) {
            return Ok(tree.clone());
        }
        let tree = contain(|| self.db.open_tree(name))?;
        trees.insert(name.to_owned(), tree.clone());
        Ok(tree)
    }
}

fn read(tree: &sled::Tree, name: &str, key: &[u8]) -> sled::Result<Found> {
    let Some(piece) = tree.get(stored_key(key, 0))? else { return Ok(Found::Nothing) };
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

/// How many pieces are stored under `key`.
fn stored_pieces(tree: &sled::Tree, key: &[u8]) -> sled::Result<u16> {
    let Some(piece) = tree.get(stored_key(key, 0))? else { return Ok(0) };
    Ok(Head::read(&piece).map_or(1, |(head, _)| head.pieces()))
}

fn write(tree: &sled::Tree, key: &[u8], pieces: Vec<Vec<u8>>) -> sled::Result<()> {
    let now = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
    if now == 1
        && let Some(piece) = pieces.first()
    {
        let before = tree.insert(stored_key(key, 0), piece.as_slice())?;
        let before = before.and_then(|piece| Head::read(&piece).map(|(head, _)| head.pieces()));
        for number in 1..before.unwrap_or(1) {
            tree.remove(stored_key(key, number))?;
        }
        return Ok(());
    }
    let before = stored_pieces(tree, key)?;
    let mut batch = sled::Batch::default();
    for (number, piece) in (0..now).zip(pieces) {
        batch.insert(stored_key(key, number), piece);
    }
    for number in now..before {
        batch.remove(stored_key(key, number));
    }
    tree.apply_batch(batch)
}

fn remove(tree: &sled::Tree, key: &[u8]) -> sled::Result<()> {
    let before = stored_pieces(tree, key)?;
    if before == 1 {
        return tree.remove(stored_key(key, 0)).map(drop);
    }
    let mut batch = sled::Batch::default();
    for number in 0..before {
        batch.remove(stored_key(key, number));
    }
    tree.apply_batch(batch)
}

/// Runs `call`, which may panic: sled does so on some damage.
fn contain<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(Trouble::Panicked),
    }
}
