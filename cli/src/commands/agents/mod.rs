//! `quire agents`, `pause`, `resume`, `drain`: the control planes of agents.

mod change;
mod list;
mod reach;

use crate::{AgentsAction, AgentsArgs, Exit};

pub use change::{drain, pause, resume};
pub(super) use list::{Told, table};
pub(super) use reach::{all, each};

/// Tells what agents do, or changes one of them.
///
/// # Errors
/// If one that is asked cannot be reached or refuses.
pub fn run(args: &AgentsArgs) -> anyhow::Result<Exit> {
    match &args.action {
        None => list::list(args),
        Some(AgentsAction::Config { agent, json }) => list::config(agent, *json),
        Some(AgentsAction::Tune { agent, slots, weights }) => change::tune(agent, *slots, weights),
        Some(AgentsAction::Log { agent, filter, lasts }) => change::log(agent, filter, *lasts),
    }
}
