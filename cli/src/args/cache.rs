//! Arguments of `quire cache`.

use clap::{Args, Subcommand};

use super::{OtherServerArgs, ServerArgs, StateArgs};

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
    /// Entries and bytes of each cache; hits and misses too, where agents are asked
    #[command(
        after_help = "Examples:\n  quire cache stats --json\n  quire cache stats --server 127.0.0.1:7400"
    )]
    Stats {
        /// State folder, if no coordinator is asked
        #[command(flatten)]
        state: StateArgs,
        /// The coordinator that knows the agents to ask
        #[command(flatten)]
        server: OtherServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Empty one cache, or all
    #[command(after_help = "Example:\n  quire cache clear memo")]
    Clear {
        /// Name of the cache; without it: all
        name: Option<String>,
        /// State folder, if no coordinator is asked
        #[command(flatten)]
        state: StateArgs,
        /// The coordinator that knows the agents to ask
        #[command(flatten)]
        server: OtherServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Have agents bring into memory what lies on their disks, and what they share
    #[command(after_help = "Example:\n  quire cache warm results --server 127.0.0.1:7400")]
    Warm {
        /// Name of the cache; without it: all
        name: Option<String>,
        /// The coordinator that knows the agents to ask
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
