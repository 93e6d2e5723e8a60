//! `quire serve`: what was built is served, and again after each change.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
};

use system_tests::{Quire, Served, tree, wait_until};

fn catalogue() -> Quire {
    let quire = Quire::new();
    assert_eq!(quire.run(&["new", "birds"]).code, Some(0));
    quire
}

/// A record of the catalogue that `quire new` makes, with its page.
fn first_record(quire: &Quire) -> (std::path::PathBuf, String) {
    let data = fs::read_dir(quire.folder().join("birds/data")).unwrap().map(|entry| entry.unwrap().path());
    let record = data.min().unwrap();
    let name = record.file_stem().unwrap().to_str().unwrap();
    (record.clone(), format!("/birds/{name}.html"))
}

#[test]
fn a_site_is_built_and_served_as_it_is_and_nothing_else() {
    let quire = catalogue();
    let definition = quire.folder().join("birds/catalogue.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    // A site that knows where it is has a page for addresses that lead nowhere.
    fs::write(&definition, text + "\nsite: { base_url: http://birds.example/ }\n").unwrap();
    let served = Served::start(quire.command(["serve", "birds"]));
    let (_, page) = first_record(&quire);
    let (head, body) =
        served.get(&page).split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(head.contains("200 OK") && head.contains("text/html"), "{head}");
    assert_eq!(body, fs::read_to_string(quire.site().join(page.trim_start_matches('/'))).unwrap());
    assert!(served.get("/birds/").contains("200 OK") && served.get("/-/livez").ends_with("ok"));
    let missing = served.get("/no/such/page.html");
    assert!(missing.contains("404 Not Found") && missing.contains("Page not found"), "{missing}");
    for path in [
        "/../birds/catalogue.yaml",
        "/%2e%2e/birds/catalogue.yaml",
        "/birds/..%2f..%2fbirds/catalogue.yaml",
        "/-/changes",
    ] {
        assert!(!served.get(path).contains("200 OK"), "{path}");
    }
    assert_eq!(served.stop().0, Some(0));
}

#[test]
fn a_change_is_built_and_told_and_a_mistake_is_told_and_mended() {
    let quire = catalogue();
    let served = Served::start(quire.command(["serve", "birds", "--watch"]));
    let (record, page) = first_record(&quire);
    assert!(served.get(&page).contains(r#"<script src="/-/reload.js" async></script>"#));
    assert!(served.get("/-/reload.js").contains("/-/changes"));
    let on_disk = tree(&quire.site());
    assert!(!on_disk.values().any(|digest| digest.contains("reload.js")));

    // A browser that waits hears of it.
    let mut waiting = BufReader::new(served.ask("/-/changes")).lines().map_while(Result::ok);
    assert!(waiting.any(|line| line.contains("text/event-stream")));
    let (before, word) = (fs::read_to_string(&record).unwrap(), "a bird that was not there");
    fs::write(&record, before.replace("A tall wader", word)).unwrap();
    assert!(waiting.any(|line| line == "event: change"));
    wait_until("the page has the change", || served.get(&page).contains(word));

    let template = quire.folder().join("birds/templates/record.html");
    let good = fs::read_to_string(&template).unwrap();
    fs::write(&template, "{% if %}").unwrap();
    wait_until("the mistake is told", || served.line("record.html").is_some());
    assert!(served.get(&page).contains(word), "the last page is still there");
    fs::write(&template, good).unwrap();
    fs::write(&record, before).unwrap();
    wait_until("all is as it was", || tree(&quire.site()) == on_disk);
    assert_eq!(served.stop().0, Some(0));
}
