//! The compute pool: who runs where, and what happens when work panics or nobody waits for it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

mod common;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use common::PATIENCE;
use quire_proto::Lane;
use quire_runtime::{ComputeError, ComputePool};
use tracing::{Instrument as _, Subscriber, span};
use tracing_subscriber::{Layer, layer, layer::SubscriberExt as _, registry::LookupSpan};

/// Occupies a thread of the pool until the sender is used or dropped.
fn occupy(pool: &ComputePool, lane: Lane) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let pool = pool.clone();
    tokio::spawn(async move {
        let work = move || {
            begin.send(()).expect("someone waits");
            let _ = released.recv_timeout(PATIENCE);
        };
        pool.run(lane, work).await.expect("it runs");
    });
    // The spawned task runs on another worker of this runtime.
    tokio::task::block_in_place(|| begun.recv_timeout(PATIENCE)).expect("it begins");
    release
}

/// Polls a job once, which puts it into the queue; whether it still waits.
async fn stands_in_the_queue<F: Future>(job: &mut Pin<Box<F>>) -> bool {
    poll_fn(|cx| Poll::Ready(job.as_mut().poll(cx).is_pending())).await
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_thread_lives_on() {
    let pool = ComputePool::new(1);
    for lane in [Lane::Low, Lane::Critical, Lane::Low, Lane::Critical] {
        let result: Result<((), _), _> = pool.run(lane, || panic!("boom {}", 7)).await;
        assert!(matches!(result, Err(ComputeError::Panicked(text)) if text == "boom 7"));
        let (seven, _) = pool.run(lane, || 7).await.expect("it runs");
        assert_eq!(seven, 7);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn critical_work_does_not_wait_for_shared_threads() {
    let pool = ComputePool::new(2);
    let _first = occupy(&pool, Lane::Low);
    let _second = occupy(&pool, Lane::Normal);
    let (name, _) = pool.run(Lane::Critical, thread_name).await.expect("it runs");
    assert_eq!(name, "compute-critical");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_shared_thread_helps_when_the_critical_thread_is_busy() {
    let pool = ComputePool::new(1);
    let _busy = occupy(&pool, Lane::Critical);
    let (name, _) = pool.run(Lane::Critical, thread_name).await.expect("it runs");
    assert_eq!(name, "compute-0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_work_runs_first_in_first_out_and_tells_how_long_it_waited() {
    let pool = ComputePool::new(1);
    let busy = occupy(&pool, Lane::Low);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..20 {
        let order = Arc::clone(&order);
        let mut job = Box::pin(pool.run(Lane::Low, move || order.lock().expect("a lock").push(number)));
        assert!(stands_in_the_queue(&mut job).await);
        waiting.push(job);
    }
    drop(busy);
    for job in waiting {
        assert!(job.await.expect("it runs").1 > Duration::ZERO);
    }
    assert_eq!(*order.lock().expect("a lock"), (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_nobody_waits_for_any_more_is_not_begun() {
    let pool = ComputePool::new(1);
    let busy = occupy(&pool, Lane::Low);
    let begun = Arc::new(AtomicUsize::new(0));
    let mut abandoned = Box::pin(pool.run(Lane::Low, {
        let begun = Arc::clone(&begun);
        move || begun.fetch_add(1, Ordering::SeqCst)
    }));
    assert!(stands_in_the_queue(&mut abandoned).await);
    drop(abandoned);
    drop(busy);
    pool.run(Lane::Low, || ()).await.expect("the one behind it runs");
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn shared_threads_are_niced_and_the_critical_one_is_not() {
    let pool = ComputePool::new(1);
    let nice = || rustix::process::getpriority_process(None).expect("a priority");
    let ours = nice();
    let (shared, _) = pool.run(Lane::High, nice).await.expect("it runs");
    let (critical, _) = pool.run(Lane::Critical, nice).await.expect("it runs");
    assert_eq!((shared, critical), (ours.max(10), ours));
}

/// Notes the threads on which spans are entered.
#[derive(Clone, Default)]
struct Entered(Arc<Mutex<Vec<(&'static str, String)>>>);

impl<S> Layer<S> for Entered
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_enter(&self, id: &span::Id, context: layer::Context<'_, S>) {
        let name = context.span(id).expect("it is there").name();
        let thread = thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().expect("nobody panics").push((name, thread));
    }
}

#[tokio::test]
async fn work_is_done_in_the_span_of_who_asks_for_it() {
    let entered = Entered::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(entered.clone()));
    let pool = ComputePool::new(1);
    let asking = async { pool.run(Lane::Normal, || ()).await.expect("it runs") };
    asking.instrument(tracing::info_span!("asking")).await;
    let entered = entered.0.lock().expect("nobody panics");
    assert!(entered.contains(&("asking", "compute-0".to_owned())), "{entered:?}");
}
