//! One query over HTTP: connections are kept, answers bounded, and the token goes to the server alone.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use quire_runtime::telemetry::{Secret, trace};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use super::gate::{Closed, Gate, Pass};

/// Most bytes of an answer. The largest of a batch that was measured had 5.4 MB.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of an answer that says what is wrong.
const MAX_WORDS_BYTES: usize = 64 * 1024;
/// Characters of the server's own words that are passed on.
const MAX_WORDS: usize = 300;
/// How long connections without work are kept.
const IDLE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("quire/", env!("CARGO_PKG_VERSION"));

/// A server and who we are to it. Made once, used by all parcels.
pub(crate) struct Client {
    http: reqwest::Client,
    url: reqwest::Url,
    authorization: HeaderValue,
    token: Secret,
    pub(super) gate: Gate,
}

/// How a client is set up.
pub(crate) struct ClientSettings {
    /// Scheme, host and port.
    pub(crate) origin: String,
    pub(crate) token: Secret,
    /// Authorities that are trusted beside those of the system: PEM.
    pub(crate) authorities: Vec<u8>,
    pub(crate) concurrency: usize,
    pub(crate) per_second: u32,
    pub(crate) timeout: Duration,
}

/// How one request ended that brought no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server asks for less, and when it wants to be asked again.
    Busy(String, Option<Duration>),
    /// No answer, or none that makes sense: may go away.
    Broken(String),
    /// The server needs longer than we, or it, wait.
    Slow(String),
    /// More than the server, or we, can manage at once.
    TooMuch(String),
    /// The token is not taken.
    Refused(String),
    /// The query, or the dataset, is not understood: the server's words.
    Wrong(String),
}

impl Client {
    /// # Errors
    /// What is wrong with the settings, in one sentence without the token.
    pub(crate) fn new(settings: ClientSettings) -> Result<Self, String> {
        quire_runtime::install_tls();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            // Repeats are ours, and counted.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT.min(settings.timeout))
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrency);
        if settings.origin.starts_with("http://") {
            // It is this very machine: nobody in between is told the token.
            builder = builder.no_proxy();
        }
        if !settings.authorities.is_empty() {
            let authorities = reqwest::Certificate::from_pem_bundle(&settings.authorities);
            let authorities =
                authorities.map_err(|_| "`ca_file` holds no certificates in PEM format".to_owned())?;
            if authorities.is_empty() {
                return Err("`ca_file` holds no certificates in PEM format".to_owned());
            }
            builder = builder.tls_certs_merge(authorities);
        }
        let http = builder
            .build()
            .map_err(|error| format!("HTTPS cannot be used: {}", quire_runtime::chain(&error)))?;
        let authorization = HeaderValue::from_str(&format!("Bearer {}", settings.token.expose()));
        let mut authorization = authorization
            .map_err(|_| "the token holds characters that no token has, such as a line end".to_owned())?;
        authorization.set_sensitive(true);
        let url = format!("{}/api/custom/custom", settings.origin);
        let url = reqwest::Url::parse(&url).map_err(|error| format!("the server's address: {error}"))?;
        Ok(Self {
            http,
            url,
            authorization,
            token: settings.token,
            gate: Gate::new(settings.concurrency, settings.per_second),
        })
    }

    /// A turn at asking.
    pub(super) async fn turn(&self) -> Result<Pass<'_>, Closed> {
        self.gate.enter().await
    }

    /// A span for asking once; `resent` is how often the same was asked before.
    pub(super) fn span(&self, query: &str, resent: u32) -> tracing::Span {
        trace::post(&trace::Post {
            host: self.url.host_str().unwrap_or_default(),
            port: self.url.port_or_known_default().unwrap_or_default(),
            url: self.url.as_str(),
            query,
            resent,
        })
    }

    /// Asks once. The status is that of the answer, or the kind of trouble.
    pub(super) async fn once(&self, body: Vec<u8>) -> (String, Result<Bytes, Trouble>) {
        let request = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(body);
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                let result = if status == StatusCode::OK {
                    whole(answer).await
                } else {
                    Err(self.trouble(status, answer).await)
                };
                let told = match &result {
                    Err(Trouble::Slow(_)) if status == StatusCode::OK => "timeout".to_owned(),
                    Err(Trouble::Broken(_)) if status == StatusCode::OK => "broken".to_owned(),
                    _ => status.as_str().to_owned(),
                };
                (told, result)
            }
            Err(error) => {
                let kind = if error.is_timeout() {
                    "timeout"
                } else if error.is_connect() {
                    "connect"
                } else {
                    "broken"
                };
                (kind.to_owned(), Err(broken(error)))
            }
        }
    }

    async fn trouble(&self, status: StatusCode, answer: Response) -> Trouble {
        let after = retry_after(answer.headers());
        let words = self.words(answer).await;
        let said = if words.is_empty() {
            format!("neuPrint answers {status}")
        } else {
            format!("neuPrint answers {status}: {words}")
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Trouble::Busy(said, after),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Refused(said),
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooMuch(said),
            StatusCode::BAD_REQUEST if words.contains("Timeout experienced") => Trouble::TooMuch(said),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Trouble::Slow(said),
            status if status.is_server_error() => Trouble::Broken(said),
            _ => Trouble::Wrong(said),
        }
    }

    /// What the server says is wrong.
    async fn words(&self, answer: Response) -> String {
        // What cannot be read says nothing.
        let bytes = pieces(answer, MAX_WORDS_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let said = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|value| {
            let words = ["error", "message"].into_iter().find_map(|key| value.get(key)?.as_str());
            words.map(str::to_owned)
        });
        let words = said.unwrap_or(text).replace(self.token.expose(), "[token]");
        let words: Vec<&str> = words.split_whitespace().collect();
        words.join(" ").chars().take(MAX_WORDS).collect()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// An answer as a whole.
async fn whole(answer: Response) -> Result<Bytes, Trouble> {
    pieces(answer, MAX_ANSWER_BYTES).await.map_err(|error| match error {
        Pieces::TooMany => Trouble::TooMuch(format!("an answer has more than {MAX_ANSWER_BYTES} bytes")),
        Pieces::Broken(error) => broken(error),
    })
}

enum Pieces {
    TooMany,
    Broken(reqwest::Error),
}

async fn pieces(mut answer: Response, limit: usize) -> Result<Bytes, Pieces> {
    let told = answer.content_length().unwrap_or_default();
    if told > limit as u64 {
        return Err(Pieces::TooMany);
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(told).unwrap_or_default());
    while let Some(piece) = answer.chunk().await.map_err(Pieces::Broken)? {
        if bytes.len() + piece.len() > limit {
            return Err(Pieces::TooMany);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// What an error of the connection means.
fn broken(error: reqwest::Error) -> Trouble {
    let is_slow = error.is_timeout() && !error.is_connect();
    let said = told(error);
    if is_slow { Trouble::Slow(said) } else { Trouble::Broken(said) }
}

/// An error of the connection in one sentence; whoever reads it knows the server by the definition.
fn told(error: reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "neuPrint does not answer in time"
    } else if error.is_connect() {
        "neuPrint cannot be reached"
    } else {
        "the answer of neuPrint broke off"
    };
    format!("{what}: {}", quire_runtime::chain(&error.without_url()))
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let then = super::edit::seconds_of_http_date(text)?;
    Some(Duration::from_secs(u64::try_from(then).ok()?.saturating_sub(now.as_secs())))
}
