//! Arguments of `quire dead`.

use clap::{Args, Subcommand};

use super::{LaneArg, ServerArgs};

/// Arguments of `quire dead`.
#[derive(Debug, Args)]
pub struct DeadArgs {
    /// What to do
    #[command(subcommand)]
    pub action: DeadAction,
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct DeadFilterArgs {
    /// These numbers
    #[arg(value_name = "NUMBER")]
    pub numbers: Vec<u64>,
    /// Of this catalogue
    #[arg(long, value_name = "NAME")]
    pub catalogue: Option<String>,
    /// Of this stage
    #[arg(long, value_name = "STAGE", value_parser = ["fetch", "validate", "index", "render"])]
    pub stage: Option<String>,
    /// With this in their error
    #[arg(long, value_name = "TEXT")]
    pub error: Option<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadAction {
    /// Those there are, grouped by error
    #[command(after_help = "Example:\n  quire dead list --stage render")]
    List {
        /// Which
        #[command(flatten)]
        filter: DeadFilterArgs,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON, letter by letter
        #[arg(long)]
        json: bool,
    },
    /// One of them: records, error, attempts, trace, payload
    #[command(after_help = "Example:\n  quire dead show 17 --json")]
    Show {
        /// Its number
        number: u64,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Begin a run of what they are about, for each catalogue: it tries that again, and publishes it
    #[command(
        after_help = "Examples:\n  quire dead replay 17\n  quire dead replay --catalogue findings --lane low --rate 20"
    )]
    Replay(ReplayDeadArgs),
    /// Forget them
    #[command(after_help = "Example:\n  quire dead drop --error 'no such template' --dry-run")]
    Drop(ChangeDeadArgs),
}

/// Dead letters that shall go.
#[derive(Debug, Args)]
pub struct ChangeDeadArgs {
    /// Which
    #[command(flatten)]
    pub filter: DeadFilterArgs,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire dead replay`.
#[derive(Debug, Args)]
pub struct ReplayDeadArgs {
    /// Which, and how
    #[command(flatten)]
    pub change: ChangeDeadArgs,
    /// In this lane instead of the most urgent that one of them had, which is high at most
    #[arg(long, value_enum)]
    pub lane: Option<LaneArg>,
    /// At most so many letters a second, the next ones once the runs of the last have ended; all at once without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rate: Option<u16>,
}
