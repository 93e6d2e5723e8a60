//! L2: the folder, its lock, its budget and its generations.
//!
//! ```text
//! lock         held while a process uses the folder
//! gen-<n>/     the current generation: the one with the greatest number
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
};

use crate::{
    CacheError, MIN_DISK_BYTES,
    generation::{Generation, Trouble},
    stats::Counters,
};

pub(crate) use crate::generation::Found;

/// How often a folder is built anew in one process before it is left alone.
const MOST_REBUILDS: u32 = 3;

/// The folder, locked. Dropping it closes the generation, then releases the lock.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    _lock: File,
}

/// What the thread that opens the folder needs of it.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    budget: u64,
    state: RwLock<State>,
    opened: (Mutex<bool>, Condvar),
    known: Mutex<BTreeMap<&'static str, Known>>,
}

/// What is known of a named cache.
#[derive(Debug)]
struct Known {
    most_bytes: u64,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    number: u64,
    rebuilds: u32,
    generation: Option<Generation>,
}

impl Disk {
    pub(crate) fn open(dir: &Path, budget: u64) -> Result<Arc<Self>, CacheError> {
        let io = |doing, source| CacheError::Io { doing, dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(|source| io("make", source))?;
        let lock = File::create(dir.join("lock")).map_err(|source| io("lock", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CacheError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock", source)),
        }
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            budget: budget.max(MIN_DISK_BYTES),
            state: RwLock::new(State { number: 0, rebuilds: 0, generation: None }),
            opened: (Mutex::new(false), Condvar::new()),
            known: Mutex::default(),
        });
        shared.start();
        Ok(Arc::new(Self { shared, _lock: lock }))
    }

    pub(crate) fn register(&self, name: &'static str, most_bytes: u64, counters: &Arc<Counters>) {
        let counters = Arc::clone(counters);
        self.shared.known().insert(name, Known { most_bytes, counters });
    }

    pub(crate) fn get(&self, name: &str, key: &[u8]) -> Found {
        self.shared.call(|generation| generation.get(name, key)).unwrap_or(Found::Nothing)
    }

    /// `false`: the key or the value is too large for the disk.
    pub(crate) fn put(&self, name: &str, key: &[u8], stamp: u64, value: &[u8]) -> bool {
        self.shared.call(|generation| generation.put(name, key, stamp, value)).unwrap_or(true)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) {
        self.shared.call(|generation| generation.remove(name, key));
    }

    pub(crate) fn keys_after(&self, name: &str, after: Option<&[u8]>, most: usize) -> Vec<Vec<u8>> {
        let listed = self.shared.call(|generation| generation.list(name, after, most)).unwrap_or_default();
        listed.into_iter().map(|entry| entry.key).collect()
    }

    pub(crate) fn clear(&self, name: Option<&str>) {
        let names = match name {
            Some(name) => vec![name.to_owned()],
            None => self.shared.call(Generation::names).unwrap_or_default(),
        };
        for name in names {
            for key in self.keys_after(&name, None, usize::MAX) {
                self.remove(&name, &key);
            }
        }
    }

    pub(crate) fn flush(&self) {
        self.shared.call(Generation::flush);
    }

    pub(crate) fn bytes(&self) -> u64 {
        folder_bytes(&self.shared.dir).unwrap_or(0)
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the newest generation in the background.
    fn start(self: &Arc<Self>) {
        let disk = Arc::clone(self);
        let opener = thread::Builder::new().name("quire-cache".into());
        if opener.spawn(move || disk.open_newest()).is_err() {
            self.open_newest();
        }
    }

    fn open_newest(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.number = 1;
        let dir = self.dir.join(format!("gen-{}", state.number));
        state.generation = Generation::open(&dir).ok();
        drop(state);
        *self.opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.1.notify_all();
    }

    fn wait_until_opened(&self) {
        let mut opened = self.opened.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*opened {
            opened = self.opened.1.wait(opened).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs `call` on the current generation; trouble starts a new one.
    fn call<T>(&self, call: impl FnOnce(&Generation) -> Result<T, Trouble>) -> Option<T> {
        self.wait_until_opened();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match call(state.generation.as_ref()?) {
            Ok(value) => Some(value),
            Err(trouble) => {
                let number = state.number;
                drop(state);
                self.replace(number, &trouble);
                None
            }
        }
    }

    fn replace(&self, number: u64, trouble: &Trouble) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.number != number {
            return;
        }
        tracing::warn!(dir = %self.dir.display(), error = trouble as &dyn std::error::Error, "cache folder is built anew");
        if let Some(generation) = state.generation.take() {
            generation.leak();
        }
        let _ = fs::remove_dir_all(self.dir.join(format!("gen-{number}")));
        state.number += 1;
        state.rebuilds += 1;
        if state.rebuilds <= MOST_REBUILDS {
            state.generation = Generation::open(&self.dir.join(format!("gen-{}", state.number))).ok();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.wait_until_opened();
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = state.generation.take() {
            let _ = generation.close();
        }
    }
}

/// Bytes of all files in a folder, however deep.
fn folder_bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
