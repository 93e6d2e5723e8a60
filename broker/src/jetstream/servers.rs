//! The list of servers, and the secrets in it.

use std::str::FromStr as _;

use async_nats::ServerAddr;

use super::trouble::Trouble;

/// What is shown of a server that does not look like one: it may be a part of a secret.
const HIDDEN: &str = "…";

/// One server of the list.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    scheme: String,
    host: String,
    secrets: Option<String>,
}

/// A user and password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Password(String, String),
    Token(String),
}

impl Server {
    /// A server that another one told of.
    pub(super) fn discovered(host: &str, like: &Self) -> Self {
        Self { scheme: like.scheme.clone(), host: host.to_owned(), secrets: like.secrets.clone() }
    }

    fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let (secrets, host) =
            rest.rsplit_once('@').map_or((None, rest), |(secrets, host)| (Some(secrets.to_owned()), host));
        Self { scheme: scheme.to_owned(), host: host.to_owned(), secrets }
    }

    /// The server without secrets, for people.
    pub(super) fn shown(&self) -> String {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]%".contains(&byte);
        let plain = |text: &str| !text.is_empty() && text.bytes().all(letter);
        let port = match self.host.rsplit_once(':') {
            Some((host, port)) => host.contains('[') || port.parse::<u16>().is_ok() || port.ends_with(']'),
            None => true,
        };
        let host = if port && plain(&self.host) { self.host.as_str() } else { HIDDEN };
        let scheme = if plain(&self.scheme) { self.scheme.as_str() } else { HIDDEN };
        format!("{scheme}://{host}")
    }

    pub(super) fn address(&self) -> Result<ServerAddr, Trouble> {
        let parsed = ServerAddr::from_str(&format!("{}://{}", self.scheme, self.host));
        parsed.map_err(|error| Trouble::address(self.shown(), &error))
    }

    /// Whether only an encrypted connection will do.
    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == "tls"
    }

    pub(super) fn secret(&self) -> Option<Secret> {
        let secrets = self.secrets.as_deref()?;
        Some(match secrets.split_once(':') {
            Some((user, password)) => Secret::Password(user.to_owned(), password.to_owned()),
            None => Secret::Token(secrets.to_owned()),
        })
    }
}

/// The servers of a list. A password may hold anything, commas too: what follows a comma without `://` and has an `@`
/// is the rest of a secret.
pub(super) fn parse(list: &str) -> Vec<Server> {
    let mut entries: Vec<String> = Vec::new();
    let mut begun = 0;
    for piece in list.split(',') {
        if piece.contains("://") {
            begun = entries.len();
        } else if piece.contains('@') && begun < entries.len() {
            let whole = entries.drain(begun..).chain([piece.to_owned()]).collect::<Vec<_>>().join(",");
            entries.push(whole);
            continue;
        }
        entries.push(piece.to_owned());
    }
    let named = entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
    let mut servers: Vec<Server> = named.map(Server::parse).collect();
    // One secret is enough for all.
    if let Some(secrets) = servers.iter().find_map(|server| server.secrets.clone()) {
        for server in &mut servers {
            server.secrets.get_or_insert_with(|| secrets.clone());
        }
    }
    servers
}

/// The list without secrets.
pub(super) fn shown(list: &str) -> String {
    parse(list).iter().map(Server::shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(list: &str) -> Option<(String, Option<String>)> {
        parse(list).first()?.secret().map(|secret| match secret {
            Secret::Password(user, password) => (user, Some(password)),
            Secret::Token(token) => (token, None),
        })
    }

    #[test]
    fn a_list_is_shown_without_secrets() {
        let list = "nats://user:hunter2@a:4222, tls://s3cret@b:4222,c:4222";
        assert_eq!(shown(list), "nats://a:4222,tls://b:4222,nats://c:4222");
        assert_eq!(secret(list), Some(("user".to_owned(), Some("hunter2".to_owned()))));
        assert_eq!(secret("tls://s3cret@b"), Some(("s3cret".to_owned(), None)));
        assert_eq!(secret("nats://b:4222"), None);
        assert_eq!(
            shown("nats://[::1]:4222,[::1],nats.example.org"),
            "nats://[::1]:4222,nats://[::1],nats://nats.example.org"
        );
    }

    #[test]
    fn a_password_may_hold_anything() {
        for password in ["a,b", "a@b,c", ",", "a:b/c?d#e", "x,y@z,w", "%2C,%40", "a b,c\"d"] {
            let list = format!("nats://user:{password}@a:4222,b:4222,tls://c:4222");
            assert_eq!(secret(&list), Some(("user".to_owned(), Some(password.to_owned()))), "{list}");
            assert_eq!(shown(&list), "nats://a:4222,nats://b:4222,tls://c:4222");
        }
    }

    #[test]
    fn what_is_no_server_may_be_a_secret_and_is_not_shown() {
        for list in ["nats://user:hunter2", "user:hunter2,nats://a:4222", "nats://hunter2 @"] {
            assert!(!shown(list).contains("hunter2"), "{}", shown(list));
        }
    }
}
