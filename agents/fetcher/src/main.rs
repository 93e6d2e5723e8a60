//! `quire-fetcher`: the stage *fetch* as a process.

use std::path::PathBuf;

use quire_cache::CacheOptions;
use quire_catalogue::Catalogues;
use quire_fetcher::{Fetcher, FetcherOptions, MEMO};
use quire_runtime::process::{self, Process, Program, StageRole};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-fetcher",
    about: "Lists and reads the sources of catalogues",
    stage: "fetch",
    port: 7401,
};

/// What a fetcher is told beside what every process is.
#[derive(Debug, Clone, clap::Args)]
struct Args {
    /// Folder with a folder a catalogue, named after it: relative roots of file sources start there
    #[arg(long, env = "QUIRE_DATA", default_value = "catalogues", value_name = "DIR")]
    data: PathBuf,
}

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |args: Args, _| {
        Ok(StageRole::new(move |process: &Process| {
            let left_out = [Some(process.state.folder()), process.store.folder()];
            let left_out =
                left_out.into_iter().flatten().filter_map(|path| path.canonicalize().ok()).collect();
            let meter = Some(process.telemetry.meter());
            let options =
                FetcherOptions { data: Some(args.data), left_out, meter, ..FetcherOptions::default() };
            let memo = process.caches.cache(MEMO, CacheOptions::default());
            Ok(Fetcher::new(options, Catalogues::new(), memo))
        }))
    })
}
