//! How large a catalogue an indexer serves: `search_scale [RECORDS…]`, by default as many as there are real models.
//!
//! For each number: the models multiplied and built, then a real `quire-indexer` that has nothing yet and follows; asked
//! by gRPC from this process, which shares its cores.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a measuring program"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use quire_api::search::{SearchRequest, search_service_client::SearchServiceClient};
use serde_json::Value;
use system_tests::{Build, Quire, RealFindings, Synonyms, multiply};
use test_servers::{Leashed, Nats, Signal};

/// Connections that ask at the same time, each one question after the other.
const CLIENTS: usize = 4;
/// How long they ask.
const ASKING: Duration = Duration::from_secs(10);

fn main() {
    let Some(real) = RealFindings::find() else { return };
    let text = fs::read_to_string(real.file("queries.jsonl")).unwrap();
    let question =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["q"].as_str().unwrap().to_owned();
    let questions: Arc<[String]> = text.lines().map(question).collect();
    let mut counts: Vec<usize> = std::env::args().skip(1).map(|count| count.parse().unwrap()).collect();
    if counts.is_empty() {
        counts.push(fs::read_dir(real.models()).unwrap().count());
    }
    for count in counts {
        measure(&real.models(), count, &questions);
    }
}

fn measure(models: &Path, count: usize, questions: &Arc<[String]>) {
    let input = tempfile::tempdir().unwrap();
    multiply(models, input.path(), count, Synonyms::Own);
    let quire = Quire::with("FINDINGS_ROOT", input.path());
    quire.build(&Build::of("findings"));
    let nats = Nats::start("");
    let state = tempfile::tempdir().unwrap();

    let indexer = Indexer::start(&nats, &quire, state.path());
    let (written, took) = indexer.followed(1);
    println!(
        "{count} records: caught up from nothing in {:.2} s ({written} documents), index {:.1} MB on disk, memory {:.0} MB at most",
        took.as_secs_f64(),
        bytes(&state.path().join("index")) as f64 / 1e6,
        indexer.memory("VmHWM"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for facets in [false, true] {
        let (rate, p50, p99) = runtime.block_on(rate(&indexer.address, questions, facets));
        println!(
            "{count} records, {CLIENTS} connections, facets {facets}: {rate:.0} queries/s, p50 {p50:.2} ms, p99 {p99:.2} ms; memory {:.0} MB",
            indexer.memory("VmRSS"),
        );
    }
    change(input.path());
    quire.build(&Build::of("findings"));
    let (written, took) = indexer.followed(2);
    println!(
        "{count} records: {written} changed followed in {:.0} ms, memory {:.0} MB at most",
        took.as_secs_f64() * 1e3,
        indexer.memory("VmHWM")
    );
    indexer.end();
    let started = Instant::now();
    let indexer = Indexer::start(&nats, &quire, state.path());
    runtime.block_on(answers(&indexer.address));
    println!("{count} records: a restarted indexer answers after {:.2} s", started.elapsed().as_secs_f64());
    indexer.end();
}

struct Indexer {
    process: Leashed,
    address: String,
}

impl Indexer {
    fn start(nats: &Nats, quire: &Quire, state: &Path) -> Self {
        let text = |path: PathBuf| path.display().to_string();
        let env = [
            ("QUIRE_NATS_URL", nats.url()),
            ("QUIRE_STORE", format!("file://{}", text(quire.state().join("store")))),
            ("QUIRE_STATE", text(state.to_path_buf())),
            ("QUIRE_LISTEN", "127.0.0.1:0".to_owned()),
            ("QUIRE_FOLLOW_SECONDS", "1".to_owned()),
            ("QUIRE_DEV", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let none: [&str; 0] = [];
        let log = state.join("log");
        let _ = fs::remove_file(&log);
        let process = Leashed::start(&Quire::program().with_file_name("quire-indexer"), none, &env, &log);
        let address = process.printed("the address", |log| {
            let (_, rest) = log.split_once("\"address\":\"")?;
            Some(format!("http://{}", rest.split_once('"')?.0))
        });
        Self { process, address }
    }

    /// Waits until it has followed so often: documents written, and how long that took.
    fn followed(&self, times: usize) -> (u64, Duration) {
        loop {
            let log = self.process.log();
            let mut lines = log.lines().filter(|line| line.contains("index followed"));
            if let Some(line) = lines.nth(times - 1) {
                let told: Value = serde_json::from_str(line).unwrap();
                let number = |name: &str| find(&told, name).unwrap();
                return (number("written"), Duration::from_millis(number("ms")));
            }
            assert!(!log.contains("does not follow"), "{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A number of its memory, in MB.
    fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let kilobytes: f64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1_024.0 / 1e6
    }

    fn end(self) {
        self.process.tell(Signal::Term);
        self.process.ended();
    }
}

/// A number of a log line, however deep it lies.
fn find(told: &Value, name: &str) -> Option<u64> {
    let value = told.get(name).or_else(|| told.get("fields")?.get(name))?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Asks all questions again and again: questions a second, median and 99th percentile in milliseconds.
async fn rate(address: &str, questions: &Arc<[String]>, facets: bool) -> (f64, f64, f64) {
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (address, questions) = (address.to_owned(), Arc::clone(questions));
        clients.spawn(async move {
            let mut service = SearchServiceClient::connect(address).await.unwrap();
            let mut times = Vec::new();
            let mut at = client * questions.len() / CLIENTS;
            while began.elapsed() < ASKING {
                let query = questions[at % questions.len()].clone();
                let request = SearchRequest { query, facets, limit: 10, ..SearchRequest::default() };
                let asked = Instant::now();
                service.search(request).await.unwrap();
                times.push(asked.elapsed());
                at += 1;
            }
            times
        });
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    (rate, at(0.5), at(0.99))
}

/// Asks until there is an answer.
async fn answers(address: &str) {
    let mut service = SearchServiceClient::connect(address.to_owned()).await.unwrap();
    let request = SearchRequest { query: "nodule".into(), ..SearchRequest::default() };
    while service.search(request.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn change(input: &Path) {
    let mut models: Vec<PathBuf> = fs::read_dir(input).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    let text = fs::read_to_string(&models[1_000]).unwrap();
    fs::write(&models[1_000], text.replacen("\"description\": \"", "\"description\": \"Changed. ", 1))
        .unwrap();
}

fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(
            |entry| {
                if entry.path().is_dir() { bytes(&entry.path()) } else { entry.metadata().unwrap().len() }
            },
        )
        .sum()
}
