//! `quire`: turns scientific sources into a searchable web site, and says what it rejected.

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    quire_cli::run(quire_cli::Cli::parse()).into()
}
