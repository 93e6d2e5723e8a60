//! A `quire serve` on a leash.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A process that serves a site, on a free port. It is killed when this is dropped.
pub struct Served {
    child: Child,
    said: Said,
}

/// What it said so far.
enum Said {
    Heard(Arc<Mutex<Vec<String>>>),
    File(PathBuf),
}

impl Served {
    /// Starts `quire serve …` and waits until it says where.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (told, reader) = (Arc::clone(&lines), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                told.lock().unwrap().push(line);
            }
        });
        Self { child, said: Said::Heard(lines) }.ready()
    }

    /// The same, but what it says goes to a file.
    #[must_use]
    pub fn start_into(mut command: Command, file: &Path) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::null());
        let child = command.stderr(File::create(file).unwrap()).spawn().unwrap();
        Self { child, said: Said::File(file.to_path_buf()) }.ready()
    }

    fn ready(mut self) -> Self {
        wait_until("it serves", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {:?}", self.lines());
            self.line("serving ").is_some()
        });
        self
    }

    /// All that it said so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match &self.said {
            Said::Heard(lines) => lines.lock().unwrap().clone(),
            Said::File(file) => fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect(),
        }
    }

    /// The number of the first line with this in it.
    #[must_use]
    pub fn line(&self, part: &str) -> Option<usize> {
        self.lines().iter().position(|line| line.contains(part))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let lines = self.lines();
        let line = lines.iter().find(|line| line.contains("http://")).unwrap();
        line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
    }

    /// Asks for a path as it stands; what is answered can be read.
    #[must_use]
    pub fn ask(&self, path: &str) -> TcpStream {
        self.send("GET", path)
    }

    /// What is said of a path without being sent.
    #[must_use]
    pub fn head(&self, path: &str) -> String {
        let mut answer = String::new();
        self.send("HEAD", path).read_to_string(&mut answer).unwrap();
        answer
    }

    fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        stream
    }

    /// The whole answer, head and body.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.ask(path).read_to_string(&mut answer).unwrap();
        answer
    }

    /// Has it end by SIGTERM: its exit code, and all that it said.
    #[must_use]
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.lines())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Only if a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
///
/// # Panics
/// If it is not within two minutes.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
