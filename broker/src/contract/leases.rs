//! Facts about leases on keys.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{QUIET, options, soon};
use crate::{Broker, Bucket, InProcessOptions, Kv, Lease, LeaseError};

const TTL: Duration = Duration::from_millis(2_000);

async fn waits(kv: &Kv, holder: &'static str) -> tokio::task::JoinHandle<Lease> {
    let kv = kv.clone();
    let waiter = tokio::spawn(async move { Lease::acquire(&kv, "leader", TTL, holder).await.unwrap() });
    sleep(QUIET).await;
    waiter
}

pub async fn a_lease_has_one_holder(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let lease = soon(Lease::acquire(&kv, "leader", TTL, "a")).await.unwrap();
    match Lease::try_acquire(&kv, "leader", TTL, "b").await {
        Err(LeaseError::Held { holder, .. }) => assert_eq!(holder, "a"),
        other => panic!("the lease is held, but: {other:?}"),
    }
    // Another lease is another matter.
    let other = Lease::try_acquire(&kv, "site", TTL, "b").await.unwrap();
    assert_eq!((lease.key(), other.key()), ("leader", "site"));
}

pub async fn a_released_lease_is_taken_at_once(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let long = Duration::from_secs(3_600);
    let first = Lease::try_acquire(&kv, "leader", long, "a").await.unwrap();
    let waiter = waits(&kv, "b").await;
    assert!(!waiter.is_finished());
    first.release().await.unwrap();
    let second = soon(waiter).await.unwrap();
    second.release().await.unwrap();
    Lease::try_acquire(&kv, "leader", TTL, "c").await.unwrap();
}

pub async fn a_renewed_lease_is_not_taken(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let mut lease = Lease::try_acquire(&kv, "leader", TTL, "a").await.unwrap();
    let waiter = waits(&kv, "b").await;
    for _ in 0..8 {
        sleep(TTL / 3).await;
        lease.renew().await.unwrap();
    }
    assert!(!waiter.is_finished());
    lease.release().await.unwrap();
    soon(waiter).await.unwrap();
}

pub async fn a_silent_holder_is_replaced_and_fenced(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let mut old = Lease::try_acquire(&kv, "leader", TTL, "a").await.unwrap();
    let began = Instant::now();
    let mut new = soon(waits(&kv, "b").await).await.unwrap();
    assert!(began.elapsed() >= TTL, "not before the time is over");
    assert!(new.token() > old.token());
    assert!(matches!(old.renew().await, Err(LeaseError::Lost { .. })));
    assert!(matches!(old.release().await, Err(LeaseError::Lost { .. })));
    // The old holder's release took nothing from the new one.
    new.renew().await.unwrap();
    new.release().await.unwrap();
}

pub async fn a_later_holder_has_a_greater_token(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let mut last = None;
    for round in 0..5 {
        let mut lease = soon(Lease::acquire(&kv, "leader", TTL, "a")).await.unwrap();
        assert!(Some(lease.token()) > last, "round {round}");
        lease.renew().await.unwrap();
        last = Some(lease.token());
        if round % 2 == 0 {
            lease.release().await.unwrap();
        }
    }
}

pub async fn a_term_has_one_token_and_a_deadline_that_moves(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let began = Instant::now();
    let mut lease = Lease::try_acquire(&kv, "leader", TTL, "a").await.unwrap();
    let (token, first) = (lease.token(), lease.deadline());
    assert!(first >= began + TTL && first <= Instant::now() + TTL);
    sleep(QUIET).await;
    assert!(lease.renew().await.unwrap() >= first + QUIET);
    assert!(lease.deadline() <= Instant::now() + TTL);
    assert_eq!(lease.token(), token);
}

pub async fn a_kept_lease_lasts_until_it_is_released(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let kept = Lease::try_acquire(&kv, "leader", TTL, "a").await.unwrap().keep();
    let waiter = waits(&kv, "b").await;
    assert!(timeout(TTL * 3, kept.lost()).await.is_err(), "no one could have taken it");
    assert!(kept.is_held() && !waiter.is_finished());
    let token = kept.token();
    kept.release().await.unwrap();
    assert!(soon(waiter).await.unwrap().token() > token);
}

pub async fn a_kept_lease_tells_when_it_is_lost(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Leases);
    let kept = Lease::try_acquire(&kv, "leader", TTL, "a").await.unwrap().keep();
    // As if someone had found it silent.
    kv.put("leader", "someone else").await.unwrap();
    soon(kept.lost()).await;
    assert!(!kept.is_held() && kept.deadline().is_none());
    soon(kept.lost()).await;
    assert!(matches!(kept.release().await, Err(LeaseError::Lost { .. })));
    // One that is not released runs out.
    let dropped = Lease::try_acquire(&kv, "site", TTL, "a").await.unwrap().keep();
    drop(dropped);
    soon(Lease::acquire(&kv, "site", TTL, "b")).await.unwrap();
}
