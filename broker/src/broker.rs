//! The handle: publish, pull, look, pause, close.

use std::sync::Arc;

use tokio::{sync::watch, task::coop::consume_budget};

use crate::{
    AdminError, Bucket, ConnectError, DeadLetter, Delivery, InProcessOptions, JetStreamOptions, Kv, Message,
    PublishError, PublishOptions, Published, PublishedAll, PullError, Queue, QueueInfo, Readiness,
    backend::Backend, jetstream::JetStream, memory::Memory, message::Batch,
};

/// Dead letters of one page.
const MAX_LETTERS: usize = 1_000;

/// Queues with acknowledgements, and buckets. Cheap to clone; all clones are the same broker.
///
/// The calls that may wait also give way to other tasks now and then when they need not wait (see [`tokio::task::coop`]):
/// a loop of publishes or pulls does not keep a worker thread to itself.
#[derive(Clone)]
pub struct Broker {
    backend: Arc<dyn Backend>,
}

impl Broker {
    /// A broker in this process's memory: what it holds ends with the process.
    #[must_use]
    pub fn in_process(options: InProcessOptions) -> Self {
        Self { backend: Memory::start(options) }
    }

    /// A broker at NATS servers. It connects for as long as servers may come up by themselves; it returns once it is
    /// connected and everything it needs was found there. Later it waits out lost connections by itself, whatever the
    /// reason ([`Self::readiness`] tells it). The caller bounds the wait, by dropping.
    ///
    /// # Errors
    /// [`ConnectError::Unauthorized`], [`ConnectError::Tls`], [`ConnectError::Unresolvable`] and the like where a person is
    /// needed, after [`JetStreamOptions::connect_grace`]. [`ConnectError::Missing`] where streams, consumers or buckets
    /// are missing: [`crate::apply`] makes them, and so does this with [`JetStreamOptions::dev`].
    pub async fn jet_stream(options: JetStreamOptions) -> Result<Self, ConnectError> {
        Ok(Self { backend: Box::pin(JetStream::connect(options)).await? })
    }

    /// Whether the backend can be reached, to be watched.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.backend.readiness()
    }

    /// Publishes a message, waiting for room as long as the backend's limit says. Who waits is served in turn, headroom
    /// first. A queue that has run full may let those who wait in again only when a small part of it is free.
    ///
    /// # Errors
    /// [`PublishError`]; the message was not taken then, or its answer was lost ([`PublishError::Unavailable`]). Dropping
    /// the future before it ends takes it or not, too. Repeat it, its id makes that harmless within the window.
    pub async fn publish(&self, queue: Queue, message: Message) -> Result<Published, PublishError> {
        self.publish_with(queue, message, PublishOptions::default()).await
    }

    /// [`Self::publish`] with headroom or a deadline of its own.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_with(
        &self,
        queue: Queue,
        message: Message,
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        consume_budget().await;
        let mut batch = Batch::one(message);
        if !self.backend.offer(queue, &mut batch, options)? {
            self.backend.publish(queue, &mut batch, options).await?;
        }
        Ok(Published { duplicate: batch.taken.duplicates > 0 })
    }

    /// Publishes a message if there is room now. A remote backend takes nothing without waiting for the answer: it says
    /// that it is full, and [`Self::publish_with`] with [`PublishOptions::at_once`] is what asks it.
    ///
    /// # Errors
    /// [`PublishError::Full`] at once, and as [`Self::publish`].
    pub fn try_publish(&self, queue: Queue, message: Message) -> Result<Published, PublishError> {
        let mut batch = Batch::one(message);
        if !self.backend.offer(queue, &mut batch, PublishOptions::at_once())? {
            return Err(PublishError::Full { queue });
        }
        Ok(Published { duplicate: batch.taken.duplicates > 0 })
    }

    /// Publishes messages in their order, waiting for room. If the connection to a remote backend is lost meanwhile, those
    /// whose answers were lost come after others.
    ///
    /// # Errors
    /// As [`Self::publish`]. Some may have been taken then: repeat all of them, their ids make the repeat harmless.
    pub async fn publish_all(
        &self,
        queue: Queue,
        messages: Vec<Message>,
    ) -> Result<PublishedAll, PublishError> {
        self.publish_all_with(queue, messages, PublishOptions::default()).await
    }

    /// [`Self::publish_all`] with headroom or a deadline of its own.
    ///
    /// # Errors
    /// As [`Self::publish_all`].
    pub async fn publish_all_with(
        &self,
        queue: Queue,
        messages: Vec<Message>,
        options: PublishOptions,
    ) -> Result<PublishedAll, PublishError> {
        consume_budget().await;
        let mut batch = Batch::many(messages);
        if !self.backend.offer(queue, &mut batch, options)? {
            self.backend.publish(queue, &mut batch, options).await?;
        }
        Ok(batch.taken)
    }

    /// Waits until the queue has something to deliver and takes at most `max` (at least 1) of it, oldest first.
    /// Cancel-safe: a future that is dropped has taken nothing.
    ///
    /// # Errors
    /// [`PullError::Closed`] once the broker is closing.
    pub async fn pull(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError> {
        consume_budget().await;
        let max = max.max(1);
        let now = self.backend.try_pull(queue, max)?;
        if now.is_empty() { self.backend.pull(queue, max).await } else { Ok(now) }
    }

    /// Takes at most `max` of what the queue can deliver now; nothing if it is empty, paused or closed.
    #[must_use]
    pub fn try_pull(&self, queue: Queue, max: usize) -> Vec<Delivery> {
        self.backend.try_pull(queue, max).unwrap_or_default()
    }

    /// Waits until one of `queues` has something to deliver and names the first that has. It may be gone again when
    /// the caller comes to pull it. With no queues it waits until the broker closes.
    ///
    /// # Errors
    /// [`PullError::Closed`] once the broker is closing.
    pub async fn ready(&self, queues: &[Queue]) -> Result<Queue, PullError> {
        consume_budget().await;
        match self.backend.first_ready(queues)? {
            Some(queue) => Ok(queue),
            None => self.backend.ready(queues).await,
        }
    }

    /// What is known about a queue. A remote backend tells what it last heard, a few seconds old at most, and looks
    /// again for the next who asks.
    #[must_use]
    pub fn info(&self, queue: Queue) -> QueueInfo {
        self.backend.info(queue)
    }

    /// Hands out nothing more of the queue until [`Self::resume`]. Publishing goes on, up to the limits.
    pub fn pause(&self, queue: Queue) {
        self.backend.set_paused(queue, true);
    }

    /// Undoes [`Self::pause`].
    pub fn resume(&self, queue: Queue) {
        self.backend.set_paused(queue, false);
    }

    /// Hands out nothing more of the queue to any process until [`Self::resume_everywhere`]; it outlasts restarts of all
    /// of them, and of the broker if that is a remote one. Other processes may go on for some seconds.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn pause_everywhere(&self, queue: Queue) -> Result<(), AdminError> {
        self.backend.set_halted(queue, true).await
    }

    /// Undoes [`Self::pause_everywhere`]. A process that called [`Self::pause`] for itself stays paused.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn resume_everywhere(&self, queue: Queue) -> Result<(), AdminError> {
        self.backend.set_halted(queue, false).await
    }

    /// A page of dead letters: at most `max`, and at most 1,000, with numbers greater than `after`, oldest first. Begin
    /// with 0; the last letter's number leads on; an empty page is the end.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn dead_letters(&self, after: u64, max: usize) -> Result<Vec<DeadLetter>, AdminError> {
        self.backend.letters(after, max.min(MAX_LETTERS)).await
    }

    /// One dead letter.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn dead_letter(&self, number: u64) -> Result<Option<DeadLetter>, AdminError> {
        self.backend.letter(number).await
    }

    /// Forgets a dead letter; whether it was there.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn drop_dead_letter(&self, number: u64) -> Result<bool, AdminError> {
        self.backend.drop_letter(number).await
    }

    /// Drains: from now on nothing is handed out and waiting pulls end with [`PullError::Closed`]; whoever has a
    /// delivery may still publish and settle it. Returns when no delivery is out (settled, dropped or expired);
    /// then publishes end with [`PublishError::Closed`] too. The caller bounds the wait.
    pub async fn close(&self) {
        self.backend.close().await;
    }

    /// The bucket's handle.
    #[must_use]
    pub fn kv(&self, bucket: Bucket) -> Kv {
        Kv::new(Arc::clone(&self.backend), bucket)
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}
