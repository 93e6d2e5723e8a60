//! Dead letters: looked through, replayed, dropped.

mod record;
mod replay;
mod tried;

use quire_api::run::{DeadFilter, DeadLetter as Told, ListDeadRequest, ListDeadResponse};
use quire_proto::{Parcel, codec};
use quire_runtime::{
    DeadLetter, Store,
    broker::{AdminError, Broker, DeadLetter as Letter},
    process::audit,
    telemetry::trace,
};
use tonic::Status;

pub(super) use replay::replay;
pub(super) use tried::Tried;

use super::lead::Leading;
use crate::{published_catalogues, task::on_thread};

/// Letters told unless the request says how many.
const LISTED: u32 = 100;
/// Letters read at once.
const PAGE: usize = 256;
/// Subjects told of one letter.
const MAX_SUBJECTS: usize = 8;
/// Letters that may be named by number.
const MAX_NUMBERS: usize = 1_000;

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
            (Some(parcel), _) => record::json_of(parcel),
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
        let mut filter = filter.unwrap_or_default();
        filter.numbers.sort_unstable();
        Self { broker, filter, after, page: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<Read>, Status> {
        loop {
            for letter in self.page.by_ref() {
                let read = Read::from(letter);
                if read.passes(&self.filter) {
                    return Ok(Some(read));
                }
            }
            let page = self.page().await?;
            let Some(last) = page.last() else { return Ok(None) };
            self.after = last.number;
            self.page = page.into_iter();
        }
    }

    /// Some letters after those that were seen; none if there are no more.
    async fn page(&mut self) -> Result<Vec<Letter>, Status> {
        if self.filter.numbers.is_empty() {
            return self.broker.dead_letters(self.after, PAGE).await.map_err(failed);
        }
        // There may be many others.
        let wanted = self.filter.numbers.iter().filter(|number| **number > self.after);
        for &number in wanted {
            if let Some(letter) = self.broker.dead_letter(number).await.map_err(failed)? {
                return Ok(vec![letter]);
            }
        }
        Ok(Vec::new())
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

/// One letter with its payload and the records that it is about.
pub(super) async fn get(broker: &Broker, store: &Store, number: u64) -> Result<Told, Status> {
    let read = Read::from(letter(broker, number).await?);
    let (payload, told, store) = (read.payload(), read.tell(), store.clone());
    let texts = move || {
        let held = read.held?;
        let subjects = held.subjects();
        Some(record::all(&store, &held.parcel?.work, subjects))
    };
    let records = on_thread(move || Ok(texts().unwrap_or_default()))
        .await
        .map_err(|error| Status::internal(quire_runtime::chain(&error)))?;
    Ok(Told { payload, records, ..told })
}

async fn letter(broker: &Broker, number: u64) -> Result<Letter, Status> {
    let letter = broker.dead_letter(number).await.map_err(failed)?;
    letter.ok_or_else(|| failed(AdminError::NoLetter { number }))
}

/// Refuses numbers of which there is no letter: whoever names them means something else.
async fn check_numbers(broker: &Broker, filter: Option<&DeadFilter>) -> Result<(), Status> {
    let numbers = filter.map_or(&[][..], |filter| &filter.numbers);
    if numbers.len() > MAX_NUMBERS {
        let count = numbers.len();
        return Err(Status::invalid_argument(format!(
            "at most {MAX_NUMBERS} letters by number, not {count}"
        )));
    }
    for &number in numbers {
        letter(broker, number).await?;
    }
    Ok(())
}

/// Refuses a catalogue that nobody knows: whoever names it means another one.
pub(super) async fn check_catalogue(leading: &Leading, filter: Option<&DeadFilter>) -> Result<(), Status> {
    let Some(catalogue) = filter.map(|filter| filter.catalogue.clone()).filter(|name| !name.is_empty())
    else {
        return Ok(());
    };
    let store = leading.store.clone();
    let known = on_thread(move || published_catalogues(&store))
        .await
        .map_err(|error| Status::internal(quire_runtime::chain(&error)))?;
    // One that was never published may have letters all the same.
    let only = DeadFilter { catalogue: catalogue.clone(), ..DeadFilter::default() };
    if known.contains(&catalogue)
        || !leading.table.list(&catalogue, 1).is_empty()
        || Letters::new(&leading.broker, Some(only), 0).next().await?.is_some()
    {
        return Ok(());
    }
    let known: Vec<String> = known.into_iter().collect();
    let there = if known.is_empty() {
        "none is published yet".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    Err(Status::not_found(format!("no catalogue is named `{catalogue}`: {there}")))
}

pub(super) async fn drop_all(
    broker: &Broker,
    filter: Option<DeadFilter>,
    dry_run: bool,
    from: &str,
) -> Result<u64, Status> {
    check_numbers(broker, filter.as_ref()).await?;
    let mut found = Letters::new(broker, filter, 0);
    let mut dropped = 0;
    while let Some(read) = found.next().await? {
        if dry_run {
            dropped += 1;
        } else if broker.drop_dead_letter(read.letter.number).await.map_err(failed)? {
            dropped += 1;
            audit(from, "drop a dead letter", &read.letter.number.to_string());
        }
    }
    Ok(dropped)
}
