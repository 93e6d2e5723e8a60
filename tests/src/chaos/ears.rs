//! Hears every settlement that agents publish, and when.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use test_servers::{Nats, Wire};

/// Between attempts to reach a server that is away.
const PAUSE: Duration = Duration::from_millis(20);

/// Listens to whichever server is there until it is dropped.
#[derive(Debug)]
pub(super) struct Ears {
    heard: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ears {
    pub(super) fn open(servers: &[Nats]) -> Self {
        let ports: Vec<u16> = servers.iter().map(Nats::port).collect();
        let (heard, stop) = (Arc::<Mutex<Vec<Instant>>>::default(), Arc::<AtomicBool>::default());
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

    /// When the first settlement after `moment` came.
    pub(super) fn first_after(&self, moment: Instant) -> Option<Instant> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(heard.partition_point(|at| *at <= moment)).copied()
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

fn listen(port: u16, heard: &Mutex<Vec<Instant>>, stop: &AtomicBool) -> std::io::Result<()> {
    let mut wire = Wire::connect(port)?;
    wire.subscribe("quire.v1.settled.>")?;
    while !stop.load(Ordering::Relaxed) {
        if wire.hear()?.is_some() {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
    }
    Ok(())
}
