//! The summary that a build ends with, for people.

use std::fmt::Write as _;

use quire_proto::{RecordCounts, RunReport, StageReport};
use quire_runtime::{LaneMetrics, Memory, Metrics};

use crate::{embedded::Built, output::counted};

/// The report as text: counts that add up, service times, caches, slow operations and the bottleneck.
pub(crate) fn text(built: &Built, metrics: &Metrics) -> String {
    let Built { report, others, pruned } = built;
    let mut out = String::new();
    for run in &report.runs {
        write_run(&mut out, run);
    }
    if !others.is_empty() {
        let others = others.join(", ");
        let _ = writeln!(out, "not built now, still on the site: {others} (--prune takes them off)");
    }
    if !pruned.is_empty() {
        let _ = writeln!(out, "taken off the site: {}", pruned.join(", "));
    }
    write_stages(&mut out, &metrics.snapshot());
    if let Some(memory) = Memory::now() {
        let _ = writeln!(out, "memory {} at most", size(memory.peak));
    }
    let _ = writeln!(out, "site manifest {}", report.manifest);
    out
}

/// What became of the records of one run.
pub(crate) fn of_run(run: &RunReport) -> String {
    let mut out = String::new();
    write_run(&mut out, run);
    out
}

/// What became of the records, in one line.
pub(crate) fn counts(records: &RecordCounts) -> String {
    let RecordCounts { seen, published, unchanged, rejected, dead, removed } = records;
    format!(
        "{seen} seen = {published} published + {unchanged} unchanged + {rejected} rejected + {dead} dead; {removed} removed"
    )
}

/// What the run did not do, a line each, and where the reasons are: nothing of one that did everything.
pub(crate) fn losses(run: &RunReport) -> String {
    let mut out = String::new();
    if run.records.rejected > 0 {
        let _ = writeln!(out, "  why: {0}/rejects.html and {0}/rejects.json in the site", run.catalogue);
    }
    for failure in &run.failures {
        let _ = writeln!(out, "  partial: {failure}");
    }
    for note in &run.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    out
}

fn write_run(out: &mut String, run: &RunReport) {
    let seconds = run.duration_ms / 1000.0;
    let rate = if seconds > 0.0 { run.records.seen as f64 / seconds } else { 0.0 };
    let _ = writeln!(out, "{}: {}", run.run, counts(&run.records));
    let _ = writeln!(
        out,
        "  {}, {} written in {seconds:.2} s ({rate:.0} records/s), {}",
        counted(run.pages, "page"),
        size(run.bytes),
        counted(run.upstream.queries, "upstream query")
    );
    out.push_str(&losses(run));
    if let Some((name, most)) = run.bottleneck.as_ref().and_then(|name| run.stages.get_key_value(name)) {
        let all: f64 = run.stages.values().map(StageReport::total_ms).sum();
        let share = if all > 0.0 { 100.0 * most.total_ms() / all } else { 100.0 };
        let _ = writeln!(out, "  bottleneck: {name} ({share:.0} % of the service time)");
    }
    for (name, cache) in &run.caches {
        let asked = cache.hits + cache.misses;
        if asked > 0 {
            let share = 100.0 * cache.hits as f64 / asked as f64;
            let _ = writeln!(out, "  cache {name}: {} of {asked} found ({share:.0} %)", cache.hits);
        }
    }
}

/// Service times a parcel, by stage and lane.
fn write_stages(out: &mut String, lanes: &[LaneMetrics]) {
    let worked: Vec<_> = lanes.iter().filter(|lane| lane.service.count > 0).collect();
    if worked.is_empty() {
        return;
    }
    let _ =
        writeln!(out, "stage     lane      parcels  records   mean ms  p50 ms  p95 ms  p99 ms  > 1 s  > 5 s");
    for lane in &worked {
        let (service, counts) = (lane.service, lane.counts);
        let _ = writeln!(
            out,
            "{:<9} {:<9} {:>7} {:>8}  {:>8.2} {:>7.2} {:>7.2} {:>7.2} {:>6} {:>6}",
            lane.stage.as_str(),
            lane.lane.as_str(),
            service.count,
            counts.records,
            service.mean_ms,
            service.p50_ms,
            service.p95_ms,
            service.p99_ms,
            counts.slow,
            counts.very_slow
        );
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
