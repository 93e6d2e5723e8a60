//! Servers that a command talks to: how they are reached, who of them leads, and what their errors mean here.

use std::{error::Error as _, path::Path, time::Duration};

use anyhow::Context as _;
use tonic::{
    Code, Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    ServerArgs, TlsArgs,
    exit::{Unreachable, WrongUsage},
};

/// How long a server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether it is still there, and how long it may take to say so.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long a server may take to answer a call.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The same of calls that end when something else has ended, or that go through many things.
pub(crate) const LONG_DEADLINE: Duration = Duration::from_secs(180);
/// Largest answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What of Quire is meant to listen at an address.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// The coordinator: it alone knows runs, lanes and all agents.
    Coordinator,
    /// Any of the programs.
    Agent,
}

impl Wanted {
    /// What to say of a server that knows nothing of the call.
    const fn other(self) -> &'static str {
        match self {
            Self::Coordinator => {
                "is no coordinator, or one of a version that does not know this call: give --server the address of one; they listen on port 7400 unless told otherwise"
            }
            Self::Agent => {
                "is no agent of Quire, or one of a version that does not know this call: `quire agents` tells those there are"
            }
        }
    }

    /// What to look at if nobody answers there.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Coordinator => "is it running there (--server)?",
            Self::Agent => "is it running there? `quire agents` tells those there are",
        }
    }
}

/// A server, or a coordinator and those that stand by for it.
pub(crate) struct Servers {
    wanted: Wanted,
    addresses: Vec<(String, Endpoint)>,
    /// The one that answered last, and the connection to it.
    at: usize,
    channel: Option<Channel>,
}

impl Servers {
    /// Those of the arguments.
    pub(crate) fn of(args: &ServerArgs) -> anyhow::Result<Self> {
        Self::new(&args.server, &args.tls, Wanted::Coordinator)
    }

    /// Addresses such as `http://127.0.0.1:7400`, separated by commas.
    pub(crate) fn new(addresses: &str, tls: &TlsArgs, wanted: Wanted) -> anyhow::Result<Self> {
        let named = addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
        let addresses = named
            .map(|name| Ok((name.to_owned(), endpoint(name, tls)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        if addresses.is_empty() {
            return Err(WrongUsage("no server is named: expected the form 127.0.0.1:7400".to_owned()).into());
        }
        Ok(Self { wanted, addresses, at: 0, channel: None })
    }

    /// Makes a call to whoever takes it: servers that are away, stand by or are other ones are passed over.
    pub(crate) async fn ask<T>(
        &mut self,
        deadline: Duration,
        call: impl AsyncFn(Channel) -> Result<Response<T>, Status>,
    ) -> anyhow::Result<T> {
        let (mut away, mut others) = (Vec::new(), 0);
        for _ in 0..self.addresses.len() {
            let why = match self.channel().await {
                Ok(channel) => match tokio::time::timeout(deadline, call(channel)).await {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) if status.code() == Code::Unimplemented => {
                        others += 1;
                        self.wanted.other().to_owned()
                    }
                    Ok(Err(status)) if !is_away(&status) => return Err(refused(&status)),
                    Ok(Err(status)) => why_away(&status),
                    Err(_) => format!("did not answer the call within {} s", deadline.as_secs()),
                },
                Err(why) => why,
            };
            away.push(Unreachable { server: self.addresses[self.at].0.clone(), why });
            self.channel = None;
            self.at = (self.at + 1) % self.addresses.len();
        }
        let all_are_others = others == away.len();
        let error = Unreachable::all(away);
        Err(if all_are_others { WrongUsage(error.to_string()).into() } else { error.into() })
    }

    /// The connection, made if there is none.
    async fn channel(&mut self) -> Result<Channel, String> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let connected = tokio::time::timeout(CONNECT, self.addresses[self.at].1.connect()).await;
        let channel = match connected {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => {
                let cause = innermost(&error);
                return Err(format!("cannot be reached ({cause}): {}", self.wanted.remedy()));
            }
            Err(_) => {
                let seconds = CONNECT.as_secs();
                return Err(format!("did not answer within {seconds} s: {}", self.wanted.remedy()));
            }
        };
        self.channel = Some(channel.clone());
        Ok(channel)
    }
}

/// Connects to the one server at `server`.
pub(crate) async fn connect(server: &str, tls: &TlsArgs) -> anyhow::Result<Channel> {
    let connected = Servers::new(server, tls, Wanted::Agent)?.channel().await;
    connected.map_err(|why| Unreachable { server: server.to_owned(), why }.into())
}

/// The cause of all causes.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn endpoint(server: &str, tls: &TlsArgs) -> anyhow::Result<Endpoint> {
    let scheme = if tls.is_given() { "https" } else { "http" };
    let address = if server.contains("://") { server.to_owned() } else { format!("{scheme}://{server}") };
    let secure = address.starts_with("https://");
    let endpoint = Endpoint::from_shared(address)
        .map_err(|_| WrongUsage(format!("`{server}` is no server: expected the form 127.0.0.1:7400")))?;
    let (interval, timeout) = KEEP_ALIVE;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true);
    if !secure {
        return Ok(endpoint);
    }
    let endpoint = endpoint.tls_config(tls_config(tls)?);
    endpoint.context("cannot use the certificates of --tls-ca, --tls-cert and --tls-key")
}

/// Whether another server may take the call, or this one later: it says so, or the connection broke.
pub(crate) fn is_away(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

/// What the server said, or why nothing was heard of it.
pub(crate) fn said(status: &Status) -> String {
    match status.source() {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    }
}

/// Why a server gives no answer, although there was a connection.
pub(crate) fn why_away(status: &Status) -> String {
    let said = said(status);
    // How the library names bytes that are none of its protocol.
    match said.strip_prefix("connection error detected: ") {
        Some(detected) => format!("is no server of Quire: it speaks another protocol ({detected})"),
        None if status.source().is_some() => {
            format!("broke the connection ({said}): is it a server of Quire (--server)?")
        }
        None => format!("takes nothing now: {said}"),
    }
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
    let said = said(status);
    match status.code() {
        Code::InvalidArgument | Code::NotFound => WrongUsage(said).into(),
        _ => anyhow::anyhow!("{said}"),
    }
}

/// Runs a command that talks to servers.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn servers_are_separated_by_commas() {
        let servers =
            Servers::new("127.0.0.1:1, http://[::1]:2,", &TlsArgs::default(), Wanted::Agent).unwrap();
        let names: Vec<&str> = servers.addresses.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["127.0.0.1:1", "http://[::1]:2"]);
        for wrong in [" , ", "a b"] {
            assert!(Servers::new(wrong, &TlsArgs::default(), Wanted::Agent).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_server_that_is_away_is_named() {
        let (exit, text) = asked("127.0.0.1:1,127.0.0.1:2", async |_| Ok(Response::new(())));
        assert_eq!(exit, Exit::Unreachable);
        assert!(text.contains("127.0.0.1:1 cannot be reached") && text.contains("127.0.0.1:2"), "{text}");
    }

    /// How a call to a coordinator at `servers` fails.
    fn asked<T: std::fmt::Debug>(
        servers: &str,
        call: impl AsyncFn(Channel) -> Result<Response<T>, Status>,
    ) -> (Exit, String) {
        let mut servers = Servers::new(servers, &TlsArgs::default(), Wanted::Coordinator).unwrap();
        let error = block_on(servers.ask(DEADLINE, call)).unwrap_err();
        (Exit::of(&error), error.to_string())
    }

    /// A server that says `words` to whoever comes, and hangs up if it has none; its address.
    fn that_says(words: &'static [u8]) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut here = Vec::new();
            for came in listener.incoming() {
                let mut came = came.unwrap();
                std::io::Write::write_all(&mut came, words).unwrap();
                here.extend((!words.is_empty()).then_some(came));
            }
        });
        address
    }

    #[test]
    fn what_speaks_otherwise_is_no_server_of_quire_and_who_goes_away_is_away() {
        let list = async |channel| {
            let mut runs = quire_api::run::run_service_client::RunServiceClient::new(channel);
            runs.list(quire_api::run::ListRequest::default()).await
        };
        let (exit, text) = asked(&that_says(b"INFO {\"server_id\":\"N\"} and more of it\r\n"), list);
        assert_eq!(exit, Exit::Unreachable);
        assert!(text.contains("is no server of Quire"), "{text}");
        let (exit, text) = asked(&that_says(b""), list);
        assert_eq!(exit, Exit::Unreachable);
        assert!(text.contains("broke the connection (") && !text.contains("transport error"), "{text}");
    }

    #[test]
    fn a_server_of_another_kind_is_named_and_passed_over() {
        let unknown = async |_: Channel| Err::<Response<()>, _>(Status::unimplemented(""));
        let address = that_says(b"");
        let (exit, text) = asked(&address, unknown);
        assert_eq!(
            (exit, text.starts_with(&format!("{address} is no coordinator"))),
            (Exit::Usage, true),
            "{text}"
        );
        let (exit, text) = asked(&format!("{address},127.0.0.1:1"), unknown);
        assert_eq!((exit, text.contains("is no coordinator")), (Exit::Unreachable, true), "{text}");
    }
}
