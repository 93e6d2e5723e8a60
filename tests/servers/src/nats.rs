//! A nats-server with JetStream.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::Leashed;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port, with a store that goes with it.
#[derive(Debug)]
pub struct Nats {
    /// Before its folder, so that it is gone when that is removed.
    running: Option<Leashed>,
    folder: TempDir,
    port: u16,
}

impl Nats {
    /// A server with JetStream; `extra` is added to its configuration.
    #[must_use]
    pub fn start(extra: &str) -> Self {
        Self::start_on(free_ports(1)[0], extra)
    }

    /// Servers with JetStream that are a cluster.
    #[must_use]
    pub fn start_cluster(count: usize) -> Vec<Self> {
        let (ports, routes) = (free_ports(count), free_ports(count));
        let known: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let start = |(port, route): (u16, u16)| {
            let extra = format!(
                "server_name: n{port}\n\
                 cluster {{ name: quire, listen: \"127.0.0.1:{route}\", routes: [{}] }}",
                known.join(", ")
            );
            Self::start_on(port, &extra)
        };
        ports.into_iter().zip(routes).map(start).collect()
    }

    fn start_on(port: u16, extra: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("quire-nats-").tempdir().unwrap();
        let mut server = Self { running: None, folder, port };
        server.configure(extra);
        server.resume();
        server
    }

    /// Replaces what was added to the configuration; for the next start.
    pub fn configure(&self, extra: &str) {
        let (port, store) = (self.port, self.folder.path().join("store"));
        let config = format!(
            "host: 127.0.0.1\nport: {port}\nmax_payload: 9MB\n\
             jetstream {{ store_dir: {store:?}, max_file_store: 16GB }}\n{extra}\n"
        );
        fs::write(self.folder.path().join("nats.conf"), config).unwrap();
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server; what it has stored stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts the server on its port and store.
    pub fn resume(&mut self) {
        let config = self.folder.path().join("nats.conf");
        let arguments = ["-c".as_ref(), config.as_os_str()];
        let running = Leashed::start(&program(), arguments, &[], &self.folder.path().join("log"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "nats-server should listen by now: {}", running.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.running = Some(running);
    }
}

/// Ports that were free just now; all of them are taken before the first is given back.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The pinned nats-server that `cargo xtask test` installs, or `$NATS_SERVER`.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER") {
        return path.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let installed = root.join("target/tools/nats/bin/nats-server");
    assert!(
        installed.is_file(),
        "no nats-server at {}: run `cargo xtask test` once, or set NATS_SERVER",
        installed.display()
    );
    installed
}
