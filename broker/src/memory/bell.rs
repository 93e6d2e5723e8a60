//! A wake-up call that costs next to nothing while no one listens.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, futures::Notified};

/// Wakes one or all of those who listen. Who listens says so first, then looks whether there is anything to wait for,
/// then waits; who rings has changed something before. So one of the two sees the other.
pub(super) struct Bell {
    notify: Notify,
    listeners: AtomicUsize,
}

/// Someone who listens.
pub(super) struct Listening<'a>(&'a Bell);

impl Bell {
    pub(super) const fn new() -> Self {
        Self { notify: Notify::const_new(), listeners: AtomicUsize::new(0) }
    }

    /// Begins to listen; ends when the result is dropped.
    pub(super) fn listen(&self) -> Listening<'_> {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        Listening(self)
    }

    /// Waits for the next ring. A call that reaches a future which is dropped goes to someone else.
    pub(super) fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }

    pub(super) fn ring_for_one(&self) {
        if self.listeners.load(Ordering::SeqCst) > 0 {
            self.notify.notify_one();
        }
    }

    pub(super) fn ring_for_all(&self) {
        if self.listeners.load(Ordering::SeqCst) > 0 {
            self.notify.notify_waiters();
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}
