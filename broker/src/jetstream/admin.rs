//! What a person does: pause a queue for all agents, look through the dead letters and remove some.

use async_nats::jetstream::{message::StreamMessage, stream::RawMessage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    JetStream,
    fault::{Fault, NO_MESSAGE},
    link::Link,
    names, wire,
};
use crate::{AdminError, DeadLetter, Queue};

/// The end of a pause that has none: the server wants one.
const FOR_EVER: &str = "2999-01-01T00:00:00Z";
/// How often a request is tried while the server cannot answer.
const TRIES: usize = 3;

#[derive(Deserialize)]
struct Found {
    message: RawMessage,
}

#[derive(Deserialize)]
struct Paused {
    #[serde(default)]
    paused: bool,
}

impl JetStream {
    /// Has the server hand out nothing of the queue, or again.
    pub(super) async fn halt(&self, queue: Queue, halted: bool) -> Result<(), AdminError> {
        let call = format!("CONSUMER.PAUSE.{queue}.{}", names::CONSUMER);
        let body = if halted { json!({ "pause_until": FOR_EVER }) } else { json!({}) };
        let link = &self.station(queue).publisher.link;
        let answer = persist(|| link.api::<Paused>(&call, &body)).await;
        let answer = answer.map_err(|fault| fault.of_queue(queue).into_admin())?;
        if answer.paused != halted {
            let said = Fault::Strange(format!("paused: {}", answer.paused));
            return Err(AdminError::Unavailable(Box::new(said)));
        }
        self.lane(queue).set_halted(halted);
        Ok(())
    }

    /// Dead letters with a number greater than `after`, oldest first.
    pub(super) async fn browse(&self, after: u64, max: usize) -> Result<Vec<DeadLetter>, AdminError> {
        let mut letters: Vec<DeadLetter> = Vec::new();
        while letters.len() < max {
            let last = letters.last().map_or(after, |letter| letter.number);
            let next = json!({ "seq": last.saturating_add(1), "next_by_subj": names::subjects(Queue::Dead) });
            match self.read_letter(&next).await? {
                Some(letter) => letters.push(letter),
                None => break,
            }
        }
        Ok(letters)
    }

    pub(super) async fn one_letter(&self, number: u64) -> Result<Option<DeadLetter>, AdminError> {
        if number == 0 {
            return Ok(None);
        }
        self.read_letter(&json!({ "seq": number })).await
    }

    async fn read_letter(&self, which: &Value) -> Result<Option<DeadLetter>, AdminError> {
        let call = format!("STREAM.MSG.GET.{}", Queue::Dead);
        match persist(|| self.dead_link().api::<Found>(&call, which)).await {
            Ok(found) => letter(found.message).map(Some).map_err(Fault::into_admin),
            Err(Fault::Refused { code: NO_MESSAGE, .. }) => Ok(None),
            Err(fault) => Err(fault.of_queue(Queue::Dead).into_admin()),
        }
    }

    pub(super) async fn remove_letter(&self, number: u64) -> Result<bool, AdminError> {
        if self.one_letter(number).await?.is_none() {
            return Ok(false);
        }
        let call = format!("STREAM.MSG.DELETE.{}", Queue::Dead);
        let body = json!({ "seq": number, "no_erase": true });
        match persist(|| self.dead_link().api::<Value>(&call, &body)).await {
            Ok(_) => Ok(true),
            // Someone else may have removed it just now, or we, with the answer lost.
            Err(fault) if self.one_letter(number).await?.is_some() => Err(fault.into_admin()),
            Err(_) => Ok(true),
        }
    }

    fn dead_link(&self) -> &Link {
        &self.station(Queue::Dead).publisher.link
    }
}

fn letter(raw: RawMessage) -> Result<DeadLetter, Fault> {
    let message = StreamMessage::try_from(raw).map_err(|error| Fault::Strange(error.to_string()))?;
    let number = message.sequence;
    Ok(DeadLetter {
        number,
        message: wire::decode_stored(&message.subject, &message.headers, message.payload),
    })
}

async fn persist<T, F: Future<Output = Result<T, Fault>>>(mut call: impl FnMut() -> F) -> Result<T, Fault> {
    let mut answer = call().await;
    for _ in 1..TRIES {
        match &answer {
            Err(fault) if fault.passes() => answer = call().await,
            _ => break,
        }
    }
    answer
}
