//! Places where a test may kill the process, to prove that what is left behind heals.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// The variable that names the point: `name`, `name:N` for its N-th pass (counted from 1), or `name@KEY` for every pass
/// with work on that record, where the point knows what the work is about.
pub const CRASH_VARIABLE: &str = "QUIRE_CRASH_AT";

/// Every crash point, with what has just happened there.
pub const CRASH_POINTS: &[(&str, &str)] = &[
    ("store.blob-written", "a blob lies under tmp/, not yet under its digest"),
    ("pump.processed", "a handler is done, nothing of it is published"),
    ("pump.children-published", "children are published, their parent is not settled"),
    ("pump.settled", "the settlement is published, the delivery not acknowledged"),
    ("coordinator.registered", "the run is registered, nothing is published"),
    ("coordinator.planned", "the root parcels are published"),
    ("coordinator.gathered", "all verdicts are in, nothing is decided"),
    ("coordinator.decided", "claims are decided, nothing is made"),
    ("coordinator.made", "everything is made, nothing is committed"),
    ("coordinator.committed", "the manifest is created, nothing is published"),
    ("site.file-written", "a file of the site lies under tmp/, not yet under its name"),
    ("publish.file", "one file of the site was written"),
    ("publish.pages", "all pages are written, lists are not"),
    ("publish.lists", "lists are written, nothing is removed"),
    ("publish.removals", "former pages are removed, the site manifest is not written"),
    ("publish.done", "the site manifest is written"),
];

#[derive(Debug)]
struct Plan {
    name: String,
    pass: u64,
    /// A record: then passes are not counted.
    about: Option<String>,
    passed: AtomicU64,
}

impl Plan {
    fn parse(text: &str) -> Self {
        let (text, about) = match text.split_once('@') {
            Some((text, about)) => (text, Some(about.to_owned())),
            None => (text, None),
        };
        let (name, pass) = match text.rsplit_once(':') {
            Some((name, number)) => (name, number.parse().unwrap_or(1)),
            None => (text, 1),
        };
        Self { name: name.to_owned(), pass, about, passed: AtomicU64::new(0) }
    }

    fn is_due(&self, name: &str, subjects: impl FnOnce() -> Vec<String>) -> bool {
        self.name == name
            && match &self.about {
                Some(about) => subjects().contains(about),
                None => self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.pass,
            }
    }
}

static PLAN: OnceLock<Option<Plan>> = OnceLock::new();

/// Kills this process, as a power cut would, if [`CRASH_VARIABLE`] names this point. Costs next to nothing otherwise.
pub fn crash_point(name: &'static str) {
    crash_point_about(name, Vec::new);
}

/// [`crash_point`] where it is known what the work is about.
pub(crate) fn crash_point_about(name: &'static str, subjects: impl FnOnce() -> Vec<String>) {
    debug_assert!(
        CRASH_POINTS.iter().any(|(known, _)| *known == name),
        "crash point {name} is not in the table"
    );
    let plan = PLAN.get_or_init(|| std::env::var(CRASH_VARIABLE).ok().map(|text| Plan::parse(&text)));
    if plan.as_ref().is_some_and(|plan| plan.is_due(name, subjects)) {
        tracing::error!(point = name, "crashing as told");
        // SIGKILL: no destructor, no flush, no unwinding. abort() is for systems that have no such signal.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_due_at_its_pass_only() {
        let plan = Plan::parse("pump.settled:2");
        assert!(!plan.is_due("pump.processed", Vec::new));
        assert!(!plan.is_due("pump.settled", Vec::new));
        assert!(plan.is_due("pump.settled", Vec::new));
        assert!(!plan.is_due("pump.settled", Vec::new));
        assert!(Plan::parse("pump.settled").is_due("pump.settled", Vec::new));
    }

    #[test]
    fn a_plan_about_a_record_is_due_whenever_it_is_worked_on_and_at_nothing_else() {
        let plan = Plan::parse("pump.processed@heron");
        let due = |keys: &[&str]| {
            plan.is_due("pump.processed", || keys.iter().map(|&key| key.to_owned()).collect())
        };
        assert_eq!(
            [due(&["wren"]), due(&["wren", "heron"]), due(&["heron"]), due(&[])],
            [false, true, true, false]
        );
        assert!(!plan.is_due("pump.settled", || vec!["heron".to_owned()]));
    }

    #[test]
    fn an_unset_variable_crashes_nothing() {
        for (name, _) in CRASH_POINTS {
            crash_point(name);
        }
    }
}
