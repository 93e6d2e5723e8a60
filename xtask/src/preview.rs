//! The ready catalogues on a loopback port, as `quire serve` has them.

use clap::Args;

use crate::command::{self, cargo};

/// Where to serve.
#[derive(Args)]
pub(crate) struct SiteArgs {
    /// Loopback port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub(crate) fn run(args: &SiteArgs) -> anyhow::Result<()> {
    let listen = format!("127.0.0.1:{}", args.port);
    command::run(cargo().args(["run", "--release", "--quiet", "--", "serve", "--watch", "--listen", &listen]))
}
