//! `quire lanes`: every lane of every stage.

use quire_api::control::{LaneEntry, ListLanesRequest, fleet_service_client::FleetServiceClient};
use quire_proto::StageName;
use serde::Serialize;

use crate::{
    Exit, LanesArgs, ServerArgs, output,
    remote::{DEADLINE, Servers, block_on},
};

/// Tells what waits, how long, and how fast it is worked off.
///
/// # Errors
/// If the coordinator cannot be reached.
pub fn run(args: &LanesArgs) -> anyhow::Result<Exit> {
    let lanes = block_on(lanes(&args.server))?;
    if args.json {
        output::json(&lanes)?;
    } else {
        output::text(&table(&lanes))?;
        bottleneck(&lanes).iter().try_for_each(|line| output::text(line))?;
    }
    Ok(Exit::Done)
}

/// Every lane of every stage.
pub(super) async fn lanes(server: &ServerArgs) -> anyhow::Result<Vec<Lane>> {
    lanes_of(&mut Servers::of(server)?).await
}

/// The same, through servers that are known already.
pub(super) async fn lanes_of(servers: &mut Servers) -> anyhow::Result<Vec<Lane>> {
    let list = async |channel| FleetServiceClient::new(channel).list_lanes(ListLanesRequest {}).await;
    let lanes = servers.ask(DEADLINE, list).await?.lanes;
    Ok(lanes.into_iter().map(Lane::from).collect())
}

/// A lane as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Lane {
    stage: String,
    lane: String,
    waiting: u64,
    in_flight: u64,
    delayed: u64,
    oldest_ms: u64,
    paused: bool,
    agents: u32,
    agents_paused: u32,
    running: u32,
    processed: u64,
    dead: u64,
    slow: u64,
    very_slow: u64,
    slots: u32,
    rate: f64,
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl From<LaneEntry> for Lane {
    fn from(entry: LaneEntry) -> Self {
        let LaneEntry { stage, lane, waiting, in_flight, delayed, oldest_ms, paused, agents, .. } = entry;
        let LaneEntry { agents_paused, running, processed, dead, slow, very_slow, slots, rate, .. } = entry;
        let LaneEntry { mean_ms, p50_ms, p95_ms, p99_ms, max_ms, .. } = entry;
        Self {
            stage,
            lane,
            waiting,
            in_flight,
            delayed,
            oldest_ms,
            paused,
            agents,
            agents_paused,
            running,
            processed,
            dead,
            slow,
            very_slow,
            slots,
            rate,
            mean_ms,
            p50_ms,
            p95_ms,
            p99_ms,
            max_ms,
        }
    }
}

/// Lanes, one a line.
pub(super) fn table(lanes: &[Lane]) -> String {
    const HEAD: [&str; 16] = [
        "stage", "lane", "waiting", "oldest", "out", "put off", "a second", "count", "mean ms", "p50 ms",
        "p95 ms", "p99 ms", "> 1 s", "> 5 s", "dead", "agents",
    ];
    output::table(&HEAD, lanes.iter().map(Lane::row))
}

/// What keeps work waiting: a stage that stands still, or else the one that what waits will keep longest: the sum over
/// its lanes of what waits, times its mean service time, by the slots of the stage.
pub(super) fn bottleneck(lanes: &[Lane]) -> Option<String> {
    if let Some(lane) = standing(lanes).next() {
        return Some(match lane.slots {
            0 => format!("bottleneck: {}, no agent of it is there", lane.stage),
            _ => format!("bottleneck: {}, paused: {}", lane.stage, paused_of(lanes, &lane.stage).join(" ")),
        });
    }
    let mut stages: Vec<(&str, f64)> = Vec::new();
    for lane in lanes.iter().filter(|lane| lane.waiting > 0) {
        let seconds = lane.backlog_seconds();
        match stages.iter_mut().find(|(stage, _)| *stage == lane.stage) {
            Some((_, sum)) => *sum += seconds,
            None => stages.push((&lane.stage, seconds)),
        }
    }
    let (stage, seconds) = stages.into_iter().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(format!("bottleneck: {stage}, {seconds:.1} s of work waits"))
}

/// Why work waits that nobody takes, and what to do about it; nothing where it is taken.
pub(super) fn standstill(lanes: &[Lane]) -> Option<String> {
    let lane = standing(lanes).next()?;
    let stage = &lane.stage;
    Some(if lane.slots == 0 {
        format!(
            "work waits for {stage}, and no agent of it is there: start one (`quire agents` tells who is)"
        )
    } else if lane.paused {
        let lane = &lane.lane;
        format!("work waits for {stage}, and its lane {lane} is paused: `quire resume {stage} --lane {lane}`")
    } else {
        let lane = &lane.lane;
        format!(
            "work waits for {stage}, and its lane {lane} is paused at every agent: `quire agents` tells them, `quire resume AGENT --lane {lane}`"
        )
    })
}

/// Lanes in which something waits that nobody takes, those of stages without agents first.
fn standing(lanes: &[Lane]) -> impl Iterator<Item = &Lane> {
    let waiting = || lanes.iter().filter(|lane| lane.waiting > 0);
    waiting()
        .filter(|lane| lane.slots == 0)
        .chain(waiting().filter(|lane| lane.slots > 0 && lane.is_paused()))
}

/// The lanes of a stage in which work waits because they are paused.
fn paused_of<'a>(lanes: &'a [Lane], stage: &str) -> Vec<&'a str> {
    let paused = lanes.iter().filter(|lane| lane.stage == stage && lane.waiting > 0 && lane.is_paused());
    paused.map(|lane| lane.lane.as_str()).collect()
}

impl Lane {
    /// Whether it is this lane of one of these stages.
    pub(super) fn is(&self, stages: &[StageName], lane: &str) -> bool {
        self.lane == lane && stages.iter().any(|stage| stage.as_str() == self.stage)
    }

    /// Whether something happens, or has happened, in the lane.
    pub(super) const fn is_used(&self) -> bool {
        self.processed + self.waiting + self.in_flight + self.delayed > 0
            || self.paused
            || self.agents_paused > 0
    }

    /// Whether no agent starts anything of it.
    const fn is_paused(&self) -> bool {
        self.paused || self.agents > 0 && self.agents_paused == self.agents
    }

    /// How long what waits takes all slots of the stage, of which there are some.
    #[expect(clippy::cast_precision_loss, reason = "for people's eyes")]
    fn backlog_seconds(&self) -> f64 {
        self.waiting as f64 * self.mean_ms / 1e3 / f64::from(self.slots)
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.stage.clone(),
            self.lane.clone(),
            self.waiting.to_string(),
            age(self.oldest_ms),
            self.in_flight.to_string(),
            self.delayed.to_string(),
            format!("{:.1}", self.rate),
            self.processed.to_string(),
            format!("{:.1}", self.mean_ms),
            format!("{:.1}", self.p50_ms),
            format!("{:.1}", self.p95_ms),
            format!("{:.1}", self.p99_ms),
            self.slow.to_string(),
            self.very_slow.to_string(),
            self.dead.to_string(),
            self.agents(),
        ]
    }

    fn agents(&self) -> String {
        match (self.paused, self.agents_paused) {
            (true, _) => format!("{}, paused everywhere", self.agents),
            (false, 0) => self.agents.to_string(),
            (false, paused) => format!("{}, {paused} paused", self.agents),
        }
    }
}

/// Some time, as short as can be.
fn age(ms: u64) -> String {
    match ms / 1_000 {
        0 if ms == 0 => "-".to_owned(),
        0 => format!("{ms}ms"),
        seconds @ 1..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(stage: &str, waiting: u64, mean_ms: f64, slots: u32) -> Lane {
        Lane::from(LaneEntry { stage: stage.to_owned(), waiting, mean_ms, slots, ..LaneEntry::default() })
    }

    #[test]
    fn the_bottleneck_is_the_stage_whose_waiting_work_takes_longest() {
        let mut lanes =
            vec![lane("fetch", 0, 900.0, 4), lane("render", 100, 10.0, 4), lane("render", 8, 10.0, 4)];
        assert_eq!(bottleneck(&lanes).unwrap(), "bottleneck: render, 0.3 s of work waits");
        lanes.push(lane("index", 1, 0.0, 0));
        assert_eq!(bottleneck(&lanes).unwrap(), "bottleneck: index, no agent of it is there");
        assert_eq!(bottleneck(&[lane("fetch", 0, 1.0, 4)]), None);
    }

    #[test]
    fn work_that_nobody_takes_is_the_bottleneck_and_the_remedy_is_told() {
        let busy = lane("fetch", 100, 900.0, 4);
        let mut paused = Lane { lane: "low".to_owned(), agents: 2, ..lane("render", 1, 1.0, 4) };
        paused.agents_paused = 1;
        assert_eq!(standstill(&[paused]), None, "one of two takes it");
        let paused = Lane { lane: "low".to_owned(), paused: true, ..lane("render", 1, 1.0, 4) };
        let mut lanes = vec![busy, paused];
        assert_eq!(bottleneck(&lanes).unwrap(), "bottleneck: render, paused: low");
        assert!(standstill(&lanes).unwrap().contains("`quire resume render --lane low`"));
        lanes[1] = Lane { lane: "low".to_owned(), agents: 2, agents_paused: 2, ..lane("render", 1, 1.0, 4) };
        assert_eq!(bottleneck(&lanes).unwrap(), "bottleneck: render, paused: low");
        assert!(standstill(&lanes).unwrap().contains("at every agent"));
        lanes.push(lane("index", 1, 0.0, 0));
        assert!(standstill(&lanes).unwrap().contains("index, and no agent"));
    }

    #[test]
    fn ages_are_short() {
        let told = [0, 12, 1_500, 119_000, 120_000, 7_199_000, 7_200_000].map(age);
        assert_eq!(told, ["-", "12ms", "1s", "119s", "2m", "119m", "2h"]);
    }
}
