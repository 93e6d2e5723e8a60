//! Facts about buckets.

use bytes::Bytes;
use tokio::time::timeout;

use super::{QUIET, options, soon};
use crate::{Broker, Bucket, Change, InProcessOptions, KvError, Revision};

fn text(value: Option<(Bytes, Revision)>) -> Option<(String, Revision)> {
    value.map(|(bytes, revision)| (String::from_utf8(bytes.to_vec()).unwrap(), revision))
}

pub async fn create_writes_only_what_is_absent(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    assert_eq!(kv.get("a").await.unwrap(), None);
    let first = kv.create("a", "one").await.unwrap();
    match kv.create("a", "two").await {
        Err(KvError::Exists { found, .. }) => assert_eq!(found, first),
        other => panic!("the key is there, but: {other:?}"),
    }
    assert_eq!(text(kv.get("a").await.unwrap()), Some(("one".to_owned(), first)));
    kv.delete("a").await.unwrap();
    assert!(kv.create("a", "three").await.unwrap() > first);
}

pub async fn update_writes_only_at_the_known_revision(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    let first = kv.put("a", "one").await.unwrap();
    let second = kv.update("a", "two", first).await.unwrap();
    assert!(second > first);
    assert!(matches!(kv.update("a", "late", first).await, Err(KvError::Conflict { .. })));
    assert!(matches!(kv.update("never", "there", first).await, Err(KvError::Conflict { .. })));
    assert_eq!(text(kv.get("a").await.unwrap()), Some(("two".to_owned(), second)));
    let third = kv.put("a", "three").await.unwrap();
    assert!(third > second, "`put` asks for nothing");
}

pub async fn delete_forgets_and_revisions_still_grow(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Config);
    let first = kv.put("a", "one").await.unwrap();
    kv.delete("a").await.unwrap();
    assert_eq!(kv.get("a").await.unwrap(), None);
    assert!(kv.keys("").await.unwrap().is_empty());
    kv.delete("a").await.unwrap();
    kv.delete("never").await.unwrap();
    assert!(matches!(kv.update("a", "ghost", first).await, Err(KvError::Conflict { .. })));
    assert!(kv.create("a", "two").await.unwrap() > first);
}

pub async fn delete_at_needs_the_known_revision(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Config);
    let first = kv.put("a", "one").await.unwrap();
    let second = kv.put("a", "two").await.unwrap();
    assert!(matches!(kv.delete_at("a", first).await, Err(KvError::Conflict { .. })));
    kv.delete_at("a", second).await.unwrap();
    assert_eq!(kv.get("a").await.unwrap(), None);
    assert!(matches!(kv.delete_at("a", second).await, Err(KvError::Conflict { .. })));
}

pub async fn a_full_cache_forgets_its_oldest_keys_and_refuses_nothing(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    const VALUE: usize = 1_000_000;
    const KEYS: usize = 75;
    let kv = make(options()).await.kv(Bucket::Cache);
    for key in 0..KEYS {
        kv.put(&format!("k{key:02}"), vec![0_u8; VALUE]).await.unwrap();
    }
    let keys = kv.keys("").await.unwrap();
    assert!(keys.len() < KEYS && keys.len() > KEYS / 2, "{} keys", keys.len());
    let newest: Vec<String> = (KEYS - keys.len()..KEYS).map(|key| format!("k{key:02}")).collect();
    assert_eq!(keys, newest);
    assert_eq!(kv.get("k00").await.unwrap(), None);
}

pub async fn keys_are_listed_in_order_by_prefix(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    for key in ["run.b", "lease", "run.a", "run", "runner"] {
        kv.put(key, "x").await.unwrap();
    }
    assert_eq!(kv.keys("run.").await.unwrap(), ["run.a", "run.b"]);
    assert_eq!(kv.keys("").await.unwrap(), ["lease", "run", "run.a", "run.b", "runner"]);
    assert!(kv.keys("z").await.unwrap().is_empty());
}

pub async fn buckets_do_not_mix(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    for bucket in Bucket::ALL {
        broker.kv(bucket).create("a", bucket.as_str()).await.unwrap();
    }
    for bucket in Bucket::ALL {
        let found = text(broker.kv(bucket).get("a").await.unwrap()).unwrap();
        assert_eq!(found.0, bucket.as_str());
    }
}

pub async fn keys_of_a_wrong_form_are_refused(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    for key in ["", ".a", "a.", "a..b", "a b", "a*", "ä", &"k".repeat(257)] {
        assert!(matches!(kv.put(key, "x").await, Err(KvError::Key { .. })), "{key}");
        assert!(matches!(kv.get(key).await, Err(KvError::Key { .. })), "{key}");
    }
    kv.put(&"k".repeat(256), "x").await.unwrap();
    let large = vec![0; (1 << 20) + 1];
    assert!(matches!(kv.put("large", large).await, Err(KvError::TooLarge { .. })));
}

pub async fn a_watch_tells_what_is_there_and_what_changes(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Config);
    kv.put("gone", "x").await.unwrap();
    kv.delete("gone").await.unwrap();
    let first = kv.put("a", "one").await.unwrap();
    let mut watch = kv.watch("").await.unwrap();
    let change = |key: &str, value: Option<&'static str>, revision| Change {
        key: key.to_owned(),
        value: value.map(Bytes::from),
        revision,
    };
    assert_eq!(soon(watch.next()).await.unwrap(), change("a", Some("one"), first));
    assert!(timeout(QUIET, watch.next()).await.is_err(), "nothing has changed since");
    let second = kv.put("b", "two").await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap(), change("b", Some("two"), second));
    kv.delete("a").await.unwrap();
    let deleted = soon(watch.next()).await.unwrap();
    assert_eq!((deleted.key.as_str(), deleted.value), ("a", None));
    assert!(deleted.revision > second);
    // One who waits is woken.
    let waiter = tokio::spawn(async move { watch.next().await.unwrap().key });
    tokio::time::sleep(QUIET).await;
    kv.put("c", "three").await.unwrap();
    assert_eq!(soon(waiter).await.unwrap(), "c");
}

pub async fn a_watch_of_a_prefix_tells_nothing_else(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Config);
    kv.put("lane.low", "1").await.unwrap();
    let mut watch = kv.watch("lane.").await.unwrap();
    kv.put("stage.fetch", "1").await.unwrap();
    kv.put("lane.high", "1").await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().key, "lane.low");
    assert_eq!(soon(watch.next()).await.unwrap().key, "lane.high");
    assert!(timeout(QUIET, watch.next()).await.is_err());
}

pub async fn a_counter_raised_by_many_misses_no_step(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    kv.create("epoch", "0").await.unwrap();
    let raisers: Vec<_> = (0..4)
        .map(|_| {
            let kv = kv.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    loop {
                        let (value, revision) = text(kv.get("epoch").await.unwrap()).unwrap();
                        let next: u64 = value.parse::<u64>().unwrap() + 1;
                        tokio::task::yield_now().await;
                        match kv.update("epoch", next.to_string(), revision).await {
                            Ok(_) => break,
                            Err(KvError::Conflict { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            })
        })
        .collect();
    for raiser in raisers {
        soon(raiser).await.unwrap();
    }
    assert_eq!(text(kv.get("epoch").await.unwrap()).unwrap().0, "100");
}

pub async fn a_full_bucket_refuses_until_something_is_deleted(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let kv = make(options()).await.kv(Bucket::Runs);
    let mut written = 0;
    loop {
        match soon(kv.put(&format!("k{written}"), vec![0; 1 << 20])).await {
            Ok(_) => written += 1,
            Err(KvError::Full) => break,
            Err(other) => panic!("after {written}: {other:?}"),
        }
        assert!(written < 100, "a bucket has a limit");
    }
    assert!(written > 32);
    kv.delete("k0").await.unwrap();
    kv.put("k0", vec![0; 1 << 19]).await.unwrap();
}

pub async fn entries_are_listed_with_their_values(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let kv = make(options()).await.kv(Bucket::Runs);
    assert!(kv.entries("").await.unwrap().is_empty());
    for key in ["run.b", "lease", "run.a", "run.gone"] {
        kv.put(key, key.to_owned()).await.unwrap();
    }
    kv.delete("run.gone").await.unwrap();
    let last = kv.put("run.a", "new").await.unwrap();
    let entries = kv.entries("run.").await.unwrap();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_ref())).collect();
    assert_eq!(seen, [("run.a", b"new".as_slice()), ("run.b", b"run.b")]);
    assert_eq!(entries[0].revision, last);
    assert_eq!(kv.entries("").await.unwrap().len(), 3);
}
