//! Which jobs are next.

use quire_proto::Lane;

use crate::Waiting;

/// A job over which so many processes ended is done together with few others, so that one that ends processes is found.
const SUSPECT: u32 = 2;
/// How many those are; over three ends it is done alone.
const FEW: usize = 32;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pick<'a> {
    /// Only of these lanes, the first one that has any.
    pub lanes: &'a [Lane],
    /// So many at most.
    pub limit: usize,
    /// Seconds since 1970: jobs that are not to be tried yet are left.
    pub now: u64,
    /// The catalogue: jobs of others are left.
    pub catalogue: &'a str,
}

impl Pick<'_> {
    /// Whether it is a job of the catalogue, and due.
    #[must_use]
    pub fn may(&self, job: &Waiting) -> bool {
        self.is_ours(job) && job.not_before <= self.now
    }

    /// Whether it is a job of the catalogue.
    #[must_use]
    pub fn is_ours(&self, job: &Waiting) -> bool {
        job.is_of(self.catalogue)
    }
}

/// The next jobs, all of one lane, oldest first: their names. Of jobs that processes ended over, few or one.
#[must_use]
pub fn pick<'a>(waiting: impl Iterator<Item = &'a Waiting>, pick: &Pick<'_>) -> Vec<String> {
    let mut due: Vec<&Waiting> =
        waiting.filter(|job| pick.lanes.contains(&job.lane) && pick.may(job)).collect();
    let Some(lane) = pick.lanes.iter().find(|lane| due.iter().any(|job| job.lane == **lane)) else {
        return Vec::new();
    };
    due.retain(|job| job.lane == *lane);
    due.sort_by(|one, other| order(one).cmp(&order(other)));
    let first = due.first().map_or(0, |job| job.crashes);
    let limit = match first {
        0..SUSPECT => pick.limit,
        SUSPECT => pick.limit.min(FEW),
        _ => 1,
    };
    let alike = |job: &&&Waiting| (job.crashes < SUSPECT) == (first < SUSPECT);
    due.iter().take_while(alike).take(limit).map(|job| job.name.clone()).collect()
}

/// Those that processes ended over come last in their lane: others need not wait for them.
fn order(job: &Waiting) -> (u32, std::time::SystemTime, &str) {
    let ends = if job.crashes < SUSPECT { 0 } else { job.crashes };
    (ends, job.modified, &job.name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn job(name: &str, lane: Lane, age: u64) -> Waiting {
        Waiting {
            name: name.to_owned(),
            key: name.to_owned(),
            lane,
            catalogue: None,
            attempts: 0,
            crashes: 0,
            not_before: 0,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age),
        }
    }

    fn picked(jobs: &[Waiting], lanes: &[Lane], limit: usize) -> Vec<String> {
        pick(jobs.iter(), &Pick { lanes, limit, now: 100, catalogue: "neurons" })
    }

    #[test]
    fn urgent_jobs_are_first_then_old_ones() {
        let jobs = [
            job("a", Lane::Low, 9),
            job("b", Lane::High, 1),
            job("c", Lane::High, 2),
            job("d", Lane::Critical, 0),
        ];
        assert_eq!(picked(&jobs, &Lane::ALL, 10), ["d"]);
        assert_eq!(picked(&jobs, &Lane::ALL[1..], 10), ["c", "b"]);
        assert_eq!(picked(&jobs, &Lane::ALL[1..], 1), ["c"]);
        assert_eq!(picked(&jobs, &[Lane::Low, Lane::High], 10), ["a"]);
        assert!(picked(&jobs, &[Lane::Normal], 10).is_empty());
    }

    #[test]
    fn what_is_not_due_or_not_ours_is_left() {
        let later = Waiting { not_before: 101, ..job("later", Lane::Normal, 9) };
        let due = Waiting { not_before: 100, ..job("due", Lane::Normal, 1) };
        let others = Waiting { catalogue: Some("findings".into()), ..job("other", Lane::Critical, 9) };
        let ours = Waiting { catalogue: Some("neurons".into()), ..job("ours", Lane::Normal, 2) };
        assert_eq!(picked(&[later, due, others, ours], &Lane::ALL, 10), ["ours", "due"]);
    }

    #[test]
    fn jobs_that_processes_ended_over_come_last_and_in_small_company() {
        let ended =
            |number: usize, crashes| Waiting { crashes, ..job(&format!("e{number:02}"), Lane::Normal, 99) };
        let mut jobs: Vec<Waiting> = (0..40).map(|number| ended(number, 2)).collect();
        jobs.push(ended(40, 1));
        assert_eq!(picked(&jobs, &Lane::ALL, 1_000), ["e40"]);
        jobs.pop();
        assert_eq!(picked(&jobs, &Lane::ALL, 1_000).len(), 32);
        jobs = vec![ended(1, 3), ended(2, 4)];
        assert_eq!(picked(&jobs, &Lane::ALL, 1_000), ["e01"]);
    }
}
