//! Arguments of the commands that look after agents.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{LaneArg, ServerArgs};

/// Arguments of `quire agents`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AgentsArgs {
    /// What to do with one of them; without it, they are told
    #[command(subcommand)]
    pub action: Option<AgentsAction>,
    /// Names or addresses; without any, all that the coordinator has heard of
    #[arg(value_name = "AGENT")]
    pub agents: Vec<String>,
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be done with an agent.
#[derive(Debug, Subcommand)]
pub enum AgentsAction {
    /// Its settings in force, with where each comes from; secrets are not shown
    #[command(after_help = "Example:\n  quire agents config 127.0.0.1:7401")]
    Config {
        /// Which
        #[command(flatten)]
        agent: AgentArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change its slots, and how lanes share them, until it ends
    #[command(after_help = "Example:\n  quire agents tune 127.0.0.1:7404 --slots 8 --weights 8,4,2,1")]
    Tune {
        /// Which
        #[command(flatten)]
        agent: AgentArgs,
        /// Parcels at once, at least 4
        #[arg(long, value_name = "N", required_unless_present = "weights")]
        slots: Option<u32>,
        /// Weights of critical, high, normal and low
        #[arg(long, value_name = "C,H,N,L", value_delimiter = ',')]
        weights: Vec<u32>,
    },
    /// Have it log by another filter for a while
    #[command(after_help = "Example:\n  quire agents log 127.0.0.1:7401 quire_fetcher=debug --lasts 10m")]
    Log {
        /// Which
        #[command(flatten)]
        agent: AgentArgs,
        /// A filter as in RUST_LOG
        filter: String,
        /// For how long: at most a day
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = read_duration)]
        lasts: Duration,
    },
}

/// One agent.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Its name or address, as `quire agents` tells them
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// The coordinator, which knows where agents of that name are
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `quire pause` and `quire resume`.
#[derive(Debug, Args)]
pub struct LaneAgentArgs {
    /// A stage (fetch, validate, index, render) for all its agents, or the name or address of one
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// The lane; all of them without one
    #[arg(long, value_enum)]
    pub lane: Option<LaneArg>,
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `quire lanes`.
#[derive(Debug, Args)]
pub struct LanesArgs {
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quire top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The coordinator
    #[command(flatten)]
    pub server: ServerArgs,
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = read_duration)]
    pub every: Duration,
    /// Print it once, as text
    #[arg(long)]
    pub once: bool,
}

/// Reads `30s`, `10m`, `2h`, `1d`.
fn read_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "write a number and a unit: 30s, 10m, 2h, 1d";
    let unit = text.chars().last().ok_or(EXPECTED)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(EXPECTED),
    };
    let number: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| EXPECTED)?;
    match number.checked_mul(seconds) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(EXPECTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(read_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "s", "10", "0s", "-1s", "1.5h", "99999999999999999999d", "999999999999999999d"] {
            assert!(read_duration(text).is_err(), "{text}");
        }
    }
}
