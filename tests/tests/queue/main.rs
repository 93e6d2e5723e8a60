//! A folder of queue files as work: real folders, real processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use std::{fs, os::unix::fs::symlink, path::Path, process::Stdio, time::Instant};

use serde_json::Value;
use system_tests::{Build, Ended, Served, tree, wait_until};
use world::World;

fn serve(world: &World, more: &[&str]) -> Served {
    let mut command = world.quire.command(["serve", "c", "--queue", ".queue"]);
    command.args(more);
    Served::start(command)
}

#[test]
fn jobs_are_done_one_by_one_or_all_and_an_empty_queue_says_so() {
    let world = World::of(20);
    let filled = world.told(&["queue", "fill", "c", "--all", "--json"]);
    assert_eq!((&filled["added"], &filled["waited"]), (&20.into(), &0.into()), "{filled}");
    let again = world.told(&["queue", "fill", "c", "--all", "--dry-run", "--json"]);
    assert_eq!((&again["added"], &again["waited"]), (&0.into(), &20.into()));
    world.ok(&["queue", "fill", "c", "--type", "T0007", "--priority", "critical"]);
    assert_eq!(world.list()["waiting"][0]["key"], "T0007");
    let would = world.told(&["queue", "pop", "c", "--dry-run", "--json"]);
    assert_eq!(would["would"], serde_json::json!(["T0007"]));
    let one = world.told(&["queue", "pop", "c", "--json"]);
    assert_eq!((&one["done"], &one["waiting"]), (&1.into(), &19.into()), "{one}");
    assert!(world.page("T0007").unwrap().contains("first 7"));
    let all = world.told(&["queue", "pop", "c", "--all", "--json"]);
    assert_eq!((&all["done"], &all["waiting"]), (&19.into(), &0.into()), "{all}");
    assert!(world.files().is_empty(), "{:?}", world.files());
    let empty = world.ok(&["queue", "pop", "c"]);
    assert!(empty.out.contains("is empty"), "{}", empty.out);
    assert_eq!(tree(&world.at("site")), world.undisturbed());
    // Nothing has changed since.
    world.ok(&["queue", "fill", "c", "--all"]);
    let same = world.told(&["queue", "pop", "c", "--all", "--json"]);
    assert_eq!((&same["unchanged"], &same["published"]), (&20.into(), &0.into()), "{same}");
    // Something has.
    world.table(20, "second");
    world.ok(&["queue", "fill", "c", "--type", "T0003"]);
    let changed = world.told(&["queue", "pop", "c", "--json"]);
    assert_eq!(changed["published"], 1, "{changed}");
    assert!(world.page("T0003").unwrap().contains("second 3"));
}

#[test]
fn names_that_are_hard_to_write_are_jobs_like_others() {
    let world = World::new();
    let keys = [
        "a\"b", "a'b", "a/b", "a b", "a_b", "Mi1", "mi1", "-x", "..", "1e3", "null", "é", "日本", "{x}",
        "a: b",
    ];
    for key in keys {
        world.record(key, "here");
        assert_eq!(
            world.told(&["queue", "fill", "c", &format!("--type={key}"), "--json"])["added"],
            1,
            "{key}"
        );
    }
    // As the other tool would name them: two keys, one name.
    world.theirs("a_b.yaml", "a b", "");
    let done = world.told(&["queue", "pop", "c", "--all", "--json"]);
    assert_eq!(done["published"], keys.len(), "{done}");
    for key in keys {
        assert!(world.page(key).unwrap().contains("here"), "{key}");
    }
    assert!(world.files().is_empty());
    let refused = world.run(&["queue", "fill", "c", "--type", " "]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

#[test]
fn a_poison_job_and_odd_files_harm_nobody_else() {
    let world = World::of(1_000);
    world.record("bad", "poison");
    world.record("invalid", "wrong");
    world.ok(&["queue", "fill", "c", "--all"]);
    world.theirs("nobody.yaml", "Nobody", "");
    world.theirs("also.yaml", "bad", "priority: high\nattempts: 1\n");
    let queue = world.at(".queue");
    fs::write(queue.join("words.yaml"), "only words").unwrap();
    fs::write(queue.join("inspect.yaml"), "command: inspect\noptions: {neuron-type: A}\n").unwrap();
    fs::write(queue.join("typeless.yaml"), "command: generate\noptions: {}\n").unwrap();
    fs::write(queue.join("large.yaml"), vec![b'#'; 10 << 20]).unwrap();
    fs::create_dir(queue.join("folder.yaml")).unwrap();
    symlink("words.yaml", queue.join("link.yaml")).unwrap();
    fs::write(queue.join("other.yaml"), "command: generate\noptions: {neuron-type: A}\ncatalogue: other\n")
        .unwrap();
    let done = world.ok(&["queue", "pop", "c", "--all", "--json"]);
    let told: Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&told["published"], &told["rejected"], &told["waiting"]),
        (&1_000.into(), &1.into(), &0.into()),
        "{told}"
    );
    // Two jobs of the poisoned record, the unknown one, six odd files.
    assert_eq!(told["dead"], 9, "{told}");
    assert!(done.err.contains("attempt 1 of 3 in vain"), "{}", done.err);
    let list = world.list();
    let reason = |file: &str| {
        let dead = list["dead"].as_array().unwrap().iter().find(|dead| dead["file"] == file);
        dead.unwrap_or_else(|| panic!("{file}: {list}"))["reason"].as_str().unwrap().to_owned()
    };
    for (file, why) in [
        ("bad.yaml", "template record.html, line 2"),
        ("nobody.yaml", "no record of the catalogue has the key `Nobody`"),
        ("words.yaml", "not the YAML of a job"),
        ("inspect.yaml", "its command is `inspect`"),
        ("typeless.yaml", "it names no type"),
        ("large.yaml", "10485760 bytes"),
        ("folder.yaml", "it is a folder"),
        ("link.yaml", "symbolic link"),
    ] {
        assert!(reason(file).contains(why), "{file}: {}", reason(file));
    }
    let attempts = list["dead"].as_array().unwrap().iter().find(|dead| dead["file"] == "bad.yaml").unwrap();
    assert_eq!(attempts["attempts"], 3);
    // The job of another catalogue waits for whoever does that.
    assert_eq!(world.files(), ["dead", "other.yaml"].map(str::to_owned).into());
    // What was wrong is put right.
    world.record("bad", "healed");
    let retried = world.told(&["queue", "retry", "bad", "--json"]);
    assert_eq!(retried["letters"].as_array().unwrap().len(), 2, "{retried}");
    let refused = world.run(&["queue", "retry", "words.yaml"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert_eq!(world.told(&["queue", "pop", "c", "--all", "--json"])["published"], 1);
    assert!(world.page("bad").unwrap().contains("healed"));
    world.ok(&["queue", "drop", "--all"]);
    assert!(world.list()["dead"].as_array().unwrap().is_empty());
    let strict = world.run(&["queue", "drop", "bad"]);
    assert_eq!(strict.code, Some(2), "{}", strict.err);
}

#[test]
fn a_source_that_is_away_costs_no_job_an_attempt() {
    let world = World::of(5);
    world.ok(&["queue", "fill", "c", "--all"]);
    world.ok(&["queue", "pop", "c", "--count", "2"]);
    fs::rename(world.at("c/data"), world.at("away")).unwrap();
    let ended = world.run(&["queue", "pop", "c", "--all"]);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.out, ended.err);
    let list = world.list();
    let waiting = list["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 3, "{list}");
    assert!(waiting.iter().all(|job| job["attempts"] == 0) && list["dead"].as_array().unwrap().is_empty());
    fs::rename(world.at("away"), world.at("c/data")).unwrap();
    assert_eq!(world.told(&["queue", "pop", "c", "--all", "--json"])["done"], 3);
}

#[test]
fn a_process_that_is_killed_loses_no_job_and_leaves_nothing() {
    let world = World::of(3_000);
    world.ok(&["build", "c"]);
    world.table(3_000, "second");
    let arguments = ["queue", "pop", "c", "--all", "--batch", "100"];
    for kill_after in [1, 300, 900] {
        world.ok(&["queue", "fill", "c", "--all"]);
        let before = world.files().len();
        let mut child =
            world.quire.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("jobs are done", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
            let names = world.files();
            let locked = names.iter().filter(|name| name.ends_with(".lock")).count();
            locked > 0 && names.len() + kill_after <= before + 1
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let left = world.list();
    let abandoned = left["under_way"].as_array().unwrap();
    assert!(abandoned.iter().all(|job| job["abandoned"] == true), "{left}");
    let waits = left["waiting"].as_array().unwrap().len() + abandoned.len();
    assert!(waits > 0);
    let ended = world.told(&["queue", "pop", "c", "--all", "--json"]);
    assert_eq!(ended["done"], waits, "{ended}");
    assert_eq!(ended["dead"], 0);
    assert!(world.files().is_empty(), "{:?}", world.files());
    assert!(fs::read_dir(world.at(".queue/.quire/owners")).unwrap().next().is_none());
    assert!(fs::read_dir(world.at(".queue/.quire/tmp")).unwrap().next().is_none());
    assert_eq!(tree(&world.at("site")), world.undisturbed());
}

#[test]
fn two_processes_share_a_queue_and_each_job_is_done_once() {
    let world = World::of(1_000);
    let own = |name: &str| {
        let state = world.at(&format!("state-{name}"));
        let out = world.at(&format!("site-{name}"));
        ["--state", state.to_str().unwrap(), "--out", out.to_str().unwrap()].map(str::to_owned)
    };
    for name in ["a", "b"] {
        let mut command = world.quire.command(["build", "c"]);
        assert!(command.args(own(name)).output().unwrap().status.success());
    }
    world.table(1_000, "second");
    world.ok(&["queue", "fill", "c", "--all", "--state", world.at("state-a").to_str().unwrap()]);
    let both = ["a", "b"].map(|name| {
        let mut command = world.quire.command(["queue", "pop", "c", "--all", "--json", "--batch", "20"]);
        command.args(own(name)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let done = both.map(|child| {
        let ended: Ended = child.wait_with_output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let told: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
        assert_eq!(told["recovered"], 0, "{told}");
        told["done"].as_u64().unwrap()
    });
    assert_eq!(done[0] + done[1], 1_000, "{done:?}");
    assert!(done.iter().all(|done| *done > 0), "{done:?}");
    assert!(world.files().is_empty());
}

#[test]
fn of_two_processes_with_one_state_the_second_waits_for_the_first() {
    let world = World::of(500);
    world.ok(&["queue", "fill", "c", "--all"]);
    let both = [(); 2].map(|()| {
        let mut command = world.quire.command(["queue", "pop", "c", "--all", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let done: u64 = both
        .map(|child| {
            let ended: Ended = child.wait_with_output().unwrap().into();
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            let told: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
            told["done"].as_u64().unwrap()
        })
        .into_iter()
        .sum();
    assert_eq!(done, 500);
}

#[test]
fn locks_that_another_tool_left_are_given_back_when_they_are_old() {
    let world = World::of(3);
    world.theirs("T0001.lock", "T0001", "");
    let young = world.ok(&["queue", "pop", "c", "--all"]);
    assert!(young.err.contains("1 claim of another tool"), "{}", young.err);
    assert_eq!(world.list()["under_way"][0]["key"], "T0001");
    let done = world.told(&["queue", "pop", "c", "--all", "--orphan-after", "0", "--json"]);
    assert_eq!((&done["done"], &done["recovered"]), (&1.into(), &1.into()), "{done}");
    assert!(world.files().is_empty());
}

/// What the other tool is at is done beside it only for somebody who waits.
#[test]
fn beside_a_critical_job_others_wait_for_the_tool_that_is_at_them() {
    for (priority, done) in [("low", 1), ("critical", 2)] {
        let world = World::of(3);
        world.theirs("T0000.yaml", "T0000", "priority: critical\n");
        world.theirs("T0001.lock", "T0001", "");
        world.theirs("T0001.yaml", "T0001", &format!("priority: {priority}\n"));
        // There is no manifest yet: one run takes jobs of all lanes.
        let told = world.told(&["queue", "pop", "c", "--count", "2", "--json"]);
        assert_eq!(told["done"], done, "{priority}: {told}");
        let left: &[&str] = if done == 1 { &["T0001.lock", "T0001.yaml"] } else { &["T0001.lock"] };
        assert_eq!(world.files(), left.iter().map(|name| (*name).to_owned()).collect(), "{priority}");
    }
}

#[test]
fn a_served_queue_is_watched_and_a_job_that_someone_waits_for_overtakes_all_others() {
    let world = World::of(11_000);
    world.ok(&["build", "c"]);
    world.table(11_000, "second");
    world.record("New", "urgent");
    world.ok(&["queue", "fill", "c", "--all", "--priority", "low"]);
    let serve = serve(&world, &["--batch", "200"]);
    wait_until("others are begun", || serve.line("begun 200 jobs low").is_some());
    world.theirs("New.yaml", "New", "priority: critical\n");
    let asked = Instant::now();
    let page = world.at("site/types");
    let has_page = || {
        let made = fs::read_dir(&page).unwrap().filter_map(Result::ok);
        made.filter_map(|entry| entry.file_name().into_string().ok())
            .any(|name| name.starts_with("new") && name.ends_with(".html"))
    };
    wait_until("the page is there", has_page);
    let took = asked.elapsed();
    let left = world.files().len();
    assert!(left > 8_000, "{left} others wait; it took {took:?}");
    assert!(serve.line("begun 1 job critical (New)").is_some());
    println!("critical: page after {took:?}, {left} others waited");
    assert!(serve.get("/types/").contains("200 OK") && serve.get("/-/livez").ends_with("ok"));
    assert!(serve.get("/-/queue").contains("waiting_by_priority"));
    assert!(serve.get("/../c/catalogue.yaml").contains("404"));
    // Told to end, it gives back what it has not done.
    let (code, lines) = serve.stop();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(world.files().iter().all(|name| name.ends_with(".yaml")), "claims are left");
    let list = world.list();
    assert!(list["under_way"].as_array().unwrap().is_empty() && list["dead"].as_array().unwrap().is_empty());
    assert!(list["waiting"].as_array().unwrap().iter().all(|job| job["attempts"] == 0));
}

#[test]
fn what_comes_while_it_is_served_is_done() {
    let world = World::of(10);
    let serve = serve(&world, &[]);
    for round in 0..5 {
        world.table(10, &format!("round {round}"));
        let key = format!("T000{round}");
        world.theirs(&format!("{key}.yaml"), &key, "");
        wait_until("its job is done", || world.files().iter().all(|name| name == "dead"));
        let served = serve.get(&format!("/types/{}", page_of(&world, &key)));
        assert!(served.contains(&format!("round {round}")), "{served}");
    }
    world.theirs("Nobody.yaml", "Nobody", "");
    wait_until("it is dead", || world.at(".queue/dead/Nobody.yaml").exists());
    let (code, lines) = serve.stop();
    assert_eq!(code, Some(0));
    assert!(lines.last().unwrap().contains("6 jobs over = "), "{lines:#?}");
}

#[test]
fn a_job_that_cannot_be_buried_waits_and_a_served_queue_lives_on() {
    let world = World::of(2);
    let serve = serve(&world, &[]);
    fs::create_dir_all(world.at(".queue")).unwrap();
    fs::write(world.at(".queue/dead"), "no folder").unwrap();
    world.theirs("Nobody.yaml", "Nobody", "");
    world.theirs("Worn.yaml", "T0000", "crashes: 6\n");
    fs::write(world.at(".queue/odd.yaml"), "no: [job").unwrap();
    wait_until("the odd one is told", || serve.line("odd.yaml").is_some());
    wait_until("it is told", || serve.line("trying again in ").is_some());
    world.theirs("T0001.yaml", "T0001", "priority: critical\n");
    wait_until("others are done", || !world.files().iter().any(|name| name.starts_with("T0001")));
    fs::remove_file(world.at(".queue/dead")).unwrap();
    wait_until("they are dead", || {
        ["Nobody", "Worn", "odd"].iter().all(|name| world.at(&format!(".queue/dead/{name}.yaml")).exists())
    });
    wait_until("nothing is left", || world.files().iter().all(|name| name == "dead"));
    assert_eq!(serve.stop().0, Some(0));
}

#[test]
fn what_is_no_job_and_cannot_be_moved_is_an_error_of_a_command_that_was_to_leave_nothing() {
    let world = World::of(2);
    world.ok(&["queue", "fill", "c", "--all"]);
    fs::write(world.at(".queue/dead"), "no folder").unwrap();
    for name in ["odd.yaml", "other.yaml"] {
        fs::write(world.at(".queue").join(name), "no: [job").unwrap();
    }
    let popped = world.run(&["queue", "pop", "c", "--all", "--json"]);
    assert_eq!(popped.code, Some(1), "{}", popped.err);
    let is_told =
        popped.err.contains("error: 2 files cannot be moved") && popped.err.contains(".yaml is no job");
    assert!(is_told, "{}", popped.err);
    // It tries again as it ends, and not after that.
    assert!(popped.err.contains("trying again before the end"), "{}", popped.err);
    assert!(!popped.err.contains("trying again in"), "{}", popped.err);
    let told: Value = serde_json::from_str(popped.out.trim()).unwrap();
    assert_eq!((&told["published"], &told["waiting"]), (&2.into(), &0.into()), "{told}");
    // Who serves lives with it, and ends as it is told to.
    let serve = serve(&world, &[]);
    wait_until("it is told", || serve.line("2 files cannot be moved").is_some());
    assert_eq!(serve.stop().0, Some(0));
}

#[test]
fn the_last_job_is_tried_again_before_the_command_ends() {
    let world = World::of(2);
    world.ok(&["queue", "fill", "c", "--all"]);
    world.ok(&["queue", "pop", "c", "--all"]);
    world.table(2, "second");
    // What is in the way of the page fails the run as a whole.
    let page = world.at("site/types").join(page_of(&world, "T0001"));
    fs::remove_file(&page).unwrap();
    fs::create_dir_all(page.join("not empty")).unwrap();
    world.ok(&["queue", "fill", "c", "--type", "T0001"]);
    let popped = world.ok(&["queue", "pop", "c", "--all", "--attempts", "2", "--json"]);
    assert!(popped.err.contains("attempt 1 of 2 in vain"), "{}", popped.err);
    let told: Value = serde_json::from_str(popped.out.trim()).unwrap();
    assert_eq!((&told["dead"], &told["waiting"]), (&1.into(), &0.into()), "{told}");
    fs::remove_dir_all(&page).unwrap();
    world.ok(&["queue", "retry", "T0001"]);
    world.ok(&["queue", "pop", "c", "--all"]);
    assert!(world.page("T0001").unwrap().contains("second 1"));
}

#[test]
fn jobs_of_the_other_tool_become_those_of_the_catalogue_that_asks_for_them() {
    let world = World::of(3);
    world.theirs("T0000.yaml", "T0000", "");
    world.theirs("another_name.yaml", "T0001", "priority: low\n");
    world.theirs("for_nobody.yaml", "Nobody", "");
    let filled = world.told(&["queue", "fill", "c", "--all", "--json"]);
    assert_eq!([&filled["added"], &filled["raised"], &filled["waited"]], [1, 1, 1], "{filled}");
    let list = world.list();
    let waiting = list["waiting"].as_array().unwrap().iter();
    let mut waiting: Vec<_> =
        waiting.map(|job| (job["key"].as_str().unwrap(), job["catalogue"].as_str())).collect();
    waiting.sort_unstable();
    let ours = Some("types");
    assert_eq!(waiting, [("Nobody", None), ("T0000", ours), ("T0001", ours), ("T0002", ours)]);
}

/// The name of the page of a key, while the state is in use.
fn page_of(world: &World, key: &str) -> String {
    let wanted = key.to_lowercase();
    let names = fs::read_dir(world.at("site/types")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap());
    names.find(|name| name.to_lowercase().starts_with(&wanted) && name.ends_with(".html")).unwrap()
}

/// A build beside a queue: what both make is the same.
#[test]
fn a_queue_s_site_is_that_of_a_build() {
    let world = World::of(50);
    world.ok(&["queue", "fill", "c", "--all"]);
    world.ok(&["queue", "pop", "c", "--all", "--batch", "7"]);
    assert_eq!(tree(&world.at("site")), world.undisturbed());
    let build = Build { catalogues: vec![Path::new("c").to_path_buf()], ..Build::default() };
    assert_eq!(world.quire.build(&build).runs[0].records.unchanged, 50);
}
