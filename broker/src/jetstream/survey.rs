//! Looks at the queues now and then, and at the connections always.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{join_all, select_all};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Station, link::Link};
use crate::{Queue, Readiness};

/// How old what is known of a queue may become.
const ALWAYS: Duration = Duration::from_secs(2);
/// How old while someone asks.
const ASKED: Duration = Duration::from_millis(40);

/// The task that looks at the queues.
pub(super) struct Survey {
    asked: Arc<Asked>,
    _task: AbortOnDropHandle<()>,
}

struct Asked {
    queues: Vec<AtomicBool>,
    /// Looked at without being asked for.
    used: Vec<AtomicBool>,
    any: Notify,
}

impl Survey {
    /// Looks at the queues that are used once, then goes on in the background.
    pub(super) async fn start(stations: Arc<[Station]>, used: &[Queue]) -> Self {
        let used: Vec<bool> = Queue::all().map(|queue| used.contains(&queue)).collect();
        look(&stations, |at| used.get(at).copied().unwrap_or_default()).await;
        let queues = Queue::all().map(|_| AtomicBool::new(false)).collect();
        let used = used.into_iter().map(AtomicBool::new).collect();
        let asked = Arc::new(Asked { queues, used, any: Notify::new() });
        let task = tokio::spawn(run(stations, Arc::clone(&asked)));
        Self { asked, _task: AbortOnDropHandle::new(task) }
    }

    /// This queue is used from now on.
    pub(super) fn uses(&self, queue: Queue) {
        if let Some(used) = self.asked.used.get(queue.index()) {
            used.store(true, Ordering::Relaxed);
        }
        self.ask(queue);
    }

    /// Someone wants to know of this queue.
    pub(super) fn ask(&self, queue: Queue) {
        if let Some(asked) = self.asked.queues.get(queue.index()) {
            asked.store(true, Ordering::Relaxed);
            self.asked.any.notify_one();
        }
    }
}

async fn run(stations: Arc<[Station]>, asked: Arc<Asked>) {
    loop {
        let all = timeout(ALWAYS, asked.any.notified()).await.is_err();
        let queues = asked.queues.iter().zip(&asked.used);
        let wanted: Vec<bool> = queues
            .map(|(asked, used)| {
                asked.swap(false, Ordering::Relaxed) || (all && used.load(Ordering::Relaxed))
            })
            .collect();
        look(&stations, |at| wanted.get(at).copied().unwrap_or_default()).await;
        sleep(ASKED).await;
    }
}

/// Errors mean that nothing new is known; those who publish and pull hear of them.
async fn look(stations: &[Station], wanted: impl Fn(usize) -> bool) {
    let looks = stations.iter().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, station)| async {
        let gauge = &station.publisher.gauge;
        let _ = gauge.look_closely(&station.publisher.link, &station.lane).await;
    });
    join_all(looks).await;
}

/// Follows the connections: ready while all of them are up.
pub(super) fn watch_links(links: [Link; 2]) -> (watch::Receiver<Readiness>, AbortOnDropHandle<()>) {
    let (sender, receiver) = watch::channel(judge(&links));
    let task = tokio::spawn(async move {
        let mut states = links.each_ref().map(Link::watch);
        loop {
            let now = judge(&links);
            sender.send_if_modified(|known| {
                let changed = *known != now;
                *known = now;
                changed
            });
            let changes = states.iter_mut().map(|state| Box::pin(state.changed()));
            let _ = select_all(changes).await;
        }
    });
    (receiver, AbortOnDropHandle::new(task))
}

fn judge(links: &[Link; 2]) -> Readiness {
    let reasons = links.iter().filter_map(Link::why_not);
    reasons.into_iter().next().map_or(Readiness::Ready, |reason| Readiness::Unready { reason })
}
