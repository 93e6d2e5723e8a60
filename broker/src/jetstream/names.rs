//! The one place where streams, subjects, consumers and buckets are spelled.

use quire_proto::Digest;

use crate::{Bucket, Message, Queue};

/// Before every subject; a change of the wire format changes it.
const ROOT: &str = "quire.v1";
/// Stands for the catalogue of a message that belongs to none.
const NO_CATALOGUE: &str = "_";
/// The durable consumer of every queue.
pub(super) const CONSUMER: &str = "agents";
/// The bucket that remembers attempts where the server's own count is wrong.
pub(super) const ATTEMPTS: &str = "attempts";

/// The subjects of a queue up to the catalogue.
fn branch(queue: Queue) -> String {
    match queue {
        Queue::Work { stage, lane } => format!("{ROOT}.{}.{}", stage.as_str(), lane.as_str()),
        Queue::Settled => format!("{ROOT}.settled"),
        Queue::Dead => format!("{ROOT}.dead"),
    }
}

/// The subjects that the queue's stream takes.
pub(super) fn subjects(queue: Queue) -> String {
    format!("{}.*", branch(queue))
}

/// The subject of one message. Catalogues are few; record keys never appear in subjects.
pub(super) fn subject(queue: Queue, message: &Message) -> String {
    let catalogue = message.catalogue.as_deref().filter(|name| is_token(name)).unwrap_or(NO_CATALOGUE);
    format!("{}.{catalogue}", branch(queue))
}

/// The catalogue that a subject names.
pub(super) fn catalogue(subject: &str) -> Option<&str> {
    subject.rsplit('.').next().filter(|name| *name != NO_CATALOGUE)
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The subject that asks for messages of a queue.
pub(super) fn next(queue: Queue) -> String {
    format!("$JS.API.CONSUMER.MSG.NEXT.{queue}.{CONSUMER}")
}

/// The stream of a bucket.
pub(super) fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of a bucket's key.
pub(super) fn key(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// All buckets, the hidden one too.
pub(super) fn buckets() -> impl Iterator<Item = &'static str> {
    Bucket::ALL.into_iter().map(Bucket::as_str).chain([ATTEMPTS])
}

/// How a message's id travels.
pub(super) fn message_id(id: &Digest) -> String {
    id.to_hex()
}

#[cfg(test)]
mod tests {
    use quire_proto::{Lane, StageName};

    use super::*;

    #[test]
    fn subjects_name_stage_lane_and_catalogue() {
        let queue = Queue::work(StageName::Fetch, Lane::Low);
        let message = Message::new(Digest::of(b""), "");
        assert_eq!(subject(queue, &message), "quire.v1.fetch.low._");
        let of_findings = message.clone().with_catalogue("findings");
        assert_eq!(subject(queue, &of_findings), "quire.v1.fetch.low.findings");
        assert_eq!(subject(Queue::Settled, &of_findings), "quire.v1.settled.findings");
        assert_eq!(subject(queue, &message.with_catalogue("a.>")), "quire.v1.fetch.low._");
        assert_eq!(catalogue("quire.v1.fetch.low._"), None);
        assert_eq!(catalogue("quire.v1.fetch.low.findings"), Some("findings"));
    }
}
