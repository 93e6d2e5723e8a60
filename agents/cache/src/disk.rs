//! L2: the folder, locked, with its current generation.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File, TryLockError},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crate::{
    CacheError, MIN_DISK_BYTES,
    folder::Folder,
    generation::{Generation, Trouble},
    recent::Recent,
    rewrite::Rewriting,
    seal::{self, Seal},
    stats::Counters,
};

pub(crate) use crate::generation::Found;

/// How often a folder is built anew in one process before it is left alone.
const MOST_REBUILDS: u32 = 3;
/// How long the opening of a generation may take before it counts as damaged.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// The folder, locked. Dropping it closes the generation, then releases the lock.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    _lock: File,
}

/// What the threads that open and rewrite the folder need of it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) budget: u64,
    pub(crate) recent: Recent,
    pub(crate) rewriting: Rewriting,
    pub(crate) closing: AtomicBool,
    /// Bytes put since the folder was last measured.
    pub(crate) put_bytes: AtomicU64,
    /// The greatest generation number given out.
    numbers: AtomicU64,
    state: RwLock<State>,
    opened: (Mutex<bool>, Condvar),
    known: Mutex<BTreeMap<&'static str, Known>>,
}

/// What is known of a named cache.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) most_bytes: u64,
    pub(crate) counters: Arc<Counters>,
}

/// The current generation; without one, the disk is not used.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) number: u64,
    pub(crate) rebuilds: u32,
    pub(crate) generation: Option<Generation>,
}

impl Disk {
    pub(crate) fn open(dir: &Path, budget: u64) -> Result<Arc<Self>, CacheError> {
        let io = |doing, source| CacheError::Io { doing, dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(|source| io("make", source))?;
        let folder = Folder::new(dir);
        let lock = File::create(folder.lock_path()).map_err(|source| io("lock", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CacheError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock", source)),
        }
        let shared = Arc::new(Shared {
            folder,
            budget: budget.max(MIN_DISK_BYTES),
            recent: Recent::new(),
            rewriting: Rewriting::default(),
            closing: AtomicBool::new(false),
            put_bytes: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            state: RwLock::new(State { number: 0, rebuilds: 0, generation: None }),
            opened: (Mutex::new(false), Condvar::new()),
            known: Mutex::default(),
        });
        shared.open_in_background();
        Ok(Arc::new(Self { shared, _lock: lock }))
    }

    pub(crate) fn register(&self, name: &'static str, most_bytes: u64, counters: &Arc<Counters>) {
        let counters = Arc::clone(counters);
        self.shared.known().insert(name, Known { most_bytes, counters });
    }

    pub(crate) fn get(&self, name: &str, key: &[u8]) -> Found {
        self.shared.recent.note(name, key);
        self.shared.call(|generation| generation.get(name, key)).unwrap_or(Found::Nothing)
    }

    /// `false`: the key or the value is too large for the disk.
    pub(crate) fn put(&self, name: &str, key: &[u8], stamp: u64, value: &[u8]) -> bool {
        self.shared.recent.note(name, key);
        self.shared.make_room((key.len() + value.len()) as u64);
        let put = self.shared.call(|generation| {
            let put = generation.put(name, key, stamp, value);
            self.shared.rewriting.changed(name, key);
            put
        });
        put.unwrap_or(true)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) {
        self.shared.call(|generation| {
            let removed = generation.remove(name, key);
            self.shared.rewriting.changed(name, key);
            removed
        });
    }

    pub(crate) fn keys_after(&self, name: &str, after: Option<&[u8]>, most: usize) -> Vec<Vec<u8>> {
        let listed = self.shared.call(|generation| generation.list(name, after, most)).unwrap_or_default();
        listed.into_iter().map(|entry| entry.key).collect()
    }

    /// Empties one cache, or starts an empty generation.
    pub(crate) fn clear(&self, name: Option<&str>) {
        let Some(name) = name else { return self.shared.start_empty() };
        loop {
            let keys = self.keys_after(name, None, 1024);
            if keys.is_empty() {
                break;
            }
            keys.iter().for_each(|key| self.remove(name, key));
        }
    }

    pub(crate) fn flush(&self) {
        self.shared.call(Generation::flush);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.shared.folder.all_bytes()
    }

    pub(crate) fn rebuilds(&self) -> u32 {
        self.shared.wait_until_opened();
        self.shared.state().rebuilds
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        self.shared.wait_until_opened();
        self.shared.rewriting.wait();
        let mut state = self.shared.state_mut();
        let closed = state.generation.take().is_some_and(Generation::close);
        let dir = self.shared.folder.generation(state.number);
        if closed && let Err(error) = seal::put(&dir) {
            tracing::warn!(dir = %dir.display(), %error, "cache generation cannot be sealed");
        }
    }
}

impl Shared {
    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `call` on the current generation; trouble starts a new one.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&Generation) -> Result<T, Trouble>) -> Option<T> {
        self.wait_until_opened();
        let state = self.state();
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

    /// Leaves generation `number` for a new, empty one, unless another thread already did.
    fn replace(&self, number: u64, trouble: &Trouble) {
        let mut state = self.state_mut();
        if state.number == number {
            self.rebuild(&mut state, trouble);
        }
    }

    fn rebuild(&self, state: &mut State, trouble: &Trouble) {
        if let Some(generation) = state.generation.take() {
            generation.leak();
        }
        self.folder.remove(state.number);
        state.number = self.fresh_number();
        state.rebuilds += 1;
        let dir = self.folder.path().display();
        let error = trouble as &dyn Error;
        if state.rebuilds > MOST_REBUILDS {
            tracing::warn!(%dir, error, "cache folder keeps failing and is left alone until the next start");
            return;
        }
        tracing::warn!(%dir, error, "cache folder was damaged and is built anew");
        self.begin(state);
    }

    /// Opens generation `state.number`, which is new.
    fn begin(&self, state: &mut State) {
        let opened = Generation::open(&self.folder.generation(state.number))
            .and_then(|generation| Ok(self.folder.point_to(state.number).map(|()| generation)?));
        match opened {
            Ok(generation) => state.generation = Some(generation),
            Err(trouble) => {
                let error = &trouble as &dyn Error;
                tracing::warn!(dir = %self.folder.path().display(), error, "cache folder cannot be used");
            }
        }
    }

    /// Drops everything on disk.
    pub(crate) fn start_empty(&self) {
        self.wait_until_opened();
        let mut state = self.state_mut();
        let old = state.generation.take();
        let old_number = state.number;
        state.number = self.fresh_number();
        self.begin(&mut state);
        drop(state);
        old.map(Generation::close);
        self.folder.remove(old_number);
    }

    /// A number that no generation of this folder has.
    pub(crate) fn fresh_number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed) + 1
    }

    fn open_in_background(self: &Arc<Self>) {
        let number = self.folder.current();
        self.state_mut().number = number;
        self.numbers.store(number, Relaxed);
        let shared = Arc::clone(self);
        let opener = thread::Builder::new().name("quire-cache-open".into());
        let spawned = opener.spawn(move || {
            shared.folder.keep_only(number);
            if shared.folder.bytes(number) > shared.budget {
                tracing::info!("cache folder is over its budget and is built anew");
                shared.folder.remove(number);
            }
            shared.install(shared.open_sealed(number));
        });
        if spawned.is_err() {
            self.finish_opening();
        }
    }

    fn open_sealed(&self, number: u64) -> Result<Generation, Trouble> {
        let dir = self.folder.generation(number);
        if seal::take(&dir) == Seal::Broken {
            return Err(Trouble::Broken);
        }
        let generation = Generation::open(&dir)?;
        self.folder.point_to(number)?;
        Ok(generation)
    }

    /// Takes what the opening thread brought, unless everybody is past waiting for it.
    fn install(&self, opened: Result<Generation, Trouble>) {
        let mut done = self.opened.0.lock().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok(generation) if *done => generation.leak(),
            Err(_) if *done => {}
            Ok(generation) => self.state_mut().generation = Some(generation),
            Err(trouble) => self.rebuild(&mut self.state_mut(), &trouble),
        }
        *done = true;
        drop(done);
        self.opened.1.notify_all();
    }

    fn finish_opening(&self) {
        *self.opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(crate) fn wait_until_opened(&self) {
        let done = self.opened.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, waited) = self
            .opened
            .1
            .wait_timeout_while(done, OPEN_PATIENCE, |done| !*done)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && !*done {
            *done = true;
            self.rebuild(&mut self.state_mut(), &Trouble::Stuck);
        }
    }
}
