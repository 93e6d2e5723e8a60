//! One process of a cluster.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use test_servers::Leashed;

use crate::Quire;

/// One process.
#[derive(Debug)]
pub struct Agent {
    /// Name of the program without `quire-`.
    pub kind: &'static str,
    /// Its own name: that of its folder and of its log.
    pub name: String,
    /// The process.
    pub process: Leashed,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its environment, but for what one start alone has.
    env: Vec<(String, String)>,
}

impl Agent {
    /// Starts a program whose folder is `own`; `once` is in the environment of this start alone.
    #[must_use]
    pub fn start(
        kind: &'static str,
        own: &Path,
        env: Vec<(String, String)>,
        once: &[(String, String)],
    ) -> Self {
        let process = launch(kind, own, &[env.as_slice(), once].concat());
        let name = own.file_name().unwrap().to_str().unwrap().to_owned();
        let address = address(&process);
        Self { kind, name, process, address, env }
    }

    /// Starts it again with the same folder, another process, and `once` in its environment. What runs is killed first.
    pub(super) fn start_again(&mut self, own: &Path, once: &[(String, String)]) {
        // Before the next one wants its folder.
        self.process.kill();
        self.process = launch(self.kind, own, &[self.env.as_slice(), once].concat());
        self.address = address(&self.process);
    }

    /// Why it does not take work; `None` if it does.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        match self.get("/readyz") {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => None,
            Ok(answer) => Some(answer.lines().last().unwrap_or_default().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The answer to a GET, head and all.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn launch(kind: &str, own: &Path, env: &[(String, String)]) -> Leashed {
    let program = Quire::program().with_file_name(format!("quire-{kind}"));
    let none: [&str; 0] = [];
    Leashed::start(&program, none, env, &own.with_extension("log"))
}

fn address(process: &Leashed) -> SocketAddr {
    process.printed("the address", |log| {
        let (_, rest) = log.split_once("\"address\":\"")?;
        rest.split_once('"')?.0.parse().ok()
    })
}
