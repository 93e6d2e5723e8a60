//! What waits in each lane, how long, and how fast it is worked off by all agents of its stage.

use quire_api::control::{Durations, LaneEntry, LaneStatus};
use quire_proto::{Lane, StageName};
use quire_runtime::{
    Histogram, Summary,
    broker::{Broker, Queue, QueueInfo},
};

use super::roll::Present;

/// Every lane of every stage.
pub(super) fn lanes(broker: &Broker, present: &[Present]) -> Vec<LaneEntry> {
    let lanes = StageName::ALL.into_iter().flat_map(|stage| Lane::ALL.map(|lane| (stage, lane)));
    lanes.map(|(stage, lane)| entry(&broker.info(Queue::work(stage, lane)), stage, lane, present)).collect()
}

fn entry(info: &QueueInfo, stage: StageName, lane: Lane, present: &[Present]) -> LaneEntry {
    let mut entry = LaneEntry {
        stage: stage.to_string(),
        lane: lane.to_string(),
        waiting: info.depth as u64,
        in_flight: info.in_flight as u64,
        delayed: info.delayed as u64,
        oldest_ms: u64::try_from(info.oldest_age.as_millis()).unwrap_or(u64::MAX),
        paused: info.paused,
        ..LaneEntry::default()
    };
    let mut service = Histogram::default();
    for (slots, status, rate) in of_lane(present, stage, lane) {
        entry.slots = entry.slots.saturating_add(slots);
        entry.slow = entry.slow.saturating_add(status.slow);
        entry.very_slow = entry.very_slow.saturating_add(status.very_slow);
        entry.agents += 1;
        entry.agents_paused += u32::from(status.paused);
        entry.running = entry.running.saturating_add(status.running);
        entry.processed = entry.processed.saturating_add(status.processed);
        entry.dead = entry.dead.saturating_add(status.dead);
        entry.rate += rate;
        service.merge(&histogram(status.service.as_ref()));
    }
    let Summary { mean_ms, p50_ms, p95_ms, p99_ms, max_ms, .. } = service.summary();
    LaneEntry { mean_ms, p50_ms, p95_ms, p99_ms, max_ms, ..entry }
}

/// The slots of each agent of the stage, what it says of the lane, and its rate.
fn of_lane(
    present: &[Present],
    stage: StageName,
    lane: Lane,
) -> impl Iterator<Item = (u32, &LaneStatus, f64)> {
    present.iter().filter_map(move |agent| {
        let status = agent.entry.status.as_ref().filter(|status| status.stage == stage.as_str())?;
        let slots = status.slots;
        let (position, status) =
            status.lanes.iter().enumerate().find(|(_, status)| status.lane == lane.as_str())?;
        Some((slots, status, agent.rates.get(position).copied().unwrap_or_default()))
    })
}

fn histogram(durations: Option<&Durations>) -> Histogram {
    let Some(Durations { buckets, counts, sum_us, max_us }) = durations else { return Histogram::default() };
    let filled = buckets.iter().zip(counts);
    let filled = filled.map(|(bucket, count)| (usize::try_from(*bucket).unwrap_or(usize::MAX), *count));
    Histogram::from_filled(filled, *sum_us, *max_us)
}

#[cfg(test)]
mod tests {
    use quire_api::control::{AgentEntry, StatusResponse};

    use super::*;

    fn renderer(processed: u64, paused: bool, bucket: u32) -> Present {
        let service = Some(Durations { buckets: vec![bucket], counts: vec![1], sum_us: 10, max_us: 99 });
        let lane = LaneStatus { lane: "low".to_owned(), processed, paused, service, ..LaneStatus::default() };
        let status =
            StatusResponse { stage: "render".to_owned(), lanes: vec![lane], ..StatusResponse::default() };
        Present { entry: AgentEntry { status: Some(status), ..AgentEntry::default() }, rates: vec![1.5] }
    }

    #[test]
    fn a_lane_is_what_its_agents_say_together() {
        let info = QueueInfo { depth: 7, ..QueueInfo::default() };
        let present = [renderer(3, true, 3), renderer(4, false, 90)];
        let low = entry(&info, StageName::Render, Lane::Low, &present);
        assert_eq!((low.waiting, low.agents, low.agents_paused, low.processed), (7, 2, 1, 7));
        assert_eq!((low.rate, low.max_ms, low.p50_ms), (3.0, 0.099, 0.003));
        let other = entry(&info, StageName::Index, Lane::Low, &present);
        assert_eq!((other.agents, other.processed, other.p99_ms), (0, 0, 0.0));
    }
}
