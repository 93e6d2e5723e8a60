//! One connection: it never gives up, says whether it is up, and makes asynchronous refusals answers of requests.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Message, Request, ServerError, Subscriber,
    client::RequestErrorKind,
    jetstream::{self, Context},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{broadcast, watch};

use super::{
    JetStreamOptions,
    fault::Fault,
    options::{secrets, without_secrets},
};
use crate::ConnectError;

/// Pause between attempts to connect, and what is added at most so that agents do not come back all at once.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
const RECONNECT_JITTER: u64 = 150;
/// How often a silent connection is tried.
const PING: Duration = Duration::from_secs(2);
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Refusals that a slow listener may be behind.
const DENIALS: usize = 256;

/// A connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    context: Context,
    state: Arc<State>,
    timeout: Duration,
}

struct State {
    up: watch::Sender<bool>,
    /// What the server does not permit: `publish to "subject"` and the like, lower case.
    denials: broadcast::Sender<String>,
    last_error: watch::Sender<Option<String>>,
}

/// What the server says of its JetStream requests.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Err { error: ApiError },
    Ok(T),
}

#[derive(serde::Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Link {
    /// Connects in the background, for as long as it takes.
    pub(super) async fn open(options: &JetStreamOptions, role: &str) -> Result<Self, ConnectError> {
        let state = Arc::new(State {
            up: watch::Sender::new(false),
            denials: broadcast::Sender::new(DENIALS),
            last_error: watch::Sender::new(None),
        });
        let connect = connect_options(options, role, &state).await?;
        let url = without_secrets(&options.url);
        let urls: Vec<&str> = url.split(',').collect();
        let client = connect.connect(urls).await;
        let client =
            client.map_err(|source| ConnectError::Url { url: url.clone(), source: Box::new(source) })?;
        let context = jetstream::new(client.clone());
        Ok(Self { client, context, state, timeout: options.request_timeout })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the connection is up, to be watched.
    pub(super) fn up(&self) -> watch::Receiver<bool> {
        self.state.up.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.up.borrow()
    }

    /// Waits until the connection is up.
    pub(super) async fn wait_up(&self) {
        // The sender lives as long as the link.
        let _ = self.up().wait_for(|up| *up).await;
    }

    /// Waits until the connection is down.
    pub(super) async fn wait_down(&self) {
        let _ = self.up().wait_for(|up| !*up).await;
    }

    /// Why the connection is down, as far as the server said.
    pub(super) fn last_error(&self) -> Option<String> {
        self.state.last_error.borrow().clone()
    }

    /// What the server refuses from now on.
    pub(super) fn denials(&self) -> broadcast::Receiver<String> {
        self.state.denials.subscribe()
    }

    pub(super) async fn subscribe(&self, inbox: String) -> Result<Subscriber, Fault> {
        self.client.subscribe(inbox).await.map_err(|_| Fault::Lost)
    }

    /// Sends a request and waits for its answer: until that comes, the server refuses, or the connection goes.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Fault> {
        let mut denials = self.denials();
        if !self.is_up() {
            return Err(Fault::Lost);
        }
        let mut request = Request::new().payload(payload).timeout(Some(self.timeout));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let answer = Box::pin(self.client.send_request(subject.clone(), request));
        let denied = async {
            loop {
                match denials.recv().await {
                    Ok(what) if concerns(&what, &subject) => return what,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Fault::NoResponders { subject: subject.clone() },
                RequestErrorKind::MaxPayloadExceeded => Fault::TooLarge,
                RequestErrorKind::InvalidSubject => Fault::Strange(format!("{subject} is no subject")),
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Fault::Lost,
            }),
            what = denied => Err(Fault::Denied { what }),
            () = self.wait_down() => Err(Fault::Lost),
        }
    }

    /// Sends a request whose answer is JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<T, Fault> {
        let answer = self.request(subject, headers, payload).await?;
        match serde_json::from_slice::<Answer<T>>(&answer.payload) {
            Ok(Answer::Ok(answer)) => Ok(answer),
            Ok(Answer::Err { error }) => {
                Err(Fault::Refused { code: error.err_code, text: error.description })
            }
            Err(error) => Err(Fault::Strange(error.to_string())),
        }
    }

    /// A request of the JetStream API.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &impl Serialize,
    ) -> Result<T, Fault> {
        let body = serde_json::to_vec(body).map_err(|error| Fault::Strange(error.to_string()))?;
        self.ask(format!("$JS.API.{call}"), None, body.into()).await
    }
}

/// How to connect: never giving up, by the credentials that there are.
async fn connect_options(
    options: &JetStreamOptions,
    role: &str,
    state: &Arc<State>,
) -> Result<ConnectOptions, ConnectError> {
    let mut connect = ConnectOptions::new()
        .name(format!("{} {role}", options.name))
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(options.request_timeout))
        .ping_interval(PING)
        .reconnect_delay_callback(|attempt| {
            RECONNECT_PAUSE + Duration::from_millis(spread(attempt) % RECONNECT_JITTER)
        })
        .event_callback({
            let state = Arc::clone(state);
            move |event| {
                state.note(&event);
                std::future::ready(())
            }
        });
    if let Some(file) = &options.credentials {
        let failed = |source| ConnectError::Credentials { file: file.clone(), source };
        let text = tokio::fs::read_to_string(file).await.map_err(failed)?;
        connect = connect.credentials(&text).map_err(failed)?;
    }
    Ok(match secrets(&options.url) {
        Some((user, Some(password))) => connect.user_and_password(user.to_owned(), password.to_owned()),
        Some((token, None)) => connect.token(token.to_owned()),
        None => connect,
    })
}

impl State {
    fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("connected to the broker");
                self.last_error.send_replace(None);
                self.up.send_replace(true);
            }
            Event::Disconnected | Event::Closed => {
                tracing::warn!("connection to the broker lost");
                self.up.send_replace(false);
            }
            Event::ServerError(ServerError::Other(text)) if is_violation(text) => {
                let what = text.to_lowercase();
                let what = what.split_once(" for ").map_or(what.as_str(), |(_, what)| what).to_owned();
                tracing::error!(what, "the broker does not permit this");
                // Without listeners no one waits for an answer.
                let _ = self.denials.send(what);
            }
            Event::ServerError(ServerError::SlowConsumer(_)) | Event::SlowConsumer(_) => {
                tracing::warn!("messages of the broker came faster than they were taken");
            }
            Event::LameDuckMode | Event::Draining => tracing::info!(%event, "the broker's server goes away"),
            Event::ServerError(_) | Event::ClientError(_) => {
                tracing::warn!(%event, "the broker's server reports an error");
                self.last_error.send_replace(Some(event.to_string()));
            }
        }
    }
}

fn is_violation(text: &str) -> bool {
    text.to_lowercase().contains("permissions violation")
}

/// Whether a refusal is one of `subject`.
pub(super) fn concerns(what: &str, subject: &str) -> bool {
    what.split('"').nth(1).is_some_and(|denied| denied == subject.to_lowercase())
}

/// A number that differs between processes and attempts.
fn spread(attempt: usize) -> u64 {
    static SEED: OnceLock<std::hash::RandomState> = OnceLock::new();
    std::hash::BuildHasher::hash_one(SEED.get_or_init(std::hash::RandomState::new), attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_concerns_its_subject_only() {
        let what = "publish to \"quire.v1.fetch.low._\"";
        assert!(concerns(what, "quire.v1.fetch.low._"));
        assert!(!concerns(what, "quire.v1.fetch.low"));
        assert!(is_violation("Permissions Violation for Publish to \"a\""));
    }
}
