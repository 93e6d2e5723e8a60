//! What a build may take.
#![allow(clippy::unwrap_used, reason = "tests")]

use system_tests::{Build, Quire, RealFindings, Synonyms, multiply, watch};

#[test]
fn ten_thousand_finding_models_build_below_300_megabytes() {
    let Some(real) = RealFindings::find() else { return };
    let input = tempfile::tempdir().unwrap();
    multiply(&real.models(), input.path(), 10_000, Synonyms::Shared);
    let quire = Quire::with("FINDINGS_ROOT", input.path());
    let watched = watch(quire.build_command(&Build::of("findings")));
    assert_eq!(watched.ended.code, Some(0), "{}", watched.ended.err);
    let report = watched.ended.report();
    assert_eq!(report.runs[0].records.published, 10_000, "{:?}", report.runs[0].records);
    println!("peak resident: {} MB", watched.peak_bytes / 1_000_000);
    assert!(watched.peak_bytes < 300_000_000, "{} bytes resident", watched.peak_bytes);
}
