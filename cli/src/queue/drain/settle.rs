//! What becomes of jobs: done, tried again, or dead.

use quire_coordinator::RunError;
use quire_queue::{Job, unix_now};

use super::Drain;
use crate::queue::{
    batch::{Batch, Ended, Panicked},
    judge::{Verdict, judge},
    teller::jobs,
};

impl Drain {
    /// Those of these that are still claimed wait again: this process lives on, so nobody else would give them back.
    pub(super) fn give_back_rest(&mut self, names: Vec<String>) -> anyhow::Result<()> {
        let rest: Vec<_> = names.into_iter().map(|name| (name, None)).collect();
        Ok(self.claims.give_back(&rest)?)
    }

    pub(super) fn bury(&mut self, name: &str, job: Option<&Job>, why: &str) -> anyhow::Result<()> {
        self.claims.bury(name, job, why)?;
        self.teller.died(job.map_or(name, |job| &job.key), why);
        Ok(())
    }

    /// Waits for what runs, whatever else has gone wrong.
    pub(super) async fn settle_all(&mut self) {
        self.cancelled.cancel();
        while let Some(ended) = self.running.join_next().await {
            if let Err(error) = self.joined(ended) {
                eprintln!("queue: {error:#}");
            }
        }
    }

    pub(super) fn joined(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> anyhow::Result<()> {
        let ended = ended?;
        self.busy.retain(|(slot, _)| *slot != ended.batch.slot);
        let names = ended.batch.jobs.iter().map(|(name, _)| name.clone()).collect();
        let mut settled = self.settle(ended);
        if settled.is_err() {
            settled = self.give_back_rest(names).and(settled);
        }
        self.scan.again();
        settled
    }

    fn settle(&mut self, ended: Ended) -> anyhow::Result<()> {
        let Ended { batch, made } = ended;
        match made {
            Ok(made) => {
                let lane = batch.lane;
                self.teller.ended(made.report.run.as_str(), lane, batch.jobs.len(), made.report.duration_ms);
                self.pause.end();
                self.size.more();
                self.trouble = None;
                self.settle_each(batch, |key| judge(key, &made))
            }
            Err(error) if is_interrupt(&error) => self.give_back(batch),
            Err(error) if !is_suspect(&error) => {
                let pause = self.pause.begin().as_secs();
                eprintln!("queue: {}, given back for {pause} s: {error:#}", jobs(batch.jobs.len() as u64));
                self.trouble = Some(error);
                self.give_back(batch)
            }
            Err(error) if batch.jobs.len() > 1 => {
                self.size.less(batch.jobs.len());
                eprintln!(
                    "queue: a run of {} failed, trying fewer: {error:#}",
                    jobs(batch.jobs.len() as u64)
                );
                self.give_back(batch)
            }
            Err(error) => {
                let why = format!("{error:#}");
                // Should it be the fault of something else after all, not every job dies of it at once.
                self.pause.begin();
                self.settle_each(batch, |_| Verdict::Failed(why.clone()))
            }
        }
    }

    fn give_back(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.begun -= batch.jobs.len();
        let jobs: Vec<_> = batch.jobs.into_iter().map(|(name, _)| (name, None)).collect();
        Ok(self.claims.give_back(&jobs)?)
    }

    fn settle_each(&mut self, batch: Batch, judge: impl Fn(&str) -> Verdict) -> anyhow::Result<()> {
        let mut parted = Parted::default();
        for (name, job) in batch.jobs {
            let verdict = judge(&job.key);
            if !matches!(verdict, Verdict::Away(_)) {
                self.held.forget(&name);
            }
            match verdict {
                Verdict::Published => {
                    self.teller.counts.published += 1;
                    parted.done.push(name);
                }
                Verdict::Unchanged => {
                    self.teller.counts.unchanged += 1;
                    parted.done.push(name);
                }
                Verdict::Rejected(why) => {
                    self.teller.rejected(&job.key, &why);
                    parted.done.push(name);
                }
                Verdict::Dead(why) => self.die(&mut parted, name, job, &why),
                Verdict::Failed(why) => self.failed(&mut parted, name, job, &why),
                Verdict::Away(why) => {
                    self.teller.line(&format!("{}: {why}; waits", job.key));
                    self.held.hold(&name);
                    self.begun -= 1;
                    parted.back.push((name, None));
                }
            }
        }
        // What could not be buried does not keep the others from their ends.
        self.claims.done(&parted.done)?;
        self.claims.give_back(&parted.back)?;
        parted.trouble.map_or(Ok(()), Err)
    }

    /// A job was tried in vain: it is tried again, or that was the last time.
    fn failed(&mut self, parted: &mut Parted, name: String, job: Job, why: &str) {
        let (pause, job) = (pause_after(job.attempts), after_failure(job, why));
        if job.attempts >= self.options.attempts {
            return self.die(parted, name, job, why);
        }
        self.teller.again(&job.key, job.attempts, self.options.attempts, pause, why);
        parted.back.push((name, Some(job)));
    }

    /// A job becomes a dead letter. One that cannot waits as after an attempt in vain, so that others come before it is tried
    /// again.
    fn die(&mut self, parted: &mut Parted, name: String, job: Job, why: &str) {
        if let Err(error) = self.bury(&name, Some(&job), why) {
            parted.trouble.get_or_insert(error);
            parted.back.push((name, Some(after_failure(job, why))));
        }
    }
}

/// What becomes of the jobs of a batch.
#[derive(Default)]
struct Parted {
    done: Vec<String>,
    /// Given back, some with what is new of them.
    back: Vec<(String, Option<Job>)>,
    /// Why one could not be buried.
    trouble: Option<anyhow::Error>,
}

fn after_failure(job: Job, why: &str) -> Job {
    let pause = pause_after(job.attempts);
    job.failed(why, unix_now(), pause)
}

/// Seconds that a job waits after so many earlier attempts in vain.
fn pause_after(attempts: u32) -> u64 {
    2_u64.saturating_mul(4_u64.saturating_pow(attempts.min(4)))
}

fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(RunError::Interrupted))
}

/// Whether a job may be at fault: its record's pages cannot be put beside others, or something panicked over it. All else
/// is the store, the disk, the index, the site as a whole.
fn is_suspect(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(error) => matches!(
            error,
            RunError::PathClash { .. }
                | RunError::Counts(_)
                | RunError::Project(_)
                | RunError::Publish { .. }
                | RunError::Task(_)
        ),
        None => error.is::<Panicked>(),
    }
}
