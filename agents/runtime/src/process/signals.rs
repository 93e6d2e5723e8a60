//! Signals: the first asks for a clean end, a second one gets an end at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was told twice.
const AT_ONCE: i32 = 130;

/// Cancels `stop` at the first SIGTERM or SIGINT.
pub(super) fn watch(stop: CancellationToken) {
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::warn!("signals cannot be heard: the process ends without draining");
            return;
        };
        let mut told = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if std::mem::replace(&mut told, true) {
                std::process::exit(AT_ONCE);
            }
            tracing::info!("told to stop: what runs may end");
            stop.cancel();
        }
    });
}
