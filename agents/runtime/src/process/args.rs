//! Settings that every process has.

use std::{
    net::SocketAddr,
    num::{NonZero, ParseIntError},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, ValueEnum};

use super::{BrokerArgs, ListenTlsArgs};
use crate::{
    scheduler::{MIN_SLOTS, too_few_slots},
    telemetry::LogFormat,
};

/// Settings that every process has. Each is a flag, a variable and a key of the settings file.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// A TOML file of settings; its keys are the names of the flags
    #[arg(long, env = "QUIRE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings in force with the origin of each, without secrets, and end
    #[arg(long)]
    pub print_config: bool,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// The object store that all agents share; the site is under site/ in it
    #[arg(long, env = "QUIRE_STORE", value_name = "URL")]
    pub store: String,
    /// Folder of this process for caches, the index and temporary files
    #[arg(long, env = "QUIRE_STATE", default_value = ".quire", value_name = "DIR")]
    pub state: PathBuf,
    /// Address of gRPC and HTTP; only loopback, unless there is TLS
    #[arg(long, env = "QUIRE_LISTEN", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// TLS there.
    #[command(flatten)]
    pub tls: ListenTlsArgs,
    /// The address at which others reach it, as the register of agents tells it; without it, the one it listens at
    #[arg(long, env = "QUIRE_ADVERTISE", value_name = "ADDR")]
    pub advertise: Option<String>,
    /// One more address, which serves only health, probes and metrics
    #[arg(long, env = "QUIRE_HEALTH_LISTEN", value_name = "ADDR")]
    pub health_listen: Option<SocketAddr>,
    /// Share outcomes with other agents through the broker, beside the caches of this process
    #[arg(long, env = "QUIRE_SHARED_CACHE")]
    pub shared_cache: bool,
    /// Parcels at once, at least 4; without it, two more than there are cores, and at least 4
    #[arg(long, env = "QUIRE_SLOTS", default_value_t = default_slots(), hide_default_value = true, value_parser = slots, value_name = "N")]
    pub slots: usize,
    /// Seconds that running work gets to end when the process is told to
    #[arg(long, env = "QUIRE_DRAIN_SECONDS", default_value_t = 20, value_name = "N")]
    pub drain_seconds: u64,
    /// Make streams, consumers and buckets that are missing; otherwise `quire admin apply` does
    #[arg(long, env = "QUIRE_DEV")]
    pub dev: bool,
    /// How log lines look
    #[arg(long, env = "QUIRE_LOG_FORMAT", value_enum, default_value_t = LogFormatArg::Json, value_name = "FORMAT")]
    pub log_format: LogFormatArg,
}

/// As many as keep all cores busy while others wait for the store or the broker.
fn default_slots() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    (cores + 2).max(MIN_SLOTS)
}

/// Reads a number of slots, which may not be less than what the lanes need.
fn slots(text: &str) -> Result<usize, String> {
    let slots: usize = text.parse().map_err(|error: ParseIntError| error.to_string())?;
    if slots < MIN_SLOTS { Err(too_few_slots()) } else { Ok(slots) }
}

impl ProcessArgs {
    /// How long running work gets.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// How log lines look, as a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatArg {
    /// For people
    Text,
    /// An object a line
    Json,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

/// A process has no settings of its own.
#[derive(Debug, Clone, Copy, Args)]
pub struct NoArgs {}

/// All settings of a process.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub(super) struct AllArgs<A: Args> {
    #[command(flatten)]
    pub(super) process: ProcessArgs,
    #[command(flatten)]
    pub(super) own: A,
}
