//! Arguments of `quire run`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LaneArg, ServerArgs};

/// Arguments of `quire run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to do
    #[command(subcommand)]
    pub action: RunAction,
}

/// What can be done with runs.
#[derive(Debug, Subcommand)]
pub enum RunAction {
    /// Begin a run of a catalogue; its definition is sent along, its data lies where the fetchers read it
    #[command(after_help = "Example:\n  quire run start catalogues/findings --watch --json | jq .manifest")]
    Start(StartArgs),
    /// The runs under way, and the last ones that ended
    #[command(after_help = "Example:\n  quire run list --catalogue findings")]
    List {
        /// Only of this catalogue
        #[arg(long, value_name = "NAME")]
        catalogue: Option<String>,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One run, with its report if it has ended
    #[command(after_help = "Example:\n  quire run show findings-12 --json")]
    Show {
        /// The run
        run: String,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how a run goes on until it has ended
    #[command(after_help = "Example:\n  quire run watch findings-12")]
    Watch {
        /// The run
        run: String,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print the report as JSON at the end
        #[arg(long)]
        json: bool,
    },
    /// End a run early; what it finished is kept
    #[command(after_help = "Example:\n  quire run cancel findings-12")]
    Cancel {
        /// The run
        run: String,
        /// The coordinator
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `quire run start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Catalogue folders, or definitions in one
    #[arg(value_name = "DIR", required = true)]
    pub catalogues: Vec<PathBuf>,
    /// Look at everything anew, whatever earlier runs found out
    #[arg(long)]
    pub full: bool,
    /// Only the record of this key, and those that share a location with it; may be given several times
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,
    /// How urgent it is [default: critical with --key, else normal]
    #[arg(long, value_enum)]
    pub lane: Option<LaneArg>,
    /// Stay until the run has ended, then begin that of the next folder
    #[arg(long)]
    pub watch: bool,
    /// With --watch: exit with 3 if anything was rejected or dead
    #[arg(long, requires = "watch")]
    pub strict: bool,
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON, one object with all runs: with --watch that of `quire build --json`
    #[arg(long)]
    pub json: bool,
}
