//! Why there is no connection: by kind, so that it can be told what a person must do.

use std::{fmt, io, path::PathBuf};

use async_nats::{ConnectErrorKind, rustls};

use crate::ConnectError;

/// Why an attempt to connect failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    kind: Kind,
    /// The server without secrets.
    server: String,
    /// The causes, outermost first.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The address has a form that no server has.
    Address,
    /// No one answers there.
    Unreachable,
    /// The name stands for no address.
    Unresolvable,
    /// The server does not know us, or not with these credentials.
    Unauthorized,
    /// The connection cannot be encrypted as it should.
    Tls,
    /// The server lacks what we need.
    TooOld(String),
    /// A file of credentials or certificates cannot be used.
    File(PathBuf, io::ErrorKind),
}

impl Trouble {
    pub(super) fn of(server: String, error: &async_nats::ConnectError) -> Self {
        let text = chain(error);
        let kind = match error.kind() {
            ConnectErrorKind::ServerParse => Kind::Address,
            ConnectErrorKind::Dns => Kind::Unresolvable,
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Kind::Unauthorized,
            ConnectErrorKind::Tls => Kind::Tls,
            _ if is_tls(error) => Kind::Tls,
            _ if is_refusal(&text) => Kind::Unauthorized,
            _ => Kind::Unreachable,
        };
        Self { kind, server, text }
    }

    pub(super) fn address(server: String, error: &io::Error) -> Self {
        Self { kind: Kind::Address, server, text: chain(error) }
    }

    pub(super) fn file(file: PathBuf, error: &io::Error) -> Self {
        Self { kind: Kind::File(file, error.kind()), server: String::new(), text: error.to_string() }
    }

    pub(super) fn too_old(server: String, version: String) -> Self {
        Self { kind: Kind::TooOld(version), server, text: String::new() }
    }

    pub(super) fn timed_out(server: String) -> Self {
        Self { kind: Kind::Unreachable, server, text: "it does not answer in time".to_owned() }
    }

    pub(super) fn lost(server: String, reason: Option<String>) -> Self {
        let text = reason.unwrap_or_else(|| "the connection was lost".to_owned());
        let kind = if is_refusal(&text) { Kind::Unauthorized } else { Kind::Unreachable };
        Self { kind, server, text }
    }

    /// Whether it will hardly pass without a person.
    pub(super) const fn needs_a_person(&self) -> bool {
        !matches!(self.kind, Kind::Unreachable)
    }

    /// Of troubles with several servers, which one tells most: a server that answers and refuses speaks for all, one that
    /// may still come up is worth waiting for though another does not exist.
    pub(super) const fn weight(&self) -> u8 {
        match self.kind {
            Kind::Unresolvable => 0,
            Kind::Unreachable => 1,
            _ => 2,
        }
    }

    /// Whether trying again is of no use at all.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Address)
    }

    pub(super) fn into_error(self) -> ConnectError {
        let Self { kind, server, text } = self;
        match kind {
            Kind::Address => ConnectError::Url { url: server, source: text.into() },
            Kind::Unreachable => ConnectError::Unreachable { server, source: text.into() },
            Kind::Unresolvable => ConnectError::Unresolvable { server, source: text.into() },
            Kind::Unauthorized => ConnectError::Unauthorized { server, source: text.into() },
            Kind::Tls => ConnectError::Tls { server, source: text.into() },
            Kind::TooOld(version) => ConnectError::TooOld { server, version },
            Kind::File(file, kind) => ConnectError::Credentials { file, source: io::Error::new(kind, text) },
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, server, text } = self;
        match kind {
            Kind::Address => write!(f, "`{server}` is no address of a NATS server: {text}"),
            Kind::Unreachable => write!(f, "{server} cannot be reached: {text}"),
            Kind::Unresolvable => write!(f, "the name of {server} cannot be resolved: {text}"),
            Kind::Unauthorized => write!(f, "{server} refuses our credentials: {text}"),
            Kind::Tls => write!(f, "no encrypted connection to {server}: {text}"),
            Kind::TooOld(version) => write!(f, "{server} is nats-server {version}, which is too old"),
            Kind::File(file, _) => write!(f, "{} cannot be used: {text}", file.display()),
        }
    }
}

/// An error and what is behind it; without what only repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}

/// Whether a handshake or an alert of TLS is behind an error of input or output.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Whether the server said that it does not want us.
fn is_refusal(text: &str) -> bool {
    let text = text.to_lowercase();
    ["authorization violation", "authentication", "user revoked", "account"]
        .iter()
        .any(|word| text.contains(word))
}
