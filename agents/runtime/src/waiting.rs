//! Waiting for a handler: the broker hears that it goes on, and a panic ends nothing else.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use quire_broker::Delivery;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::compute::panic_text;

/// Waits for `work` and says every now and then that it goes on.
pub(crate) async fn with_progress<T>(
    delivery: &Delivery,
    every: Duration,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            _ = ticks.tick() => delivery.progress(),
        }
    }
}

/// Waits for `work`; the text of its panic, if it panics.
pub(crate) async fn catch<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    // A future that panicked is not polled again, so nothing broken is seen.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
    })
    .await
}
