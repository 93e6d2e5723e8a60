//! One connection: it never gives up, says whether it is up, and makes asynchronous refusals answers of requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{HeaderMap, Message, Request, client::RequestErrorKind};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    JetStreamOptions,
    connection::{Now, State, Tie, concerns},
    fault::Fault,
    keeper::{Keeper, spread},
    servers,
    trouble::Trouble,
};
use crate::ConnectError;

/// A connection. Cheap to clone; it ends with the last clone.
#[derive(Clone)]
pub(super) struct Link {
    state: Arc<State>,
    timeout: Duration,
    grace: Duration,
    _keeper: Arc<AbortOnDropHandle<()>>,
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
    pub(super) fn open(options: &JetStreamOptions, role: &'static str) -> Result<Self, ConnectError> {
        let named = servers::parse(&options.url);
        if named.is_empty() {
            let source = "no server is named".into();
            return Err(ConnectError::Url { url: options.shown_url(), source });
        }
        for server in &named {
            server.address().map_err(Trouble::into_error)?;
        }
        let state = Arc::new(State::new(&options.inbox_prefix));
        let keeper = Keeper { options: options.clone(), role, named, state: Arc::clone(&state) };
        let keeper = Arc::new(AbortOnDropHandle::new(tokio::spawn(keeper.run())));
        Ok(Self { state, timeout: options.request_timeout, grace: options.connect_grace, _keeper: keeper })
    }

    /// Waits until the connection is up, for as long as it may come up by itself. What needs a person is told when it
    /// has lasted for the grace.
    pub(super) async fn wait_first(&self) -> Result<(), ConnectError> {
        let mut now = self.state.watch();
        let mut since = None;
        loop {
            let trouble = {
                let now = now.borrow_and_update();
                if now.is_up() {
                    return Ok(());
                }
                now.trouble().cloned().filter(Trouble::needs_a_person)
            };
            let Some(trouble) = trouble else {
                since = None;
                let _ = now.changed().await;
                continue;
            };
            let deadline = *since.get_or_insert_with(Instant::now) + self.grace;
            if trouble.is_final() || Instant::now() >= deadline {
                return Err(trouble.into_error());
            }
            tokio::select! {
                _ = now.changed() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// What is known of the connection, to be watched.
    pub(super) fn watch(&self) -> watch::Receiver<Now> {
        self.state.watch()
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.now().is_up()
    }

    /// Why the connection cannot be used, if it cannot.
    pub(super) fn why_not(&self) -> Option<String> {
        let now = self.state.now();
        if let Some(what) = now.deaf() {
            return Some(format!("the broker does not permit the {what}, so no answer of it can be heard"));
        }
        let trouble = || now.trouble().map(ToString::to_string);
        let unknown = || "no connection to the broker".to_owned();
        (!now.is_up()).then(|| trouble().unwrap_or_else(unknown))
    }

    /// The client and its connection, if it is up.
    pub(super) fn tie(&self) -> Result<Tie, Fault> {
        self.state.now().tie()
    }

    /// Waits until the connection is up.
    pub(super) async fn wait_up(&self) {
        // The sender lives as long as the link.
        let _ = self.watch().wait_for(Now::is_up).await;
    }

    /// Waits until the connection is another one, or none.
    pub(super) async fn untied(&self, tie: &Tie) {
        let _ = self.watch().wait_for(|now| !now.is(tie)).await;
    }

    /// What the server refuses from now on.
    pub(super) fn denials(&self) -> broadcast::Receiver<String> {
        self.state.denials()
    }

    /// A name that no one else has.
    pub(super) fn unique() -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}", spread(count), spread(!count))
    }

    /// Sends a request and waits for its answer: until that comes, the server refuses, or the connection goes.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Fault> {
        let denials = self.denials();
        let tie = self.tie()?;
        let mut request = Request::new().payload(payload).timeout(Some(self.timeout));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let answer = Box::pin(tie.client.send_request(subject.clone(), request));
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Fault::NoResponders { subject: subject.clone() },
                RequestErrorKind::MaxPayloadExceeded => Fault::TooLarge,
                RequestErrorKind::InvalidSubject => Fault::Strange(format!("{subject} is no subject")),
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Fault::Lost,
            }),
            what = denied(denials, &subject) => Err(Fault::Denied { what }),
            fault = self.cut(&tie) => Err(fault),
        }
    }

    /// Waits until the connection is lost, or hears no answers by the server's will.
    async fn cut(&self, tie: &Tie) -> Fault {
        let mut now = self.watch();
        let cut = now.wait_for(|now| !now.is(tie) || now.deaf().is_some()).await;
        let deaf = cut.ok().filter(|now| now.is(tie)).and_then(|now| now.deaf().cloned());
        deaf.map_or(Fault::Lost, |what| Fault::Denied { what })
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

/// Waits until the server refuses `subject`.
async fn denied(mut denials: broadcast::Receiver<String>, subject: &str) -> String {
    loop {
        match denials.recv().await {
            Ok(what) if concerns(&what, subject) => return what,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
