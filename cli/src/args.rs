//! The command line: names, flags, help. What the commands do is in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
        after_help = "Examples:\n  quire search 'pulmonary embolism'\n  quire search embolism --catalogue findings --filter tags=CT --limit 5 --json"
    )]
    Search(SearchArgs),
    /// Statistics of the caches, or clear them (only time is lost)
    #[command(after_help = "Examples:\n  quire cache stats\n  quire cache clear results")]
    Cache(CacheArgs),
    /// Check this installation and say what to do about each problem
    #[command(after_help = "Example:\n  quire doctor --json")]
    Doctor(DoctorArgs),
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
    /// Catalogue folders; without any: each folder in ./catalogues, or . if it is a catalogue
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
    /// Catalogue folder
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    pub catalogue: Option<PathBuf>,
    /// Print the JSON Schema of catalogue.yaml and stop
    #[arg(long)]
    pub schema: bool,
    /// Only the definition, not the records
    #[arg(long)]
    pub no_records: bool,
    /// Exit with 3 if a record would be rejected
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
    /// State folder
    #[command(flatten)]
    pub state: StateArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn read_filter(filter: &str) -> Result<(String, String), &'static str> {
    let (field, value) = filter.split_once('=').ok_or("write FIELD=VALUE, such as tags=CT")?;
    Ok((field.to_owned(), value.to_owned()))
}

/// Arguments of `quire cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// What to do with the caches
    #[command(subcommand)]
    pub action: CacheAction,
}

/// Actions on caches.
#[derive(Debug, Subcommand)]
pub enum CacheAction {
    /// Entries and bytes of each cache
    #[command(after_help = "Example:\n  quire cache stats --json")]
    Stats {
        /// State folder
        #[command(flatten)]
        state: StateArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Empty one cache, or all
    #[command(after_help = "Example:\n  quire cache clear memo")]
    Clear {
        /// Name of the cache; without it: all
        name: Option<String>,
        /// State folder
        #[command(flatten)]
        state: StateArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `quire doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
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
        /// Seconds to wait for the servers
        #[arg(long, default_value_t = 10, value_name = "SECONDS")]
        wait: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the broker is.
#[derive(Debug, Clone, Args)]
pub struct BrokerArgs {
    /// NATS servers, separated by commas; a user and password may stand before an @
    #[arg(
        long = "nats",
        env = "QUIRE_NATS_URL",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222",
        value_name = "URL"
    )]
    pub url: String,
    /// NATS credentials file
    #[arg(long = "nats-creds", env = "QUIRE_NATS_CREDS", value_name = "FILE")]
    pub credentials: Option<PathBuf>,
}
