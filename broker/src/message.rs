//! Messages on their way in.

use std::sync::Arc;

use bytes::Bytes;
use quire_proto::Digest;

/// A message: an identity, a few headers and a body that the broker never looks into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What a repeat is recognised by.
    pub id: Digest,
    /// Few and small: the W3C trace context. Remote backends hand them out in the order of their names, and drop those
    /// that begin with `Nats-`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub payload: Bytes,
    /// The catalogue that it belongs to, for who watches or restricts subjects; a slug.
    pub catalogue: Option<Arc<str>>,
}

impl Message {
    /// A message without headers.
    #[must_use]
    pub fn new(id: Digest, payload: impl Into<Bytes>) -> Self {
        Self { id, headers: Vec::new(), payload: payload.into(), catalogue: None }
    }

    /// Says which catalogue it belongs to. Other characters than letters, digits, `-` and `_` make it belong to none.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: impl Into<Arc<str>>) -> Self {
        self.catalogue = Some(catalogue.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Bytes of body and headers: what counts against a queue's limit.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.payload.len() + headers
    }
}

/// What became of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// The queue took a message of this id within the window before; this one was not stored again.
    pub duplicate: bool,
}

/// What became of a published batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishedAll {
    /// Messages stored.
    pub accepted: usize,
    /// Messages recognised as repeats and not stored again.
    pub duplicates: usize,
}

/// Messages that are still to be taken, and the count of those taken. One message needs no list.
#[derive(Debug)]
pub(crate) struct Batch {
    next: Option<Message>,
    rest: std::vec::IntoIter<Message>,
    pub(crate) taken: PublishedAll,
}

impl Batch {
    pub(crate) fn one(message: Message) -> Self {
        Self { next: Some(message), rest: Vec::new().into_iter(), taken: PublishedAll::default() }
    }

    pub(crate) fn many(messages: Vec<Message>) -> Self {
        let mut rest = messages.into_iter();
        Self { next: rest.next(), rest, taken: PublishedAll::default() }
    }

    /// The message whose turn it is.
    pub(crate) const fn peek(&self) -> Option<&Message> {
        self.next.as_ref()
    }

    /// Takes the message whose turn it is.
    pub(crate) fn advance(&mut self) -> Option<Message> {
        std::mem::replace(&mut self.next, self.rest.next())
    }

    /// Size of the largest message that is still to be taken.
    pub(crate) fn largest(&self) -> usize {
        let next = self.next.as_ref().map_or(0, Message::size);
        self.rest.as_slice().iter().map(Message::size).fold(next, usize::max)
    }
}
