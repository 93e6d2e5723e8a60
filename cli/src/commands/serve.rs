//! `quire serve`: keeps a site up to date and serves it, from whole builds or from the jobs of a queue.

mod http;
mod queue;
mod site;
mod watch;

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{Exit, ServeArgs, exit::wrong_usage};

/// Works until it is told to end.
///
/// # Errors
/// If the catalogues, the queue, the state or the address cannot be used; without `--watch`, if the build fails.
pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    if !args.listen.ip().is_loopback() {
        wrong_usage!("cannot serve at {}: it is for this machine only, such as 127.0.0.1:8000", args.listen);
    }
    match &args.queue {
        Some(_) if args.watch => {
            wrong_usage!("--watch builds everything, --queue (or QUIRE_QUEUE) does jobs: give one of them")
        }
        Some(folder) => queue::run(args, folder),
        None => site::run(args),
    }
}

/// A listener and its address.
async fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.with_context(|| format!("cannot listen at {address}; --listen takes another address"))?;
    let address = listener.local_addr().context("cannot listen")?;
    Ok((listener, address))
}
