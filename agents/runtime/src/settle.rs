//! What an agent says of a parcel: its children, its settlement, its dead letter.
//!
//! Every message's id is derived from the parcel's, so that a repeat is recognised by the broker and by the ledger.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use quire_broker::{Broker, Message, PublishError, PublishOptions, Queue};
use quire_proto::{
    Announced, CodecError, Digest, DigestBuilder, Outcome, Parcel, ParcelHeader, Settlement, StageName, Work,
    codec,
};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::{split, telemetry::trace};

/// A parcel that could not be processed, as it lies in [`Queue::Dead`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The stage that gave up.
    pub stage: StageName,
    /// The parcel; `None` if the message was not one.
    pub parcel: Option<Parcel>,
    /// The message, where it was not a parcel.
    pub message: Bytes,
    /// What failed, outermost first.
    pub error: String,
    /// Attempts made.
    pub attempts: u32,
}

impl DeadLetter {
    /// What the parcel is about: keys, locations, paths.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        self.parcel.as_ref().map(|parcel| split::subjects(&parcel.work)).unwrap_or_default()
    }
}

/// Something could not be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error("encoding a message")]
    Encode(#[from] CodecError),
    #[error("publishing to {queue}")]
    Publish {
        queue: Queue,
        #[source]
        source: PublishError,
    },
}

/// The work's children as parcels of the same run and lane. A child's id is derived from its position; that of a record
/// set apart also from which one it is, as another worker may set others apart.
pub(crate) fn children(parent: &Parcel, works: Vec<Work>) -> Vec<Parcel> {
    let child = |(index, work): (u64, Work)| {
        let kind = split::kind(&work);
        let kind = if kind == split::kind(&parent.work) {
            format!("{kind} {}", split::subjects(&work).join("\n"))
        } else {
            kind.to_owned()
        };
        child(&parent.header, &kind, index, work)
    };
    (0..).zip(works).map(child).collect()
}

/// The two halves of a suspect parcel.
pub(crate) fn halves(parent: &ParcelHeader, halves: [Work; 2]) -> Vec<Parcel> {
    (0..).zip(halves).map(|(index, work)| child(parent, "split", index, work)).collect()
}

fn child(parent: &ParcelHeader, kind: &str, index: u64, work: Work) -> Parcel {
    Parcel { header: ParcelHeader { id: parent.id.child(kind, index), ..parent.clone() }, work }
}

/// What the settlement says of the children.
pub(crate) fn announce(children: &[Parcel]) -> Vec<Announced> {
    let announced = |child: &Parcel| Announced {
        id: child.header.id,
        stage: child.work.stage(),
        lane: child.header.lane,
    };
    children.iter().map(announced).collect()
}

/// Publishes parcels, each to the queue of its stage and lane, keeping their order within a queue. `options` says
/// whether they may use headroom.
pub(crate) async fn publish_parcels(
    broker: &Broker,
    parcels: &[Parcel],
    options: PublishOptions,
) -> Result<(), TellError> {
    let mut queues: BTreeMap<Queue, Vec<Message>> = BTreeMap::new();
    for parcel in parcels {
        let (queue, message) = parcel_message(parcel)?;
        queues.entry(queue).or_default().push(message);
    }
    for (queue, messages) in queues {
        let span = trace::publish(queue, messages.len());
        let messages = messages.into_iter().map(|message| trace::carry(message, &span)).collect();
        let published = broker.publish_all_with(queue, messages, options).instrument(span).await;
        published.map_err(|source| TellError::Publish { queue, source })?;
    }
    Ok(())
}

/// Publishes the settlement of `parcel`. The id tells apart a success, a split and a death, so that a dead parcel that
/// is replayed and succeeds is not taken for a repeat.
pub(crate) async fn publish_settlement(broker: &Broker, settlement: &Settlement) -> Result<(), TellError> {
    let ending = match settlement.outcome {
        Outcome::Split => "split",
        Outcome::InputLost { .. } => "input lost",
        Outcome::NoRoom { .. } => "no room",
        Outcome::Dead { .. } => "dead",
        _ => "done",
    };
    let id = DigestBuilder::new("quire settlement").digest(settlement.parcel.digest()).text(ending).finish();
    publish_one(broker, Queue::Settled, Message::new(id, codec::encode(settlement)?)).await
}

/// Publishes a dead letter; `id` is that of the message that could not be processed. A letter that is too large with
/// its parcel travels without it.
pub(crate) async fn publish_dead(broker: &Broker, id: &Digest, letter: DeadLetter) -> Result<(), TellError> {
    let id = DigestBuilder::new("quire dead letter").digest(id).finish();
    let payload = match codec::encode(&letter) {
        Err(CodecError::TooLarge { .. }) => {
            codec::encode(&DeadLetter { parcel: None, message: Bytes::new(), ..letter })
        }
        encoded => encoded,
    };
    publish_one(broker, Queue::Dead, Message::new(id, payload?)).await
}

async fn publish_one(broker: &Broker, queue: Queue, message: Message) -> Result<(), TellError> {
    let span = trace::publish(queue, 1);
    let message = trace::carry(message, &span);
    let published = broker.publish(queue, message).instrument(span).await;
    published.map(drop).map_err(|source| TellError::Publish { queue, source })
}

/// A settlement of `parcel`.
pub(crate) fn settlement(
    parcel: &Parcel,
    announced: Vec<Announced>,
    outcome: Outcome,
    service: Duration,
    cached: bool,
) -> Settlement {
    Settlement {
        parcel: parcel.header.id,
        run: parcel.header.run.clone(),
        stage: parcel.work.stage(),
        records: parcel.work.records() as u64,
        announced,
        outcome,
        service_us: u64::try_from(service.as_micros()).unwrap_or(u64::MAX),
        cached,
    }
}

/// The message that brings a parcel to its stage, and the queue that it belongs in.
///
/// # Errors
/// [`CodecError::TooLarge`] for a parcel that cannot travel.
pub fn parcel_message(parcel: &Parcel) -> Result<(Queue, Message), CodecError> {
    let queue = Queue::work(parcel.work.stage(), parcel.header.lane);
    let message = Message::new(*parcel.header.id.digest(), codec::encode(parcel)?);
    Ok((queue, message.with_catalogue(parcel.header.catalogue.name.as_str())))
}
