//! The site in a real browser: accessibility, content security policy, search, no script, valid HTML.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use system_tests::{Build, Quire, RealFindings, repository, tools_promised};

/// The folder of the browser tests with their packages installed; `None` with a line that says why.
fn tools() -> Option<PathBuf> {
    let folder = repository().join("tests/browser");
    let chromium = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let found = chromium.is_some_and(|path| path.exists()) && folder.join("node_modules").is_dir();
    if !found {
        assert!(!tools_promised(), "Chromium or the packages of tests/browser are missing although promised");
        println!(
            "skipped: no CHROMIUM, or the packages of tests/browser are not installed (cargo xtask test does both)"
        );
        return None;
    }
    Some(folder)
}

fn check(tools: &Path, script: &str, arguments: &[&Path]) {
    let output =
        Command::new("node").arg(tools.join(script)).args(arguments).current_dir(tools).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    println!("{script}: {}", out.lines().last().unwrap_or_default());
}

fn findings_site() -> Quire {
    let root = RealFindings::find()
        .map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models());
    let quire = Quire::with("FINDINGS_ROOT", root);
    quire.build(&Build::of("findings"));
    quire
}

#[test]
fn every_kind_of_page_is_accessible_light_and_dark_narrow_and_wide() {
    let Some(tools) = tools() else { return };
    check(&tools, "a11y.mjs", &[&findings_site().site()]);
}

#[test]
fn every_kind_of_page_is_valid_html() {
    let Some(tools) = tools() else { return };
    check(&tools, "html.mjs", &[&findings_site().site()]);
}

#[test]
fn search_as_you_type_works_from_the_file_system_within_its_budget() {
    let Some(tools) = tools() else { return };
    check(&tools, "search.mjs", &[&findings_site().site()]);
}

#[test]
fn everything_can_be_reached_without_script() {
    let Some(tools) = tools() else { return };
    check(&tools, "noscript.mjs", &[&findings_site().site()]);
}

#[test]
fn the_browser_sees_no_policy_violation_and_no_dialog_not_even_on_hostile_pages() {
    let Some(tools) = tools() else { return };
    check(&tools, "csp.mjs", &[&findings_site().site()]);
    let input = tempfile::tempdir().unwrap();
    hostile_inputs::write(input.path());
    let hostile = Quire::with("HOSTILE_ROOT", input.path());
    hostile
        .build(&Build { catalogues: vec![repository().join("tests/fixtures/hostile")], ..Build::default() });
    check(&tools, "csp.mjs", &[&hostile.site()]);
}

mod hostile_inputs;
