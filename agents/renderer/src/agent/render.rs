//! One record made now: a run of its key, and its pages once they are published.

use quire_api::{
    page::{File, RenderRequest, RenderResponse},
    run::{
        DefinitionFile, Lane, Run, StartRequest, State, WatchRequest, run_service_client::RunServiceClient,
    },
};
use quire_catalogue::Bundle;
use quire_proto::manifest::Manifest;
use quire_runtime::{
    Store, chain, manifests,
    process::{PeerError, Process},
};
use tonic::{Code, Status, transport::Channel};

use super::service::{blocking, failed, newest};

/// Largest word of a run: its report.
const MAX_ANSWER_BYTES: usize = 64 << 20;

type Client = RunServiceClient<Channel>;

pub(super) async fn render(process: &Process, request: RenderRequest) -> Result<RenderResponse, Status> {
    let RenderRequest { catalogue, key } = request;
    if key.is_empty() {
        return Err(Status::invalid_argument("no key is named: name one"));
    }
    let (store, name) = (process.store.clone(), catalogue.clone());
    let files = blocking(move || definition(&store, &newest(&store, &name)?)).await?;
    let mut client = client(process).await?;
    let keys = vec![key.clone()];
    let request = StartRequest { files, full: false, lane: Lane::Critical.into(), keys };
    let started = client.start(request).await.map_err(broken)?.into_inner().run.unwrap_or_default();
    let run = end_of(&mut client, started).await?;
    let store = process.store.clone();
    blocking(move || answer(&store, run, &catalogue, &key)).await
}

/// The files of the definition that a manifest was made by.
fn definition(store: &Store, manifest: &Manifest) -> Result<Vec<DefinitionFile>, Status> {
    let bytes = store.get_blob(&manifest.catalogue.bundle).map_err(|error| failed(&error))?;
    let bundle = Bundle::decode(&bytes).map_err(|error| failed(&error))?;
    let file =
        |(path, content): (&str, &[u8])| DefinitionFile { path: path.to_owned(), content: content.to_vec() };
    Ok(bundle.files().map(file).collect())
}

async fn client(process: &Process) -> Result<Client, Status> {
    let channel = process.coordinator().await.map_err(|error| match error {
        PeerError::Certificates(_) => Status::internal(chain(&error)),
        _ => Status::unavailable(chain(&error)),
    })?;
    Ok(Client::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES))
}

/// What a first call that broke means: with TLS, only then it shows whether the coordinator takes this agent's certificate.
fn broken(status: Status) -> Status {
    if status.code() != Code::Unknown {
        return status;
    }
    let why = status.message();
    Status::unavailable(format!(
        "the connection to the coordinator broke ({why}); with TLS, the certificate of this agent has to be good for clients, too"
    ))
}

/// Waits for a run; it goes on though whoever asked has gone.
async fn end_of(client: &mut Client, started: Run) -> Result<Run, Status> {
    let mut words = client.watch(WatchRequest { id: started.id.clone() }).await?.into_inner();
    while let Some(word) = words.message().await? {
        let run = word.run.unwrap_or_default();
        match run.state() {
            State::Unspecified | State::Running => {}
            State::Done => return Ok(run),
            State::Failed => return Err(Status::aborted(format!("run {} failed: {}", run.id, run.error))),
            State::Cancelled => return Err(Status::aborted(format!("run {} was cancelled", run.id))),
        }
    }
    Err(Status::unavailable(format!("nothing more is heard of run {}", started.id)))
}

fn answer(store: &Store, run: Run, catalogue: &str, key: &str) -> Result<RenderResponse, Status> {
    let manifest = newest(store, catalogue)?;
    let entry = manifests::entry(store, &manifest, key).map_err(|error| failed(&error))?;
    let Some(entry) = entry else {
        let message = format!("no record {key:?} in {catalogue}: `quire explain` says what became of it");
        return Err(Status::not_found(message));
    };
    let mut files = Vec::with_capacity(entry.files.len());
    for file in entry.files {
        let content = store.get_slice(&file.from).map_err(|error| failed(&error))?.to_vec();
        files.push(File { path: file.path, content });
    }
    Ok(RenderResponse { run: run.id, epoch: manifest.epoch.0, files })
}
