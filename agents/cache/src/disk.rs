//! L2: the folder, locked, with the generations that count: opened in the background, left behind on trouble.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File, TryLockError},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
    time::Duration,
};

use crate::{
    CacheError, MIN_DISK_BYTES,
    folder::{Folder, Pointer},
    generation::{Generation, Trouble},
    locks::KeyLocks,
    pair::Pair,
    room::{self, Unmeasured},
    seal::{self, Seal},
    stats::Counters,
};

pub(crate) use crate::generation::Found;

/// How often a folder is built anew in one process before it is left alone.
const MOST_REBUILDS: u32 = 3;
/// How long the opening of the generations may take before they count as damaged.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// The folder, locked. Dropping it closes the generations, then releases the lock.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    pub(crate) locks: KeyLocks,
    _lock: File,
}

/// What the thread that opens the folder needs of it, too.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) budget: u64,
    state: RwLock<State>,
    opened: (Mutex<bool>, Condvar),
    counters: Mutex<BTreeMap<&'static str, Arc<Counters>>>,
}

/// The generations that count; without them, the disk is not used.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pair: Option<Pair>,
    /// The greatest generation number given out.
    pub(crate) number: u64,
    /// How often the folder was emptied: trouble from before that is of no interest any more.
    starts: u32,
    rebuilds: u32,
    pub(crate) unmeasured: Unmeasured,
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
        let budget = budget.max(MIN_DISK_BYTES);
        let unmeasured = Unmeasured::new(budget);
        let shared = Arc::new(Shared {
            state: RwLock::new(State {
                pair: None,
                number: folder.greatest(),
                starts: 0,
                rebuilds: 0,
                unmeasured,
            }),
            folder,
            budget,
            opened: (Mutex::new(false), Condvar::new()),
            counters: Mutex::default(),
        });
        shared.open_in_background();
        Ok(Arc::new(Self { shared, locks: KeyLocks::new(), _lock: lock }))
    }

    pub(crate) fn register(&self, name: &'static str, counters: &Arc<Counters>) {
        self.shared.counters().insert(name, Arc::clone(counters));
    }

    /// What is under `key`, and whether it should be put again to stay. The caller has the key's lock, as in all
    /// calls with a key.
    pub(crate) fn get(&self, name: &str, key: &[u8]) -> (Found, bool) {
        self.shared.read(|pair| pair.get(name, key)).unwrap_or((Found::Nothing, false))
    }

    /// `false`: the key or the value is too large for the disk.
    pub(crate) fn put(&self, name: &str, key: &[u8], stamp: u64, value: &[u8]) -> bool {
        if value.len() as u64 > room::most_value_bytes(self.shared.budget) {
            self.remove(name, key);
            return false;
        }
        let bytes = (key.len() + value.len()) as u64;
        self.shared.write(bytes, |pair| pair.put(name, key, stamp, value)).unwrap_or(true)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) {
        self.shared.write(key.len() as u64, |pair| pair.remove(name, key));
    }

    pub(crate) fn keys_after(&self, name: &str, after: Option<&[u8]>, most: usize) -> Vec<Vec<u8>> {
        self.shared.read(|pair| pair.keys_after(name, after, most)).unwrap_or_default()
    }

    /// Empties one cache, or the folder. The caller has all locks.
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
        self.shared.read(|pair| pair.young.flush());
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
        self.shared.wait_until_opened();
        let Some(pair) = self.shared.state_mut().pair.take() else { return };
        let pointer = pair.pointer();
        if pair.close()
            && let Err(error) =
                pointer.numbers().try_for_each(|number| seal::put(&self.shared.folder.generation(number)))
        {
            let dir = self.shared.folder.path().display();
            tracing::warn!(%dir, %error, "cache folder cannot be sealed");
        }
    }
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Counters>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `call` on the generations.
    fn read<T>(&self, call: impl FnOnce(&Pair) -> Result<T, Trouble>) -> Option<T> {
        self.wait_until_opened();
        self.run(self.state(), call)
    }

    /// Runs `call`, which writes about `bytes`, as soon as there is room.
    fn write<T>(&self, bytes: u64, call: impl FnOnce(&Pair) -> Result<T, Trouble>) -> Option<T> {
        self.wait_until_opened();
        loop {
            let state = self.state();
            if state.pair.is_none() || state.unmeasured.admit(bytes) {
                return self.run(state, call);
            }
            drop(state);
            self.make_room(bytes);
        }
    }

    /// Trouble starts an empty pair of generations.
    fn run<T>(
        &self,
        state: RwLockReadGuard<'_, State>,
        call: impl FnOnce(&Pair) -> Result<T, Trouble>,
    ) -> Option<T> {
        match call(state.pair.as_ref()?) {
            Ok(value) => Some(value),
            Err(trouble) => {
                let starts = state.starts;
                drop(state);
                let mut state = self.state_mut();
                // Unless another thread already did.
                if state.starts == starts {
                    self.rebuild(&mut state, &trouble);
                }
                None
            }
        }
    }

    pub(crate) fn rebuild(&self, state: &mut State, trouble: &Trouble) {
        if let Some(pair) = state.pair.take() {
            pair.leak();
        }
        state.rebuilds += 1;
        let dir = self.folder.path().display();
        let error = trouble as &dyn Error;
        if state.rebuilds > MOST_REBUILDS {
            tracing::warn!(%dir, error, "cache folder keeps failing and is left alone until the next start");
            state.starts += 1;
            self.folder.clear();
            return;
        }
        tracing::warn!(%dir, error, "cache folder was damaged and is built anew");
        self.begin(state);
    }

    /// Drops everything on disk.
    fn start_empty(&self) {
        self.wait_until_opened();
        let mut state = self.state_mut();
        state.pair.take().map(Pair::close);
        self.begin(&mut state);
    }

    /// Empties the folder and opens a new generation.
    fn begin(&self, state: &mut State) {
        state.starts += 1;
        state.number += 1;
        self.folder.clear();
        let pointer = Pointer { young: state.number, old: None };
        match self.open_and_point_to(pointer) {
            Ok(pair) => state.pair = Some(pair),
            Err(trouble) => {
                let error = &trouble as &dyn Error;
                tracing::warn!(dir = %self.folder.path().display(), error, "cache folder cannot be used");
            }
        }
    }

    fn open(&self, pointer: Pointer) -> Result<Pair, Trouble> {
        let young = Generation::open(&self.folder, pointer.young)?;
        let old = pointer.old.map(|old| Generation::open(&self.folder, old)).transpose()?;
        Ok(Pair { young, old })
    }

    fn open_and_point_to(&self, pointer: Pointer) -> Result<Pair, Trouble> {
        let pair = self.open(pointer)?;
        self.folder.point_to(pointer)?;
        Ok(pair)
    }

    fn open_in_background(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let opener = thread::Builder::new().name("quire-cache-open".into());
        let spawned = opener.spawn(move || shared.install(shared.open_found()));
        if spawned.is_err() {
            *self.opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
    }

    /// Opens what an earlier process has left; `None` if that is nothing of use.
    fn open_found(&self) -> Result<Option<Pair>, Trouble> {
        let Some(pointer) = self.folder.current() else { return Ok(None) };
        self.folder.keep_only(pointer);
        if self.folder.all_bytes() > self.budget {
            tracing::info!("cache folder is over its budget and is built anew");
            return Ok(None);
        }
        // Both seals are taken off, whatever the first one says.
        let broken =
            pointer.numbers().filter(|number| seal::take(&self.folder.generation(*number)) == Seal::Broken);
        if broken.count() > 0 {
            return Err(Trouble::Broken);
        }
        self.open(pointer).map(Some)
    }

    /// Takes what the opening thread brought, unless everybody is past waiting for it.
    fn install(&self, opened: Result<Option<Pair>, Trouble>) {
        let mut done = self.opened.0.lock().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok(Some(pair)) if *done => pair.leak(),
            _ if *done => {}
            // The folder points to them already.
            Ok(Some(pair)) => self.state_mut().pair = Some(pair),
            Ok(None) => self.begin(&mut self.state_mut()),
            Err(trouble) => self.rebuild(&mut self.state_mut(), &trouble),
        }
        *done = true;
        drop(done);
        self.opened.1.notify_all();
    }

    fn wait_until_opened(&self) {
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
