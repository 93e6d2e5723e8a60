//! The library behind `quire`: the embedded build (all agents in one process) and every command a person types.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this crate talks to the person at the terminal"
)]

mod args;
pub mod commands;
mod definition;
pub mod edge;
pub mod embedded;
mod exit;
mod output;
mod progress;
mod queue;
mod remote;
mod summary;

pub use args::{
    AdminAction, AdminArgs, AgentArgs, AgentsAction, AgentsArgs, BuildArgs, CacheAction, CacheArgs,
    ChangeDeadArgs, CheckArgs, Cli, Command, CoordinatesArg, DeadAction, DeadArgs, DeadFilterArgs,
    DeadJobsArgs, DoctorArgs, ExplainArgs, EyemapArgs, FigureArgs, FigureKind, FillArgs, LaneAgentArgs,
    LaneArg, LanesArgs, NewArgs, OtherServerArgs, PaletteArg, PopArgs, QueueAction, QueueArgs,
    QueueFolderArgs, ReplayDeadArgs, RunAction, RunArgs, ScaleArg, SearchArgs, ServeArgs, ServerArgs,
    SideArg, StartArgs, StateArgs, TlsArgs, TooltipsArg, TopArg, TopArgs, WorkArgs,
};
pub use exit::Exit;
use quire_runtime::telemetry::LogOptions;

/// What is logged unless `RUST_LOG` says otherwise. What becomes of parcels, the report tells, and the first of their
/// errors; what the caches' store thinks of a full disk, the caches tell.
const LOGS: &str = "warn,quire_runtime::parcels=off,sled=off";

/// Runs a command to its end and says how it ended; errors are printed with their causes.
pub fn run(cli: Cli) -> Exit {
    if let Err(error) = quire_runtime::telemetry::init(&LogOptions {
        default_filter: LOGS.to_owned(),
        ..LogOptions::default()
    }) {
        output::error(&error.into());
        return Exit::Usage;
    }
    let result = match &cli.command {
        Command::Build(args) => commands::build::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::New(args) => commands::new::run(args),
        Command::Search(args) => commands::search::run(args),
        Command::Figure(args) => commands::figure::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Cache(args) => commands::cache::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::Agents(args) => commands::agents::run(args),
        Command::Lanes(args) => commands::lanes::run(args),
        Command::Top(args) => commands::top::run(args),
        Command::Pause(args) => commands::agents::pause(args),
        Command::Resume(args) => commands::agents::resume(args),
        Command::Drain(args) => commands::agents::drain(args),
        Command::Dead(args) => commands::dead::run(args),
        Command::Queue(args) => commands::queue::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Admin(args) => commands::admin::run(args),
    };
    result.unwrap_or_else(|error| {
        output::error(&error);
        Exit::of(&error)
    })
}
