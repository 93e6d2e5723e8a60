//! The site in a real browser: accessibility, content security policy, search, no script, valid HTML.
#![allow(clippy::unwrap_used, reason = "tests")]

mod hostile_inputs;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use system_tests::{
    Build, Quire, RealFindings, Synonyms, copy_tree, multiply, neuron_types, repository, tools_promised,
};

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

/// The finding models: the real ones, or the sample.
fn models() -> PathBuf {
    RealFindings::find().map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models())
}

/// The site of finding models below an address of its own, which it needs for a sitemap and canonical links.
fn findings_site(models: &Path) -> Quire {
    changed_site("findings", "FINDINGS_ROOT", models, |catalogue| {
        let address = "site: { base_url: \"https://catalogue.example/some/where\",";
        let text = fs::read_to_string(catalogue.join("catalogue.yaml")).unwrap();
        assert!(text.contains("site: {"));
        fs::write(catalogue.join("catalogue.yaml"), text.replace("site: {", address)).unwrap();
    })
}

/// The site of a catalogue that was changed before, with its records in a folder that `variable` names.
fn changed_site(name: &str, variable: &str, records: &Path, change: impl FnOnce(&Path)) -> Quire {
    let quire = Quire::with(variable, records);
    let catalogue = quire.folder().join("catalogue");
    copy_tree(&repository().join("catalogues").join(name), &catalogue);
    change(&catalogue);
    quire.build(&Build { catalogues: vec![catalogue], ..Build::default() });
    quire
}

/// What is measured of large sites is their list and their search: their pages may be short, and one a record.
fn shorten(catalogue: &Path) {
    let page = "{% extends \"quire/base.html\" %}{% block main %}<h1>{{ title }}</h1>{% endblock %}";
    fs::write(catalogue.join("templates/record.html"), page).unwrap();
    let definition = fs::read_to_string(catalogue.join("catalogue.yaml")).unwrap();
    let kept = definition
        .lines()
        .filter(|line| !line.starts_with("  variants:") && !line.starts_with("  markdown:"));
    fs::write(catalogue.join("catalogue.yaml"), kept.collect::<Vec<_>>().join("\n")).unwrap();
}

fn large_site() -> Quire {
    let input = tempfile::tempdir().unwrap();
    multiply(&models(), input.path(), 11_000, Synonyms::Shared);
    changed_site("findings", "FINDINGS_ROOT", input.path(), shorten)
}

/// The neuron types of the sample.
fn neurons_site() -> Quire {
    let quire = Quire::new();
    quire.build(&Build::of("neurons"));
    quire
}

/// As many made-up types as the male CNS has.
fn large_neurons_site() -> Quire {
    let input = tempfile::tempdir().unwrap();
    neuron_types(input.path(), 11_313);
    changed_site("neurons", "NEURONS_ROOT", input.path(), shorten)
}

fn hostile_site() -> Quire {
    let input = tempfile::tempdir().unwrap();
    hostile_inputs::write(input.path());
    let quire = Quire::with("HOSTILE_ROOT", input.path());
    quire.build(&Build { catalogues: vec![repository().join("tests/fixtures/hostile")], ..Build::default() });
    quire
}

/// One test, because the measured checks must not share the machine with others.
#[test]
fn the_site_holds_in_a_real_browser() {
    let Some(tools) = tools() else { return };
    // Large sites take a while to build: meanwhile the browser looks at the others.
    let large = std::thread::spawn(|| [large_site(), large_neurons_site()]);
    let findings = || [("html,head,noscript,csp,a11y,search", findings_site(&models()))];
    let others = || [("html,noscript,csp,a11y,search,neurons", neurons_site()), ("csp", hostile_site())];
    std::thread::scope(|scope| {
        scope.spawn(|| look(&tools, &findings()));
        look(&tools, &others());
    });
    let [findings, neurons] = large.join().unwrap();
    look(&tools, &[("budget", findings), ("budget,first", neurons)]);
}

/// Has a browser check sites.
fn look(tools: &Path, sites: &[(&str, Quire)]) {
    let arguments = sites.iter().map(|(names, quire)| format!("{names}={}", quire.site().display()));
    let mut command = Command::new("node");
    command.arg(tools.join("run.mjs")).args(arguments).current_dir(tools);
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    println!("{out}");
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
}
