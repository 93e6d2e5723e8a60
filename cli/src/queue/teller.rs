//! What is told of a queue's work: lines on standard error, and counts.

use std::time::{Duration, Instant};

use quire_proto::Lane;
use serde::Serialize;

/// Between two lines that say how far it is.
const INTERVAL: Duration = Duration::from_secs(5);
/// Most jobs told one by one of one run.
const TOLD: usize = 20;
/// Most dead letters that the last word names.
const NAMED: usize = 100;

/// What became of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Pages are new or changed.
    pub(crate) published: u64,
    /// Pages are as they were.
    pub(crate) unchanged: u64,
    /// Records are not valid.
    pub(crate) rejected: u64,
    /// Jobs are dead letters now.
    pub(crate) dead: u64,
    /// Attempts in vain after which jobs wait again.
    pub(crate) retried: u64,
    /// Jobs of processes that are gone, given back.
    pub(crate) recovered: u64,
    /// Runs.
    pub(crate) runs: u64,
}

impl Counts {
    /// Jobs that are over.
    pub(crate) const fn over(&self) -> u64 {
        self.published + self.unchanged + self.rejected + self.dead
    }
}

/// A job and why it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// The job's key, or the name of a file that is no job.
    pub(crate) job: String,
    /// Why.
    pub(crate) reason: String,
}

/// Tells how the work goes on.
#[derive(Debug)]
pub(crate) struct Teller {
    /// So far.
    pub(crate) counts: Counts,
    /// Jobs and files that became dead letters, the first hundred.
    pub(crate) dead: Vec<Told>,
    /// Jobs whose records were rejected, the first hundred.
    pub(crate) rejected: Vec<Told>,
    began: Instant,
    last: Instant,
    of_run: usize,
}

impl Teller {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            counts: Counts::default(),
            dead: Vec::new(),
            rejected: Vec::new(),
            began: now,
            last: now,
            of_run: 0,
        }
    }

    pub(super) fn begun(&mut self, lane: Lane, keys: &[String], everything: bool) {
        self.of_run = 0;
        let shown: Vec<&str> = keys.iter().take(3).map(String::as_str).collect();
        let more = if keys.len() > shown.len() { ", …" } else { "" };
        let with = if everything {
            ", with everything else: there is no manifest of this definition yet"
        } else {
            ""
        };
        eprintln!("queue: begun {} {lane} ({}{more}){with}", jobs(keys.len() as u64), shown.join(", "));
    }

    pub(super) fn ended(&mut self, run: &str, lane: Lane, count: usize, milliseconds: f64) {
        self.counts.runs += 1;
        eprintln!("queue: {run} did {} {lane} in {:.2} s", jobs(count as u64), milliseconds / 1e3);
    }

    pub(super) fn rejected(&mut self, key: &str, why: &str) {
        self.counts.rejected += 1;
        note(&mut self.rejected, key, why);
        self.line(&format!("rejected: {key}: {why}"));
    }

    pub(super) fn died(&mut self, job: &str, why: &str) {
        self.counts.dead += 1;
        note(&mut self.dead, job, why);
        self.line(&format!("dead: {job}: {why}"));
    }

    pub(super) fn again(&mut self, key: &str, attempt: u32, of: u32, seconds: u64, why: &str) {
        self.counts.retried += 1;
        self.line(&format!("attempt {attempt} of {of} in vain, again in {seconds} s: {key}: {why}"));
    }

    /// A line of which there may be many in one run.
    pub(super) fn line(&mut self, line: &str) {
        self.of_run += 1;
        if self.of_run <= TOLD {
            eprintln!("queue: {line}");
        } else if self.of_run == TOLD + 1 {
            eprintln!("queue: … more of the kind; `quire queue list` shows what waits and what is dead");
        }
    }

    /// How far it is, now and then.
    pub(super) fn progress(&mut self, waiting: usize) {
        if self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            eprintln!("queue: {}, {} wait", self.summary(), waiting);
        }
    }

    /// Counts in a line.
    pub(crate) fn summary(&self) -> String {
        let Counts { published, unchanged, rejected, dead, .. } = self.counts;
        let over = self.counts.over();
        let rate = over as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        format!(
            "{} over = {published} published + {unchanged} unchanged + {rejected} rejected + {dead} dead ({rate:.1}/s)",
            jobs(over)
        )
    }

    /// Seconds since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

fn note(all: &mut Vec<Told>, job: &str, reason: &str) {
    if all.len() < NAMED {
        all.push(Told { job: job.to_owned(), reason: reason.to_owned() });
    }
}

/// `1 job`, `2 jobs`.
pub(crate) fn jobs(count: u64) -> String {
    crate::output::counted(count, "job")
}
