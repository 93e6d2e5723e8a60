//! An S3 server: moto's, over HTTP, with credentials. What it holds goes with it.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Leashed, nats::free_ports, packages::packages};

const PATIENCE: Duration = Duration::from_secs(30);
/// Keeps all servers from each other's buckets in logs.
const BUCKET: &str = "quire-tests";

/// A server on a port of its own.
#[derive(Debug)]
pub struct S3 {
    /// Before its folder, so that it is gone when that is removed.
    running: Option<Leashed>,
    folder: TempDir,
    packages: PathBuf,
    port: u16,
    credentials: [String; 2],
}

impl S3 {
    /// A server with one bucket; `None`, with a line that says why, where it is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut server = Self::stopped()?;
        server.run();
        Some(server)
    }

    /// A server that does not run yet; `None`, with a line that says why, where it is not installed.
    #[must_use]
    pub fn stopped() -> Option<Self> {
        let packages = packages("S3", "QUIRE_S3_SERVER", "s3/moto")?;
        let folder = tempfile::Builder::new().prefix("quire-s3-").tempdir().unwrap();
        let credentials = [String::from("nobody"), String::from("nothing")];
        Some(Self { running: None, folder, packages, port: free_ports(1)[0], credentials })
    }

    /// Starts it, empty but for its bucket.
    pub fn run(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("s3_server.py");
        let arguments = [script.display().to_string(), self.port.to_string(), BUCKET.to_owned()];
        let environment = [("PYTHONPATH".to_owned(), self.packages.display().to_string())];
        let log = self.folder.path().join("log");
        let running = Leashed::start("python3".as_ref(), arguments, &environment, &log);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "the S3 server should listen by now: {}", running.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = |name: &str| {
            running.printed(name, |log| {
                let (_, rest) = log.split_once(&format!("\"{name}\": \""))?;
                Some(rest.split_once('"')?.0.to_owned())
            })
        };
        self.credentials = [said("key"), said("secret")];
        self.running = Some(running);
    }

    /// Kills it, and what it holds with it.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// The address of a store in its bucket.
    #[must_use]
    pub fn store(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The bucket's name.
    #[must_use]
    pub const fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The variables by which programs find it and are let in. Those of a server that does not run let nobody in.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let [key, secret] = self.credentials.clone();
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The requests so far: method, path and status, a line each.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let log = self.running.as_ref().map(Leashed::log).unwrap_or_default();
        let is_request = |line: &&str| {
            ["GET ", "PUT ", "HEAD ", "POST ", "DELETE "].iter().any(|verb| line.starts_with(verb))
        };
        log.lines().filter(is_request).map(str::to_owned).collect()
    }
}
