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
    ears: Ears,
    pub(super) cluster: Cluster,
    pub(super) random: Random,
    pub(super) told: Told,
    epoch: u64,
    /// Faults that no settlement has followed yet.
    unsettled: Vec<Instant>,
    /// The last fault after which not every process was ready yet.
    unready: Option<Instant>,
    asked: Instant,
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
        }
    }

    /// Runs again and again under `fault` until there were enough, and checks every run.
    pub(super) fn rage(&mut self, weather: &Weather, mut fault: impl FnMut(&mut Cluster, &mut Random)) {
        let mut left = weather.faults;
        while left > 0 {
            self.begin();
            let mut in_this_run = 0;
            while !self.is_over() {
                let gap = Duration::from_millis(self.random.within(weather.gap_ms.clone()));
                if !self.wait(gap) && in_this_run < weather.a_run && left > 0 {
                    self.strike(&mut fault);
                    (in_this_run, left) = (in_this_run + 1, left - 1);
                }
            }
            self.check();
        }
    }

    /// One fault, now. Its time begins when it is done.
    pub(super) fn strike(&mut self, fault: &mut impl FnMut(&mut Cluster, &mut Random)) {
        fault(&mut self.cluster, &mut self.random);
        let now = Instant::now();
        self.unsettled.push(now);
        self.unready.get_or_insert(now);
        self.told.faults += 1;
    }

    /// Begins a run that has everything to do.
    pub(super) fn begin(&mut self) {
        let began = Instant::now();
        while let Err(error) = self.cluster.begin(CATALOGUE, true) {
            assert!(began.elapsed() < PATIENCE, "{}: no run begins: {error}", self.place());
            self.tend();
        }
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
        if self.asked.elapsed() < ASKED {
            return false;
        }
        self.asked = Instant::now();
        let Some(run) = self.cluster.newest_run(CATALOGUE).filter(|run| run.epoch > self.epoch) else {
            return false;
        };
        match run.state.as_str() {
            "done" => true,
            "failed" => panic!("{}: {} failed: {}", self.place(), run.run, run.error),
            _ => false,
        }
    }

    /// Starts what has ended, and notes what has recovered.
    fn tend(&mut self) {
        std::thread::sleep(TICK);
        self.cluster.supervise();
        self.note_settlements();
        if let Some(since) = self.unready
            && self.cluster.unready().is_empty()
        {
            self.told.ready.add(since.elapsed());
            self.unready = None;
        }
        if let Some(oldest) = self.unsettled.first() {
            assert!(
                oldest.elapsed() < PATIENCE,
                "{}: nothing was settled for {PATIENCE:?}\n{}",
                self.place(),
                self.cluster.logs()
            );
        }
    }

    fn note_settlements(&mut self) {
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

    fn place(&self) -> String {
        let Told { name, runs, faults, .. } = &self.told;
        format!("{name}, seed {}, run {}, {faults} faults", self.arena.options.seed, runs + 1)
    }
}
