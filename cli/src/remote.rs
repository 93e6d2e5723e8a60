//! Servers that a command talks to: how they are reached, and what their errors mean here.

use std::time::Duration;

use anyhow::Context as _;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::exit::{Unreachable, WrongUsage};

/// How long a server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Connects to the coordinator or agent at `server`, such as `http://127.0.0.1:7400`.
pub(crate) async fn connect(server: &str) -> anyhow::Result<Channel> {
    let address = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let endpoint = Endpoint::from_shared(address)
        .map_err(|_| WrongUsage(format!("`{server}` is no server: expected the form 127.0.0.1:7400")))?
        .connect_timeout(CONNECT);
    endpoint.connect().await.map_err(|error| {
        let remedy = "is it running there (--server)?";
        let unreachable = Unreachable { server: server.to_owned(), waited: CONNECT, remedy };
        anyhow::Error::from(error).context(unreachable)
    })
}

/// What a server's refusal means for the command.
pub(crate) fn refused(status: &Status) -> anyhow::Error {
    let said = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::NotFound => WrongUsage(said).into(),
        Code::Unavailable => anyhow::anyhow!("the server takes nothing now: {said}"),
        _ => anyhow::anyhow!("{said}"),
    }
}

/// Runs a command that talks to servers.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(work)
}
