//! `quire run start`.

use quire_api::run::{DefinitionFile, Run, StartRequest};
use quire_proto::{BuildReport, Digest, RunReport};
use serde::Serialize;

use super::{Told, client, exit_of, report, tell, watch::watch};
use crate::{
    Exit, LaneArg, StartArgs, definition,
    embedded::{CatalogueFolder, find_catalogues},
    output,
    remote::{DEADLINE, Servers},
};

/// What was begun, and with `--watch` what became of it.
#[derive(Default)]
struct Begun {
    told: Vec<Told>,
    reports: Vec<RunReport>,
    /// The site after the last run.
    manifest: Option<Digest>,
}

/// Begins a run of each catalogue. What goes wrong with one keeps none of the others from being begun.
pub(super) async fn start(args: &StartArgs) -> anyhow::Result<Exit> {
    let folders = find_catalogues(&args.catalogues)?;
    let mut servers = Servers::of(&args.server)?;
    let (mut begun, mut exit) = (Begun::default(), Exit::Done);
    for folder in folders {
        let ended = match one(&mut servers, args, &folder, &mut begun).await {
            Ok(exit) => exit,
            Err(error) => {
                output::error(&error);
                Exit::of(&error)
            }
        };
        exit = exit.worse(ended);
        if ended == Exit::Unreachable {
            break;
        }
    }
    if args.json {
        begun.print(args.watch)?;
    }
    Ok(exit)
}

async fn one(
    servers: &mut Servers,
    args: &StartArgs,
    folder: &CatalogueFolder,
    begun: &mut Begun,
) -> anyhow::Result<Exit> {
    definition::refuse_to_send(folder)?;
    let run = begin(servers, args, folder).await?;
    if !args.watch {
        if !args.json {
            output::text(&run.id)?;
        }
        begun.told.push(Told::from(run));
        return Ok(Exit::Done);
    }
    let ended = watch(servers, run.id, true).await?;
    let report = report(&ended)?;
    if !args.json {
        tell(&ended, &report)?;
    }
    let exit = exit_of(&report, args.strict);
    begun.manifest = Some(report.manifest);
    begun.reports.extend(report.runs);
    Ok(exit)
}

async fn begin(servers: &mut Servers, args: &StartArgs, folder: &CatalogueFolder) -> anyhow::Result<Run> {
    let files = folder.bundle.files();
    let files =
        files.map(|(path, content)| DefinitionFile { path: path.to_owned(), content: content.to_vec() });
    let lane = args.lane.map_or(0, LaneArg::number);
    let request = StartRequest { files: files.collect(), full: args.full, lane, keys: args.keys.clone() };
    let start = async |channel| client(channel).start(request.clone()).await;
    Ok(servers.ask(DEADLINE, start).await?.run.unwrap_or_default())
}

impl Begun {
    /// One object, whatever the number of runs; nothing if no run that was waited for ended well.
    fn print(self, watched: bool) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Runs {
            runs: Vec<Told>,
        }
        match self.manifest {
            Some(manifest) => output::json(&BuildReport { runs: self.reports, manifest }),
            None if watched => Ok(()),
            None => output::json(&Runs { runs: self.told }),
        }
    }
}
