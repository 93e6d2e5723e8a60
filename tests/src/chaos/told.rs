//! What a scenario found out.

use std::{fmt, time::Duration};

/// Durations of one kind.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this part of them does not exceed (nearest rank); zero without any.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| self.quantile(part).as_secs_f64());
        write!(f, "p50 {p50:.2} s, p99 {p99:.2} s, max {max:.2} s of {}", self.count())
    }
}

/// The head of the table whose rows are [`Told::row`].
pub const TABLE_HEAD: &str = "\
| scenario | faults | runs | to the next settlement, s | until all are ready, s |
| --- | --- | --- | --- | --- |";

/// What a scenario found out. Promises that are broken are panics, so whoever reads this knows that they were kept.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The scenario's name.
    pub name: &'static str,
    /// Runs that ended well.
    pub runs: usize,
    /// Faults.
    pub faults: usize,
    /// From each fault to the next settlement, where the run was not over before.
    pub settled: Times,
    /// From each fault until every process took work again.
    pub ready: Times,
    /// Anything else worth telling.
    pub notes: Vec<String>,
    /// Why it was not run.
    pub skipped: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Told {
    /// A scenario that this machine cannot run.
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }

    /// Whether it was skipped for want of rights alone, so that no tool that is promised is missing.
    #[must_use]
    pub fn lacks_rights(&self) -> bool {
        let refusals = ["not permitted", "ermission denied", "must be superuser", "loop device"];
        self.skipped.as_ref().is_some_and(|reason| refusals.iter().any(|refusal| reason.contains(refusal)))
    }

    pub(super) fn print(&self) {
        if let Some(reason) = &self.skipped {
            println!("skipped: {}: {reason}", self.name);
            return;
        }
        println!("  {} faults in {} runs, {:.0} s", self.faults, self.runs, self.took.as_secs_f64());
        println!("  next settlement: {}", self.settled);
        if self.ready.count() > 0 {
            println!("  all ready again: {}", self.ready);
        }
        for note in &self.notes {
            println!("  {note}");
        }
    }

    /// A row of the table in `docs/reliability.md`.
    #[must_use]
    pub fn row(&self) -> String {
        if let Some(reason) = &self.skipped {
            return format!("| `{}` | – | – | skipped: {reason} | – |", self.name);
        }
        let times = |times: &Times| {
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| times.quantile(part).as_secs_f64());
            if times.count() == 0 { "–".to_owned() } else { format!("{p50:.2} / {p99:.2} / {max:.2}") }
        };
        let (settled, ready) = (times(&self.settled), times(&self.ready));
        format!("| `{}` | {} | {} | {settled} | {ready} |", self.name, self.faults, self.runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_lacking_only_where_the_system_says_so() {
        for (reason, lacks) in [
            ("no network namespaces: ip netns add q: mkdir /run/netns failed: Permission denied", true),
            ("no network namespaces: ip netns add q: Operation not permitted", true),
            ("no file system can be mounted: mount: /x: must be superuser to use mount.", true),
            ("no file system can be mounted: mount: /x: failed to setup loop device for /y.", true),
            ("no file system can be mounted: No such file or directory (os error 2)", false),
        ] {
            assert_eq!(Told::skipped(reason).lacks_rights(), lacks, "{reason}");
        }
        assert!(!Told::default().lacks_rights());
    }
}
