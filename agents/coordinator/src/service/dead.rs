//! Dead letters: looked through, replayed, dropped.
//!
//! What is dead is tried again by every run of its catalogue, so to replay letters is to begin a run of their catalogues:
//! it alone has what it makes published, and what dies again leaves a new letter.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quire_api::run::{
    DeadFilter, DeadLetter as Told, ListDeadRequest, ListDeadResponse, ReplayDeadRequest, ReplayDeadResponse,
};
use quire_catalogue::Bundle;
use quire_proto::{CatalogueRef, Lane, Parcel, codec};
use quire_runtime::{
    DeadLetter,
    broker::{AdminError, Broker, DeadLetter as Letter},
    telemetry::trace,
};
use tonic::Status;
use tracing::Span;

use super::{
    lead::Leading,
    runs::not_begun,
    work::{Asked, start},
};

/// Letters told unless the request says how many.
const LISTED: u32 = 100;
/// Letters read at once.
const PAGE: usize = 256;
/// Subjects told of one letter.
const MAX_SUBJECTS: usize = 8;

/// A letter and what it holds, where that can be read.
struct Read {
    letter: Letter,
    held: Option<DeadLetter>,
}

impl From<Letter> for Read {
    fn from(letter: Letter) -> Self {
        let held = codec::decode(&letter.message.payload).ok();
        Self { letter, held }
    }
}

impl Read {
    fn parcel(&self) -> Option<&Parcel> {
        self.held.as_ref()?.parcel.as_ref()
    }

    fn tell(&self) -> Told {
        let mut told = Told {
            number: self.letter.number,
            trace_id: trace::trace_id(&self.letter.message).unwrap_or_default(),
            ..Told::default()
        };
        let Some(held) = &self.held else {
            "this letter cannot be read".clone_into(&mut told.error);
            return told;
        };
        told.stage = held.stage.to_string();
        told.error.clone_from(&held.error);
        told.attempts = held.attempts;
        if let Some(parcel) = &held.parcel {
            told.catalogue.clone_from(&parcel.header.catalogue.name);
            told.run = parcel.header.run.to_string();
            told.lane = parcel.header.lane.to_string();
            told.subjects = held.subjects().into_iter().take(MAX_SUBJECTS).collect();
        }
        told
    }

    /// The parcel as JSON, or what was none as text.
    fn payload(&self) -> String {
        match (self.parcel(), &self.held) {
            (Some(parcel), _) => serde_json::to_string_pretty(parcel).unwrap_or_default(),
            (None, Some(held)) => String::from_utf8_lossy(&held.message).into_owned(),
            (None, None) => String::from_utf8_lossy(&self.letter.message.payload).into_owned(),
        }
    }

    fn passes(&self, filter: &DeadFilter) -> bool {
        let told = self.tell();
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        (filter.numbers.is_empty() || filter.numbers.contains(&told.number))
            && is(&filter.catalogue, &told.catalogue)
            && is(&filter.stage, &told.stage)
            && told.error.contains(&filter.error)
    }
}

fn failed(error: AdminError) -> Status {
    match error {
        AdminError::NoLetter { .. } => Status::not_found(error.to_string()),
        AdminError::Denied { .. } => Status::permission_denied(error.to_string()),
        error => Status::unavailable(quire_runtime::chain(&error)),
    }
}

/// The letters that pass a filter, oldest first.
struct Letters<'a> {
    broker: &'a Broker,
    filter: DeadFilter,
    after: u64,
    page: std::vec::IntoIter<Letter>,
}

impl<'a> Letters<'a> {
    fn new(broker: &'a Broker, filter: Option<DeadFilter>, after: u64) -> Self {
        Self { broker, filter: filter.unwrap_or_default(), after, page: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<Read>, Status> {
        loop {
            for letter in self.page.by_ref() {
                let read = Read::from(letter);
                if read.passes(&self.filter) {
                    return Ok(Some(read));
                }
            }
            let page = self.broker.dead_letters(self.after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(None) };
            self.after = last.number;
            self.page = page.into_iter();
        }
    }
}

pub(super) async fn list(broker: &Broker, request: ListDeadRequest) -> Result<ListDeadResponse, Status> {
    let ListDeadRequest { filter, after, limit } = request;
    let limit = usize::try_from(if limit == 0 { LISTED } else { limit }).unwrap_or(usize::MAX);
    let mut found = Letters::new(broker, filter, after);
    let mut letters = Vec::<Told>::new();
    while let Some(read) = found.next().await? {
        if letters.len() >= limit {
            let next = letters.last().map_or(0, |last| last.number);
            return Ok(ListDeadResponse { letters, next });
        }
        letters.push(read.tell());
    }
    Ok(ListDeadResponse { letters, next: 0 })
}

/// The first letters of parcels that have `subject`.
pub(super) async fn of_subject(
    broker: &Broker,
    filter: DeadFilter,
    subject: &str,
) -> Result<Vec<Told>, Status> {
    let mut found = Letters::new(broker, Some(filter), 0);
    let mut letters = Vec::new();
    while letters.len() < LISTED as usize
        && let Some(read) = found.next().await?
    {
        let subjects = read.held.iter().flat_map(DeadLetter::subjects);
        if subjects.into_iter().any(|held| held == subject || held.ends_with(&format!(":{subject}"))) {
            letters.push(read.tell());
        }
    }
    Ok(letters)
}

pub(super) async fn get(broker: &Broker, number: u64) -> Result<Told, Status> {
    let letter = broker.dead_letter(number).await.map_err(failed)?;
    let letter = letter.ok_or_else(|| failed(AdminError::NoLetter { number }))?;
    let read = Read::from(letter);
    Ok(Told { payload: read.payload(), ..read.tell() })
}

/// Refuses numbers of which there is no letter: whoever names them means something else.
async fn check_numbers(broker: &Broker, filter: Option<&DeadFilter>) -> Result<(), Status> {
    for &number in filter.iter().flat_map(|filter| &filter.numbers) {
        get(broker, number).await?;
    }
    Ok(())
}

/// Letters of one catalogue.
struct Group {
    catalogue: CatalogueRef,
    lane: Lane,
    numbers: Vec<u64>,
}

/// Begins a run of each catalogue that letters are of, and drops those letters. In `lane`, or the most urgent that one of
/// the letters had.
pub(super) async fn replay(
    leading: &Arc<Leading>,
    request: ReplayDeadRequest,
    lane: Option<Lane>,
) -> Result<ReplayDeadResponse, Status> {
    check_numbers(&leading.broker, request.filter.as_ref()).await?;
    let mut answer = ReplayDeadResponse::default();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut found = Letters::new(&leading.broker, request.filter, 0);
    while let Some(read) = found.next().await? {
        let Some(parcel) = read.parcel() else {
            answer.skipped += 1;
            continue;
        };
        let (catalogue, urgency) =
            (parcel.header.catalogue.clone(), lane.unwrap_or(parcel.header.lane.max(Lane::High)));
        let new = Group { catalogue, lane: urgency, numbers: Vec::new() };
        let group = groups.entry(new.catalogue.name.clone()).or_insert(new);
        group.lane = group.lane.min(urgency);
        group.numbers.push(read.letter.number);
    }
    for group in groups.into_values() {
        let Some(bundle) = definition(leading, &group.catalogue).await? else {
            tracing::warn!(catalogue = group.catalogue.name, "its definition is gone: start a run of it");
            answer.skipped += group.numbers.len() as u64;
            continue;
        };
        answer.replayed += group.numbers.len() as u64;
        if !request.dry_run {
            answer.runs.push(begin(leading, group, bundle).await?);
        }
    }
    Ok(answer)
}

/// The catalogue's definition: the last that was committed, or that of the letter.
async fn definition(leading: &Leading, catalogue: &CatalogueRef) -> Result<Option<Bundle>, Status> {
    let found = leading.definition(&catalogue.name, Some(catalogue.bundle)).await;
    found.map_err(|error| not_begun(&error))
}

async fn begin(leading: &Arc<Leading>, group: Group, bundle: Bundle) -> Result<String, Status> {
    let asked = Asked {
        bundle,
        full: false,
        anew: false,
        lane: group.lane,
        keys: BTreeSet::new(),
        replaces: Vec::new(),
    };
    let place = leading.place()?;
    // On its own: whoever asks may go away meanwhile.
    let starting = start(Arc::clone(leading), asked, Some(place), Span::current());
    let known = leading.tasks.spawn(starting).await.map_err(|error| Status::internal(error.to_string()))?;
    let run = known.map_err(|error| not_begun(&error))?.now().id;
    for letter in group.numbers {
        leading.broker.drop_dead_letter(letter).await.map_err(failed)?;
        tracing::info!(target: "quire_audit", action = "replay", letter, run, "dead letter replayed");
    }
    Ok(run)
}

pub(super) async fn drop_all(
    broker: &Broker,
    filter: Option<DeadFilter>,
    dry_run: bool,
) -> Result<u64, Status> {
    check_numbers(broker, filter.as_ref()).await?;
    let mut found = Letters::new(broker, filter, 0);
    let mut dropped = 0;
    while let Some(read) = found.next().await? {
        if dry_run {
            dropped += 1;
        } else if broker.drop_dead_letter(read.letter.number).await.map_err(failed)? {
            dropped += 1;
            tracing::info!(target: "quire_audit", action = "drop", letter = read.letter.number, "dead letter dropped");
        }
    }
    Ok(dropped)
}
