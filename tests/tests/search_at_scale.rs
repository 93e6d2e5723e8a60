//! Every indexer answers searches from a copy of its own, as the local index does, and one may be lost.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quire_api::search::{GetRequest, SuggestRequest, search_service_client::SearchServiceClient};
use serde_json::Value;
use system_tests::{Agent, Build, Cluster, Ended, Quire, copy_tree, repository};
use test_servers::Signal;

const PATIENCE: Duration = Duration::from_secs(30);
/// Queries of every kind: words, a typing error, a beginning, an id's part, a filter.
const QUERIES: [&[&str]; 6] = [
    &["calcification"],
    &["calcificaton wall"],
    &["pebb"],
    &["lighthouse sign", "--limit", "3"],
    &["the", "--limit", "1000"],
    &["--filter", "tags=chest"],
];

/// A folder of models, an embedded build of them, and the agents that run them.
struct World {
    models: tempfile::TempDir,
    local: Quire,
    cluster: Cluster,
}

impl World {
    /// Two indexers that look at the store only so often.
    fn start(follow_seconds: u16) -> Self {
        let models = tempfile::tempdir().unwrap();
        copy_tree(&repository().join("catalogues/findings/data"), models.path());
        let local = Quire::with("FINDINGS_ROOT", models.path());
        let variables = [
            ("FINDINGS_ROOT", models.path().to_str().unwrap().to_owned()),
            ("QUIRE_FOLLOW_SECONDS", follow_seconds.to_string()),
        ];
        let mut cluster =
            Cluster::start(1, &variables.each_ref().map(|(name, value)| (*name, value.as_str())));
        cluster.add("indexer");
        cluster.wait_until_ready();
        Self { models, local, cluster }
    }

    /// Runs the catalogue here and there; the epoch.
    fn run(&self) -> u64 {
        let here = self.local.build(&Build::of("findings"));
        let there = self.cluster.run("findings");
        assert_eq!(here.manifest, there.manifest);
        assert_eq!(here.runs[0].epoch, there.runs[0].epoch);
        there.runs[0].epoch.0
    }

    fn indexers(&self) -> Vec<String> {
        self.cluster.agents("indexer").map(|agent| agent.address.to_string()).collect()
    }

    fn search(&self, server: &str, query: &[&str]) -> Ended {
        let mut arguments = vec!["search", "--json", "--server", server];
        arguments.extend(query);
        self.cluster.quire(&arguments)
    }

    /// Waits until an indexer is at an epoch, and checks that it answers as the local index does.
    fn agrees(&self, server: &str, epoch: u64) {
        eventually(&format!("{server} is at epoch {epoch}\n{}", self.cluster.logs()), || {
            self.search(server, &["the"]).out.contains(&format!("\"epoch\":{epoch},"))
        });
        for query in QUERIES {
            let mut arguments = vec!["search", "--json"];
            arguments.extend(query);
            let here = self.local.run(&arguments);
            let there = self.search(server, query);
            assert_eq!((here.code, there.code), (Some(0), Some(0)), "{} {}", here.err, there.err);
            assert_eq!(there.out, here.out, "{query:?}");
        }
    }

    fn change(&self, to: &str) {
        let model = self.models.path().join("pebble_nodules.fm.json");
        let text = fs::read_to_string(&model).unwrap();
        fs::write(&model, text.replacen("\"description\": \"", &format!("\"description\": \"{to} "), 1))
            .unwrap();
    }
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Status and body of an answer over HTTP.
fn http(agent: &Agent, path: &str) -> (u16, Value) {
    let answer = agent.get(path).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// An indexer with a state folder of the test's own.
fn indexer(cluster: &Cluster, state: &Path) -> Agent {
    let text = |path: PathBuf| path.display().to_string();
    let env = [
        ("QUIRE_NATS_URL", cluster.nats_url()),
        ("QUIRE_STORE", format!("file://{}", text(cluster.store()))),
        ("QUIRE_STATE", text(state.join("state"))),
        ("QUIRE_LISTEN", "127.0.0.1:0".to_owned()),
        ("QUIRE_FOLLOW_SECONDS", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    Agent::start("indexer", &state.join("state"), env.into(), None)
}

fn ended(agent: Agent) {
    agent.process.tell(Signal::Kill);
    agent.process.ended();
}

#[test]
fn every_indexer_answers_as_the_local_index_does_and_one_may_be_lost() {
    // Nobody looks at the store after the start: they are told.
    let mut world = World::start(3_600);
    let epoch = world.run();
    let indexers = world.indexers();
    assert_eq!(indexers.len(), 2);
    for server in &indexers {
        world.agrees(server, epoch);
    }

    let lost = indexers[0].clone();
    world.cluster.take(|agent| agent.address.to_string() == lost).into_iter().for_each(ended);
    let alone = world.search(&lost, &["calcification"]);
    assert_eq!(alone.code, Some(4), "{}", alone.err);
    let either = world.search(&indexers.join(","), &["calcification"]);
    assert_eq!(either.code, Some(0), "{}", either.err);
    assert_eq!(either.out, world.local.run(["search", "calcification", "--json"]).out);
    assert!(either.err.contains(&lost), "{}", either.err);

    world.change("Rounded.");
    let epoch = world.run();
    world.agrees(&indexers[1], epoch);
    // One with nothing catches up from the store.
    world.cluster.add("indexer");
    world.agrees(&world.indexers()[1], epoch);
}

#[test]
fn questions_are_answered_over_http_and_grpc_and_wrong_ones_say_what_is_wrong() {
    let world = World::start(3_600);
    let agent = world.cluster.agents("indexer").next().unwrap();
    let server = agent.address.to_string();
    let early = world.search(&server, &["calcification"]);
    assert_ne!(early.code, Some(0), "{}", early.out);
    let epoch = world.run();
    world.agrees(&server, epoch);

    let (status, told) = http(agent, "/api/v1/search?q=calcification&catalogue=findings&limit=2&facets=true");
    let local = world.local.run(["search", "calcification", "--limit", "2", "--json"]);
    assert_eq!((status, &told["answers"]), (200, &serde_json::from_str(&local.out).unwrap()));
    assert_eq!(http(agent, "/api/v1/search?filter=tags%3Dchest").0, 200);
    for (path, status, said) in [
        ("?q=", 400, "blank"),
        ("?q=a&limit=0", 400, "1 to 1000"),
        ("?q=a&limit=1001", 400, "1 to 1000"),
        ("?q=a&size=3", 400, "there are q, catalogue"),
        ("?q=a&filter=size%3D1", 400, "there are: "),
        ("?q=a&catalogue=trees", 404, "there are findings"),
        (&format!("?q={}", "x".repeat(2_001)), 400, "2001 bytes"),
    ] {
        let (found, told) = http(agent, &format!("/api/v1/search{path}"));
        assert_eq!(found, status, "{path}: {told}");
        assert!(told["error"].as_str().unwrap().contains(said), "{path}: {told}");
    }

    let coordinator = world.cluster.agents("coordinator").next().unwrap().address.to_string();
    for (server, query, said) in [
        (server.as_str(), &["a", "--catalogue", "trees"][..], "there are findings"),
        (&server, &["a", "--filter", "size=1"], "no filter"),
        (&server, &["  "], "blank"),
        (&coordinator, &["a"], "is not an indexer"),
    ] {
        let ended = world.search(server, query);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    let past_another = world.search(&format!("{coordinator},{server}"), &["a"]);
    assert_eq!(past_another.code, Some(0), "{}", past_another.err);
    assert!(past_another.err.contains("is not an indexer"), "{}", past_another.err);

    let hit = &told["answers"]["findings"]["hits"][0];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = SearchServiceClient::connect(format!("http://{server}")).await.unwrap();
        let (catalogue, key) = ("findings".to_owned(), hit["key"].as_str().unwrap().to_owned());
        let get = GetRequest { catalogue: catalogue.clone(), key };
        let shown = client.get(get.clone()).await.unwrap().into_inner();
        assert_eq!((shown.title.as_str(), shown.epoch), (hit["title"].as_str().unwrap(), epoch));
        let gone = client.get(GetRequest { key: "nothing".into(), ..get }).await.unwrap_err();
        assert_eq!(gone.code(), tonic::Code::NotFound);
        let typed = SuggestRequest { query: "pebb".into(), catalogue, limit: 3 };
        let suggested = client.suggest(typed.clone()).await.unwrap().into_inner().suggestions;
        assert_eq!(suggested[0].title, "pebble nodules");
        let nowhere = client.suggest(SuggestRequest { catalogue: String::new(), ..typed }).await.unwrap_err();
        assert_eq!(nowhere.code(), tonic::Code::InvalidArgument);
    });
}

#[test]
fn a_state_that_is_damaged_or_wiped_is_made_anew_and_one_that_is_whole_serves_while_the_store_is_away() {
    let world = World::start(3_600);
    let epoch = world.run();
    let state = tempfile::tempdir().unwrap();
    let first = indexer(&world.cluster, state.path());
    world.agrees(&first.address.to_string(), epoch);
    ended(first);

    let index = state.path().join("state/index/findings");
    let mut files: Vec<(u64, PathBuf)> = fs::read_dir(&index)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.metadata().unwrap().len(), entry.path()))
        .filter(|(_, path)| path.extension().is_some_and(|ending| ending != "json" && ending != "lock"))
        .collect();
    files.sort();
    let (_, largest) = files.pop().unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&largest, bytes).unwrap();
    let second = indexer(&world.cluster, state.path());
    world.agrees(&second.address.to_string(), epoch);
    assert!(second.process.log().contains("\"rebuilt\":true"), "{}", second.process.log());
    ended(second);

    fs::remove_dir_all(state.path().join("state")).unwrap();
    let third = indexer(&world.cluster, state.path());
    world.agrees(&third.address.to_string(), epoch);
    ended(third);

    let (manifests, away) = (world.cluster.store().join("manifests"), world.cluster.store().join("away"));
    fs::rename(&manifests, &away).unwrap();
    let fourth = indexer(&world.cluster, state.path());
    fourth.process.printed("that the store is away", |log| log.contains("cannot be listed").then_some(()));
    world.agrees(&fourth.address.to_string(), epoch);
    eventually("it is ready all the same", || fourth.unready().is_none());
    let metrics = fourth.get("/metrics").unwrap();
    assert!(metrics.contains("quire_index_documents{catalogue=\"findings\""), "{metrics}");
    fs::rename(&away, &manifests).unwrap();
    fourth.process.printed("that it is back", |log| log.contains("can be listed again").then_some(()));
    world.change("Rounded.");
    let changed = world.run();
    world.agrees(&fourth.address.to_string(), changed);

    // A store that was restored from an older copy is believed after a while.
    fs::remove_file(manifests.join("findings").join(changed.to_string())).unwrap();
    eventually("it goes back", || {
        let found = world.search(&fourth.address.to_string(), &["the"]).out;
        found.contains(&format!("\"epoch\":{epoch},"))
    });
}

#[test]
fn damaged_packs_stop_neither_other_indexers_nor_the_stage_and_a_full_run_mends_them() {
    let mut world = World::start(1);
    let epoch = world.run();
    let whole = world.indexers();
    whole.iter().for_each(|server| world.agrees(server, epoch));
    damage(&world.cluster.store().join("blobs"));
    world.cluster.add("indexer");
    let late = world.indexers().pop().unwrap();
    world.cluster.wait_until_ready();
    eventually("the late one says why it cannot answer", || {
        let ended = world.search(&late, &["calcification"]);
        ended.code == Some(1) && ended.err.contains("cannot be searched")
    });
    let either = world.search(&format!("{late},{}", whole[0]), &["calcification"]);
    assert_eq!(either.code, Some(0), "{}", either.err);
    // The one that leads still has in its memory what is damaged on the disk.
    world.cluster.take(|agent| agent.kind == "coordinator").into_iter().for_each(ended);
    world.cluster.add("coordinator");
    eventually("the new one leads", || world.cluster.quire(&["run", "list"]).code == Some(0));
    let folder = repository().join("catalogues/findings");
    let run = world.cluster.quire(&["run", "start", folder.to_str().unwrap(), "--full", "--watch", "--json"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.err, world.cluster.logs());
    eventually(&format!("the late one has caught up\n{}", world.cluster.logs()), || {
        world.search(&late, &["calcification"]).code == Some(0)
    });
    let found = |server: &str| {
        let ended = world.search(server, &["calcification"]);
        serde_json::from_str::<Value>(&ended.out).unwrap()["findings"]["hits"].clone()
    };
    assert_eq!(found(&late), found(&whole[0]));
}

/// Changes a byte of every blob.
fn damage(blobs: &Path) {
    for shard in fs::read_dir(blobs).unwrap() {
        for blob in fs::read_dir(shard.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            fs::write(&path, bytes).unwrap();
        }
    }
}
