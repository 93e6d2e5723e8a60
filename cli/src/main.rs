//! `quire`: turns scientific sources into a searchable web site, and says what it rejected.

use clap::Parser as _;

/// A build allocates and frees millions of small values on every core: with the system's allocator a fifth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    quire_cli::run(quire_cli::Cli::parse()).into()
}
