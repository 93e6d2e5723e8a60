//! The command line: names, flags, help. What the commands do is in `commands`.

mod agents;
mod cache;
mod dead;
mod figure;
mod queue;
mod run;
mod tls;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quire_runtime::process::BrokerArgs;

pub use agents::{AgentArgs, AgentsAction, AgentsArgs, LaneAgentArgs, LanesArgs, TopArgs};
pub use cache::{CacheAction, CacheArgs};
pub use dead::{ChangeDeadArgs, DeadAction, DeadArgs, DeadFilterArgs, ReplayDeadArgs};
pub use figure::{
    CoordinatesArg, EyemapArgs, FigureArgs, FigureKind, PaletteArg, ScaleArg, SideArg, TooltipsArg, TopArg,
};
pub use queue::{
    DeadJobsArgs, FillArgs, PopArgs, QueueAction, QueueArgs, QueueFolderArgs, ServeArgs, WorkArgs,
};
pub use run::{RunAction, RunArgs, StartArgs};
pub use tls::{OtherServerArgs, TlsArgs};

/// What the columns of a table of lanes hold that do not say so themselves.
macro_rules! lane_columns {
    () => {
        concat!(
            "  waiting   parcels that nobody has taken yet\n",
            "  oldest    how long the first of them waits\n",
            "  out       parcels that agents have taken and not yet settled\n",
            "  put off   parcels that are tried again when a pause is over\n",
            "  a second  parcels done a second, over the last heartbeats of the agents\n",
            "  count     parcels that agents have done since they started\n",
            "  > 1 s     handlers that took longer; also > 5 s\n",
            "  agents    agents of the stage, and whether they are paused"
        )
    };
}

/// Turns scientific sources into validated, searchable, rendered catalogue web sites.
#[derive(Debug, Parser)]
#[command(name = "quire", version, arg_required_else_help = true)]
#[command(
    after_help = "First steps:\n  quire new birds && quire build birds    a catalogue of your own\n  quire build                             every catalogue in ./catalogues\n  quire search heron                      ask the index"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build catalogues into a site, in this process
    #[command(
        after_help = "Examples:\n  quire build                                  every catalogue in ./catalogues into ./site\n  quire build catalogues/findings --out www    one catalogue\n  FINDINGS_ROOT=/data/models quire build --json | jq .manifest"
    )]
    Build(BuildArgs),
    /// Check a catalogue: its definition, then its records, without building
    #[command(
        after_help = "Examples:\n  quire check catalogues/findings\n  quire check --schema > catalogue.schema.json    the JSON Schema of catalogue.yaml, for editors"
    )]
    Check(CheckArgs),
    /// Make a folder with a small catalogue to start from
    #[command(after_help = "Example:\n  quire new birds && quire build birds")]
    New(NewArgs),
    /// Query the index of a built catalogue
    #[command(
        after_help = "Examples:\n  quire search 'pulmonary embolism'\n  quire search embolism --catalogue findings --filter tags=CT --limit 5 --json\n  quire search embolism --server 127.0.0.1:7403,127.0.0.1:7413"
    )]
    Search(SearchArgs),
    /// Draw one figure from a file
    #[command(
        after_help = "Examples:\n  quire figure eyemap T4a.csv --out T4a.svg\n  quire figure eyemap --help    what the table holds, and all options"
    )]
    Figure(FigureArgs),
    /// Everything known of one record: where it comes from, what became of it, why
    #[command(
        after_help = "Examples:\n  quire explain OIFM_DEMO_000004\n  quire explain tidal_effusion.fm.json --json\n  quire explain OIFM_DEMO_000004 --server 127.0.0.1:7400"
    )]
    Explain(ExplainArgs),
    /// Caches of this machine or of all agents: statistics; clear them (only time is lost); warm them
    #[command(
        after_help = "Examples:\n  quire cache stats\n  quire cache clear results\n  quire cache warm --server 127.0.0.1:7400"
    )]
    Cache(CacheArgs),
    /// Check this installation and say what to do about each problem
    #[command(after_help = "Example:\n  quire doctor --json")]
    Doctor(DoctorArgs),
    /// Start, watch and cancel runs on agents, through their coordinator
    #[command(
        after_help = "Examples:\n  quire run start catalogues/findings --watch\n  quire run start catalogues/findings --key OIFM_DEMO_000005 --watch\n  quire run list --json\n  quire run cancel findings-12"
    )]
    Run(RunArgs),
    /// Who is there and what they do; settings of one, its slots and weights, its log filter
    #[command(
        after_help = "Examples:\n  quire agents\n  quire agents 127.0.0.1:7402 --json\n  quire agents config quire-fetcher-0-1\n  quire agents tune quire-renderer-3-1 --slots 8 --weights 8,4,2,1\n  quire agents log quire-fetcher-0-1 quire_fetcher=debug --lasts 10m"
    )]
    Agents(AgentsArgs),
    /// Every lane of every stage: what waits, how long, how fast it is worked off
    #[command(
        after_help = concat!("Columns:\n", lane_columns!(), "\n\nExample:\n  quire lanes --json")
    )]
    Lanes(LanesArgs),
    /// Runs, lanes and agents on the terminal, as they change; q ends it
    #[command(
        after_help = concat!("Columns of lanes:\n", lane_columns!(), "\n\nExamples:\n  quire top\n  quire top --once")
    )]
    Top(TopArgs),
    /// Start nothing more of a lane, of an agent or of a whole stage; what runs goes on
    #[command(
        after_help = "Examples:\n  quire pause render --lane low               every renderer, also those that start later\n  quire pause quire-renderer-3-1 --lane low   one of them, until it ends"
    )]
    Pause(LaneAgentArgs),
    /// Undo `quire pause`
    #[command(after_help = "Example:\n  quire resume render --lane low")]
    Resume(LaneAgentArgs),
    /// Have an agent end after what it has begun
    #[command(after_help = "Example:\n  quire drain quire-renderer-3-1")]
    Drain(AgentArgs),
    /// What agents could not process: list, show, replay, drop
    #[command(
        after_help = "Examples:\n  quire dead list\n  quire dead replay --error 'connection refused' --dry-run\n  quire dead drop 17"
    )]
    Dead(DeadArgs),
    /// A folder of queue files as work: fill it, do its jobs, list it, look after dead letters
    #[command(
        after_help = "Examples:\n  quire queue fill catalogues/neurons --all\n  quire queue pop catalogues/neurons --all\n  quire queue list --json"
    )]
    Queue(QueueArgs),
    /// Build, and serve the site on this machine; again after each change, or as the jobs of a queue come
    #[command(
        after_help = "Examples:\n  quire serve                                             every catalogue in ./catalogues\n  quire serve birds --watch                               a look at each change as it is made\n  quire serve catalogues/neurons --queue output/.queue\n  quire queue fill catalogues/neurons --type T4a --priority critical --queue output/.queue\n  curl http://127.0.0.1:8000/-/queue"
    )]
    Serve(ServeArgs),
    /// Prepare a NATS server for the agents
    #[command(after_help = "Example:\n  quire admin apply --nats nats://broker:4222")]
    Admin(AdminArgs),
}

/// Where Quire keeps what it knows between runs.
#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Folder of manifests, packs, caches and index
    #[arg(long, env = "QUIRE_STATE", default_value = ".quire", value_name = "DIR")]
    pub state: PathBuf,
}

/// Arguments of `quire build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Catalogue folders, or definitions in one; without any: each folder in ./catalogues, or . if it is a catalogue
    #[arg(value_name = "DIR")]
    pub catalogues: Vec<PathBuf>,
    /// Where the site goes
    #[arg(long, default_value = "site", value_name = "DIR")]
    pub out: PathBuf,
    /// State folder
    #[command(flatten)]
    pub state: StateArgs,
    /// Do everything anew: ignore what earlier runs found out
    #[arg(long)]
    pub full: bool,
    /// Take catalogues off the site that are not built now
    #[arg(long)]
    pub prune: bool,
    /// Exit with 3 if anything was rejected or dead
    #[arg(long)]
    pub strict: bool,
    /// End with one JSON object on standard output
    #[arg(long)]
    pub json: bool,
    /// Threads for CPU-heavy work; default: one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
}

/// Arguments of `quire check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Catalogue folder, or a definition in one
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    pub catalogue: Option<PathBuf>,
    /// Print the JSON Schema of catalogue.yaml and stop
    #[arg(long)]
    pub schema: bool,
    /// Only the definition, not the records
    #[arg(long)]
    pub no_records: bool,
    /// Exit with 3 if a record would be rejected or dead
    #[arg(long)]
    pub strict: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the catalogue and of its folder: lower-case letters, digits and hyphens
    pub name: String,
}

/// Arguments of `quire search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Words, an id, a name or a synonym; may be left out beside a filter
    #[arg(required_unless_present = "filter")]
    pub query: Vec<String>,
    /// Only this catalogue; default: all that were built
    #[arg(long, value_name = "NAME")]
    pub catalogue: Option<String>,
    /// Only records with this value in this facet
    #[arg(long, value_name = "FIELD=VALUE", value_parser = read_filter)]
    pub filter: Vec<(String, String)>,
    /// Most results a catalogue
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Ask these indexers, one after the other until one answers, instead of the state folder
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub server: Vec<String>,
    /// TLS
    #[command(flatten)]
    pub tls: TlsArgs,
    /// State folder
    #[command(flatten)]
    pub state: StateArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A key; else the name of a page, a location of a source, or a value that a record claims
    pub key: String,
    /// Only this catalogue; default: all
    #[arg(long, value_name = "NAME")]
    pub catalogue: Option<String>,
    /// State folder, if no coordinator is asked
    #[command(flatten)]
    pub state: StateArgs,
    /// The coordinator, if one is asked
    #[command(flatten)]
    pub server: OtherServerArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn read_filter(filter: &str) -> Result<(String, String), &'static str> {
    let (field, value) = filter.split_once('=').ok_or("write FIELD=VALUE, such as tags=CT")?;
    Ok((field.to_owned(), value.to_owned()))
}

/// Arguments of `quire doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Catalogues to look at; without any: each folder in ./catalogues, or . if it is a catalogue
    #[arg(value_name = "DIR")]
    pub catalogues: Vec<PathBuf>,
    /// State folder
    #[command(flatten)]
    pub state: StateArgs,
    /// Where the site goes
    #[arg(long, default_value = "site", value_name = "DIR")]
    pub out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire admin`.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// What to prepare
    #[command(subcommand)]
    pub action: AdminAction,
}

/// What operators do before agents start.
#[derive(Debug, Subcommand)]
pub enum AdminAction {
    /// Create the streams, consumers and buckets, or bring them up to date; repeating it changes nothing
    #[command(after_help = "Example:\n  quire admin apply --nats nats://broker:4222")]
    Apply {
        /// The broker
        #[command(flatten)]
        broker: BrokerArgs,
        /// Copies that the servers keep of everything: 1, or 3 or 5 on a cluster of at least as many
        #[arg(long, default_value_t = 1, value_name = "N")]
        replicas: usize,
        /// Seconds to wait for the servers
        #[arg(long, default_value_t = 10, value_name = "SECONDS")]
        wait: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the coordinator is.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The coordinator; with those that stand by, separated by commas, whoever of them leads
    #[arg(long, env = "QUIRE_SERVER", default_value = "http://127.0.0.1:7400", value_name = "URL")]
    pub server: String,
    /// TLS
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// A lane, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LaneArg {
    /// Someone waits for it now
    Critical,
    /// Soon
    High,
    /// A person's run
    Normal,
    /// Whenever there is room
    Low,
}
