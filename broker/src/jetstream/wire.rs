//! How a message travels: its id and headers as NATS headers, its catalogue in the subject.

use std::sync::OnceLock;

use async_nats::{HeaderMap, Message as Wire};
use bytes::Bytes;

use super::names;
use crate::Message;

/// Header by which the server recognises repeats.
const ID: &str = "Nats-Msg-Id";
/// What the server adds for itself.
const SERVERS: &str = "Nats-";

/// The headers of a message.
pub(super) fn headers(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        headers.append(name.as_str(), value.as_str());
    }
    headers.insert(ID, names::message_id(&message.id));
    headers
}

/// The message as it was published; headers in the order of their names. A message that others published without an
/// id gets that of its payload.
pub(super) fn decode(wire: Wire) -> Message {
    static NONE: OnceLock<HeaderMap> = OnceLock::new();
    let headers = wire.headers.as_ref().unwrap_or_else(|| NONE.get_or_init(HeaderMap::new));
    decode_stored(&wire.subject, headers, wire.payload)
}

/// [`decode`] for a message that was read from its stream.
pub(super) fn decode_stored(subject: &str, wire: &HeaderMap, payload: Bytes) -> Message {
    let mut headers = Vec::new();
    let mut id = None;
    for (name, values) in wire.iter() {
        let name: &str = name.as_ref();
        if name.eq_ignore_ascii_case(ID) {
            id = values.first().and_then(|value| value.as_str().parse().ok());
        } else if !name.starts_with(SERVERS) {
            headers.extend(values.iter().map(|value| (name.to_owned(), value.as_str().to_owned())));
        }
    }
    headers.sort_unstable();
    let id = id.unwrap_or_else(|| quire_proto::Digest::of(&payload));
    let catalogue = names::catalogue(subject).map(Into::into);
    Message { id, headers, payload, catalogue }
}
