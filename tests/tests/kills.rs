//! kill -9 at any moment and at every named point, run again: the same bytes as an undisturbed run.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use system_tests::{Build, Quire, Random, RealFindings, repository, tree};

fn sample() -> std::path::PathBuf {
    RealFindings::find().map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models())
}

/// Some of them: enough that there is work on both sides of every point and moment.
fn some_models() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut models: Vec<_> =
        std::fs::read_dir(sample()).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    for model in models.iter().filter(|path| path.is_file()).take(200) {
        std::fs::copy(model, folder.path().join(model.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_process_killed_at_a_named_point_leaves_nothing_that_the_next_run_cannot_mend() {
    let models = some_models();
    let undisturbed = Quire::with("FINDINGS_ROOT", models.path());
    let expected = undisturbed.build(&Build::of("findings")).manifest;
    let expected_tree = tree(&undisturbed.site());
    for (point, _) in quire_runtime::CRASH_POINTS {
        let quire = Quire::with("FINDINGS_ROOT", models.path());
        let crashed = quire
            .build_command(&Build::of("findings").variable("QUIRE_CRASH_AT", point))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(crashed.code(), None, "{point}: the process did not kill itself");
        assert_eq!(quire.build(&Build::of("findings")).manifest, expected, "{point}");
        assert_eq!(tree(&quire.site()), expected_tree, "{point}");
    }
}

#[test]
fn a_process_killed_at_random_moments_ends_in_the_bytes_of_an_undisturbed_run() {
    let models = some_models();
    let undisturbed = Quire::with("FINDINGS_ROOT", models.path());
    let begun = Instant::now();
    let expected = undisturbed.build(&Build::of("findings")).manifest;
    let whole = begun.elapsed();
    let expected_tree = tree(&undisturbed.site());

    let mut random = Random::new(0x5eed_0001);
    let mut killed = 0;
    let mut quire = Quire::with("FINDINGS_ROOT", models.path());
    while killed < 50 {
        let mut child = quire
            .build_command(&Build::of("findings"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is the point of this test: nothing is waited for.
        std::thread::sleep(whole.mul_f64(random.fraction()));
        child.kill().unwrap();
        let survived = child.wait().unwrap().success();
        if !survived {
            killed += 1;
        }
        // Every fifth kill, and whenever a run got through, see whether the site comes out right, and begin afresh.
        if survived || killed % 5 == 0 {
            assert_eq!(quire.build(&Build::of("findings")).manifest, expected, "after {killed} kills");
            assert_eq!(tree(&quire.site()), expected_tree, "after {killed} kills");
            quire = Quire::with("FINDINGS_ROOT", models.path());
        }
    }
}

#[test]
fn an_interrupt_keeps_finished_work_and_says_so() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    let mut child = quire
        .build_command(&Build::of("findings"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !quire.state().join("store/runs").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the run did not begin");
        std::thread::yield_now();
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let ended: system_tests::Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.err.contains("interrupted"), "{}", ended.err);
}
