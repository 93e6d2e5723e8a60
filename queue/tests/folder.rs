//! The queue's folder, with real files and processes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use quire_proto::Lane;
use quire_queue::{
    Added, Claims, Job, ORPHAN_AFTER, Pick, QueueFolder, Retried, Scan, file_name, pick, unix_now,
};

fn job(key: &str, lane: Lane) -> Job {
    Job::new(key, lane, None, 0)
}

fn scanned(folder: &QueueFolder) -> Scan {
    let mut scan = Scan::new(folder);
    scan.look().unwrap();
    scan
}

fn next(folder: &QueueFolder, limit: usize) -> Vec<String> {
    let asked = Pick { lanes: &Lane::ALL, limit, now: unix_now(), catalogue: "neurons" };
    pick(scanned(folder).waiting(), &asked)
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| name != ".quire").collect()
}

#[test]
fn a_job_goes_from_the_queue_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(&folder.path().join("new/queue")).unwrap();
    for key in ["A B", "A_B", "Mi1", "mi1", "a\"b", "a/b", "a'b"] {
        assert_eq!(queue.add(&job(key, Lane::Normal)).unwrap(), Added::New, "{key}");
        assert_eq!(queue.add(&job(key, Lane::Low)).unwrap(), Added::Known, "{key}");
    }
    assert_eq!(queue.add(&job("Mi1", Lane::Critical)).unwrap(), Added::Raised);
    let mut claims = Claims::new(&queue).unwrap();
    assert_eq!(next(&queue, 9), ["Mi1"]);
    let claimed = claims.claim(&["Mi1".to_owned(), "gone".to_owned()]).unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].job.as_ref().unwrap().key, "Mi1");
    let listed = queue.list().unwrap();
    assert_eq!((listed.waiting.len(), listed.under_way.len()), (6, 1));
    assert_eq!(listed.under_way[0].pid, Some(std::process::id()));
    assert!(!listed.under_way[0].abandoned);
    // The same is asked for while it is done: once more, afterwards.
    assert_eq!(queue.add(&job("Mi1", Lane::Normal)).unwrap(), Added::New);
    assert!(claims.claim(&["Mi1".to_owned()]).unwrap().is_empty());
    // Unless somebody waits for it: then it has a name of its own.
    assert!(claims.set_beside(&["Mi1".to_owned(), "gone".to_owned()]).unwrap());
    assert_eq!(claims.claim(&["Mi1~2".to_owned()]).unwrap()[0].job.as_ref().unwrap().key, "Mi1");
    claims.done(&["Mi1~2".to_owned()]).unwrap();
    assert_eq!(queue.add(&job("Mi1", Lane::Normal)).unwrap(), Added::New);
    claims.done(&["Mi1".to_owned()]).unwrap();
    assert_eq!(claims.claim(&["Mi1".to_owned()]).unwrap().len(), 1);
    let failed = job("Mi1", Lane::Normal).failed("no", unix_now(), 60);
    claims.give_back(&[("Mi1".to_owned(), Some(failed))]).unwrap();
    assert_eq!(next(&queue, 9).len(), 6, "it is not due");
    assert!(queue.path().join("Mi1.yaml").exists());
}

#[test]
fn names_of_the_other_tool_are_read_and_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    let theirs = |key: &str| format!("command: generate\noptions:\n  neuron-type: {key}\n");
    // Its `A_B.yaml` may be `A B` or `A_B`.
    fs::write(folder.path().join("A_B.yaml"), theirs("A B")).unwrap();
    assert_eq!(queue.add(&job("A_B", Lane::Normal)).unwrap(), Added::New);
    assert_eq!(queue.add(&job("A_B", Lane::Normal)).unwrap(), Added::Known);
    let keys: BTreeSet<String> = scanned(&queue).waiting().map(|job| job.key.clone()).collect();
    assert_eq!(keys, ["A B", "A_B"].map(str::to_owned).into());
    assert_eq!(fs::read_to_string(folder.path().join("A_B.yaml")).unwrap(), theirs("A B"));
}

#[test]
fn odd_files_are_told_and_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let queue = QueueFolder::open(folder.path()).unwrap();
    fs::write(at("words.yaml"), "only words").unwrap();
    fs::write(at("inspect.yaml"), "command: inspect\noptions: {neuron-type: A}\n").unwrap();
    fs::write(at("nobody.yaml"), "command: generate\noptions: {}\n").unwrap();
    fs::write(at("large.yaml"), vec![b'#'; 10 << 20]).unwrap();
    fs::create_dir(at("folder.yaml")).unwrap();
    fs::write(at("folder.yaml/inside"), "x").unwrap();
    symlink(at("words.yaml"), at("link.yaml")).unwrap();
    symlink(at("itself.yaml"), at("itself.yaml")).unwrap();
    let piped = Command::new("mkfifo").arg(at("pipe.yaml")).status().unwrap();
    assert!(piped.success());
    fs::write(at("README.txt"), "not ours").unwrap();
    queue.add(&job("good", Lane::Normal)).unwrap();
    let scan = scanned(&queue);
    assert_eq!(scan.waiting().count(), 1);
    let odd = scan.odd();
    let why = |file: &str| odd.iter().find(|odd| odd.file == file).unwrap().why.0.clone();
    assert!(why("words.yaml").contains("not the YAML of a job"));
    assert!(
        why("large.yaml").contains("it has 10485760 bytes: a job has at most 65536"),
        "{}",
        why("large.yaml")
    );
    assert!(why("folder.yaml").contains("folder") && why("link.yaml").contains("link"));
    assert!(why("itself.yaml").contains("link") && why("pipe.yaml").contains("no regular file"));
    for one in &odd {
        assert!(queue.bury_odd(&one.file, &one.why).unwrap(), "{one:?}");
        assert!(!queue.bury_odd(&one.file, &one.why).unwrap(), "{one:?}");
    }
    assert_eq!(files(folder.path()), ["README.txt", "dead", "good.yaml"].map(str::to_owned).into());
    let dead = queue.list().unwrap().dead;
    assert_eq!(dead.len(), 8);
    assert!(dead.iter().all(|dead| dead.reason != "nobody said why"), "{dead:?}");
    // Another one of the same name has a place beside it.
    fs::write(at("words.yaml"), "other words").unwrap();
    let odd = scanned(&queue).odd();
    assert!(queue.bury_odd(&odd[0].file, &odd[0].why).unwrap());
    assert!(at("dead/words~2.yaml").exists());
    assert!(matches!(queue.retry(OsStr::new("words.yaml")).unwrap(), Retried::NoJob(_)));
    for (file, _) in queue.dead_letters().unwrap() {
        assert!(queue.drop_dead(&file).unwrap());
    }
    assert!(files(&at("dead")).is_empty());
}

#[test]
fn a_file_that_is_just_being_written_is_not_taken_for_odd() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    fs::write(folder.path().join("half.yaml"), "command: gene").unwrap();
    let mut scan = scanned(&queue);
    assert!(!scan.odd()[0].settled);
    fs::write(folder.path().join("half.yaml"), "command: generate\noptions: {neuron-type: A}\n").unwrap();
    scan.look().unwrap();
    assert_eq!((scan.odd().len(), scan.waiting().count()), (0, 1));
    let old = fs::File::options().append(true).open(folder.path().join("half.yaml")).unwrap();
    fs::write(folder.path().join("half.yaml"), "command: gene").unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(3)).unwrap();
    assert!(scanned(&queue).odd()[0].settled);
}

#[test]
fn a_look_sees_what_has_come_and_gone_since() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    let mut scan = scanned(&queue);
    for round in 0..50 {
        queue.add(&job(&format!("k{round}"), Lane::Normal)).unwrap();
        scan.look().unwrap();
        assert_eq!(scan.waiting().count(), round + 1);
    }
    fs::remove_file(folder.path().join("k7.yaml")).unwrap();
    scan.look().unwrap();
    assert_eq!(scan.waiting().count(), 49);
}

#[test]
fn a_dead_job_is_tried_again_as_if_for_the_first_time() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    queue.add(&job("A", Lane::High)).unwrap();
    let mut claims = Claims::new(&queue).unwrap();
    claims.claim(&["A".to_owned()]).unwrap();
    let failed = job("A", Lane::High).failed("first: second", 7, 0);
    claims.bury("A", Some(&failed), "first: second").unwrap();
    let (file, dead) = queue.dead_letters().unwrap().remove(0);
    assert_eq!((dead.key.as_deref(), dead.attempts, dead.reason.as_str()), (Some("A"), 1, "first: second"));
    assert!(dead.is_meant("A") && dead.is_meant("A.yaml") && !dead.is_meant("B"));
    assert_eq!(queue.retry(&file).unwrap(), Retried::Waits);
    assert!(files(&folder.path().join("dead")).is_empty());
    let scan = scanned(&queue);
    let waiting = scan.waiting().next().unwrap();
    assert_eq!((waiting.attempts, waiting.lane), (0, Lane::High));
}

/// Not a test of its own: claims everything in the folder that it is told, says so, and waits to be killed.
#[test]
fn claims_and_waits() {
    let Some(folder) = std::env::var_os("QUEUE_TO_CLAIM") else { return };
    let queue = QueueFolder::open(Path::new(&folder)).unwrap();
    let mut claims = Claims::new(&queue).unwrap();
    let names = next(&queue, 1_000);
    claims.claim(&names).unwrap();
    fs::write(Path::new(&folder).join("claimed.txt"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn what_a_killed_process_had_claimed_waits_again_at_once_and_what_a_living_one_has_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    for number in 0..100 {
        queue.add(&job(&format!("k{number}"), Lane::Normal)).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "claims_and_waits"])
        .env("QUEUE_TO_CLAIM", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path().join("claimed.txt").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let claims = Claims::new(&queue).unwrap();
    let nothing = claims.recover(Duration::ZERO).unwrap();
    assert!(nothing.ours.is_empty() && nothing.orphans.is_empty(), "{nothing:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(queue.list().unwrap().under_way.iter().all(|job| job.abandoned));
    // One that was not done before the process was killed.
    fs::remove_file(folder.path().join("k7.lock")).unwrap();
    // One that was queued anew meanwhile.
    queue.add(&job("k8", Lane::Critical)).unwrap();
    let recovered = claims.recover(ORPHAN_AFTER).unwrap();
    assert_eq!(recovered.ours.len(), 99);
    let listed = queue.list().unwrap();
    assert_eq!((listed.waiting.len(), listed.under_way.len()), (99, 0));
    assert_eq!(listed.waiting[0].key, "k8");
    assert!(listed.waiting[1..].iter().all(|job| job.crashes == 1));
    assert_eq!(files(&folder.path().join(".quire/owners")).len(), 1, "only our own is left");
    drop(claims);
    assert!(files(&folder.path().join(".quire/owners")).is_empty());
}

#[test]
fn locks_of_the_other_tool_are_given_back_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    let claims = Claims::new(&queue).unwrap();
    queue.add(&job("theirs", Lane::Normal)).unwrap();
    // Made long ago, claimed now.
    let file = fs::File::options().append(true).open(folder.path().join("theirs.yaml")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    fs::rename(folder.path().join("theirs.yaml"), folder.path().join("theirs.lock")).unwrap();
    let young = claims.recover(ORPHAN_AFTER).unwrap();
    assert_eq!((young.young, young.orphans.len()), (1, 0));
    let old = claims.recover(Duration::ZERO).unwrap();
    assert_eq!(old.orphans, ["theirs"]);
    assert_eq!(next(&queue, 9), ["theirs"]);
}

#[test]
fn of_two_that_claim_at_once_each_job_is_one_s() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::open(folder.path()).unwrap();
    let names: Vec<String> = (0..500).map(|number| file_name(&format!("k{number}"))).collect();
    for name in &names {
        queue.add(&job(name, Lane::Normal)).unwrap();
    }
    let claimed: Vec<Vec<String>> = std::thread::scope(|scope| {
        let claim = || {
            let mut claims = Claims::new(&queue).unwrap();
            let claimed = claims.claim(&names).unwrap().into_iter().map(|job| job.name).collect::<Vec<_>>();
            claims.recover(Duration::ZERO).unwrap();
            claims.done(&claimed).unwrap();
            claimed
        };
        let two: Vec<_> = (0..2).map(|_| scope.spawn(claim)).collect();
        two.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all: BTreeSet<&String> = claimed.iter().flatten().collect();
    assert_eq!((all.len(), claimed[0].len() + claimed[1].len()), (500, 500));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_job_that_became_more_urgent_is_seen_at_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(folder.path()).unwrap();
    queue.add(&job("T4a", Lane::Low)).unwrap();
    let mut scan = scanned(&queue);
    assert_eq!(queue.add(&job("T4a", Lane::Critical)).unwrap(), Added::Raised);
    scan.look().unwrap();
    assert_eq!(scan.waiting().map(|job| job.lane).collect::<Vec<_>>(), [Lane::Critical]);
}

#[test]
fn who_was_taken_for_dead_does_later_jobs_as_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(folder.path()).unwrap();
    let name = |key: &str| vec![key.to_owned()];
    for key in ["A", "B", "C"] {
        queue.add(&job(key, Lane::Normal)).unwrap();
    }
    let mut claims = Claims::new(&queue).unwrap();
    claims.claim(&["A".to_owned(), "C".to_owned()]).unwrap();
    // Somebody takes us for dead, and claims what it gave back.
    for owner in files(&folder.path().join(".quire/owners")) {
        fs::remove_file(folder.path().join(".quire/owners").join(owner)).unwrap();
    }
    let mut other = Claims::new(&queue).unwrap();
    for key in ["A", "C"] {
        fs::rename(folder.path().join(format!("{key}.lock")), folder.path().join(format!("{key}.yaml")))
            .unwrap();
    }
    assert_eq!(other.claim(&name("A")).unwrap().len(), 1);
    // What we are still at is not claimed beside it, as its end would be that of both.
    let claimed = claims.claim(&["B".to_owned(), "C".to_owned()]).unwrap();
    assert_eq!(claimed.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["B"]);
    assert_eq!(queue.list().unwrap().under_way.iter().filter(|job| job.pid.is_some()).count(), 2);
    claims.done(&["A".to_owned(), "C".to_owned()]).unwrap();
    claims.done(&name("B")).unwrap();
    assert_eq!(files(folder.path()), ["A.lock", "C.yaml"].map(str::to_owned).into());
    assert_eq!(claims.claim(&name("C")).unwrap().len(), 1);
    claims.done(&name("C")).unwrap();
    other.done(&name("A")).unwrap();
    assert!(files(folder.path()).is_empty());
}

#[test]
fn catalogues_that_share_a_queue_may_have_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(folder.path()).unwrap();
    let of = |catalogue| Job::new("Mi1", Lane::Normal, catalogue, 0);
    for catalogue in ["neurons", "findings", "papers"] {
        assert_eq!(queue.add(&of(Some(catalogue))).unwrap(), Added::New, "{catalogue}");
        assert_eq!(queue.add(&of(Some(catalogue))).unwrap(), Added::Known, "{catalogue}");
    }
    // Whoever comes first does it.
    assert_eq!(queue.add(&of(None)).unwrap(), Added::Known);
    assert_eq!(scanned(&queue).waiting().count(), 3);
    assert_eq!(next(&queue, 9), ["Mi1"]);
}

#[test]
fn a_job_for_any_catalogue_becomes_that_of_the_one_that_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(folder.path()).unwrap();
    let of = |key, lane, catalogue| Job::new(key, lane, catalogue, 0);
    let catalogue_of = |key: &str| {
        let scan = scanned(&queue);
        scan.waiting().find(|job| job.key == key).and_then(|job| job.catalogue.clone())
    };
    queue.add(&of("Mi1", Lane::Normal, None)).unwrap();
    assert_eq!(queue.add(&of("Mi1", Lane::Low, Some("neurons"))).unwrap(), Added::Known);
    assert_eq!(catalogue_of("Mi1").as_deref(), Some("neurons"));
    queue.add(&of("Tm3", Lane::Normal, None)).unwrap();
    assert_eq!(queue.add(&of("Tm3", Lane::Critical, Some("neurons"))).unwrap(), Added::Raised);
    assert_eq!(catalogue_of("Tm3").as_deref(), Some("neurons"));
    // Another one asks while it is done, and it is given back.
    let mut claims = Claims::new(&queue).unwrap();
    assert_eq!(claims.claim(&["Mi1".to_owned()]).unwrap().len(), 1);
    assert_eq!(queue.add(&of("Mi1", Lane::Normal, None)).unwrap(), Added::New);
    claims.give_back(&[("Mi1".to_owned(), None)]).unwrap();
    assert_eq!(catalogue_of("Mi1").as_deref(), Some("neurons"));
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn a_job_that_is_given_back_keeps_a_place_beside_what_has_its_name_since() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueFolder::create(folder.path()).unwrap();
    let of = |key, catalogue| Job::new(key, Lane::Normal, Some(catalogue), 0);
    let theirs = folder.path().join("A_B.yaml");
    fs::write(&theirs, of("A B", "neurons").to_yaml()).unwrap();
    queue.add(&of("Mi1", "neurons")).unwrap();
    let mut claims = Claims::new(&queue).unwrap();
    let names = ["A_B", "Mi1"].map(str::to_owned);
    assert_eq!(claims.claim(&names).unwrap().len(), 2);
    fs::write(&theirs, of("A_B", "neurons").to_yaml()).unwrap();
    assert_eq!(queue.add(&of("Mi1", "findings")).unwrap(), Added::New);
    claims.give_back(&names.map(|name| (name, None))).unwrap();
    let scan = scanned(&queue);
    let waiting: BTreeSet<_> =
        scan.waiting().map(|job| (job.key.as_str(), job.catalogue.as_deref().unwrap())).collect();
    let all = [("A B", "neurons"), ("A_B", "neurons"), ("Mi1", "findings"), ("Mi1", "neurons")];
    assert_eq!((waiting, scan.locked), (all.into(), 0));
}
