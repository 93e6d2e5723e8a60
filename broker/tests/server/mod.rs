//! A nats-server of a test's own: on a free port, with a store that goes with it, and gone when the test is.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the server and kills it when its own input ends, so that not even a killed test leaves it running.
const KEEPER: &str = r#""$@" & server=$!; echo "$server"; read -r _; kill -9 "$server"; wait "$server""#;

pub(crate) struct Server {
    /// Before its folder, so that it is gone when that is removed.
    running: Option<Running>,
    folder: TempDir,
    port: u16,
}

struct Running {
    keeper: Child,
    leash: Option<ChildStdin>,
}

impl Server {
    /// A server with JetStream; `extra` is added to its configuration.
    pub(crate) fn start(extra: &str) -> Self {
        Self::start_on(free_ports(1)[0], extra)
    }

    /// Servers with JetStream that are a cluster.
    pub(crate) fn start_cluster(count: usize) -> Vec<Self> {
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
    pub(crate) fn configure(&self, extra: &str) {
        let (port, store) = (self.port, self.folder.path().join("store"));
        let config = format!(
            "host: 127.0.0.1\nport: {port}\nmax_payload: 9MB\n\
             jetstream {{ store_dir: {store:?}, max_file_store: 8GB }}\n{extra}\n"
        );
        fs::write(self.folder.path().join("nats.conf"), config).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server; what it has stored stays.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    /// Starts the server on its port and store.
    pub(crate) fn resume(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(program())
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let leash = keeper.stdin.take();
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        self.running = Some(Running { keeper, leash });
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "nats-server {pid} should listen by now: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Ports that were free just now; all of them are taken before the first is given back.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"end\n");
        }
        let _ = self.keeper.wait();
    }
}

/// The pinned nats-server that `cargo xtask test` installs, or `$NATS_SERVER`.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER") {
        return path.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let installed = root.join("target/tools/nats/bin/nats-server");
    assert!(
        installed.is_file(),
        "no nats-server at {}: run `cargo xtask test` once, or set NATS_SERVER",
        installed.display()
    );
    installed
}
