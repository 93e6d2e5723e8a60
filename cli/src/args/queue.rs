//! Arguments of `quire queue` and `quire serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::{LaneArg, StateArgs};

/// Arguments of `quire queue`.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// What to do with the queue
    #[command(subcommand)]
    pub action: QueueAction,
}

/// Where the queue is.
#[derive(Debug, Clone, Args)]
pub struct QueueFolderArgs {
    /// Folder of queue files
    #[arg(long, env = "QUIRE_QUEUE", default_value = ".queue", value_name = "FOLDER")]
    pub queue: PathBuf,
}

/// What can be done with a queue.
#[derive(Debug, Subcommand)]
pub enum QueueAction {
    /// Put jobs into the queue: records whose pages shall be up to date
    #[command(
        after_help = "Examples:\n  quire queue fill catalogues/neurons --type Mi1 --type 'Acc. ti/flexor MN'\n  quire queue fill catalogues/neurons --type T4a --priority critical    someone waits for it\n  quire queue fill catalogues/neurons --all --queue output/.queue"
    )]
    Fill(FillArgs),
    /// Do jobs now, in this process: one, or so many, or all
    #[command(
        after_help = "Examples:\n  quire queue pop catalogues/neurons                      the next job\n  quire queue pop catalogues/neurons --all --out www\n  quire queue pop catalogues/neurons --count 100 --json | jq .published"
    )]
    Pop(PopArgs),
    /// What waits, what is under way and who does it, what is dead and why
    #[command(
        after_help = "Examples:\n  quire queue list\n  quire queue list --queue output/.queue --json | jq '.dead[].reason'"
    )]
    List {
        /// The queue
        #[command(flatten)]
        folder: QueueFolderArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Have dead letters wait again, as if they had never been tried
    #[command(after_help = "Examples:\n  quire queue retry Mi1\n  quire queue retry --all --dry-run")]
    Retry(DeadJobsArgs),
    /// Remove dead letters for good
    #[command(after_help = "Examples:\n  quire queue drop notes.yaml\n  quire queue drop --all")]
    Drop(DeadJobsArgs),
}

/// Arguments of `quire queue fill`.
#[derive(Debug, Args)]
pub struct FillArgs {
    /// Catalogue folder, or a definition in one; without it: the one in ./catalogues, or the current folder
    #[arg(value_name = "DIR")]
    pub catalogue: Option<PathBuf>,
    /// The queue
    #[command(flatten)]
    pub folder: QueueFolderArgs,
    /// Key of a record; may be given several times
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "all", conflicts_with = "all")]
    pub types: Vec<String>,
    /// All records that the catalogue has
    #[arg(long)]
    pub all: bool,
    /// How urgent the jobs are
    #[arg(long, value_enum, default_value_t = LaneArg::Normal)]
    pub priority: LaneArg,
    /// State folder: what --all takes the keys from
    #[command(flatten)]
    pub state: StateArgs,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How jobs are done.
#[derive(Debug, Clone, Args)]
pub struct WorkArgs {
    /// Where the site goes
    #[arg(long, default_value = "site", value_name = "DIR")]
    pub out: PathBuf,
    /// State folder
    #[command(flatten)]
    pub state: StateArgs,
    /// Threads for CPU-heavy work; default: one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Jobs that go together in one run, at most
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: u16,
    /// A job is a dead letter after so many attempts in vain
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
    /// Claims that another tool left behind are given back when they are so old
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub orphan_after: u64,
}

/// Arguments of `quire queue pop`.
#[derive(Debug, Args)]
pub struct PopArgs {
    /// Catalogue folder, or a definition in one; without it: the one in ./catalogues, or the current folder
    #[arg(value_name = "DIR")]
    pub catalogue: Option<PathBuf>,
    /// The queue
    #[command(flatten)]
    pub folder: QueueFolderArgs,
    /// How
    #[command(flatten)]
    pub work: WorkArgs,
    /// So many jobs [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "all")]
    pub count: Option<u32>,
    /// All jobs, also those that come meanwhile
    #[arg(long)]
    pub all: bool,
    /// Say which jobs would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exit with 3 if anything was rejected or is dead
    #[arg(long)]
    pub strict: bool,
    /// End with one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Which dead letters of a queue.
#[derive(Debug, Args)]
pub struct DeadJobsArgs {
    /// Types, or names of files in the queue's folder `dead`
    #[arg(value_name = "TYPE", required_unless_present = "all", conflicts_with = "all")]
    pub types: Vec<String>,
    /// All dead letters
    #[arg(long)]
    pub all: bool,
    /// The queue
    #[command(flatten)]
    pub folder: QueueFolderArgs,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Catalogue folders, or definitions in one; without any: each in ./catalogues, or the current folder. With a queue: one
    #[arg(value_name = "DIR")]
    pub catalogues: Vec<PathBuf>,
    /// Folder of queue files: do its jobs as they come, instead of building everything first
    #[arg(long, env = "QUIRE_QUEUE", value_name = "FOLDER")]
    pub queue: Option<PathBuf>,
    /// Build again what a change of a file concerns, and have browsers load their page again
    #[arg(long)]
    pub watch: bool,
    /// How
    #[command(flatten)]
    pub work: WorkArgs,
    /// Where the site is served, and with a queue its state; on this machine only
    #[arg(long, env = "QUIRE_LISTEN", default_value = "127.0.0.1:8000", value_name = "ADDR")]
    pub listen: SocketAddr,
}
