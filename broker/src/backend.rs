//! What a backend provides. [`crate::contract`] says in tests what these calls mean.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    AdminError, Bucket, Change, DeadLetter, Delivery, KvError, PublishError, PublishOptions, PullError,
    Queue, QueueInfo, Readiness, Revision, message::Batch,
};

/// A future behind a pointer, so that the trait can be one too.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Lanes and buckets. The calls that return at once are the fast path of those that wait.
pub(crate) trait Backend: Send + Sync {
    /// Takes from `batch` what there is room for now; whether that was everything.
    fn offer(&self, queue: Queue, batch: &mut Batch, options: PublishOptions) -> Result<bool, PublishError>;
    /// Takes all of `batch`, waiting for room.
    fn publish<'a>(
        &'a self,
        queue: Queue,
        batch: &'a mut Batch,
        options: PublishOptions,
    ) -> Boxed<'a, Result<(), PublishError>>;
    /// What can be delivered now, at most `max`.
    fn try_pull(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError>;
    /// Waits for something to deliver.
    fn pull(&self, queue: Queue, max: usize) -> Boxed<'_, Result<Vec<Delivery>, PullError>>;
    /// The first of `queues` that has something to deliver now.
    fn first_ready(&self, queues: &[Queue]) -> Result<Option<Queue>, PullError>;
    /// Waits until one of `queues` has something to deliver.
    fn ready<'a>(&'a self, queues: &'a [Queue]) -> Boxed<'a, Result<Queue, PullError>>;
    fn info(&self, queue: Queue) -> QueueInfo;
    fn set_paused(&self, queue: Queue, paused: bool);
    /// Pauses for all processes, until it is undone.
    fn set_halted(&self, queue: Queue, halted: bool) -> Boxed<'_, Result<(), AdminError>>;
    /// Dead letters with a number greater than `after`, oldest first.
    fn letters(&self, after: u64, max: usize) -> Boxed<'_, Result<Vec<DeadLetter>, AdminError>>;
    /// The dead letter of this number.
    fn letter(&self, number: u64) -> Boxed<'_, Result<Option<DeadLetter>, AdminError>>;
    /// Forgets a dead letter; whether it was there.
    fn drop_letter(&self, number: u64) -> Boxed<'_, Result<bool, AdminError>>;
    fn readiness(&self) -> watch::Receiver<Readiness>;
    fn close(&self) -> Boxed<'_, ()>;

    fn get<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
    ) -> Boxed<'a, Result<Option<(Bytes, Revision)>, KvError>>;
    fn write<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
        value: Bytes,
        expect: Expect,
    ) -> Boxed<'a, Result<Revision, KvError>>;
    fn delete<'a>(&'a self, bucket: Bucket, key: &'a str, expect: Expect) -> Boxed<'a, Result<(), KvError>>;
    fn keys<'a>(&'a self, bucket: Bucket, prefix: &'a str) -> Boxed<'a, Result<Vec<String>, KvError>>;
    fn watch<'a>(
        &'a self,
        bucket: Bucket,
        prefix: &'a str,
    ) -> Boxed<'a, Result<Box<dyn WatchBackend>, KvError>>;
}

/// What a change of a key is conditional on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Anything,
    Absent,
    At(Revision),
}

/// A running watch.
pub(crate) trait WatchBackend: Send {
    fn next(&mut self) -> Boxed<'_, Result<Change, KvError>>;
}
