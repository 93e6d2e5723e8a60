//! Facts about what a person does: pauses for all, dead letters.

use super::{QUEUE, QUIET, exactly, message, nothing_for, numbers, one, options, publish, soon, until};
use crate::{Broker, InProcessOptions, Queue};

pub async fn a_queue_paused_everywhere_hands_out_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..3).await;
    let out = one(&broker).await;
    soon(broker.pause_everywhere(QUEUE)).await.unwrap();
    until(&broker, "paused", |info| info.paused).await;
    out.ack();
    nothing_for(&broker, QUIET * 2).await;
    // One pause is not the other.
    broker.pause(QUEUE);
    broker.resume(QUEUE);
    nothing_for(&broker, QUIET * 2).await;
    soon(broker.resume_everywhere(QUEUE)).await.unwrap();
    assert_eq!(numbers(&exactly(&broker, 2).await), [1, 2]);
    until(&broker, "not paused", |info| !info.paused).await;
}

async fn dead(broker: &Broker, count: u64) {
    for number in 0..count {
        let letter = message(number).with_header("cause", number.to_string()).with_catalogue("findings");
        broker.publish(Queue::Dead, letter).await.unwrap();
    }
}

pub async fn dead_letters_are_listed_page_by_page(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    assert!(broker.dead_letters(0, 10).await.unwrap().is_empty());
    dead(&broker, 7).await;
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = broker.dead_letters(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3 && last.number > after);
        after = last.number;
        seen.extend(page.into_iter().map(|letter| letter.message));
    }
    let causes: Vec<_> = seen.iter().map(|message| message.header("cause").unwrap().to_owned()).collect();
    assert_eq!(causes, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!((seen[3].id, seen[3].catalogue.as_deref()), (message(3).id, Some("findings")));
    assert_eq!(broker.dead_letters(0, 100).await.unwrap().len(), 7, "looking takes nothing");
}

pub async fn dead_letters_are_dropped_one_by_one(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    dead(&broker, 4).await;
    let letters = broker.dead_letters(0, 10).await.unwrap();
    let second = letters[1].number;
    assert_eq!(broker.dead_letter(second).await.unwrap().as_ref(), Some(&letters[1]));
    assert!(broker.drop_dead_letter(second).await.unwrap());
    assert!(!broker.drop_dead_letter(second).await.unwrap());
    assert_eq!(broker.dead_letter(second).await.unwrap(), None);
    assert_eq!(broker.dead_letter(0).await.unwrap(), None);
    assert!(!broker.drop_dead_letter(letters[3].number + 1).await.unwrap());
    let left: Vec<_> = broker.dead_letters(0, 10).await.unwrap().iter().map(|letter| letter.number).collect();
    assert_eq!(left, [letters[0].number, letters[2].number, letters[3].number]);
}
