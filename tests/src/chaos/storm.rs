//! Runs under faults, and the promises that hold all the same.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{Arena, Told, arena::CATALOGUE, ears::Ears};
use crate::{Cluster, ClusterOptions, Random, RunState};

/// So soon after the last fault a run goes on.
const PROGRESS: Duration = Duration::from_secs(10);
/// A run that has told nothing for so long will not end.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions whether a run has ended.
const ASKED: Duration = Duration::from_millis(200);
/// A leader that has not heard of a run for so long will not.
const UNKNOWN: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(5);

/// How faults come.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// So many in all.
    pub(super) faults: usize,
    /// Most of them in one run, so that it can end.
    pub(super) a_run: usize,
    /// Milliseconds from one to the next.
    pub(super) gap_ms: Range<u64>,
}

/// A cluster that runs the records under faults.
#[derive(Debug)]
pub(super) struct Storm<'a> {
    arena: &'a Arena,
    pub(super) ears: Ears,
    pub(super) cluster: Cluster,
    pub(super) random: Random,
    pub(super) told: Told,
    epoch: u64,
    /// Faults that no settlement has followed yet.
    unsettled: Vec<Instant>,
    /// The last fault after which not every process was ready yet.
    unready: Option<Instant>,
    asked: Instant,
    /// Whether the run was found to be over.
    over: bool,
    /// With one of these in its error a run may fail.
    pub(super) forgives: &'static [&'static str],
    /// Runs that failed so.
    pub(super) refused: usize,
    forgiven: bool,
    /// Runs that no leader knew of any more.
    forgotten: usize,
    /// Since when nobody has known of the run that was begun.
    unknown: Option<Instant>,
    /// Since when nothing was settled, started or found to be over.
    quiet: Instant,
    /// Processes that ended by themselves and were started again: which, and when.
    pub(super) ended: Vec<(usize, Instant)>,
}

impl<'a> Storm<'a> {
    pub(super) fn over(arena: &'a Arena, name: &'static str, options: ClusterOptions) -> Self {
        let cluster = Cluster::start_with(options);
        Self {
            arena,
            ears: Ears::open(&cluster.nats),
            cluster,
            random: arena.random(name),
            told: Told { name, ..Told::default() },
            epoch: 0,
            unsettled: Vec::new(),
            unready: None,
            asked: Instant::now(),
            over: false,
            forgives: &[],
            refused: 0,
            forgiven: false,
            forgotten: 0,
            unknown: None,
            quiet: Instant::now(),
            ended: Vec::new(),
        }
    }

    /// Goes on with a cluster that has never run anything: nothing of what it has to do is in a cache.
    pub(super) fn afresh(&mut self, options: ClusterOptions) {
        self.cluster = Cluster::start_with(options);
        self.ears = Ears::open(&self.cluster.nats);
        (self.epoch, self.asked) = (0, Instant::now());
    }

    /// Runs again and again under `fault` until there were enough, and checks every run. A fault says from when on
    /// recovering from it counts.
    pub(super) fn rage(&mut self, weather: &Weather, mut fault: impl FnMut(&mut Self) -> Instant) {
        while self.told.faults < weather.faults {
            self.begin();
            let mut in_this_run = 0;
            while !self.is_over() {
                let gap = Duration::from_millis(self.random.within(weather.gap_ms.clone()));
                let over = self.wait(gap);
                if !over && in_this_run < weather.a_run && self.told.faults < weather.faults {
                    let struck = fault(self);
                    self.struck(struck);
                    in_this_run += 1;
                }
            }
            self.check();
        }
    }

    /// A fault has happened.
    pub(super) fn struck(&mut self, at: Instant) {
        self.unsettled.push(at);
        self.unready.get_or_insert(at);
        self.told.faults += 1;
    }

    /// Begins a run that has everything to do.
    pub(super) fn begin(&mut self) {
        self.begin_as(true);
    }

    fn begin_as(&mut self, full: bool) {
        let began = Instant::now();
        while let Err(error) = self.cluster.begin(CATALOGUE, full) {
            assert!(began.elapsed() < PATIENCE, "{}: no run begins: {error}", self.place());
            self.hold(ASKED);
        }
        (self.over, self.unknown, self.quiet) = (false, None, Instant::now());
    }

    /// Looks after the cluster for so long, whatever becomes of the run.
    pub(super) fn hold(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.tend();
        }
    }

    /// Whether the last run failed and may. Asked once, it is forgotten.
    pub(super) const fn was_forgiven(&mut self) -> bool {
        std::mem::replace(&mut self.forgiven, false)
    }

    /// Asks nobody whether he is ready until the next fault is over: who cannot be reached takes long to ask.
    pub(super) const fn look_away(&mut self) {
        self.unready = None;
    }

    /// Waits so long, or until the run is over; whether it is.
    pub(super) fn wait(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.is_over() {
                return true;
            }
        }
        false
    }

    /// Looks after the cluster for a moment; whether the run is over.
    pub(super) fn is_over(&mut self) -> bool {
        self.tend();
        if self.over || self.asked.elapsed() < ASKED {
            return self.over;
        }
        self.asked = Instant::now();
        assert!(
            self.quiet.elapsed() < PATIENCE,
            "{}: nothing happens\n{}",
            self.place(),
            self.cluster.logs()
        );
        let newest = self.cluster.newest_run(CATALOGUE);
        let Some(run) = newest.filter(|run| run.epoch > self.epoch) else {
            self.unheard_of();
            return false;
        };
        self.unknown = None;
        self.over = match run.state.as_str() {
            "done" => true,
            "failed" if self.forgives.iter().any(|text| run.error.contains(text)) => {
                self.refused += 1;
                self.epoch = run.epoch;
                self.forgiven = true;
                true
            }
            "failed" => {
                panic!("{}: {} failed: {}\n{}", self.place(), run.run, run.error, self.cluster.logs())
            }
            _ => false,
        };
        self.over
    }

    /// A leader that dies after it has committed tells nobody of the run. Whoever waits for it asks for another.
    fn unheard_of(&mut self) {
        if self.cluster.leader().is_none() {
            return;
        }
        if self.unknown.get_or_insert_with(Instant::now).elapsed() > UNKNOWN {
            self.forgotten += 1;
            self.begin_as(false);
        }
    }

    /// Starts what has ended, and notes what has recovered.
    fn tend(&mut self) {
        std::thread::sleep(TICK);
        let now = Instant::now();
        self.ended.extend(self.cluster.supervise().into_iter().map(|agent| (agent, now)));
        self.note_settlements();
        if let Some(since) = self.unready
            && self.cluster.unready().is_empty()
        {
            self.told.ready.add(since.elapsed());
            self.unready = None;
        }
    }

    fn note_settlements(&mut self) {
        if let Some(last) = self.ears.last() {
            self.quiet = self.quiet.max(last);
        }
        while let Some(&fault) = self.unsettled.first() {
            let Some(settled) = self.ears.first_after(fault) else { return };
            let took = settled - fault;
            let followed = self.unsettled.get(1).is_some_and(|next| *next < settled);
            assert!(followed || took <= PROGRESS, "{}: no progress for {took:?} after a fault", self.place());
            self.told.settled.add(took);
            self.unsettled.remove(0);
        }
    }

    /// What must hold after every run.
    pub(super) fn check(&mut self) {
        self.note_settlements();
        // What came so late that nothing was left to settle.
        self.unsettled.clear();
        let run = self.cluster.newest_run(CATALOGUE).unwrap_or_else(|| panic!("{}: no run", self.place()));
        let RunState { epoch, report, .. } = run;
        let report = report.unwrap_or_else(|| panic!("{}: no report", self.place()));
        let (counts, expected) = (report.runs[0].records, self.arena.report.runs[0].records);
        assert!(counts.adds_up(), "{}: {counts:?}", self.place());
        assert_eq!(counts.dead, 0, "{}: {:?}", self.place(), report.runs[0].failures);
        assert_eq!(
            (counts.seen, counts.published + counts.unchanged, counts.rejected),
            (expected.seen, expected.published, expected.rejected),
            "{}: {counts:?}",
            self.place()
        );
        assert_eq!(report.manifest, self.arena.report.manifest, "{}", self.place());
        let manifest = std::fs::read(self.cluster.site().join("manifest.json")).unwrap();
        assert!(manifest == self.arena.manifest, "{}: the site's manifest differs", self.place());
        self.epoch = epoch;
        self.told.runs += 1;
    }

    /// What was found out.
    pub(super) fn tell(mut self) -> Told {
        if self.forgotten > 0 {
            self.told.notes.push(format!(
                "{} runs were committed by a leader that died before it told of them, and asked for again",
                self.forgotten
            ));
        }
        self.told
    }

    /// Where we are, for whoever wants to have it again.
    pub(super) fn place(&self) -> String {
        let Told { name, runs, faults, .. } = &self.told;
        format!("{name}, seed {}, run {}, {faults} faults", self.arena.options.seed, runs + 1)
    }
}
