//! A program on a leash.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a program may take to do what it always does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the program and kills it when its own input ends, so that not even a killed test leaves it running. Says the
/// program's number, and how it ended.
const KEEPER: &str = r#""$@" 3>&- & it=$!; echo "$it" >&3
( read -r _; kill -9 "$it" 2>/dev/null ) <&4 & wait "$it"; echo "$?" >&3"#;

/// A running program, killed when this is dropped.
#[derive(Debug)]
pub struct Leashed {
    keeper: Child,
    leash: Option<ChildStdin>,
    said: BufReader<std::process::ChildStdout>,
    pid: u32,
    log: PathBuf,
    /// Where in the log this process begins: one that was started again goes on in the log of the one before.
    begins: u64,
}

/// What a program is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End cleanly.
    Term,
    /// End at once.
    Kill,
    /// Stand still.
    Stop,
    /// Go on.
    Cont,
}

impl Leashed {
    /// Starts `program`; what it prints goes to `log`. The environment is `env` and the path alone.
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        env: &[(String, String)],
        log: &Path,
    ) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let begins = file.metadata().unwrap().len();
        let mut command = Command::new("sh");
        // The shell's own input and output are the leash; the program gets neither.
        command.args(["-c", &format!("exec 3>&1 4<&0 0</dev/null 1>&2; {KEEPER}"), "sh"]);
        command.arg(program).args(arguments).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(env.iter().map(|(name, value)| (name, value)));
        // Ctrl-C at a terminal is for whoever holds the leash, who then ends the program cleanly.
        command.process_group(0);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let leash = keeper.stdin.take();
        let mut said = BufReader::new(keeper.stdout.take().unwrap());
        let mut pid = String::new();
        said.read_line(&mut pid).unwrap();
        Self { keeper, leash, said, pid: pid.trim().parse().unwrap(), log: log.to_path_buf(), begins }
    }

    /// The program's process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells the program something.
    pub fn tell(&self, signal: Signal) {
        let name = match signal {
            Signal::Term => "-TERM",
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Cont => "-CONT",
        };
        // One that has ended hears nothing.
        let _ = Command::new("kill").args([name, &self.pid.to_string()]).stderr(Stdio::null()).status();
    }

    /// Whether the program has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.keeper.try_wait(), Ok(None))
    }

    /// Waits until the program has ended by itself: its exit code (128 and more for a signal).
    pub fn ended(mut self) -> i32 {
        let mut code = String::new();
        self.said.read_line(&mut code).unwrap();
        code.trim().parse().unwrap_or(-1)
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"end\n");
        }
        let _ = self.keeper.wait();
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.begins))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(text)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// Waits until what it has printed gives something.
    pub fn printed<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let log = self.log();
            if let Some(found) = find(&log) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what} is not there by now: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.kill();
    }
}
