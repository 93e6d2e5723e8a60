//! The connection as it is now: the client that has it, or why no one has.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{Client, Event, ServerError, jetstream::Context};
use tokio::sync::{broadcast, watch};

use super::{fault::Fault, trouble::Trouble};
use crate::Queue;

/// Refusals that a slow listener may be behind.
const DENIALS: usize = 256;

/// What is known of a connection, told to all who wait for a change of it.
pub(super) struct State {
    now: watch::Sender<Now>,
    /// What the server does not permit: `publish to "subject"` and the like, lower case.
    denials: broadcast::Sender<String>,
    /// The answers to requests come under this, lower case.
    inboxes: String,
    last_error: Mutex<Option<String>>,
}

/// What holds at present.
#[derive(Clone, Default)]
pub(super) struct Now {
    /// Counts connections, so that one is not taken for the next.
    number: u64,
    client: Option<Arc<Client>>,
    trouble: Option<Trouble>,
    /// The refusal of the subscription through which answers come: no request of this connection is ever answered.
    deaf: Option<String>,
}

/// A client for as long as its connection lasts.
#[derive(Clone)]
pub(super) struct Tie {
    pub(super) client: Arc<Client>,
    number: u64,
}

impl Tie {
    pub(super) fn context(&self) -> Context {
        async_nats::jetstream::new(Client::clone(&self.client))
    }
}

impl State {
    pub(super) fn new(inbox_prefix: &str) -> Self {
        Self {
            now: watch::Sender::new(Now::default()),
            denials: broadcast::Sender::new(DENIALS),
            inboxes: format!("{}.", inbox_prefix.to_lowercase()),
            last_error: Mutex::new(None),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Now> {
        self.now.subscribe()
    }

    /// For a look; not to be held.
    pub(super) fn now(&self) -> watch::Ref<'_, Now> {
        self.now.borrow()
    }

    pub(super) fn denials(&self) -> broadcast::Receiver<String> {
        self.denials.subscribe()
    }

    /// Takes a client for the connection of this number.
    pub(super) fn connected(&self, number: u64, client: Client) {
        self.set_last_error(None);
        self.now.send_modify(|now| {
            *now = Now { number, client: Some(Arc::new(client)), trouble: None, deaf: None };
        });
    }

    pub(super) fn failed(&self, trouble: Trouble) {
        self.now.send_modify(|now| {
            now.client = None;
            now.trouble = Some(trouble);
        });
    }

    /// The connection of this number is no more.
    pub(super) fn lost(&self, number: u64, server: &str) {
        let reason = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.now.send_if_modified(|now| {
            let lost = now.number == number && now.client.is_some();
            if lost {
                now.client = None;
                now.trouble = Some(Trouble::lost(server.to_owned(), reason));
            }
            lost
        });
    }

    fn set_last_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Takes note of what the client of connection `number` reports.
    pub(super) fn note(&self, number: u64, server: &str, event: &Event) {
        match event {
            Event::Connected => {}
            Event::Disconnected | Event::Closed => self.lost(number, server),
            Event::ServerError(ServerError::Other(text)) if is_violation(text) => self.deny(number, text),
            Event::ServerError(ServerError::SlowConsumer(_)) | Event::SlowConsumer(_) => {
                tracing::warn!("messages of the broker came faster than they were taken");
            }
            Event::LameDuckMode | Event::Draining => tracing::info!(%event, "the broker's server goes away"),
            Event::ServerError(_) | Event::ClientError(_) => {
                tracing::debug!(%event, "the broker's server reports an error");
                self.set_last_error(Some(event.to_string()));
            }
        }
    }

    fn deny(&self, number: u64, text: &str) {
        let what = text.to_lowercase();
        let what = what.split_once(" for ").map_or(what.as_str(), |(_, what)| what).to_owned();
        tracing::error!(what, "the broker does not permit this");
        if what.starts_with("subscription") && subject(&what).is_some_and(|subject| self.hears(subject)) {
            self.now.send_if_modified(|now| {
                let deaf = now.number == number;
                if deaf {
                    now.deaf = Some(what.clone());
                }
                deaf
            });
        }
        // Without listeners no one waits for an answer.
        let _ = self.denials.send(what);
    }

    /// Whether the answers to requests come through a subscription of `subject`.
    fn hears(&self, subject: &str) -> bool {
        subject.starts_with(&self.inboxes) && subject.ends_with(".*")
    }
}

impl Now {
    pub(super) const fn is_up(&self) -> bool {
        self.client.is_some()
    }

    pub(super) const fn is(&self, tie: &Tie) -> bool {
        self.is_up() && self.number == tie.number
    }

    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The client, unless its connection cannot be used.
    pub(super) fn tie(&self) -> Result<Tie, Fault> {
        if let Some(what) = &self.deaf {
            return Err(Fault::Denied { what: what.clone() });
        }
        let client = self.client.clone().ok_or(Fault::Away)?;
        Ok(Tie { client, number: self.number })
    }

    pub(super) fn deaf(&self) -> Option<&String> {
        self.deaf.as_ref()
    }
}

fn is_violation(text: &str) -> bool {
    text.to_lowercase().contains("permissions violation")
}

/// The subject that a refusal is about, in lower case.
pub(super) fn subject(what: &str) -> Option<&str> {
    what.split('"').nth(1)
}

/// Whether a refusal is one of `subject`.
pub(super) fn concerns(what: &str, denied: &str) -> bool {
    subject(what).is_some_and(|known| known == denied.to_lowercase())
}

/// Whether a refusal is one of the words for messages of `queue`.
pub(super) fn silences(what: &str, queue: Queue) -> bool {
    let of_queue = format!(".{}.", queue.to_string().to_lowercase());
    subject(what).is_some_and(|denied| denied.starts_with("$js.ack.") && denied.contains(&of_queue))
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

    #[test]
    fn only_the_subscription_for_answers_makes_deaf() {
        let state = State::new("_INBOX.Agent");
        assert!(state.hears("_inbox.agent.x1.*"));
        assert!(!state.hears("_inbox.agent.x1"));
        assert!(!state.hears("_inbox.other.x1.*"));
    }
}
