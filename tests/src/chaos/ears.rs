//! Hears every settlement that agents publish, and when.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use test_servers::{Nats, Wire};

/// Between attempts to reach a server that is away.
const PAUSE: Duration = Duration::from_millis(20);

/// What was heard.
#[derive(Debug, Default)]
struct Settled {
    moments: Vec<Instant>,
    ids: HashSet<String>,
    /// Settlements of parcels that were settled before: work that was done twice.
    repeats: usize,
}

/// Listens to whichever server is there until it is dropped.
#[derive(Debug)]
pub(super) struct Ears {
    heard: Arc<Mutex<Settled>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ears {
    pub(super) fn open(servers: &[Nats]) -> Self {
        let ports: Vec<u16> = servers.iter().map(Nats::port).collect();
        let (heard, stop) = (Arc::<Mutex<Settled>>::default(), Arc::<AtomicBool>::default());
        let (hearing, stopping) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                for port in &ports {
                    // A server that goes away is listened to again when it is back.
                    let _ = listen(*port, &hearing, &stopping);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { heard, stop, thread: Some(thread) }
    }

    fn heard(&self) -> MutexGuard<'_, Settled> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the first settlement after `moment` came.
    pub(super) fn first_after(&self, moment: Instant) -> Option<Instant> {
        let heard = self.heard();
        heard.moments.get(heard.moments.partition_point(|at| *at <= moment)).copied()
    }

    /// When the last one came.
    pub(super) fn last(&self) -> Option<Instant> {
        self.heard().moments.last().copied()
    }

    /// How many came.
    pub(super) fn count(&self) -> usize {
        self.heard().moments.len()
    }

    /// How many were of parcels that were settled before.
    pub(super) fn repeats(&self) -> usize {
        self.heard().repeats
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(port: u16, heard: &Mutex<Settled>, stop: &AtomicBool) -> std::io::Result<()> {
    let mut wire = Wire::connect(port)?;
    wire.subscribe("quire.v1.settled.>")?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(message) = wire.hear()? {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.moments.push(Instant::now());
            if message.id().is_some_and(|id| !heard.ids.insert(id.to_owned())) {
                heard.repeats += 1;
            }
        }
    }
    Ok(())
}
