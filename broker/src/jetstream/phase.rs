//! How far the broker's end has come.

use tokio::sync::watch;

/// Open, closing, closed: in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything goes.
    Open,
    /// Nothing is handed out; who has a delivery may publish and settle.
    Closing,
    /// Nothing goes.
    Closed,
}

/// Waits for the end.
pub(super) async fn ended(mut phase: watch::Receiver<Phase>) {
    // Without its sender the broker is gone, which is as good.
    let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
}
