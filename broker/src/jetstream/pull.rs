//! Pulling: what has arrived is taken at once, what has not is waited for.

use std::{pin::pin, sync::Arc};

use futures_util::future::select_all;

use super::{JetStream, fault::Fault, lane::Lane, phase::Phase};
use crate::{Delivery, PullError, Queue, delivery::Settle};

impl JetStream {
    fn check_open(&self) -> Result<(), PullError> {
        if *self.phase.borrow() == Phase::Open { Ok(()) } else { Err(PullError::Closed) }
    }

    pub(super) fn try_pull_now(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError> {
        self.check_open()?;
        let lane = self.lane(queue);
        let deliver = |(message, attempt, token)| {
            Delivery::new(message, queue, attempt, token, Arc::clone(lane) as Arc<dyn Settle>)
        };
        Ok(lane.take(max).into_iter().map(deliver).collect())
    }

    pub(super) async fn wait_pull(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError> {
        let lane = self.lane(queue);
        let _want = lane.want(max);
        let mut phase = self.phase.subscribe();
        loop {
            let mut arrived = pin!(lane.arrived.notified());
            // From here on no call is missed.
            arrived.as_mut().enable();
            let taken = self.try_pull_now(queue, max)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            if let Some(fault) = lane.fault() {
                return Err(fault.into_pull());
            }
            tokio::select! {
                () = arrived => {}
                _ = phase.changed() => {}
            }
        }
    }

    pub(super) fn first_ready_now(&self, queues: &[Queue]) -> Result<Option<Queue>, PullError> {
        self.check_open()?;
        Ok(queues.iter().copied().find(|queue| self.lane(*queue).deliverable()))
    }

    pub(super) async fn wait_ready(&self, queues: &[Queue]) -> Result<Queue, PullError> {
        let lanes: Vec<&Arc<Lane>> = queues.iter().map(|queue| self.lane(*queue)).collect();
        let _wants: Vec<_> = lanes.iter().map(|lane| lane.want(0)).collect();
        let mut phase = self.phase.subscribe();
        loop {
            let mut arrivals: Vec<_> = lanes.iter().map(|lane| Box::pin(lane.arrived.notified())).collect();
            for arrival in &mut arrivals {
                arrival.as_mut().enable();
            }
            if let Some(queue) = self.first_ready_now(queues)? {
                return Ok(queue);
            }
            if let Some(fault) = common_fault(&lanes) {
                return Err(fault.into_pull());
            }
            if arrivals.is_empty() {
                let _ = phase.changed().await;
                continue;
            }
            tokio::select! {
                _ = select_all(arrivals) => {}
                _ = phase.changed() => {}
            }
        }
    }
}

/// A fault that leaves nothing to wait for: all of the lanes have one.
fn common_fault(lanes: &[&Arc<Lane>]) -> Option<Fault> {
    let faults: Option<Vec<Fault>> = lanes.iter().map(|lane| lane.fault()).collect();
    faults.and_then(|faults| faults.into_iter().next())
}
