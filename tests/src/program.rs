//! Runs the real `quire` program.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use quire_proto::BuildReport;
use tempfile::TempDir;

/// A folder with a state and a site, and the program to run in it.
#[derive(Debug)]
pub struct Quire {
    folder: TempDir,
    variables: Vec<(String, PathBuf)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A build to run.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// Catalogue folders.
    pub catalogues: Vec<PathBuf>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// More environment.
    pub variables: Vec<(String, String)>,
}

impl Default for Quire {
    fn default() -> Self {
        Self::new()
    }
}

impl Quire {
    /// A fresh folder.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// A fresh folder in which `${name}` of a catalogue is `value`.
    #[must_use]
    pub fn with(name: &str, value: impl Into<PathBuf>) -> Self {
        let mut quire = Self::new();
        quire.variables.push((name.to_owned(), value.into()));
        quire
    }

    /// The program, built by the same command as the one that asks.
    #[must_use]
    pub fn program() -> PathBuf {
        let here = std::env::current_exe().unwrap();
        let program =
            here.ancestors().skip(1).map(|folder| folder.join("quire")).find(|program| program.is_file());
        program
            .unwrap_or_else(|| panic!("no quire beside {}: build or test with --workspace", here.display()))
    }

    /// The folder that commands run in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(".quire")
    }

    /// A command that has not been started, with nothing of our environment but what it needs.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(Self::program());
        command.args(arguments).current_dir(self.folder()).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// The command of a build with `--json`.
    #[must_use]
    pub fn build_command(&self, build: &Build) -> Command {
        let mut command = self.command(["build", "--json"]);
        command.args(&build.catalogues).args(&build.arguments);
        command.envs(build.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Builds, expects success, and checks what must always hold: counts add up, the manifest has the digest that was reported.
    pub fn build(&self, build: &Build) -> BuildReport {
        let ended: Ended = self.build_command(build).output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let report = ended.report();
        for run in &report.runs {
            assert!(run.records.adds_up(), "{run:?}");
        }
        let manifest = std::fs::read(self.site().join("manifest.json")).unwrap();
        assert_eq!(quire_proto::Digest::of(&manifest), report.manifest);
        report
    }
}

impl Build {
    /// A build of one catalogue of this repository.
    #[must_use]
    pub fn of(catalogue: &str) -> Self {
        Self { catalogues: vec![crate::repository().join("catalogues").join(catalogue)], ..Self::default() }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Ended {
    /// The report that `build --json` ends with.
    #[must_use]
    pub fn report(&self) -> BuildReport {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.err))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// CPU time of all children of this process that have ended, in steps of the kernel's clock.
///
/// # Panics
/// If this system has no `/proc`.
#[must_use]
pub fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = after_name.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// How a watched process ended, and the most memory it had resident.
#[derive(Debug)]
pub struct Watched {
    /// How it ended.
    pub ended: Ended,
    /// Peak resident set, in bytes.
    pub peak_bytes: u64,
}

/// Runs a command to its end and watches its memory.
///
/// # Panics
/// If it cannot be started, or this system has no `/proc`.
#[must_use]
pub fn watch(mut command: Command) -> Watched {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let waiting = std::thread::spawn(move || child.wait_with_output().unwrap());
    let mut peak_bytes = 0;
    while !waiting.is_finished() {
        peak_bytes = peak_bytes.max(high_water(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(peak_bytes > 0, "no memory was seen");
    Watched { ended: waiting.join().unwrap().into(), peak_bytes }
}

/// `VmHWM`: the kernel keeps the peak, so that looking now and then misses only what comes after the last look.
fn high_water(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? * 1024)
}
