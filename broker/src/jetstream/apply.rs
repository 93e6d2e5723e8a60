//! Creates and updates what the broker needs, or sees to it that all of it is there.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{IntoConsumerConfig, pull},
    stream::Config,
};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{
    Layout,
    fault::{CONSUMER_NOT_FOUND, Fault, STREAM_NOT_FOUND},
    layout,
    link::Link,
    names,
    terms::{ConsumerConfig, StreamConfig},
};
use crate::{ConnectError, Queue};

/// Pause between attempts while the server is not ready.
const PAUSE: Duration = Duration::from_millis(100);

/// What [`crate::apply`] did, by name of stream or `stream/consumer`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// What was not there.
    pub created: Vec<String>,
    /// What was different.
    pub updated: Vec<String>,
    /// What was as it should be.
    pub unchanged: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Known {
    config: Value,
}

enum Change {
    Created,
    Updated,
    None,
}

/// Makes streams, consumers and buckets as `layout` says. Repeating it changes nothing.
pub(super) async fn apply(link: &Link, layout: &Layout) -> Result<Applied, Fault> {
    let streams = streams(layout);
    let done = try_join_all(streams.iter().map(|config| apply_stream(link, config))).await?;
    let mut applied = Applied::default();
    for (config, change) in streams.into_iter().zip(done) {
        applied.note(config.name, &change);
    }
    let consumer = layout::consumer(layout);
    let done = try_join_all(Queue::all().map(|queue| apply_consumer(link, queue, &consumer))).await?;
    for (queue, change) in Queue::all().zip(done) {
        applied.note(consumer_name(queue), &change);
    }
    Ok(applied)
}

/// What is missing of what `queues` and the buckets need, by name; or a fault that names what is unfit.
pub(super) async fn missing(link: &Link, queues: &[Queue]) -> Result<Vec<String>, Fault> {
    let mut missing = Vec::new();
    let looks = try_join_all(queues.iter().map(|queue| stream(link, queue.to_string()))).await?;
    for (queue, known) in queues.iter().zip(looks) {
        match known {
            Some(known) => fit(queue.to_string(), parsed::<StreamConfig>(known)?.unfit(*queue))?,
            None => missing.push(queue.to_string()),
        }
    }
    let buckets: Vec<String> = names::buckets().map(names::bucket_stream).collect();
    let looks = try_join_all(buckets.iter().map(|bucket| stream(link, bucket.clone()))).await?;
    missing.extend(buckets.into_iter().zip(looks).filter(|(_, known)| known.is_none()).map(|(name, _)| name));
    let looks = try_join_all(queues.iter().map(|queue| consumer(link, *queue))).await?;
    for (queue, known) in queues.iter().zip(looks) {
        match known {
            Some(known) => fit(consumer_name(*queue), parsed::<ConsumerConfig>(known)?.unfit())?,
            None => missing.push(consumer_name(*queue)),
        }
    }
    Ok(missing)
}

fn parsed<T: serde::de::DeserializeOwned>(known: Known) -> Result<T, Fault> {
    serde_json::from_value(known.config).map_err(|error| Fault::Strange(error.to_string()))
}

fn fit(name: String, unfit: Option<String>) -> Result<(), Fault> {
    unfit.map_or(Ok(()), |reason| Err(Fault::Unfit { name, reason }))
}

/// Repeats `call` for as long as the server cannot answer. Never gives up; the caller cancels by dropping.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Fault>>>(
    link: &Link,
    mut call: impl FnMut() -> F,
) -> Result<T, Fault> {
    loop {
        link.wait_up().await;
        match call().await {
            Err(fault) if fault.passes() => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// Tells a queue that is gone from a server that is not ready.
pub(super) async fn diagnose(link: &Link, queue: Queue) -> Result<(), Fault> {
    if stream(link, queue.to_string()).await?.is_none() {
        return Err(Fault::Missing { what: format!("stream {queue}") });
    }
    if consumer(link, queue).await?.is_none() {
        return Err(Fault::Missing { what: format!("consumer {}", consumer_name(queue)) });
    }
    Ok(())
}

/// Whether the stream of a bucket is there.
pub(super) async fn diagnose_bucket(link: &Link, bucket: &str) -> Result<(), Fault> {
    match stream(link, names::bucket_stream(bucket)).await? {
        Some(_) => Ok(()),
        None => Err(Fault::Missing { what: format!("bucket {bucket}") }),
    }
}

fn streams(layout: &Layout) -> Vec<Config> {
    let queues = Queue::all().map(|queue| layout::queue_stream(queue, layout));
    queues.chain(names::buckets().map(|bucket| layout::bucket_stream(bucket, layout))).collect()
}

fn consumer_name(queue: Queue) -> String {
    format!("{queue}/{}", names::CONSUMER)
}

async fn stream(link: &Link, name: String) -> Result<Option<Known>, Fault> {
    found(link.api(&format!("STREAM.INFO.{name}"), &json!({})).await)
}

async fn consumer(link: &Link, queue: Queue) -> Result<Option<Known>, Fault> {
    found(link.api(&format!("CONSUMER.INFO.{queue}.{}", names::CONSUMER), &json!({})).await)
}

fn found(answer: Result<Known, Fault>) -> Result<Option<Known>, Fault> {
    match answer {
        Ok(known) => Ok(Some(known)),
        Err(Fault::Refused { code: STREAM_NOT_FOUND | CONSUMER_NOT_FOUND, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn apply_stream(link: &Link, config: &Config) -> Result<Change, Fault> {
    let (verb, change) = match stream(link, config.name.clone()).await? {
        None => ("CREATE", Change::Created),
        Some(known) if covers(&known.config, config)? => return Ok(Change::None),
        Some(_) => ("UPDATE", Change::Updated),
    };
    let _: Value = link.api(&format!("STREAM.{verb}.{}", config.name), config).await?;
    Ok(change)
}

async fn apply_consumer(link: &Link, queue: Queue, config: &pull::Config) -> Result<Change, Fault> {
    let config = config.into_consumer_config();
    let mut wanted = serde_json::to_value(&config).map_err(|error| Fault::Strange(error.to_string()))?;
    let change = match consumer(link, queue).await? {
        None => Change::Created,
        Some(known) if covers(&known.config, &config)? => return Ok(Change::None),
        Some(mut known) => {
            // A pause is not ours to end.
            let pause = known.config.get_mut("pause_until").map(Value::take);
            if let (Some(pause), Some(wanted)) = (pause, wanted.as_object_mut()) {
                wanted.insert("pause_until".to_owned(), pause);
            }
            Change::Updated
        }
    };
    let body = json!({ "stream_name": queue.to_string(), "config": wanted });
    let call = format!("CONSUMER.CREATE.{queue}.{}", names::CONSUMER);
    let _: Value = link.api(&call, &body).await?;
    Ok(change)
}

/// Whether all that is wanted is so at the server, which adds settings of its own.
fn covers(known: &Value, wanted: &impl serde::Serialize) -> Result<bool, Fault> {
    let wanted = serde_json::to_value(wanted).map_err(|error| Fault::Strange(error.to_string()))?;
    let Value::Object(wanted) = wanted else { return Ok(false) };
    let same = |(name, value): (&String, &Value)| {
        let known = known.get(name).unwrap_or(&Value::Null);
        match (known, value) {
            // The server has entries of its own.
            (Value::Object(known), Value::Object(wanted)) => {
                wanted.iter().all(|(name, value)| known.get(name) == Some(value))
            }
            _ => known == value || (is_nothing(known) && is_nothing(value)),
        }
    };
    Ok(wanted.iter().all(same))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}

impl Applied {
    fn note(&mut self, name: String, change: &Change) {
        match change {
            Change::Created => self.created.push(name),
            Change::Updated => self.updated.push(name),
            Change::None => self.unchanged.push(name),
        }
    }
}

/// The fault of an `apply` or a bind, for the caller.
pub(super) fn connect_error(fault: Fault) -> ConnectError {
    match fault {
        Fault::Denied { what } => ConnectError::Denied { what },
        Fault::Unfit { name, reason } => ConnectError::Unfit { name, reason },
        other => ConnectError::Refused(Box::new(other)),
    }
}
