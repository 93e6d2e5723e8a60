//! Keeps the folder within its budget: live entries move into a new generation, the old one goes.
//!
//! A generation grows with every put, whatever is live in it. When it passes [`rewrite_at`], a thread copies
//! the entries used or put last into the next generation, up to [`keep_bytes`]. Reads and writes go on in the
//! old one meanwhile; keys that change are noted and copied once more at the end, while everybody waits. Only
//! then does the pointer move, so a crash in the middle leaves the old generation as it was.

use std::{
    collections::BTreeSet,
    error::Error,
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use crate::{
    disk::Shared,
    generation::{Found, Generation, Listed, Trouble},
    plan::Plan,
    stats::Counters,
};

/// Keys that may change during a rewrite before writers have to wait for its end.
const MOST_CHANGES: usize = 50_000;
/// Entries listed at once; between two pages the rewrite looks whether it is still wanted.
const PAGE: usize = 128;

/// Size of a generation that starts a rewrite.
const fn rewrite_at(budget: u64) -> u64 {
    budget / 8 * 3
}

/// Size of a generation at which writers wait for the rewrite.
const fn wait_at(budget: u64) -> u64 {
    budget / 2
}

/// Bytes of keys and values that a rewrite keeps: less than half of [`rewrite_at`] once on disk.
const fn keep_bytes(budget: u64) -> u64 {
    budget / 12
}

/// Size of the new generation at which a rewrite keeps no more.
const fn stop_at(budget: u64) -> u64 {
    budget / 4
}

/// Bytes put between two measurements of the folder.
const fn measure_every(budget: u64) -> u64 {
    budget / 32
}

/// A rewrite under way, or none.
#[derive(Debug, Default)]
pub(crate) struct Rewriting {
    running: Mutex<bool>,
    ended: Condvar,
    /// Whether changes are to be noted; set before the first entry is copied.
    noting: AtomicBool,
    changes: Mutex<BTreeSet<(String, Vec<u8>)>>,
}

impl Rewriting {
    /// Notes that a key changed in the old generation. Called while the state is held for reading.
    pub(crate) fn changed(&self, name: &str, key: &[u8]) {
        if self.noting.load(Relaxed) {
            self.changes().insert((name.to_owned(), key.to_vec()));
        }
    }

    /// Waits for the end of a rewrite, if one runs. Never called while the state is held.
    pub(crate) fn wait(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.ended.wait_while(running, |running| *running).unwrap_or_else(PoisonError::into_inner));
    }

    /// `false`: one runs already.
    fn start(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        !mem::replace(&mut *running, true)
    }

    fn end(&self) {
        self.noting.store(false, Relaxed);
        self.changes().clear();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.ended.notify_all();
    }

    fn changes(&self) -> MutexGuard<'_, BTreeSet<(String, Vec<u8>)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a rewrite ended early.
enum Stopped {
    /// The store closes, or the old generation was left meanwhile.
    Unwanted,
    /// The new generation is no good.
    Trouble(Trouble),
}

impl From<Trouble> for Stopped {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Shared {
    /// Called before every put of `bytes`: measures the folder now and then, starts a rewrite when it is due,
    /// and waits for it when there is no more room.
    pub(crate) fn make_room(self: &Arc<Self>, bytes: u64) {
        if self.rewriting.noting.load(Relaxed) && self.rewriting.changes().len() >= MOST_CHANGES {
            self.rewriting.wait();
        }
        if self.put_bytes.fetch_add(bytes + 64, Relaxed) < measure_every(self.budget) {
            return;
        }
        self.put_bytes.store(0, Relaxed);
        self.wait_until_opened();
        let number = self.state().number;
        let size = self.folder.bytes(number);
        if size > rewrite_at(self.budget) && self.rewriting.start() {
            let shared = Arc::clone(self);
            let rewriter = thread::Builder::new().name("quire-cache-rewrite".into());
            if rewriter.spawn(move || shared.rewrite(number)).is_err() {
                self.rewriting.end();
            }
        }
        if size > wait_at(self.budget) {
            self.rewriting.wait();
        }
    }

    fn rewrite(&self, number: u64) {
        self.rewriting.noting.store(true, Relaxed);
        // Whoever was in the middle of a change is through it once this lock is had; all later ones note it.
        drop(self.state_mut());
        let next = self.fresh_number();
        if let Err(stopped) = self.rewrite_into(number, next) {
            self.folder.remove(next);
            if let Stopped::Trouble(trouble) = stopped {
                let error = &trouble as &dyn Error;
                tracing::warn!(error, "cache folder cannot be rewritten and starts empty");
                self.start_empty();
            }
        }
        self.rewriting.end();
    }

    fn rewrite_into(&self, number: u64, next: u64) -> Result<(), Stopped> {
        let (mut plan, names) = self.plan(number)?;
        let new = Generation::open(&self.folder.generation(next))?;
        if let Err(stopped) = self.copy(number, next, &names, &mut plan, &new) {
            new.close();
            return Err(stopped);
        }
        self.swap(number, next, new)
    }

    /// First pass: adds up what there is and decides what is kept.
    fn plan(&self, number: u64) -> Result<(Plan, Vec<String>), Stopped> {
        let names = self.on(number, Generation::names)?;
        let mut plan = Plan::new(keep_bytes(self.budget));
        for name in &names {
            let cache =
                plan.cache(self.known().get(name.as_str()).map_or(u64::MAX, |known| known.most_bytes));
            self.each_page(number, name, |page| {
                page.iter().for_each(|entry| plan.count(cache, entry, self.recent.knows(name, &entry.key)));
                Ok(())
            })?;
        }
        plan.decide();
        Ok((plan, names))
    }

    /// Second pass: copies what is kept.
    fn copy(
        &self,
        number: u64,
        next: u64,
        names: &[String],
        plan: &mut Plan,
        new: &Generation,
    ) -> Result<(), Stopped> {
        for (cache, name) in names.iter().enumerate() {
            let counters = self.known().get(name.as_str()).map(|known| Arc::clone(&known.counters));
            self.each_page(number, name, |page| {
                let full = self.folder.bytes(next) > stop_at(self.budget);
                for entry in page {
                    if !full && plan.keeps(cache, &entry, self.recent.knows(name, &entry.key)) {
                        self.on(number, |old| transfer(old, new, name, &entry.key))?;
                    } else if let Some(counters) = &counters {
                        Counters::add(&counters.evictions);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Puts the new generation in place of the old one, once it has what changed meanwhile.
    fn swap(&self, number: u64, next: u64, new: Generation) -> Result<(), Stopped> {
        let mut state = self.state_mut();
        let changes = mem::take(&mut *self.rewriting.changes());
        let caught_up = match &state.generation {
            Some(old) if state.number == number => changes
                .iter()
                .try_for_each(|(name, key)| transfer(old, &new, name, key))
                .and_then(|()| Ok(self.folder.point_to(next)?))
                .map_err(Stopped::Trouble),
            _ => Err(Stopped::Unwanted),
        };
        if let Err(stopped) = caught_up {
            drop(state);
            new.close();
            return Err(stopped);
        }
        let old = state.generation.replace(new);
        state.number = next;
        self.rewriting.noting.store(false, Relaxed);
        drop(state);
        old.map(Generation::close);
        self.folder.remove(number);
        Ok(())
    }

    fn each_page(
        &self,
        number: u64,
        name: &str,
        mut see: impl FnMut(Vec<Listed>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.on(number, |old| old.list(name, after.as_deref(), PAGE))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            see(page)?;
        }
    }

    /// Runs `call` on generation `number` while it is the current one and the store stays open.
    fn on<T>(&self, number: u64, call: impl FnOnce(&Generation) -> Result<T, Trouble>) -> Result<T, Stopped> {
        let state = self.state();
        match &state.generation {
            Some(old) if state.number == number && !self.closing.load(Relaxed) => Ok(call(old)?),
            _ => Err(Stopped::Unwanted),
        }
    }
}

/// Brings `new` to what `old` has under `key`.
fn transfer(old: &Generation, new: &Generation, name: &str, key: &[u8]) -> Result<(), Trouble> {
    match old.get(name, key)? {
        Found::Value { stamp, bytes } => new.put(name, key, stamp, &bytes).map(drop),
        Found::Nothing | Found::Damaged => new.remove(name, key),
    }
}
