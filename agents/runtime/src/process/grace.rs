//! How long what runs may go on once the process shall end.

use std::time::Duration;

use quire_broker::Readiness;

use super::Process;

/// A broker that is away for so long is not waited for by a process that shall end.
const AWAY: Duration = Duration::from_secs(1);
/// How long a role may take, after the grace, for what it cuts short and gives back.
const ROLE_END: Duration = Duration::from_millis(500);

impl Process {
    /// Done when running work has had its time: that of the drain, or, once the process shall end, until the broker is
    /// found to be away. What is done then could be told to nobody, and comes again anyway.
    pub async fn grace(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.args.drain()) => {}
            () = self.cut_off() => {}
        }
    }

    /// Done when the role should have ended long since. It bounds whatever a role waits for.
    pub(super) async fn overdue(&self) {
        self.stopping().await;
        self.grace().await;
        tokio::time::sleep(ROLE_END).await;
    }

    /// Done once the process shall end and the broker is away and does not come back at once.
    async fn cut_off(&self) {
        self.stopping().await;
        let mut broker = self.broker.readiness();
        // Without its sender the broker is gone for good.
        while broker.wait_for(|now| *now != Readiness::Ready).await.is_ok() {
            let back = broker.wait_for(|now| *now == Readiness::Ready);
            if !matches!(tokio::time::timeout(AWAY, back).await, Ok(Ok(_))) {
                break;
            }
        }
    }
}
