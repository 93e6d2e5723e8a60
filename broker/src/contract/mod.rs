//! The contract suite: what every backend must do, one function a fact.
//!
//! A backend's test file names a factory and gets one test a fact:
//!
//! ```ignore
//! quire_broker::broker_contract!(clock = paused, factory = async |options| Broker::in_process(options));
//! ```
//!
//! `clock = paused` lets tokio's clock jump, for backends that live in the test's own process; `clock = real` is for
//! those behind a socket. The factory makes an empty broker of the given limits for each fact. The facts are
//! written for both: they wait for conditions, and where nothing must happen, they wait a short time for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code: a broken fact panics")]
#![allow(missing_docs, reason = "a fact is documented by its name")]
#![allow(clippy::missing_panics_doc, clippy::missing_errors_doc, reason = "test code")]

mod admin;
mod buckets;
mod crowds;
mod lanes;
mod leases;
mod limits;
mod settling;
mod stops;

pub use admin::*;
pub use buckets::*;
pub use crowds::*;
pub use lanes::*;
pub use leases::*;
pub use limits::*;
pub use settling::*;
pub use stops::*;

use std::{future::Future, time::Duration};

use quire_proto::{Digest, Lane, StageName};
use tokio::time::{sleep, timeout};

use crate::{Broker, Delivery, InProcessOptions, Message, Queue, QueueInfo};

/// The queue that most facts are about.
const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
/// Lease of a delivery in the facts.
const ACK_WAIT: Duration = Duration::from_millis(1_000);
/// How long ids are remembered in the facts.
const WINDOW: Duration = Duration::from_millis(1_500);
/// How long nothing must happen where nothing may.
const QUIET: Duration = Duration::from_millis(150);
/// How long anything may take that must happen; generous, as it only costs time when the fact is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits of the facts, as far as a fact does not change them.
fn options() -> InProcessOptions {
    InProcessOptions {
        max_messages: 1_000,
        max_bytes: 16 << 20,
        headroom_messages: 10,
        headroom_bytes: 1 << 20,
        ack_wait: ACK_WAIT,
        dedup_window: WINDOW,
        publish_deadline: PATIENCE,
        ..InProcessOptions::default()
    }
}

/// Message number `number`; its payload is the number.
fn message(number: u64) -> Message {
    Message::new(Digest::of(&number.to_le_bytes()), number.to_le_bytes().to_vec())
}

fn messages(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers.map(message).collect()
}

/// The number of a message made by [`message`].
fn number(delivery: &Delivery) -> u64 {
    u64::from_le_bytes(delivery.message.payload.as_ref().try_into().expect("a payload of eight bytes"))
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(number).collect()
}

async fn publish(broker: &Broker, numbers: std::ops::Range<u64>) {
    let count = usize::try_from(numbers.end - numbers.start).unwrap();
    let taken = soon(broker.publish_all(QUEUE, messages(numbers))).await.expect("a queue with room");
    assert_eq!(taken.accepted, count);
}

/// Pulls one delivery, or fails in the end.
async fn one(broker: &Broker) -> Delivery {
    soon(broker.pull(QUEUE, 1)).await.expect("an open broker").pop().expect("a pull returns something")
}

/// Pulls exactly `count` deliveries, in as many pulls as it takes.
async fn exactly(broker: &Broker, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(soon(broker.pull(QUEUE, count - all.len())).await.expect("an open broker"));
    }
    all
}

/// Waits for what must come.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

/// Sees to it that the queue hands out nothing for `time`.
async fn nothing_for(broker: &Broker, time: Duration) {
    if let Ok(pulled) = timeout(time, broker.pull(QUEUE, 1)).await {
        panic!("nothing should have come, but {pulled:?} did");
    }
}

/// Waits until the queue's info is as it should be.
async fn until(broker: &Broker, what: &str, condition: impl Fn(&QueueInfo) -> bool) -> QueueInfo {
    let wait = async {
        loop {
            let info = broker.info(QUEUE);
            if condition(&info) {
                return info;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    match timeout(PATIENCE, wait).await {
        Ok(info) => info,
        Err(_) => panic!("the queue should have {what}, but is {:?}", broker.info(QUEUE)),
    }
}

/// Makes one test of every fact of [`contract`](crate::contract).
#[macro_export]
macro_rules! broker_contract {
    (clock = paused, factory = $factory:expr) => {
        $crate::broker_contract!(@all (start_paused = true), $factory);
    };
    (clock = real, factory = $factory:expr) => {
        $crate::broker_contract!(@all (), $factory);
    };
    (@all $clock:tt, $factory:expr) => {
        $crate::broker_contract!(@each $clock, $factory,
            // lanes
            messages_come_in_the_order_of_publishing,
            a_message_arrives_as_it_was_published,
            a_large_payload_arrives_whole,
            queues_do_not_mix,
            a_pull_hands_out_no_more_than_asked_for,
            a_pull_waits_until_something_is_there,
            a_cancelled_pull_loses_nothing,
            a_cancelled_pull_passes_its_wake_up_on,
            one_publish_wakes_every_puller_that_it_can_serve,
            ready_wakes_for_any_of_its_queues,
            ready_prefers_the_queue_named_first,
            ready_takes_nothing,
            a_busy_loop_gives_way_to_other_tasks,
            info_tells_where_messages_are,
            the_oldest_age_is_that_of_the_oldest_waiting_message,
            // settling
            an_acknowledged_message_is_gone,
            a_terminated_message_is_gone,
            a_dropped_delivery_comes_again_at_once,
            what_comes_again_comes_before_what_is_newer,
            a_nak_without_delay_comes_again_at_once,
            a_nak_comes_again_after_its_delay_and_not_before,
            a_delayed_message_does_not_block_its_queue,
            an_expired_lease_means_redelivery,
            a_waiting_pull_gets_what_expires_meanwhile,
            progress_extends_the_lease,
            start_begins_the_lease_anew,
            only_started_deliveries_count_as_attempts,
            starting_twice_counts_once,
            a_postponed_delivery_is_no_attempt,
            a_late_word_harms_nothing,
            a_delivery_can_be_settled_outside_the_runtime,
            // limits
            a_repeat_within_the_window_is_not_stored,
            a_repeat_after_the_window_is_stored,
            a_repeat_within_a_batch_is_not_stored,
            a_repeat_needs_no_room,
            a_refused_message_may_be_published_later,
            a_full_queue_refuses_at_once_on_request,
            a_publish_gives_up_at_its_deadline,
            a_publish_waits_for_room,
            a_publish_takes_what_room_there_is_at_its_deadline,
            bytes_are_limited_too,
            a_message_that_could_never_fit_is_refused,
            messages_on_lease_and_delayed_ones_need_room_too,
            a_batch_beyond_the_limit_goes_in_as_room_comes,
            a_cancelled_publish_gives_up_its_place,
            headroom_goes_beyond_the_limit_but_not_without_end,
            headroom_does_not_stand_in_line_behind_others,
            // stops
            a_paused_queue_hands_out_nothing_and_takes_everything,
            a_paused_queue_with_room_takes_who_waits,
            resume_wakes_who_waits,
            ready_does_not_name_a_paused_queue,
            close_ends_waiting_pulls_and_ready,
            close_waits_for_what_is_out,
            whoever_has_a_delivery_may_publish_while_the_broker_closes,
            a_closed_broker_takes_nothing,
            close_refuses_who_waits_for_room,
            // what a person does
            a_queue_paused_everywhere_hands_out_nothing,
            dead_letters_are_listed_page_by_page,
            dead_letters_are_dropped_one_by_one,
            // buckets
            create_writes_only_what_is_absent,
            update_writes_only_at_the_known_revision,
            delete_forgets_and_revisions_still_grow,
            delete_at_needs_the_known_revision,
            keys_are_listed_in_order_by_prefix,
            entries_are_listed_with_their_values,
            buckets_do_not_mix,
            a_full_cache_forgets_its_oldest_keys_and_refuses_nothing,
            keys_of_a_wrong_form_are_refused,
            a_full_bucket_refuses_until_something_is_deleted,
            a_watch_tells_what_is_there_and_what_changes,
            a_watch_of_a_prefix_tells_nothing_else,
            a_counter_raised_by_many_misses_no_step,
            // leases
            a_lease_has_one_holder,
            a_released_lease_is_taken_at_once,
            a_renewed_lease_is_not_taken,
            a_silent_holder_is_replaced_and_fenced,
            a_later_holder_has_a_greater_token,
            a_term_has_one_token_and_a_deadline_that_moves,
            a_kept_lease_lasts_until_it_is_released,
            a_kept_lease_tells_when_it_is_lost,
        );
        $crate::broker_contract!(@each (flavor = "multi_thread", worker_threads = 4), $factory,
            many_producers_and_consumers_lose_and_repeat_nothing,
            cancelled_pulls_of_many_consumers_lose_nothing,
            producers_that_wait_for_room_are_all_served,
            a_hundred_thousand_messages_wait_in_order,
        );
    };
    (@each $test:tt, $factory:expr, $($fact:ident),+ $(,)?) => {
        $(
            #[tokio::test $test]
            async fn $fact() {
                $crate::contract::$fact($factory).await;
            }
        )+
    };
}
