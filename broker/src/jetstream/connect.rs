//! One attempt to connect to one server.

use std::{path::Path, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, connection::State as Wire};
use tokio::time::timeout;

use super::{
    JetStreamOptions,
    connection::State,
    servers::{Secret, Server},
    trouble::Trouble,
};

/// The first version of nats-server that we know.
const OLDEST: (u32, u32) = (2, 12);
/// How often a silent connection is tried.
const PING: Duration = Duration::from_secs(2);
/// How long one address of a server may take, and the server with all its addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const SERVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects. The files of credentials and certificates are read for each attempt: they may have been renewed.
///
/// The client makes one attempt of its own when it loses the connection, then it ends: a new one must not carry out
/// what was left over for the old.
pub(super) async fn connect(
    options: &JetStreamOptions,
    server: &Server,
    role: &str,
    state: &Arc<State>,
    number: u64,
) -> Result<Client, Trouble> {
    let address = server.address()?;
    let connect = with_identity(transport(options, server, role), options, server).await?;
    let connect = connect.event_callback({
        let (state, server) = (Arc::downgrade(state), server.shown());
        move |event| {
            if let Some(state) = state.upgrade() {
                state.note(number, &server, &event);
            }
            std::future::ready(())
        }
    });
    match timeout(SERVER_TIMEOUT, Box::pin(connect.connect(address))).await {
        Ok(Ok(client)) if client.connection_state() == Wire::Connected => {
            let version = client.server_info().version;
            if is_known(&version) { Ok(client) } else { Err(Trouble::too_old(server.shown(), version)) }
        }
        Ok(Ok(_)) => Err(Trouble::lost(server.shown(), None)),
        Ok(Err(error)) => Err(Trouble::of(server.shown(), &error)),
        Err(_) => Err(Trouble::timed_out(server.shown())),
    }
}

fn transport(options: &JetStreamOptions, server: &Server, role: &str) -> ConnectOptions {
    let tls = &options.tls;
    let encrypted = tls.required || server.is_encrypted() || tls.ca.is_some() || tls.certificate.is_some();
    let mut connect = ConnectOptions::new()
        .name(format!("{} {role}", options.name))
        .custom_inbox_prefix(&options.inbox_prefix)
        .require_tls(encrypted)
        .ignore_discovered_servers()
        .max_reconnects(1)
        .reconnect_delay_callback(|_| Duration::ZERO)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(options.request_timeout))
        .ping_interval(PING);
    if let Some(ca) = &tls.ca {
        connect = connect.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &tls.certificate {
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    connect
}

/// Adds the credentials that there are: a file of them, a user's password in a file, or what the address says.
async fn with_identity(
    connect: ConnectOptions,
    options: &JetStreamOptions,
    server: &Server,
) -> Result<ConnectOptions, Trouble> {
    let tls = &options.tls;
    let certificate = tls.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
    for file in tls.ca.iter().chain(certificate) {
        read(file).await?;
    }
    let connect = match &options.credentials {
        Some(file) => {
            let text = read(file).await?;
            connect.credentials(&text).map_err(|error| Trouble::file(file.clone(), &error))?
        }
        None => connect,
    };
    if let Some((user, file)) = &options.password_file {
        let password = read(file).await?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        return Ok(connect.user_and_password(user.clone(), password));
    }
    Ok(match server.secret() {
        Some(Secret::Password(user, password)) => connect.user_and_password(user, password),
        Some(Secret::Token(token)) => connect.token(token),
        None => connect,
    })
}

async fn read(file: &Path) -> Result<String, Trouble> {
    tokio::fs::read_to_string(file).await.map_err(|error| Trouble::file(file.to_owned(), &error))
}

/// Whether a server of this version has all that we need. One that does not say it in this form is not ours to judge.
fn is_known(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_told_by_their_version() {
        for (version, known) in
            [("2.11.9", false), ("2.12.0", true), ("2.15.1-beta.2", true), ("3.0.0", true), ("", true)]
        {
            assert_eq!(is_known(version), known, "{version}");
        }
    }
}
