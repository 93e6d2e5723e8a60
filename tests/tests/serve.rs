//! `quire serve`: what was built is served, and again after each change.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    time::Duration,
};

use system_tests::{Quire, Served, tree, wait_until};

fn catalogue() -> Quire {
    let quire = Quire::new();
    assert_eq!(quire.run(["new", "birds"]).code, Some(0));
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
    let length = |text: &str| {
        let line = text.lines().find(|line| line.to_lowercase().starts_with("content-length:")).unwrap();
        line.split_once(':').unwrap().1.trim().parse::<usize>().unwrap()
    };
    assert_eq!(length(&served.head(&page)), body.len());
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
    let sent = served.get(&page);
    let told = served.head(&page);
    let length = sent.split_once("\r\n\r\n").unwrap().1.len();
    assert!(told.to_lowercase().contains(&format!("content-length: {length}\r\n")), "{told}");
    let seen = sent.split(r#"<script src="/-/reload.js?seen="#).nth(1).unwrap().split('"').next().unwrap();
    assert!(served.get("/-/reload.js").contains("/-/changes"));
    let on_disk = tree(&quire.site());
    let file = fs::read_to_string(quire.site().join(page.trim_start_matches('/'))).unwrap();
    assert!(!file.contains("reload.js"), "the site itself is as it is everywhere");

    // A browser that waits hears of it.
    let mut waiting =
        BufReader::new(served.ask(&format!("/-/changes?seen={seen}"))).lines().map_while(Result::ok);
    assert!(waiting.any(|line| line.contains("text/event-stream")));
    let (before, word) = (fs::read_to_string(&record).unwrap(), "a bird that was not there");
    // As many editors do it.
    fs::write(quire.folder().join("part"), before.replace("A tall wader", word)).unwrap();
    fs::rename(quire.folder().join("part"), &record).unwrap();
    assert!(waiting.any(|line| line == "event: change"));
    assert!(served.get(&page).contains(word));
    // Who was sent the page before that, and asks only now, hears of it as well.
    let mut late =
        BufReader::new(served.ask(&format!("/-/changes?seen={seen}"))).lines().map_while(Result::ok);
    assert!(late.any(|line| line == "event: change"));

    let template = quire.folder().join("birds/templates/record.html");
    let good = fs::read_to_string(&template).unwrap();
    fs::write(&template, "{% if %}").unwrap();
    wait_until("the mistake is told", || served.line("record.html").is_some());
    assert!(served.get(&page).contains(word), "the last page is still there");
    fs::write(&template, &good).unwrap();
    fs::write(&record, before).unwrap();
    wait_until("all is as it was", || tree(&quire.site()) == on_disk);
    fs::write(&template, "{% if %}").unwrap();
    wait_until("the mistake is told again", || {
        served.lines().iter().filter(|line| line.contains("record.html")).count() > 1
    });
    fs::write(&template, &good).unwrap();
    wait_until("that it is mended is told", || served.line("that is mended").is_some());
    assert_eq!(served.stop().0, Some(0));
}

/// The catalogue in the current folder, with site, state (behind a link) and what is said (in a file) below it: what a build
/// writes is no change.
#[test]
fn what_a_build_writes_and_says_does_not_lead_to_another_build() {
    let quire = catalogue();
    let (home, elsewhere) = (quire.folder().join("birds"), quire.folder().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, home.join(".quire")).unwrap();
    let mut command = quire.command(["serve", "--watch", "--state", ".quire", "--out", "site"]);
    command.current_dir(&home);
    let served = Served::start_into(command, &home.join("serve.log"));
    let word = "a bird that was not there";
    let (record, page) = first_record(&quire);
    let before = fs::read_to_string(&record).unwrap();
    for _ in 0..3 {
        fs::write(&record, before.replace("A tall wader", word)).unwrap();
        wait_until("the page has the change", || served.get(&page).contains(word));
        fs::write(&record, &before).unwrap();
        wait_until("the page is as it was", || !served.get(&page).contains(word));
    }
    // The names of runs: those that are over are replaced by the next one.
    let runs = || -> BTreeSet<OsString> {
        let marks = fs::read_dir(elsewhere.join("store/runs/birds")).unwrap();
        marks.map(|mark| mark.unwrap().file_name()).collect()
    };
    let quiet = || {
        let now = (runs(), served.lines().len());
        // Longer than a change takes to be heard, and built.
        std::thread::sleep(Duration::from_secs(1));
        now == (runs(), served.lines().len())
    };
    wait_until("nothing is built any more", quiet);
    let last = runs();
    fs::write(home.join("catalogue.yaml"), "mistake: 1").unwrap();
    wait_until("the mistake is told", || served.line("mistake").is_some());
    wait_until("and told once", quiet);
    assert_eq!(runs(), last, "a catalogue with mistakes is not built");
    assert_eq!(served.stop().0, Some(0));
}

#[test]
fn a_source_that_is_away_is_told_and_its_coming_is_a_change() {
    let quire = catalogue();
    let data = quire.folder().join("birds/data");
    let away = quire.folder().join("away");
    fs::rename(&data, &away).unwrap();
    let ended = quire.run(["serve", "birds", "--listen", "127.0.0.1:0"]);
    assert!(
        ended.code == Some(1) && ended.err.contains("birds: nothing was found to look at"),
        "{}",
        ended.err
    );
    let served = Served::start(quire.command(["serve", "birds", "--watch"]));
    assert!(served.line("nothing was found to look at").is_some(), "{:?}", served.lines());
    fs::rename(&away, &data).unwrap();
    let (_, page) = first_record(&quire);
    wait_until("it is built", || served.get(&page).contains("200 OK"));
    fs::rename(&data, &away).unwrap();
    fs::create_dir(&data).unwrap();
    for file in fs::read_dir(&away).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, data.join(file.file_name().unwrap())).unwrap();
    }
    let (record, _) = first_record(&quire);
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("A tall wader", "Another folder")).unwrap();
    wait_until("the folder in its place is watched", || served.get(&page).contains("Another folder"));
    fs::rename(&data, quire.folder().join("gone")).unwrap();
    wait_until("that it is away again is told", || served.line("partial: source").is_some());
    assert!(served.get(&page).contains("Another folder"), "its pages stay");
    assert_eq!(served.stop().0, Some(0));
}

#[test]
fn a_folder_that_is_replaced_by_one_with_a_mistake_is_watched_for_its_being_mended() {
    let quire = catalogue();
    let (home, away) = (quire.folder().join("birds"), quire.folder().join("away"));
    let served = Served::start(quire.command(["serve", "birds", "--watch"]));
    let (_, page) = first_record(&quire);
    assert!(served.get(&page).contains("200 OK"));
    fs::rename(&home, &away).unwrap();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("catalogue.yaml"), "mistake: 1").unwrap();
    wait_until("the mistake is told", || served.line("mistake").is_some());
    for entry in ["data", "templates", "schema.json"] {
        fs::rename(away.join(entry), home.join(entry)).unwrap();
    }
    let (record, _) = first_record(&quire);
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("A tall wader", "Another folder")).unwrap();
    fs::copy(away.join("catalogue.yaml"), home.join("catalogue.yaml")).unwrap();
    wait_until("the folder in its place is built", || served.get(&page).contains("Another folder"));
    assert_eq!(served.stop().0, Some(0));
}
