//! A running agent over the in-process broker: retries, splits, deaths, repeats, cached results.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::{Bench, dead, header, locations, processed, read, read_outcome, read_parcel, until, validate};
use quire_broker::{InProcessOptions, Message, Queue};
use quire_proto::{Digest, Lane, ListSource, Outcome, Parcel, StageName, Work, pack::PackBuilder};
use quire_runtime::{Context, Counts, Processed, StageError, StoreError};

/// A counter shared with a handler.
fn counter() -> (Arc<AtomicU32>, Arc<AtomicU32>) {
    let counter = Arc::new(AtomicU32::new(0));
    (Arc::clone(&counter), counter)
}

fn counts(bench: &Bench, stage: StageName) -> Counts {
    bench
        .metrics
        .snapshot()
        .iter()
        .find(|lane| lane.stage == stage)
        .map_or_else(Counts::default, |lane| lane.counts)
}

#[tokio::test]
async fn a_parcel_is_settled_after_its_children_are_published() {
    let bench = Bench::new();
    let parcel = read_parcel(0, 2);
    let works = vec![validate("a"), validate("b")];
    let agent = bench.agent(StageName::Fetch, {
        let works = works.clone();
        move |_, parcel: Arc<Parcel>| {
            let works = works.clone();
            async move { Ok(Processed { outcome: read_outcome(&parcel), children: works }) }
        }
    });
    bench.publish(&parcel).await;
    let settlement = bench.settlement().await;
    assert_eq!((settlement.parcel, settlement.records), (parcel.header.id, 2));
    assert_eq!(
        (&settlement.run, settlement.stage, settlement.cached),
        (&parcel.header.run, StageName::Fetch, false)
    );
    assert_eq!(settlement.outcome, read_outcome(&parcel));

    let children = bench.broker.try_pull(Queue::work(StageName::Validate, Lane::Normal), 10);
    assert_eq!(children.len(), 2);
    for ((index, child), (announced, work)) in
        (0..).zip(&children).zip(settlement.announced.iter().zip(works))
    {
        let child: Parcel = quire_proto::codec::decode(&child.message.payload).expect("a parcel");
        assert_eq!(child.header.id, parcel.header.id.child("validate", index));
        assert_eq!(
            (announced.id, announced.stage, announced.lane),
            (child.header.id, StageName::Validate, Lane::Normal)
        );
        assert_eq!((child.work, &child.header.catalogue), (work, &parcel.header.catalogue));
    }
    until("the acknowledgement", || {
        bench.broker.info(Queue::work(StageName::Fetch, Lane::Normal)).unsettled() == 0
    })
    .await;
    let (service, counts) = (Duration::from_micros(settlement.service_us), counts(&bench, StageName::Fetch));
    assert!(service < common::PATIENCE);
    assert_eq!((counts.processed, counts.records), (1, 2));
    agent.drain(common::PATIENCE).await;
}

#[tokio::test]
async fn a_settlement_is_not_published_before_there_is_room_for_the_children() {
    let bench = Bench::with(InProcessOptions { max_messages: 1, ..InProcessOptions::default() });
    let validate_queue = Queue::work(StageName::Validate, Lane::Normal);
    let obstacle = Message::new(Digest::of(b"obstacle"), &b"x"[..]);
    bench.broker.publish(validate_queue, obstacle).await.expect("published");
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Processed { outcome: read_outcome(&parcel), children: vec![validate("a")] }) }
    });
    bench.publish(&read_parcel(0, 1)).await;
    until("the handler has run", || counted.load(Ordering::Relaxed) == 1).await;
    assert_eq!(bench.broker.info(Queue::Settled).depth, 0);
    bench.broker.try_pull(validate_queue, 1).pop().expect("the obstacle").ack();
    assert_eq!(bench.settlement().await.announced.len(), 1);
    assert_eq!(bench.broker.info(validate_queue).depth, 1);
}

#[tokio::test]
async fn a_transient_error_is_tried_again_until_it_goes_away() {
    let bench = Bench::new();
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            if call < 4 {
                return Err(StageError::transient("asking the upstream", "connection reset"));
            }
            Ok(Processed::leaf(read_outcome(&parcel)))
        }
    });
    let parcel = read_parcel(0, 3);
    bench.publish(&parcel).await;
    let settlements = bench.settled(parcel.header.id).await;
    assert_eq!(processed(&settlements), locations(&parcel));
    assert_eq!((settlements.len(), counted.load(Ordering::Relaxed)), (1, 4));
    assert_eq!(counts(&bench, StageName::Fetch).retried, 3);
}

#[tokio::test]
async fn a_transient_error_that_stays_ends_after_its_attempts() {
    let bench = Bench::new();
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        async { Err(StageError::transient("asking the upstream", "connection reset")) }
    });
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    let settlements = bench.settled(parcel.header.id).await;
    let error = "asking the upstream: connection reset".to_owned();
    assert_eq!(dead(&settlements), [(error.clone(), 4, vec!["s:0.json".to_owned()])]);
    assert_eq!(counted.load(Ordering::Relaxed), 4);
    let letters = bench.dead_letters();
    assert_eq!((letters.len(), letters[0].parcel.as_ref(), letters[0].attempts), (1, Some(&parcel), 4));
    assert_eq!((&letters[0].error, letters[0].stage), (&error, StageName::Fetch));
}

#[tokio::test]
async fn a_parcel_without_its_input_or_without_room_is_settled_whole_and_at_once() {
    let no_room = || {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        StoreError::Io { doing: "writing blob", name: "x".into(), source }
    };
    let lost = Digest::of(b"lost");
    type Fault = Box<dyn Fn() -> StoreError + Send + Sync>;
    let cases: [(Fault, u32); 2] = [(Box::new(no_room), 3), (Box::new(move || StoreError::Damaged(lost)), 1)];
    for (fault, expected_calls) in cases {
        let bench = Bench::new();
        let (calls, counted) = counter();
        let fault = Arc::new(fault);
        let _agent = bench.agent(StageName::Fetch, move |_, _| {
            calls.fetch_add(1, Ordering::Relaxed);
            let error = fault();
            async { Err(StageError::from(error)) }
        });
        let parcel = read_parcel(0, 8);
        bench.publish(&parcel).await;
        let settlement = bench.settlement().await;
        assert_eq!(settlement.parcel, parcel.header.id);
        match &settlement.outcome {
            Outcome::NoRoom { error } => assert!(error.contains("no storage space"), "{error}"),
            outcome => assert_eq!(*outcome, Outcome::InputLost { object: lost }),
        }
        assert_eq!((settlement.announced.len(), counted.load(Ordering::Relaxed)), (0, expected_calls));
        assert!(bench.dead_letters().is_empty());
        let counts = counts(&bench, StageName::Fetch);
        assert_eq!((counts.split, counts.dead, counts.no_room + counts.input_lost), (0, 0, 1));
    }
}

#[tokio::test]
async fn overload_puts_a_parcel_off_without_counting_as_an_attempt() {
    let bench = Bench::new();
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            match call {
                0..10 => {
                    let after = (call % 2 == 0).then_some(Duration::from_millis(1));
                    Err(StageError::overload("asking the upstream", "429", after))
                }
                10..13 => Err(StageError::transient("asking the upstream", "connection reset")),
                _ => Ok(Processed::leaf(read_outcome(&parcel))),
            }
        }
    });
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    let settlements = bench.settled(parcel.header.id).await;
    assert_eq!((dead(&settlements), processed(&settlements)), (vec![], locations(&parcel)));
    assert_eq!(counted.load(Ordering::Relaxed), 14);
    let counts = counts(&bench, StageName::Fetch);
    assert_eq!((counts.delayed, counts.retried), (10, 3));
}

#[tokio::test]
async fn endless_overload_ends_as_well() {
    let mut bench = Bench::new();
    bench.options.max_delays = 5;
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        async { Err(StageError::overload("asking the upstream", "429", None)) }
    });
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    assert_eq!(dead(&bench.settled(parcel.header.id).await).len(), 1);
    assert_eq!(counted.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn a_poison_record_alone_is_dead_and_every_other_is_processed_once() {
    for (count, poison) in [(64, 37), (13, 0), (2, 1), (5, 4)] {
        let bench = Bench::new();
        let poison = format!("{poison}.json");
        let handler_poison = poison.clone();
        let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
            let poisoned = locations(&parcel).contains(&handler_poison);
            async move {
                if poisoned {
                    return Err(StageError::permanent("reading", "this record is poison"));
                }
                Ok(Processed::leaf(read_outcome(&parcel)))
            }
        });
        let parcel = read_parcel(0, count);
        bench.publish(&parcel).await;
        let settlements = bench.settled(parcel.header.id).await;
        let mut expected = locations(&parcel);
        expected.retain(|location| *location != poison);
        expected.sort_unstable();
        assert_eq!(processed(&settlements), expected);
        let subject = format!("s:{poison}");
        assert_eq!(dead(&settlements), [("reading: this record is poison".to_owned(), 1, vec![subject])]);
        assert_eq!(bench.dead_letters().len(), 1);
        let queue = Queue::work(StageName::Fetch, Lane::Normal);
        until("an empty queue", || bench.broker.info(queue).unsettled() == 0).await;
    }
}

/// What a listing announces is work of the same stage, but nothing is set apart: it waits for room as all else. On a clock
/// that jumps ahead when nobody is busy.
#[tokio::test(start_paused = true)]
async fn what_a_listing_finds_takes_no_headroom() {
    let bench = Bench::with(InProcessOptions { max_messages: 1, ..InProcessOptions::default() });
    let fetch = Queue::work(StageName::Fetch, Lane::Normal);
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            let is_listing = matches!(parcel.work, Work::List(_));
            let children = if is_listing { vec![read(1), read(2)] } else { Vec::new() };
            Ok(Processed { outcome: read_outcome(&parcel), children })
        }
    });
    let work = Work::List(ListSource { source: "s".into(), base: None, only: None });
    bench.publish(&Parcel { header: header(1, 0, Lane::Normal), work }).await;
    until("the handler has run", || counted.load(Ordering::Relaxed) == 1).await;
    // Not so long that it is given up.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((bench.broker.info(fetch).unsettled(), bench.broker.info(Queue::Settled).depth), (1, 0));
}

/// The lane has room for one message: records that are set apart go beyond it, as the parts of a split do.
#[tokio::test]
async fn records_that_are_set_apart_are_processed_alone_even_where_the_lane_is_full() {
    let bench = Bench::with(InProcessOptions { max_messages: 1, ..InProcessOptions::default() });
    let _agent = bench.agent(StageName::Fetch, |_, parcel| async move {
        let Work::Read { source, locations, base } = parcel.work.clone() else { panic!("{parcel:?}") };
        let (bad, good): (Vec<_>, Vec<_>) =
            locations.into_iter().partition(|listed| matches!(&*listed.location, "1.json" | "3.json"));
        if good.is_empty() {
            return Ok(Processed::leaf(read_outcome(&parcel)));
        }
        let read = |locations| Work::Read { source: source.clone(), locations, base };
        let children = bad.into_iter().map(|listed| read(vec![listed])).collect();
        let work = read(good);
        let outcome = read_outcome(&Parcel { header: parcel.header.clone(), work });
        Ok(Processed { outcome, children })
    });
    let parcel = read_parcel(0, 5);
    bench.publish(&parcel).await;
    let settlements = bench.settled(parcel.header.id).await;
    assert_eq!(processed(&settlements), ["0.json", "1.json", "2.json", "3.json", "4.json"]);
    assert_eq!(settlements.iter().map(|settlement| settlement.records).collect::<Vec<_>>(), [3, 1, 1]);
    let counts = counts(&bench, StageName::Fetch);
    assert_eq!((counts.split, counts.processed, counts.records), (0, 3, 5));
}

/// What goes on to another stage waits for room there, and with it all that is left of the parcel: else each attempt would
/// leave one more copy of that. On a clock that jumps ahead when nobody is busy.
#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_parcel_waits_until_the_next_stage_has_room() {
    let bench = Bench::with(InProcessOptions { max_messages: 1, ..InProcessOptions::default() });
    let (fetches, validates) =
        (Queue::work(StageName::Fetch, Lane::Normal), Queue::work(StageName::Validate, Lane::Normal));
    let obstacle = Message::new(Digest::of(b"obstacle"), &b"x"[..]);
    bench.broker.publish(validates, obstacle).await.expect("published");
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Processed { outcome: read_outcome(&parcel), children: vec![validate("a"), read(9)] }) }
    });
    bench.publish(&read_parcel(0, 3)).await;
    until("the handler has run", || counted.load(Ordering::Relaxed) == 1).await;
    // Not so long that it is given up.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let unsettled = |queue| bench.broker.info(queue).unsettled();
    assert_eq!([unsettled(fetches), unsettled(validates), unsettled(Queue::Settled)], [1, 1, 0]);
}

#[tokio::test]
async fn a_panic_is_poison_wherever_it_happens() {
    for in_pool in [false, true] {
        let bench = Bench::new();
        let _agent = bench.agent(StageName::Fetch, move |ctx: Context, parcel| async move {
            let poisoned = locations(&parcel).contains(&"2.json".to_owned());
            if in_pool {
                ctx.compute(move || assert!(!poisoned, "boom")).await?;
            } else {
                assert!(!poisoned, "boom");
            }
            Ok(Processed::leaf(read_outcome(&parcel)))
        });
        let parcel = read_parcel(0, 5);
        bench.publish(&parcel).await;
        let settlements = bench.settled(parcel.header.id).await;
        assert_eq!(processed(&settlements), ["0.json", "1.json", "3.json", "4.json"]);
        let died = dead(&settlements);
        assert_eq!(died, [("handler panicked: boom".to_owned(), 1, vec!["s:2.json".to_owned()])]);
        let counts = counts(&bench, StageName::Fetch);
        // 5 → 2 + 3 (2,3,4) → 1 (2) + 2.
        assert_eq!((counts.panicked, counts.split, counts.dead), (3, 2, 1), "in the pool: {in_pool}");
    }
}

#[tokio::test]
async fn an_outcome_too_large_for_a_message_splits_its_parcel() {
    let bench = Bench::new();
    let _agent = bench.agent(StageName::Fetch, |_, parcel| async move {
        let failed = locations(&parcel).into_iter().map(|location| (location, "x".repeat(3 << 20))).collect();
        let outcome = Outcome::Read { unchanged: Vec::new(), rejected: Vec::new(), failed, queries: 0 };
        Ok(Processed::leaf(outcome))
    });
    let parcel = read_parcel(0, 4);
    bench.publish(&parcel).await;
    let settlements = bench.settled(parcel.header.id).await;
    assert_eq!((processed(&settlements).len(), dead(&settlements).len()), (4, 0));
    assert!(settlements.len() > 1);
}

#[tokio::test]
async fn a_message_that_is_no_parcel_of_the_stage_is_buried() {
    let bench = Bench::new();
    let _agent = bench.agent(StageName::Fetch, |_, _| async { panic!("never called") });
    let queue = Queue::work(StageName::Fetch, Lane::Normal);
    bench.broker.publish(queue, Message::new(Digest::of(b"1"), &b"garbage"[..])).await.expect("published");
    let stranger = Parcel { header: header(1, 0, Lane::Normal), work: validate("x") };
    let encoded = quire_proto::codec::encode(&stranger).expect("encoded");
    bench.broker.publish(queue, Message::new(Digest::of(b"2"), encoded)).await.expect("published");
    until("both buried", || bench.broker.info(queue).terminated == 2).await;
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.parcel.is_none()));
    assert_eq!(&letters[0].message[..], b"garbage");
    assert_eq!(letters[1].error, "stage fetch got a parcel for stage validate");
}

/// On a clock that jumps ahead when nobody is busy, so that a busy machine does not disturb it.
#[tokio::test(start_paused = true)]
async fn a_long_handler_keeps_its_delivery() {
    let bench = Bench::new();
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(common::PATIENCE / 2).await;
            Ok(Processed::leaf(read_outcome(&parcel)))
        }
    });
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    bench.settlement().await;
    let info = bench.broker.info(Queue::work(StageName::Fetch, Lane::Normal));
    assert_eq!((counted.load(Ordering::Relaxed), info.redelivered), (1, 0));
}

/// What a crash between publishing and acknowledging leaves: children and settlement are out, the delivery is not
/// acknowledged and comes again.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_again_after_its_settlement_says_the_same_again() {
    // Every repeat is seen.
    let mut bench =
        Bench::with(InProcessOptions { dedup_window: Duration::ZERO, ..InProcessOptions::default() });
    bench.options.ack_progress = common::PATIENCE; // so the lease runs out and the acknowledgement comes too late
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Fetch, move |_, parcel| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            if call == 0 {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            Ok(Processed { outcome: read_outcome(&parcel), children: vec![validate("a"), validate("b")] })
        }
    });
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    let (first, second) = (bench.settlement().await, bench.settlement().await);
    assert_eq!(
        (first.parcel, &first.announced, &first.outcome),
        (second.parcel, &second.announced, &second.outcome)
    );
    assert_eq!(counted.load(Ordering::Relaxed), 2);
    let children = bench.broker.try_pull(Queue::work(StageName::Validate, Lane::Normal), 10);
    let mut ids: Vec<_> = children.iter().map(|child| child.message.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "a repeat made other children");
}

#[tokio::test]
async fn a_parcel_whose_workers_die_is_given_up_without_another_try() {
    let mut bench = Bench::new();
    bench.options.max_attempts = 2;
    let parcel = read_parcel(0, 1);
    bench.publish(&parcel).await;
    let queue = Queue::work(StageName::Fetch, Lane::Normal);
    for _ in 0..2 {
        // A worker that starts it and is gone.
        bench.broker.try_pull(queue, 1).pop().expect("the parcel").start();
    }
    let _agent = bench.agent(StageName::Fetch, |_, _| async { panic!("never called") });
    let died = dead(&bench.settled(parcel.header.id).await);
    assert_eq!((died.len(), died[0].1), (1, 2));
}

#[tokio::test]
async fn pure_work_is_not_done_twice_while_its_packs_are_there() {
    let bench = Bench::new();
    let (calls, counted) = counter();
    let _agent = bench.agent(StageName::Validate, move |ctx: Context, parcel: Arc<Parcel>| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            let Work::Validate(items) = &parcel.work else { panic!("other work") };
            let mut builder = PackBuilder::default();
            let position = builder.add(items[0].raw.to_vec());
            let pack = builder.finish();
            let verdicts = pack.slice(position).expect("a slice");
            ctx.store().put_pack(&pack)?;
            Ok(Processed::leaf(Outcome::Validated { verdicts, bodies: None }))
        }
    });
    let mut settlements = Vec::new();
    for epoch in 1..=3 {
        let parcel = Parcel { header: header(epoch, 0, Lane::Normal), work: validate("same") };
        bench.publish(&parcel).await;
        let settlement = bench.settlement().await;
        assert_eq!((settlement.parcel, &settlement.run), (parcel.header.id, &parcel.header.run));
        settlements.push(settlement);
    }
    assert!(settlements.iter().all(|settlement| settlement.outcome == settlements[0].outcome));
    assert_eq!(
        settlements.iter().map(|settlement| settlement.cached).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert_eq!(counted.load(Ordering::Relaxed), 1);

    let Outcome::Validated { verdicts, .. } = settlements[0].outcome else { panic!("another outcome") };
    assert!(bench.store.remove_blob(&verdicts.pack).expect("removed"));
    bench.publish(&Parcel { header: header(4, 0, Lane::Normal), work: validate("same") }).await;
    let settlement = bench.settlement().await;
    assert_eq!((settlement.cached, &settlement.outcome), (false, &settlements[0].outcome));
    assert_eq!(bench.store.get_slice(&verdicts).expect("made again"), "same");
    assert_eq!(
        (counts(&bench, StageName::Validate).processed, counts(&bench, StageName::Validate).cached),
        (2, 2)
    );
}
