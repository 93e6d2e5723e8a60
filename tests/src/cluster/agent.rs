//! One process of a cluster.

use std::{
    ffi::OsStr,
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
    /// Its namespace, if it is not in ours.
    net: Option<Net>,
}

/// A network namespace with a link to this machine.
#[derive(Debug, Clone)]
pub struct Net {
    /// Its name.
    pub namespace: String,
    /// Our address as it is seen from there.
    pub here: String,
    /// Its address as it is seen from here.
    pub there: String,
}

impl Agent {
    /// Starts a program whose folder is `own`.
    #[must_use]
    pub fn start(kind: &'static str, own: &Path, env: Vec<(String, String)>, net: Option<Net>) -> Self {
        let process = launch(kind, own, &env, net.as_ref());
        let name = own.file_name().unwrap().to_str().unwrap().to_owned();
        let address = address(&process, &env);
        Self { kind, name, process, address, env, net }
    }

    /// Starts it again with the same folder, another process, and `once` in its environment. What runs is killed first.
    pub(super) fn start_again(&mut self, own: &Path, once: &[(String, String)]) {
        // Before the next one wants its folder.
        self.process.kill();
        let env = [self.env.as_slice(), once].concat();
        self.process = launch(self.kind, own, &env, self.net.as_ref());
        self.address = address(&self.process, &env);
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

fn launch(kind: &str, own: &Path, env: &[(String, String)], net: Option<&Net>) -> Leashed {
    let program = Quire::program().with_file_name(format!("quire-{kind}"));
    let log = own.with_extension("log");
    let none: [&OsStr; 0] = [];
    match net {
        None => Leashed::start(&program, none, env, &log),
        Some(net) => {
            let arguments = ["netns".as_ref(), "exec".as_ref(), net.namespace.as_ref(), program.as_os_str()];
            Leashed::start(Path::new("ip"), arguments, env, &log)
        }
    }
}

/// Where we reach a process once it listens.
fn address(process: &Leashed, env: &[(String, String)]) -> SocketAddr {
    let own = process.printed("the address", |log| {
        let (_, rest) = log.split_once("\"address\":\"")?;
        rest.split_once('"')?.0.parse().ok()
    });
    let health = env.iter().find(|(name, _)| name == "QUIRE_HEALTH_LISTEN");
    health.and_then(|(_, address)| address.parse().ok()).unwrap_or(own)
}
