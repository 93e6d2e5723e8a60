//! The one task that looks at the clock: it sleeps until the first lease or delay of any lane ends.
//!
//! A lane evaluates its deadlines itself whenever someone pulls from it; the task is for those who wait.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle, time::Instant};

use super::Memory;

/// Nothing to wait for.
const NEVER: u64 = u64::MAX;

/// Wakes the task when a deadline comes up that is earlier than what it sleeps for.
pub(super) struct Timer {
    base: Instant,
    /// What the task sleeps for, in nanoseconds since `base`.
    armed: AtomicU64,
    rearm: Notify,
    running: AtomicBool,
    memory: Weak<Memory>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Timer {
    pub(super) fn new(memory: Weak<Memory>) -> Self {
        Self {
            base: Instant::now(),
            armed: AtomicU64::new(NEVER),
            rearm: Notify::new(),
            running: AtomicBool::new(false),
            memory,
            task: Mutex::new(None),
        }
    }

    /// Sees to it that lanes are looked at when `deadline` comes. Called for every lease: mostly one load.
    pub(super) fn arm(self: &Arc<Self>, deadline: Instant) {
        let at = self.nanos(deadline);
        if self.armed.load(Ordering::SeqCst) > at && self.armed.fetch_min(at, Ordering::SeqCst) > at {
            self.run();
            self.rearm.notify_one();
        }
    }

    /// Sees to it that the task runs, if this is a thread of a runtime. If it is not, the next who waits will be.
    pub(super) fn run(self: &Arc<Self>) {
        if self.running.load(Ordering::SeqCst) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.running.swap(true, Ordering::SeqCst) {
            *task = Some(runtime.spawn(watch(Running(Arc::clone(self)))));
        }
    }

    pub(super) fn stop(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(NEVER - 1)
    }
}

/// The task's hold on the timer: when its runtime goes, another runtime's thread may start it anew.
struct Running(Arc<Timer>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.armed.store(NEVER, Ordering::SeqCst);
        self.0.running.store(false, Ordering::SeqCst);
    }
}

async fn watch(running: Running) {
    let timer = &running.0;
    loop {
        // First disarm, then look: a lane that gets a deadline in between wakes the task again.
        timer.armed.store(NEVER, Ordering::SeqCst);
        let Some(memory) = timer.memory.upgrade() else { return };
        let next = memory.tick(Instant::now());
        drop(memory);
        match next {
            None => timer.rearm.notified().await,
            Some(next) => {
                let at = timer.nanos(next);
                timer.armed.fetch_min(at, Ordering::SeqCst);
                // The clock of timers is coarser than that of instants: never wake a moment too early.
                let wake = timer.base + Duration::from_nanos(at) + Duration::from_millis(1);
                tokio::select! {
                    () = tokio::time::sleep_until(wake) => {}
                    () = timer.rearm.notified() => {}
                }
            }
        }
    }
}
