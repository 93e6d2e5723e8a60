//! Servers that a command talks to: how they are reached, and what their errors mean here.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    TlsArgs,
    exit::{Unreachable, WrongUsage},
};

/// How long a server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Connects to the coordinator or agent at `server`, such as `http://127.0.0.1:7400`.
pub(crate) async fn connect(server: &str, tls: &TlsArgs) -> anyhow::Result<Channel> {
    endpoint(server, tls)?.connect().await.map_err(|error| {
        let remedy = "is it running there (--server)?";
        let unreachable = Unreachable { server: server.to_owned(), waited: CONNECT, remedy };
        anyhow::Error::from(error).context(unreachable)
    })
}

fn endpoint(server: &str, tls: &TlsArgs) -> anyhow::Result<Endpoint> {
    let scheme = if tls.is_given() { "https" } else { "http" };
    let address = if server.contains("://") { server.to_owned() } else { format!("{scheme}://{server}") };
    let secure = address.starts_with("https://");
    let endpoint = Endpoint::from_shared(address)
        .map_err(|_| WrongUsage(format!("`{server}` is no server: expected the form 127.0.0.1:7400")))?
        .connect_timeout(CONNECT);
    if !secure {
        return Ok(endpoint);
    }
    let endpoint = endpoint.tls_config(tls_config(tls)?);
    endpoint.context("cannot use the certificates of --tls-ca, --tls-cert and --tls-key")
}

fn tls_config(tls: &TlsArgs) -> anyhow::Result<ClientTlsConfig> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut config = match &tls.tls_ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&tls.tls_cert, &tls.tls_key) {
        config = config.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    Ok(match &tls.tls_name {
        Some(name) => config.domain_name(name),
        None => config,
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
