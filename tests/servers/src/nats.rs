//! nats-servers with JetStream.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Leashed, Signal, Wire};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port.
#[derive(Debug)]
pub struct Nats {
    /// Before its folder, so that it is gone when that is removed.
    running: Option<Leashed>,
    folder: PathBuf,
    store: PathBuf,
    host: String,
    _temporary: Option<TempDir>,
    port: u16,
    synced: bool,
    program: PathBuf,
}

/// How servers are started.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    /// Where each server has a folder of its own; `None` for folders that go with them.
    pub folder: Option<PathBuf>,
    /// Whether they sync before they answer, as brokers in production do.
    pub synced: bool,
    /// Where they listen; loopback if it is empty.
    pub host: String,
    /// Where the only one stores streams; `None` for a place in its folder.
    pub store: Option<PathBuf>,
    /// Added to their configuration.
    pub extra: String,
}

impl Nats {
    /// A server with JetStream and a store that goes with it; `extra` is added to its configuration.
    #[must_use]
    pub fn start(extra: &str) -> Self {
        Self::start_on(free_ports(1)[0], extra, &NatsOptions::default())
    }

    /// Servers with JetStream that are a cluster.
    #[must_use]
    pub fn start_cluster(count: usize) -> Vec<Self> {
        Self::start_many(count, &NatsOptions::default())
    }

    /// So many servers with JetStream; several are a cluster.
    #[must_use]
    pub fn start_many(count: usize, options: &NatsOptions) -> Vec<Self> {
        let (ports, routes) = (free_ports(count), free_ports(count));
        let known: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let start = |(port, route): (u16, u16)| {
            let mut extra = options.extra.clone();
            if count > 1 {
                extra += &format!(
                    "\nserver_name: n{port}\n\
                     cluster {{ name: quire, listen: \"127.0.0.1:{route}\", routes: [{}] }}",
                    known.join(", ")
                );
            }
            Self::start_on(port, &extra, options)
        };
        ports.into_iter().zip(routes).map(start).collect()
    }

    fn start_on(port: u16, extra: &str, options: &NatsOptions) -> Self {
        let temporary = options
            .folder
            .is_none()
            .then(|| tempfile::Builder::new().prefix("quire-nats-").tempdir().unwrap());
        let folder = match (&options.folder, &temporary) {
            (Some(folder), _) => folder.join(format!("nats-{port}")),
            (None, Some(temporary)) => temporary.path().to_path_buf(),
            (None, None) => unreachable!("one of them is there"),
        };
        fs::create_dir_all(&folder).unwrap();
        let mut server = Self {
            running: None,
            store: options.store.clone().unwrap_or_else(|| folder.join("store")),
            folder,
            host: if options.host.is_empty() { "127.0.0.1".to_owned() } else { options.host.clone() },
            _temporary: temporary,
            port,
            synced: options.synced,
            program: program(),
        };
        server.configure(extra);
        server.resume();
        server
    }

    /// Replaces what was added to the configuration; for the next start.
    pub fn configure(&self, extra: &str) {
        let Self { port, store, host, .. } = self;
        let sync = if self.synced { ", sync_interval: always" } else { "" };
        let config = format!(
            "host: {host}\nport: {port}\nmax_payload: 9MB\n\
             jetstream {{ store_dir: {store:?}, max_file_store: 16GB{sync} }}\n{extra}\n"
        );
        fs::write(self.folder.join("nats.conf"), config).unwrap();
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

    /// Where it stores streams.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Leashed::log).unwrap_or_default()
    }

    /// Tells the server something, if it runs.
    pub fn tell(&self, signal: Signal) {
        if let Some(running) = &self.running {
            running.tell(signal);
        }
    }

    /// Kills the server; what it has stored stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Ends the server cleanly; what it has stored stays where its folder does.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.tell(Signal::Term);
            running.ended();
        }
    }

    /// Starts the server on its port and store.
    pub fn resume(&mut self) {
        let config = self.folder.join("nats.conf");
        let arguments = ["-c".as_ref(), config.as_os_str()];
        let running = Leashed::start(&self.program, arguments, &[], &self.folder.join("log"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "nats-server should listen by now: {}", running.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.running = Some(running);
    }

    /// A bare connection.
    ///
    /// # Errors
    /// If the server does not take it.
    pub fn wire(&self) -> std::io::Result<Wire> {
        Wire::connect(self.port)
    }
}

/// Ports that were free just now; all of them are taken before the first is given back.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
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
