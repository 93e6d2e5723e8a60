//! The clients of a process, one for each server and who we are to it.

use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quire_catalogue::{Neuprint, Token};
use quire_proto::{Digest, DigestBuilder};
use quire_runtime::telemetry::Secret;
use reqwest::Url;

use super::client::{Client, ClientSettings};
use crate::{
    FetcherOptions,
    expand::{ExpandError, expand},
};

/// Most clients that are kept; real processes have one or two.
const MAX_CLIENTS: usize = 64;
/// Most bytes of a token's file, and of one with certificates.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Clients that were made. What they are made of is read each time: a token that was changed is a new client.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<HashMap<Digest, Arc<Client>>>);

/// A source, ready to be asked.
pub(crate) struct Reached {
    pub(crate) client: Arc<Client>,
    /// Scheme, host and port of the server.
    pub(crate) origin: String,
    pub(crate) dataset: String,
}

impl Clients {
    /// The client for a source of `catalogue`. Reads files, so it may block.
    ///
    /// # Errors
    /// What is wrong with the settings, in one sentence without the token.
    pub(crate) fn reach(
        &self,
        catalogue: &str,
        source: &Neuprint,
        options: &FetcherOptions,
    ) -> Result<Reached, String> {
        let expanded = |text: &str| expand(text, &options.env).map_err(|error| error.to_string());
        let home = options.home_of(catalogue);
        let origin = origin(&expanded(&source.server)?)?;
        let dataset = expanded(&source.dataset)?;
        let token = match &source.token {
            Token::Variable(written) => expand(written, &options.env).map_err(|error| match error {
                ExpandError::Unset { name } => {
                    format!("environment variable `{name}` is not set: {}", remedy(source))
                }
                error => error.to_string(),
            })?,
            Token::File(path) => {
                let bytes = read(&expanded(path)?, home.as_deref(), "token_file")?;
                String::from_utf8(bytes)
                    .map_err(|_| "`token_file` holds something else than a token".to_owned())?
            }
        };
        let token = token.trim();
        if token.is_empty() {
            return Err(format!("the token is empty: {}", remedy(source)));
        }
        let authorities = match &source.ca_file {
            Some(path) => read(&expanded(path)?, home.as_deref(), "ca_file")?,
            None => Vec::new(),
        };
        let settings = ClientSettings {
            origin: origin.clone(),
            token: Secret::new(token.to_owned()),
            authorities,
            concurrency: source.concurrency,
            per_second: source.per_second,
            timeout: Duration::from_secs(source.timeout_seconds),
        };
        Ok(Reached { client: self.client(settings)?, origin, dataset })
    }

    fn client(&self, settings: ClientSettings) -> Result<Arc<Client>, String> {
        let digest = DigestBuilder::new("quire neuprint client")
            .text(&settings.origin)
            .text(settings.token.expose())
            .bytes(&settings.authorities)
            .number(settings.concurrency as u64)
            .number(u64::from(settings.per_second))
            .number(settings.timeout.as_secs())
            .finish();
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&digest) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client::new(settings)?);
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(digest, Arc::clone(&client));
        Ok(client)
    }
}

/// What to do about a token that is not there or not taken.
fn remedy(source: &Neuprint) -> String {
    match &source.token {
        Token::Variable(written) => {
            let name = written.trim_start_matches("${").trim_end_matches('}');
            format!("set the environment variable {name} to a token of the server")
        }
        Token::File(path) => format!("write a token of the server into {path}"),
    }
}

/// A refusal of the token, with what to do.
pub(crate) fn refused(source: &Neuprint, why: &str) -> String {
    format!("neuPrint refuses the token ({why}): {}", remedy(source))
}

/// Scheme, host and port of a server's address, where a token may be sent to it.
fn origin(address: &str) -> Result<String, String> {
    let url = Url::parse(address)
        .map_err(|error| format!("`server` is no address like https://neuprint.janelia.org: {error}"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err("`server` is more than scheme, host and port".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let here = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => {
            return Err(format!("`server` is http://{host}: the token would go unprotected; use https://"));
        }
        scheme => return Err(format!("`server` begins with {scheme}: expected https://")),
    }
    Ok(url.origin().ascii_serialization())
}

fn read(path: &str, home: Option<&Path>, key: &str) -> Result<Vec<u8>, String> {
    let path = match home {
        Some(home) => home.join(path),
        None => PathBuf::from(path),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("`{key}` cannot be read: {error}"))?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("`{key}` cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("`{key}` has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Env;

    fn source(server: &str, token: Token) -> Neuprint {
        Neuprint {
            server: server.to_owned(),
            dataset: "cns".to_owned(),
            token,
            ca_file: None,
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            batch: 50,
            concurrency: 4,
            per_second: 20,
            timeout_seconds: 90,
        }
    }

    fn options(home: &Path) -> FetcherOptions {
        let env = Env::new(|name| (name == "T").then(|| "s3cret\n".to_owned()));
        let roots = BTreeMap::from([("n".to_owned(), home.to_owned())]);
        FetcherOptions { env, roots, ..FetcherOptions::default() }
    }

    #[test]
    fn a_server_is_https_or_this_machine() {
        assert_eq!(origin("https://neuprint.janelia.org/").unwrap(), "https://neuprint.janelia.org");
        for here in ["http://127.0.0.1:1234", "http://localhost:1", "http://[::1]:2"] {
            assert_eq!(origin(here).unwrap(), here);
        }
        for refused in [
            "http://neuprint.janelia.org",
            "https://user:pass@host",
            "https://host/path",
            "https://host?x=1",
            "ftp://host",
            "neuprint.janelia.org",
            "",
        ] {
            let said = origin(refused).unwrap_err();
            assert!(said.contains("`server`") && !said.contains("pass"), "{said}");
        }
    }

    #[test]
    fn the_same_settings_share_a_client_and_another_token_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (clients, options) = (Clients::default(), options(folder.path()));
        let by_name = source("http://127.0.0.1:1", Token::Variable("${T}".to_owned()));
        let by_file = source("http://127.0.0.1:1", Token::File("token".to_owned()));
        let reach = |source| clients.reach("n", source, &options).map(|reached| reached.client);
        let said = reach(&by_file).unwrap_err();
        assert!(said.starts_with("`token_file` cannot be read"), "{said}");
        assert!(!said.contains(&*folder.path().to_string_lossy()), "{said}");
        std::fs::write(folder.path().join("token"), "s3cret").unwrap();
        let (first, second) = (reach(&by_name).unwrap(), reach(&by_file).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        std::fs::write(folder.path().join("token"), "another").unwrap();
        assert!(!Arc::ptr_eq(&first, &reach(&by_file).unwrap()));
        std::fs::write(folder.path().join("token"), " \n").unwrap();
        assert!(reach(&by_file).unwrap_err().contains("the token is empty: write a token"));
        let unset = source("http://127.0.0.1:1", Token::Variable("${NOT_SET}".to_owned()));
        let said = reach(&unset).unwrap_err();
        assert_eq!(
            said,
            "environment variable `NOT_SET` is not set: set the environment variable NOT_SET to a token of the server"
        );
        let shown = format!("{clients:?} {first:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("another"), "{shown}");
    }

    #[test]
    fn what_cannot_be_a_token_or_a_certificate_is_told_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let (clients, options) = (Clients::default(), options(folder.path()));
        std::fs::write(folder.path().join("token"), "s3\u{7}cret").unwrap();
        let odd = source("http://127.0.0.1:1", Token::File("token".to_owned()));
        let said = clients.reach("n", &odd, &options).map(drop).unwrap_err();
        assert!(said.contains("the token holds characters") && !said.contains("s3"), "{said}");
        let mut odd = source("https://127.0.0.1:1", Token::Variable("${T}".to_owned()));
        odd.ca_file = Some("token".to_owned());
        let said = clients.reach("n", &odd, &options).map(drop).unwrap_err();
        assert!(said.contains("holds no certificates"), "{said}");
    }
}
