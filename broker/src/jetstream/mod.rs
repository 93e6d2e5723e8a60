//! The JetStream backend: a stream with one durable pull consumer for every queue, a bucket's stream for every bucket.
//!
//! Two connections, so that bulk does not stand before what is urgent: one for the critical lanes and the buckets,
//! one for everything else.

mod admin;
mod apply;
mod attempts;
mod buckets;
mod connect;
mod connection;
mod errands;
mod fault;
mod feeder;
mod gauge;
mod keeper;
mod lane;
mod layout;
mod link;
mod names;
mod options;
mod phase;
mod publish;
mod pull;
mod replicas;
mod room;
mod servers;
mod settler;
mod survey;
mod terms;
mod trouble;
mod watch;
mod wire;
mod words;

pub use apply::Applied;
pub use options::{JetStreamOptions, Layout, TlsOptions};

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::try_join;
use quire_proto::Lane as Urgency;
use tokio::{
    runtime::Handle,
    sync::{Mutex, Semaphore, watch as changes},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    AdminError, Bucket, ConnectError, DeadLetter, Delivery, KvError, PublishError, PublishOptions, PullError,
    Queue, QueueInfo, Readiness, Revision,
    backend::{Backend, Boxed, Expect, WatchBackend},
    message::Batch,
};

use attempts::Attempts;
use buckets::Buckets;
use feeder::Feeder;
use gauge::Gauge;
use lane::Lane;
use link::Link;
use phase::Phase;
use publish::Publisher;
use settler::Settler;
use survey::Survey;

/// How often a closing broker looks whether it may end.
const CLOSING: Duration = Duration::from_millis(10);

/// A queue: the way in, the way out, and who works on both.
struct Station {
    publisher: Publisher,
    lane: Arc<Lane>,
    workers: OnceLock<[AbortOnDropHandle<()>; 2]>,
}

/// All queues and buckets at the server.
pub(crate) struct JetStream {
    options: JetStreamOptions,
    stations: Arc<[Station]>,
    buckets: Buckets,
    phase: changes::Sender<Phase>,
    readiness: changes::Receiver<Readiness>,
    survey: Survey,
    runtime: Handle,
    _watcher: AbortOnDropHandle<()>,
}

/// Creates and updates streams, consumers and buckets. Repeating it changes nothing.
///
/// # Errors
/// [`ConnectError`]. It waits for the servers for as long as it takes; the caller bounds the wait.
pub async fn apply(options: &JetStreamOptions) -> Result<Applied, ConnectError> {
    let link = Link::open(options, "admin")?;
    link.wait_first().await?;
    Box::pin(replicas::apply_all(&link, &options.layout)).await
}

impl JetStream {
    pub(crate) async fn connect(options: JetStreamOptions) -> Result<Arc<Self>, ConnectError> {
        let (urgent, bulk) = (Link::open(&options, "urgent")?, Link::open(&options, "bulk")?);
        try_join(urgent.wait_first(), bulk.wait_first()).await?;
        bind(&urgent, &options).await?;
        let (readiness, watcher) = survey::watch_links([urgent.clone(), bulk.clone()]);
        let station = |queue| {
            let critical = matches!(queue, Queue::Work { lane: Urgency::Critical, .. });
            Station::new(queue, if critical { urgent.clone() } else { bulk.clone() }, &options)
        };
        let stations: Arc<[Station]> = Queue::all().map(station).collect();
        let survey = Survey::start(Arc::clone(&stations), &options.used()).await;
        Ok(Arc::new(Self {
            options,
            stations,
            buckets: Buckets::new(urgent),
            phase: changes::Sender::new(Phase::Open),
            readiness,
            survey,
            runtime: Handle::current(),
            _watcher: watcher,
        }))
    }

    /// There is one for every queue, by construction.
    fn station(&self, queue: Queue) -> &Station {
        &self.stations[queue.index()]
    }

    /// The way out of a queue, which begins to work with its first use.
    fn lane(&self, queue: Queue) -> &Arc<Lane> {
        let station = self.station(queue);
        station.workers.get_or_init(|| {
            // Its terms may not be known yet.
            self.survey.uses(queue);
            station.start(&self.options, self.buckets.link(), &self.runtime)
        });
        &station.lane
    }

    async fn drain(&self) {
        self.phase.send_if_modified(|phase| {
            *phase == Phase::Open && {
                *phase = Phase::Closing;
                true
            }
        });
        let working = || self.stations.iter().filter(|station| station.workers.get().is_some());
        for station in working() {
            station.lane.set_paused(true);
        }
        while working().any(|station| station.lane.is_busy()) {
            sleep(CLOSING).await;
        }
        for station in working() {
            // Words must not be lost in the client's buffer.
            if let Ok(tie) = station.publisher.link.tie() {
                let _ = tie.client.flush().await;
            }
        }
        self.phase.send_replace(Phase::Closed);
    }
}

impl Station {
    fn new(queue: Queue, link: Link, options: &JetStreamOptions) -> Self {
        let publisher = Publisher {
            queue,
            link,
            gauge: Gauge::new(queue, &options.layout),
            line: Mutex::new(()),
            window: Semaphore::new(publish::WINDOW),
            request_timeout: options.request_timeout,
            creates: options.dev.then_some(options.layout),
        };
        let lane = Arc::new(Lane::new(queue, options.layout.ack_wait));
        Self { publisher, lane, workers: OnceLock::new() }
    }

    fn start(
        &self,
        options: &JetStreamOptions,
        notes: &Link,
        runtime: &Handle,
    ) -> [AbortOnDropHandle<()>; 2] {
        let (lane, link) = (Arc::clone(&self.lane), self.publisher.link.clone());
        let attempts = Attempts::new(notes.clone());
        let settler = Settler { lane: Arc::clone(&lane), link: link.clone(), attempts: attempts.clone() };
        let creates = options.dev.then_some(options.layout);
        let feeder = Feeder { lane, link, attempts, creates };
        [
            AbortOnDropHandle::new(runtime.spawn(feeder.run())),
            AbortOnDropHandle::new(runtime.spawn(settler.run())),
        ]
    }
}

/// Sees to it that everything is there; creates it in development.
async fn bind(link: &Link, options: &JetStreamOptions) -> Result<(), ConnectError> {
    if options.dev {
        return replicas::apply_all(link, &options.layout).await.map(drop);
    }
    let used = options.used();
    let missing = apply::patiently(link, || apply::missing(link, &used)).await;
    let missing = missing.map_err(apply::connect_error)?;
    if missing.is_empty() { Ok(()) } else { Err(ConnectError::Missing { names: missing }) }
}

impl Backend for JetStream {
    fn offer(&self, queue: Queue, batch: &mut Batch, _: PublishOptions) -> Result<bool, PublishError> {
        if *self.phase.borrow() == Phase::Closed {
            return Err(PublishError::Closed);
        }
        let limit = self.station(queue).publisher.gauge.max_message_bytes();
        let bytes = batch.largest();
        if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(false) }
    }

    fn publish<'a>(
        &'a self,
        queue: Queue,
        batch: &'a mut Batch,
        options: PublishOptions,
    ) -> Boxed<'a, Result<(), PublishError>> {
        let deadline = options.deadline.unwrap_or(self.options.publish_deadline);
        let publisher = &self.station(queue).publisher;
        Box::pin(publisher.publish(batch, options.headroom, deadline, self.phase.subscribe()))
    }

    fn try_pull(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError> {
        self.try_pull_now(queue, max)
    }

    fn pull(&self, queue: Queue, max: usize) -> Boxed<'_, Result<Vec<Delivery>, PullError>> {
        Box::pin(self.wait_pull(queue, max))
    }

    fn first_ready(&self, queues: &[Queue]) -> Result<Option<Queue>, PullError> {
        self.first_ready_now(queues)
    }

    fn ready<'a>(&'a self, queues: &'a [Queue]) -> Boxed<'a, Result<Queue, PullError>> {
        Box::pin(self.wait_ready(queues))
    }

    fn info(&self, queue: Queue) -> QueueInfo {
        self.survey.ask(queue);
        let station = self.station(queue);
        station.publisher.gauge.info(station.lane.tally())
    }

    fn set_paused(&self, queue: Queue, paused: bool) {
        self.lane(queue).set_paused(paused);
    }

    fn set_halted(&self, queue: Queue, halted: bool) -> Boxed<'_, Result<(), AdminError>> {
        Box::pin(self.halt(queue, halted))
    }

    fn letters(&self, after: u64, max: usize) -> Boxed<'_, Result<Vec<DeadLetter>, AdminError>> {
        Box::pin(self.browse(after, max))
    }

    fn letter(&self, number: u64) -> Boxed<'_, Result<Option<DeadLetter>, AdminError>> {
        Box::pin(self.one_letter(number))
    }

    fn drop_letter(&self, number: u64) -> Boxed<'_, Result<bool, AdminError>> {
        Box::pin(self.remove_letter(number))
    }

    fn readiness(&self) -> changes::Receiver<Readiness> {
        self.readiness.clone()
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.drain())
    }

    fn get<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
    ) -> Boxed<'a, Result<Option<(Bytes, Revision)>, KvError>> {
        Box::pin(self.buckets.get(bucket, key))
    }

    fn write<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
        value: Bytes,
        expect: Expect,
    ) -> Boxed<'a, Result<Revision, KvError>> {
        Box::pin(self.buckets.write(bucket, key, value, expect))
    }

    fn delete<'a>(&'a self, bucket: Bucket, key: &'a str, expect: Expect) -> Boxed<'a, Result<(), KvError>> {
        Box::pin(self.buckets.delete(bucket, key, expect))
    }

    fn keys<'a>(&'a self, bucket: Bucket, prefix: &'a str) -> Boxed<'a, Result<Vec<String>, KvError>> {
        Box::pin(watch::keys(self.buckets.link(), bucket, prefix))
    }

    fn watch<'a>(
        &'a self,
        bucket: Bucket,
        prefix: &'a str,
    ) -> Boxed<'a, Result<Box<dyn WatchBackend>, KvError>> {
        let begin =
            watch::BucketWatch::begin(self.buckets.link().clone(), bucket, prefix, self.phase.subscribe());
        Box::pin(async { begin.await.map(|watch| Box::new(watch) as Box<dyn WatchBackend>) })
    }
}
