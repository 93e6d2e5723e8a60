//! Keeps a connection: makes it, sees it go, makes it again. It never gives up.

use std::{
    hash::BuildHasher as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::{Client, connection::State as Wire};
use tokio::time::{Instant, sleep};

use super::{JetStreamOptions, connect::connect, connection::State, servers::Server, trouble::Trouble};

/// Pauses between attempts to connect: first and longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the client is asked whether it still has its connection: a report of it may be lost.
const LOOK: Duration = Duration::from_millis(500);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(5);
/// Servers that are remembered beside those that were named.
const MAX_DISCOVERED: usize = 32;

/// Keeps the connection of one role.
pub(super) struct Keeper {
    pub(super) options: JetStreamOptions,
    pub(super) role: &'static str,
    pub(super) named: Vec<Server>,
    pub(super) state: Arc<State>,
}

impl Keeper {
    /// Runs until the task is aborted, which ends an attempt under way, too.
    pub(super) async fn run(self) {
        let mut discovered: Vec<Server> = Vec::new();
        let mut failures = 0_u32;
        for number in 1.. {
            match self.connect_any(&discovered, number).await {
                Ok((server, client)) => {
                    tracing::info!(role = self.role, server = server.shown(), "connected to the broker");
                    discovered = discover(&client, &server, &self.named);
                    let began = Instant::now();
                    self.hold(number, client, &server).await;
                    tracing::warn!(
                        role = self.role,
                        server = server.shown(),
                        "connection to the broker lost"
                    );
                    failures = if began.elapsed() > GOOD { 0 } else { failures.saturating_add(1) };
                }
                Err(trouble) => {
                    tracing::warn!(role = self.role, %trouble, "no connection to the broker; it is tried again");
                    self.state.failed(trouble);
                    failures = failures.saturating_add(1);
                }
            }
            sleep(pause(failures, number)).await;
        }
    }

    /// Tries the servers in turn, the named ones first; in the end, tells the trouble that says most.
    async fn connect_any(&self, discovered: &[Server], number: u64) -> Result<(Server, Client), Trouble> {
        let mut worst: Option<Trouble> = None;
        // Not all agents begin with the same one.
        let first = usize::try_from(spread(number)).unwrap_or(0) % self.named.len().max(1);
        let named = self.named.iter().cycle().skip(first).take(self.named.len());
        for server in named.chain(discovered) {
            match connect(&self.options, server, self.role, &self.state, number).await {
                Ok(client) => return Ok((server.clone(), client)),
                Err(trouble) => {
                    let before = worst.take().filter(|before| before.weight() >= trouble.weight());
                    worst = Some(before.unwrap_or(trouble));
                }
            }
        }
        Err(worst.unwrap_or_else(|| Trouble::lost("no server".to_owned(), None)))
    }

    /// Lets the client be used until its connection is lost.
    async fn hold(&self, number: u64, client: Client, server: &Server) {
        let mut now = self.state.watch();
        self.state.connected(number, client.clone());
        loop {
            if client.connection_state() != Wire::Connected {
                self.state.lost(number, &server.shown());
            }
            tokio::select! {
                _ = now.wait_for(|now| !now.is_up()) => return,
                () = sleep(LOOK) => {}
            }
        }
    }
}

/// The servers that a server tells of, but those that were named.
fn discover(client: &Client, server: &Server, named: &[Server]) -> Vec<Server> {
    let told = client.server_info().connect_urls;
    let servers = told.iter().map(|host| Server::discovered(host, server));
    servers.filter(|server| !named.contains(server)).take(MAX_DISCOVERED).collect()
}

/// Grows with the failures; differs between processes, so that agents do not come back all at once.
fn pause(failures: u32, number: u64) -> Duration {
    let longest = (PAUSE * 2_u32.saturating_pow(failures.min(8))).min(LONGEST_PAUSE);
    longest / 2 + longest.mul_f64(f64::from((spread(number) % 1_000) as u32) / 2_000.0)
}

/// A number that differs between processes and attempts.
pub(super) fn spread(number: u64) -> u64 {
    static SEED: OnceLock<std::hash::RandomState> = OnceLock::new();
    SEED.get_or_init(std::hash::RandomState::new).hash_one(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(pause(0, 1) <= PAUSE);
        for failures in 0..1_000 {
            let pause = pause(failures, u64::from(failures));
            assert!(pause >= PAUSE / 2 && pause <= LONGEST_PAUSE, "{failures}: {pause:?}");
        }
        assert!(pause(20, 1) >= LONGEST_PAUSE / 2);
    }
}
